"""The command line: one file a verb; arguments in, one call of the pipeline, a rendering out."""

from assembler.cli.app import main

__all__ = ["main"]
