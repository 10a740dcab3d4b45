"""Dynamic loaders: for each libc, which files it would map for a program, in which order, and why there."""

from assembler.graph.loaders.base import Load, Loader
from assembler.graph.loaders.choose import Loaders, loader_for

__all__ = ["Load", "Loader", "Loaders", "loader_for"]
