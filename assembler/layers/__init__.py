"""Rendering: a plan's entries are grouped into layers, written as tar, compressed, and composed into an image."""
