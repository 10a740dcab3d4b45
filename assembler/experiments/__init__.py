"""Experiments: trials over options, each a value in a file of results; benchmarks of images; reports of both."""
