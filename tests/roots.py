"""A real distribution's root filesystem, kept between runs as a tarball: the mirror is asked once."""

from __future__ import annotations

import os
import platform
import tempfile
from typing import TYPE_CHECKING, Final

from tests.tools import attempt, run
from tests.trees import make_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PACKAGES: Final = ("nginx-light", "python3")
MANY_PACKAGES: Final = (
    *("ca-certificates", "curl", "git", "glib-networking", "gnutls-bin", "libglib2.0-bin", "libnss-myhostname"),
    *("libpam-modules", "ncurses-bin", "nginx-light", "openssl", "p11-kit", "perl", "python3", "systemd", "tzdata"),
)
"""What makes for over a thousand ELF files, and opens libraries in every way that there is a rule for."""

NOTED_SUITE: Final = "trixie"
NOTED_PACKAGES: Final = ("libc6", "libgcrypt20", "liblz4-1", "liblzma5", "libsystemd0", "libzstd1")
"""The first suite whose libsystemd says in a note what it opens; and what that is."""

PLATFORMS: Final = {"amd64": None, "arm64": None, "riscv64": "trixie"}
"""What images are run on, as Debian and OCI name it, with the suite where that is not this machine's."""

PLATFORM_PACKAGES: Final = ("base-files", "bash", "busybox-static", "coreutils", "dash", "findutils", "grep", "sed")

ODDITIES: Final = r"""
/capable       file 0755 0:0 not a program
/directory     dir 0700 4000000:4000000
/setuid        file 6755 65534:65534 x
/sticky        dir 3777 0:12
/first         file 0600 12:34 two names
/second        hard /first
/directory/3rd hard /first
/zero          char 0666 0:6 1,5
/disk          block 0640 0:6 259,70000
/pipe          fifo 0622 1:1
/old           file 0644 0:0 before the epoch
/line\nfeed    file 0644 0:0 odd
/latin\xe9     file 0644 0:0 odd
/\xc3\xbcml\xc3\xa4ut link latin\xe9
/dangling      link ../../nowhere/at/all
/loop          link loop
/outside       link ../../../../../../etc/passwd
/none          file 0000 0:0
/holes         file 0644 0:0 \x00
"""


def debian(folder: str) -> None:
    """Unpack a Debian root (minbase and `PACKAGES`) of this machine's suite into a new folder, with oddities."""
    _unpack(_tarball("-".join(PACKAGES), PACKAGES), folder, _add_oddities)


def big_debian(folder: str) -> None:
    """Unpack a Debian root of minbase and `MANY_PACKAGES` into a new folder."""
    _unpack(_tarball("many", MANY_PACKAGES), folder, lambda _: None)


def noted_debian(folder: str) -> None:
    """Extract libsystemd and what it may open into a new folder."""
    _unpack(_tarball("noted", NOTED_PACKAGES, NOTED_SUITE, "extract"), folder, lambda _: None)


def for_platform(architecture: str, folder: str) -> None:
    """Extract a shell, the core utilities and a static busybox of an architecture of `PLATFORMS` into a new folder."""
    packages, suite = PLATFORM_PACKAGES, PLATFORMS[architecture]
    _unpack(_tarball(f"shell-{architecture}", packages, suite, "extract", architecture), folder, lambda _: None)


def _unpack(tarball: str, folder: str, change: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(dir=os.path.dirname(folder)) as scratch:
        run(
            "tar",
            "--extract",
            "--file",
            tarball,
            "--directory",
            scratch,
            "--xattrs",
            "--xattrs-include=*",
            "--numeric-owner",
        )
        os.chmod(scratch, 0o755)
        change(scratch)
        os.rename(scratch, folder)
        os.mkdir(scratch)


def _add_oddities(root: str) -> None:
    """Add what no package of the distribution has: capabilities, devices, hard links, odd names, large ids."""
    make_folder(ODDITIES, f"{root}/srv/odd")
    tool = f"{root}/srv/odd/capable"
    os.chown(tool, 0, 0)
    os.setxattr(tool, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    os.setxattr(f"{root}/srv/odd/directory", "user.note", b"\xff\x00 any bytes")
    os.utime(f"{root}/srv/odd/old", (-3600, -3600))


def _tarball(
    label: str,
    packages: Sequence[str],
    suite: str | None = None,
    variant: str = "minbase",
    architecture: str | None = None,
) -> str:
    own = _suite()
    suite = suite or own
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(cache, "brasm-tests", f"{suite}-{label}.tar")
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        fresh = f"{path}.{os.getpid()}.tar"
        run(
            *(
                "mmdebstrap",
                f"--variant={variant}",
                f"--include={','.join(packages)}",
                *([f"--architectures={architecture}"] if architecture is not None else ()),
                suite,
                fresh,
                *_mirrors(own, suite),
            ),
            timeout=600,
        )
        os.rename(fresh, path)
    return path


def _suite() -> str:
    release = platform.freedesktop_os_release()
    return release.get("VERSION_CODENAME", "stable") if release["ID"] == "debian" else "stable"


def _mirrors(own: str, suite: str) -> list[str]:
    """Return the machine's own lines for a suite, or of its own suite made for another; none means the default."""
    wanted = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    lines = attempt("apt-get", "indextargets", "--format", wanted, "Created-By: Packages", "Origin: Debian").stdout
    found = sorted({line for line in lines.splitlines() if line.split()[2].startswith(own)})
    if suite == own:
        return found
    return [line.replace(f" {own} ", f" {suite} ") for line in found if line.split()[2] == own]
