"""What is wrong with an image, as a value."""

from __future__ import annotations

from msgspec import Struct


class Violation(Struct, frozen=True):
    """One rule that is broken.

    Attributes:
        rule: its name, such as `digest` or `layer-order`; `oci.validate` lists them.
        path: what breaks it: a digest, a file of the layout, or an in-root path; empty for the whole image.
        message: in which way, on one line.
    """

    rule: str
    path: str
    message: str
