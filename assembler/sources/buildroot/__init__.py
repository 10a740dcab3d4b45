"""Buildroot's output folder as a root filesystem: what fs/common.mk does under fakeroot, done on a tree in memory."""

from assembler.sources.buildroot.output import is_output, output_of, read_output

__all__ = ["is_output", "output_of", "read_output"]
