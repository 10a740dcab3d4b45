"""Benchmarks of images: rounds in which each has its turn."""
