"""The cache of toolchains: each Buildroot's SDK, unpacked, known by a digest of all that it was built of.

In the cache: `toolchains/NAME-DIGEST/` with `toolchain.json`, which is written last, and the SDK in `sdk/`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from assembler.base.cache_folder import cache_folder
from assembler.base.errors import NegativeAnswer, ProgramError, SourceError
from assembler.base.files import atomic_file, destination_errors, write_all
from assembler.base.program import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from assembler.base.progress import Progress

FACTS: Final = "toolchain.json"
SDK: Final = "sdk"
SHORT: Final = 12
_BLOCK: Final = 1 << 20
_LEVEL: Final = 10


class Toolchain(Struct, frozen=True):
    """What is known of a toolchain.

    Attributes:
        name: fragment and options: `x86-64-glibc+cxx`.
        digest: of what it was built of; hexadecimal.
        release: Buildroot's.
        identity: Buildroot's, see `Checkout`.
        host: the architecture that it runs on.
        tuple: what its programs' names begin with: `x86_64-buildroot-linux-gnu`.
        libc: `glibc`, `musl` or `uclibc`.
        gcc: its series.
        headers: the Linux series of its headers, which is the oldest that glibc programs run on.
        symbols: by which Buildroot knows it as an external toolchain, but for the path.
        seconds: that it took to build.
        size: bytes of its files.
    """

    name: str
    digest: str
    release: str
    identity: str
    host: str
    tuple: str
    libc: str
    gcc: str
    headers: str
    symbols: Mapping[str, str]
    seconds: float
    size: int

    @property
    def folder(self) -> str:
        """Where it lies in the cache."""
        return toolchain_path(self.name, self.digest)

    @property
    def sdk(self) -> str:
        """The SDK's folder."""
        return os.path.join(self.folder, SDK)


def toolchain_path(name: str, digest: str) -> str:
    """Return the folder of a toolchain, which need not be there."""
    return os.path.join(_store(), f"{name}-{digest[:SHORT]}")


def find_toolchain(name: str, digest: str) -> Toolchain | None:
    """Return a toolchain that is in the cache."""
    return _read(toolchain_path(name, digest))


def stored_toolchains() -> list[Toolchain]:
    """Return all that are in the cache, by name."""
    folder = _store()
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [one for one in (_read(os.path.join(folder, name)) for name in names) if one is not None]


def choose_toolchain(text: str) -> Toolchain:
    """Return the one that a user means: by its name, the beginning of its digest, or both as `NAME-DIGEST`.

    Raises:
        NegativeAnswer: none is meant, or several are.
    """
    found = [one for one in stored_toolchains() if _means(text, one)]
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(f"{one.name}-{one.digest[:SHORT]}" for one in found)
        raise NegativeAnswer(f"{text}: several toolchains are meant: {shown}")
    raise NegativeAnswer(f"{text}: no such toolchain in the cache", hint="brasm toolchain list shows what there is")


def remove_toolchain(one: Toolchain) -> None:
    """Remove a toolchain; what was built with it stays.

    Raises:
        DestinationError: it cannot be removed.
    """
    with destination_errors(one.folder):
        os.unlink(os.path.join(one.folder, FACTS))
        shutil.rmtree(one.folder)


def add_toolchain(one: Toolchain, unpack: Callable[[str], None]) -> Toolchain:
    """Put an SDK into the cache: it is there when its facts are.

    Args:
        one: its facts; the size is measured.
        unpack: puts the SDK into the folder that it is given.

    Raises:
        DestinationError: the cache cannot be written.
        ProgramError: the SDK cannot be moved to its folder.
    """
    with destination_errors(one.folder):
        shutil.rmtree(one.folder, ignore_errors=True)
        os.makedirs(one.sdk)
    unpack(one.sdk)
    relocate(one.sdk)
    one = msgspec.structs.replace(one, size=_size(one.sdk))
    with atomic_file(os.path.join(one.folder, FACTS)) as descriptor:
        write_all(descriptor, msgspec.json.format(msgspec.json.encode(one)) + b"\n")
    return one


def relocate(sdk: str) -> None:
    """Tell an SDK's files where they are now, by its own script (Buildroot's support/misc/relocate-sdk.sh).

    Raises:
        ProgramError: it has no such script, or that failed.
    """
    script = os.path.join(sdk, "relocate-sdk.sh")
    if not os.path.isfile(script):
        raise ProgramError(f"{sdk}: not an SDK of Buildroot: it has no relocate-sdk.sh")
    run(["/bin/sh", script])


def unpack_sdk(archive: str, folder: str) -> None:
    """Unpack the tarball that `make sdk` wrote, without its top folder.

    Raises:
        ProgramError: tar fails.
    """
    run(["tar", "-x", "-f", archive, "-C", folder, "--strip-components=1", "--no-same-owner"])


def export_toolchain(one: Toolchain, path: str, progress: Progress) -> None:
    """Write a toolchain as a `.tar.zst`, the same bytes every time: facts first, then the SDK.

    Raises:
        DestinationError: it cannot be written.
    """
    import zstandard

    progress.start(f"export {one.name}", one.size, unit="B")
    with (
        atomic_file(path) as descriptor,
        os.fdopen(os.dup(descriptor), "wb") as raw,
        zstandard.ZstdCompressor(level=_LEVEL, threads=os.cpu_count() or 1).stream_writer(raw) as out,
        tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for inner in (FACTS, *_members(one.folder)):
            _add_member(tar, os.path.join(one.folder, inner), inner)
            progress.advance(os.lstat(os.path.join(one.folder, inner)).st_size)


def _add_member(tar: tarfile.TarFile, path: str, name: str) -> None:
    info = tar.gettarinfo(path, name)
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    if info.isreg():
        with open(path, "rb") as file:
            tar.addfile(info, file)
    else:
        tar.addfile(info)


def import_toolchain(path: str, progress: Progress) -> Toolchain:
    """Put an exported toolchain into the cache.

    Raises:
        SourceError: it is not what `export_toolchain` writes, or runs on another architecture.
        ProgramError: its SDK cannot be moved to its folder.
    """
    progress.start(f"import {path}")
    with destination_errors(_store()):
        os.makedirs(_store(), exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".import-", dir=_store()) as folder:
        _extract(path, folder)
        one = _read(folder)
        if one is None:
            raise SourceError(f"{path}: no toolchain: it has no {FACTS}", hint="brasm toolchain export writes one")
        check_machine(one.host, path)
        return add_toolchain(one, lambda sdk: _move(os.path.join(folder, SDK), sdk))


def check_machine(host: str, where: str) -> None:
    """Refuse programs of another architecture.

    Raises:
        SourceError: they are.
    """
    if host != os.uname().machine:
        raise SourceError(f"{where}: its programs run on {host}, and this machine is {os.uname().machine}")


def _store() -> str:
    return os.path.join(cache_folder(), "toolchains")


def _means(text: str, one: Toolchain) -> bool:
    name, _, digest = text.rpartition("-")
    return (
        text == one.name
        or (len(text) > 3 and one.digest.startswith(text))
        or (name == one.name and bool(digest) and one.digest.startswith(digest))
    )


def _read(folder: str) -> Toolchain | None:
    try:
        with open(os.path.join(folder, FACTS), "rb") as file:
            return msgspec.json.decode(file.read(), type=Toolchain)
    except (FileNotFoundError, NotADirectoryError):
        return None  # it is being made, or was left half-made
    except (OSError, msgspec.MsgspecError) as error:
        raise SourceError(f"{folder}/{FACTS}: cannot be read: {error}", hint="remove the folder") from error


def _size(folder: str) -> int:
    """Return the bytes of a folder's files, hard links once."""
    sizes: dict[tuple[int, int], int] = {}
    for above, _, files in os.walk(folder):
        for name in files:
            status = os.lstat(os.path.join(above, name))
            sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def _members(folder: str) -> Iterator[str]:
    """Yield what a toolchain's folder has besides the facts, parents first, sorted."""
    for above, folders, files in os.walk(os.path.join(folder, SDK)):
        folders.sort()
        inner = os.path.relpath(above, folder)
        yield inner
        links = [name for name in folders if os.path.islink(os.path.join(above, name))]
        yield from (os.path.join(inner, name) for name in sorted(files + links))


def _extract(path: str, folder: str) -> None:
    """Unpack a tarball, decompressed here: the machine's tar need not know the compression."""
    from assembler.base.decompress import DecompressError, decompress

    words = ["tar", "-x", "-C", folder, "--no-same-owner"]
    with (
        open(path, "rb") as file,
        subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as tar,
    ):
        assert tar.stdin is not None  # noqa: S101  (it is a pipe)
        try:
            for chunk in decompress(iter(lambda: file.read(_BLOCK), b"")):
                tar.stdin.write(chunk)
            tar.stdin.close()
        except BrokenPipeError:
            pass  # tar has ended, and its exit code tells
        except (OSError, DecompressError) as error:
            tar.kill()
            raise SourceError(f"{path}: cannot be read: {error}") from error
    if tar.returncode:
        raise SourceError(f"{path}: not a tarball of a toolchain", hint="brasm toolchain export writes one")


def _move(source: str, target: str) -> None:
    os.rmdir(target)
    os.rename(source, target)
