"""terminfo: descriptions of the terminals that programs with ncurses meet. Source: ncurses `tinfo/read_entry.c`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.graph.rules.common import Rule, Scene, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Edge

_LIBRARIES: Final = ("libtinfo", "libncurses", "libtermcap")
_FOLDERS: Final = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo")
_TERMINALS: Final = (
    *("ansi", "dumb", "linux", "rxvt", "rxvt-unicode", "screen", "screen-256color", "tmux", "tmux-256color"),
    *("vt100", "vt102", "vt220", "xterm", "xterm-256color", "xterm-color"),
)
"""What containers are looked at with; `TERM` of the image comes with them."""


def find(scene: Scene) -> Iterator[Edge]:
    """Keep the usual descriptions, in every folder that has them."""
    user = next((one for one in scene.load.objects if (one.elf.soname or "").startswith(_LIBRARIES)), None)
    if user is None:
        return
    own = scene.env.get("TERMINFO")
    terminals = dict.fromkeys((*_TERMINALS, scene.env.get("TERM") or "xterm"))
    for folder in (*([own] if own else []), *_FOLDERS):
        for terminal in terminals:
            for letter in (terminal[0], f"{ord(terminal[0]):x}"):  # the second is for file systems without case
                yield from opened(
                    scene, user.path, f"{folder}/{letter}/{terminal}", f"describes the terminal {terminal}"
                )


RULE = Rule("terminfo", "recommended", "terminfo of common terminals, for users of ncurses", find)
