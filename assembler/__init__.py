"""brasm: packs a root filesystem into a minimal, reproducible OCI image.

The way through the house, and the rule that keeps it, are in `decisions/0001-one-way-through.md`.
"""

__version__ = "0.1.0"
