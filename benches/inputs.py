"""Root filesystems that are measured with: Debian's, of one suite that no longer changes from day to day.

mmdebstrap writes the same bytes for the same packages (mmdebstrap(1), SOURCE_DATE_EPOCH), so the digest of the tar
tells whether two records had the same input. The tar is kept between runs.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from typing import TYPE_CHECKING, Final, NamedTuple

from assembler.base.progress import Silent
from assembler.graph.dependencies import elf_files
from assembler.graph.facts import Facts
from assembler.sources.open import open_root
from benches import trees
from benches.programs import search_path
from benches.record import InputRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SUITE: Final = "bookworm"
"""Its component `main` alone, without updates and security: that changes with point releases only."""

EPOCH: Final = "1735689600"
"""What no modification time is later than: 2025-01-01."""


_FORGET: Final = 'rm -f "$1"/etc/apt/sources.list "$1"/etc/hostname "$1"/etc/resolv.conf'
"""What mmdebstrap takes from the machine that it runs on."""


class Input(NamedTuple):
    """A root filesystem: what it is for people, mmdebstrap's variant, the packages besides."""

    about: str
    variant: str
    packages: tuple[str, ...]


INPUTS: Final[Mapping[str, Input]] = {
    "debian": Input("Debian with python3 and nginx", "minbase", ("nginx-light", "python3")),
    "many": Input(
        "Debian with python3, nginx, git, perl, openssl, curl and systemd",
        "minbase",
        (
            *("ca-certificates", "curl", "git", "glib-networking", "gnutls-bin", "libglib2.0-bin", "libnss-myhostname"),
            *("libpam-modules", "ncurses-bin", "nginx-light", "openssl", "p11-kit", "perl", "python3", "systemd"),
            "tzdata",
        ),
    ),
    "python": Input("Debian's essential packages with python3-minimal", "essential", ("python3-minimal",)),
}


class Unavailable(Exception):
    """There is no such root filesystem here, with the reason."""


class Inputs:
    """Root filesystems by name, each made and unpacked when it is first asked for.

    Args:
        folder: where they are unpacked.
        given: tars that stand for inputs, by name.
        mirror: where packages are from, a snapshot of Debian's archive for one; None for where this machine has its own
            from.
        lack: why mmdebstrap cannot be asked; empty if it can.
        say: is told what takes time.
    """

    def __init__(
        self,
        folder: str,
        say: Callable[[str], None],
        *,
        given: Mapping[str, str],
        mirror: str | None = None,
        lack: str = "",
    ) -> None:
        self._folder = folder
        self._say = say
        self._given = given
        self._mirror = mirror
        self._lack = lack
        self.records: dict[str, InputRecord] = {}

    def root(self, name: str) -> str:
        """Return the folder of a root filesystem; nobody writes to it.

        Raises:
            Unavailable: it cannot be made.
        """
        folder = os.path.join(self._folder, name)
        if name not in self.records:
            tar = self._given.get(name) or self._made(name)
            self._say(f"unpacking {tar}")
            unpack(tar, folder)
            about = INPUTS[name].about if name not in self._given else f"given: {os.path.basename(tar)}"
            self.records[name] = described(f"{about}{self._origin(name)}", tar, folder)
        return folder

    def _origin(self, name: str) -> str:
        if name in self._given:
            return ""
        one = INPUTS[name]
        where = f" of {self._mirror}" if self._mirror else ""
        return f" ({SUITE} main{where}, {one.variant} with {', '.join(one.packages)})"

    def _made(self, name: str) -> str:
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        path = os.path.join(cache, "brasm-benches", tar_name(name, self._mirror))
        if not os.path.exists(path):
            if self._lack:
                raise Unavailable(f"no root filesystem ({self._lack}); --input NAME=TAR takes one that is there")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._say(f"making {path} with mmdebstrap")
            fresh = f"{path}.{os.getpid()}.tar"
            _run(bootstrap(name, fresh, self._mirror or _own_mirror()))
            os.rename(fresh, path)
        return path


def tar_name(name: str, mirror: str | None) -> str:
    """Return what the tar of an input is called: of other packages, or from elsewhere, it has another name."""
    said = hashlib.sha256(repr((INPUTS[name], EPOCH, _FORGET, mirror)).encode()).hexdigest()[:12]
    return f"{SUITE}-{name}-{said}.tar"


def bootstrap(name: str, path: str, mirror: str | None) -> tuple[str, ...]:
    """Return the command that makes the tar of an input; without a mirror, mmdebstrap knows one."""
    one = INPUTS[name]
    return (
        *("env", f"SOURCE_DATE_EPOCH={EPOCH}", "mmdebstrap", f"--variant={one.variant}"),
        *(f"--include={','.join(one.packages)}", f"--customize-hook={_FORGET}", SUITE, path),
        *((f"deb {mirror} {SUITE} main",) if mirror else ()),
    )


def mirror_in(listed: str) -> str | None:
    """Return the mirror of `SUITE` in lines of `apt-get indextargets`, `URI RELEASE COMPONENT`, if there is one."""
    for line in listed.splitlines():
        match line.split():
            case [uri, release, "main"] if release == SUITE:
                return uri
    return None


def unpack(tar: str, folder: str) -> None:
    """Unpack a root filesystem; an ordinary user gets it without owners and devices.

    Raises:
        Unavailable: tar cannot.
    """
    os.makedirs(folder)
    asked = ("--xattrs", "--xattrs-include=*", "--numeric-owner") if os.geteuid() == 0 else ("--exclude=./dev/*",)
    _run(("tar", "--extract", "--preserve-permissions", f"--file={tar}", f"--directory={folder}", *asked))


def described(about: str, tar: str, folder: str) -> InputRecord:
    """Return what the record says of an input."""
    with open(tar, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return InputRecord(
        about=about if os.geteuid() == 0 else f"{about}, unpacked by an ordinary user: without owners and devices",
        sha256=digest,
        size=os.path.getsize(tar),
        entries=trees.entry_count(folder),
        content=trees.content_size(folder),
    )


def elf_list(root: str) -> list[str]:
    """Return the paths, in the root, of all its ELF files that can be linked dynamically."""
    tree = open_root(root, lazy=False, progress=Silent()).tree
    return list(elf_files(tree, Facts(tree)))


def _own_mirror() -> str | None:
    wanted = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    try:
        done = subprocess.run(
            ("apt-get", "indextargets", "--format", wanted, "Created-By: Packages", "Origin: Debian"),
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:  # no Debian
        return mirror_in("")
    return mirror_in(done.stdout)


def _run(command: tuple[str, ...]) -> None:
    environment = {**os.environ, "PATH": search_path(os.environ)}
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if re.match(r"E:|tar:", line)] or [done.stderr.strip()]
        raise Unavailable(f"no root filesystem ({said[-1].strip()}); --input NAME=TAR takes one that is there")
