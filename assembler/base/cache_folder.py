"""The user's cache folder (XDG Base Directory Specification). All in it may be deleted at any time."""

from __future__ import annotations

import os


def cache_folder() -> str:
    """Return brasm's folder below `$XDG_CACHE_HOME`; it need not be there."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(home, "brasm")
