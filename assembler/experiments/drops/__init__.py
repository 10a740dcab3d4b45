"""Drops: the search for what no test misses, and the patch that leaves it out."""
