"""Emulators of other architectures, known to the kernel while tests run (Linux admin-guide/binfmt-misc.rst).

What is missing is registered with Debian's own lines. Several test runs of several workers may have them at once: each
holds a shared lock, and who can have it alone at the end is the last and undoes what they did.
"""

from __future__ import annotations

import contextlib
import fcntl
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.tools import attempt, lack, need, need_root

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

_FOLDER: Final = Path("/proc/sys/fs/binfmt_misc")
_LINES: Final = Path("/usr/lib/binfmt.d")
_STATE: Final = Path("/run/lock/brasm-tests-binfmt")
"""What was done, for whoever undoes it; with it a lock of those who change it, and one of those who want it to stay."""


@contextlib.contextmanager
def registered(names: Sequence[str]) -> Iterator[None]:
    """Have programs of other architectures start meanwhile: `aarch64`, `riscv64`, as qemu names them."""
    need(*(f"qemu-{name}-static" for name in names))
    need_root()
    with _STATE.with_suffix(".users").open("w", encoding="ascii") as users:
        with _changing() as done:
            _mount(done)
            for name in names:
                _register(f"qemu-{name}", done)
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield
        finally:
            with _changing() as done, contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _undo(done)


@contextlib.contextmanager
def _changing() -> Iterator[TextIO]:
    """Give the list of what was done, to nobody else meanwhile."""
    with _STATE.open("a+", encoding="ascii") as done:
        fcntl.flock(done, fcntl.LOCK_EX)
        yield done


def _mount(done: TextIO) -> None:
    if not (_FOLDER / "register").exists():
        mounted = attempt("mount", "-t", "binfmt_misc", "binfmt_misc", _FOLDER)
        if mounted.returncode != 0:
            lack(f"this kernel starts no emulators: {mounted.stderr.strip()}")
        print("mounted", file=done, flush=True)


def _register(name: str, done: TextIO) -> None:
    if not (_FOLDER / name).exists():
        line = (_LINES / f"{name}.conf").read_text(encoding="ascii").strip()
        (_FOLDER / "register").write_text(line, encoding="ascii")
        print(name, file=done, flush=True)


def _undo(done: TextIO) -> None:
    done.seek(0)
    names = set(done.read().split())
    for name in names - {"mounted"}:
        if (_FOLDER / name).exists():
            (_FOLDER / name).write_text("-1", encoding="ascii")
    if "mounted" in names:
        attempt("umount", "--lazy", _FOLDER)
    done.truncate(0)
