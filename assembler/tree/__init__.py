"""Root filesystems as values: entries, and the immutable tree that holds them."""

from assembler.tree.entry import Device, Directory, Entry, Fifo, Regular, Symlink, replace, size_of, type_name
from assembler.tree.tree import Found, Missing, Tree, missing_directory

__all__ = [
    "Device",
    "Directory",
    "Entry",
    "Fifo",
    "Found",
    "Missing",
    "Regular",
    "Symlink",
    "Tree",
    "missing_directory",
    "replace",
    "size_of",
    "type_name",
]
