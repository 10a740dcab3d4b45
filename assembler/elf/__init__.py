"""ELF files: what their headers, dynamic sections and notes say. Nothing is executed."""
