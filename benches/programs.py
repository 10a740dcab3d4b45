"""Programs that take part: which are here, and in which version.

One counts as missing too that does not start: what it would measure is how fast it fails.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

BRASM: Final = os.path.join(os.path.dirname(os.path.abspath(sys.executable)), "brasm")

SYSTEM: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where peers are looked for first: a script of the distribution's is to find the distribution's own interpreter, not
that of this project's virtual environment."""

PACKAGES: Final[Mapping[str, str]] = {
    "buildah": "buildah",
    "chroot": "coreutils",
    "docker-registry": "docker-registry",
    "gzip": "gzip",
    "ldd": "libc-bin",
    "lddtree": "pax-utils",
    "libtree": "libtree",
    "mmdebstrap": "mmdebstrap",
    "podman": "podman",
    "runc": "runc",
    "skopeo": "skopeo",
    "tar": "tar",
    "umoci": "umoci",
    "xargs": "findutils",
}
"""What Debian calls the package of each."""


class Program(NamedTuple):
    """A program: its version where it is here, else why it cannot take part."""

    version: str | None
    lack: str = ""


def search_path(environ: Mapping[str, str]) -> str:
    """Return where programs are looked for: the system's folders, then the user's own."""
    return f"{SYSTEM}:{environ.get('PATH', os.defpath)}"


def programs(names: Iterable[str]) -> dict[str, Program]:
    """Ask this machine for programs."""
    path = search_path(os.environ)
    return {name: look(name, lambda name: shutil.which(name, path=path), _said) for name in names}


def look(name: str, which: Callable[[str], str | None], ask: Callable[[tuple[str, ...]], tuple[int, str]]) -> Program:
    """Return what is known of a program.

    Args:
        name: of the program.
        which: finds it.
        ask: runs a command and returns its exit code with what it wrote.
    """
    if which(name) is None:
        return Program(None, f"{name} is not installed: apt install {PACKAGES[name]}")
    code, said = ask((name, "--version"))
    if code != 0:
        return Program(None, f"{name} does not start: {_last_line(said)}")
    return Program(version_in(said) or _packaged(name, ask))


def version_in(text: str) -> str:
    """Return the first version number of a text, or an empty string."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return found[0] if found else ""


def _packaged(name: str, ask: Callable[[tuple[str, ...]], tuple[int, str]]) -> str:
    """Ask the package manager for the version of a program that does not tell it."""
    code, said = ask(("dpkg-query", "--show", "--showformat=${Version}", PACKAGES[name]))
    return said.strip() if code == 0 else "of unknown version"


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "it says nothing"


def _said(command: tuple[str, ...]) -> tuple[int, str]:
    environment = {**os.environ, "PATH": search_path(os.environ)}
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)
    return done.returncode, done.stdout + done.stderr
