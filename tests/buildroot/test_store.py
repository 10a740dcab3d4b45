"""The cache of toolchains: there when whole, told where it lies, the same bytes when exported."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from assembler.base.errors import NegativeAnswer, ProgramError, SourceError
from assembler.base.progress import Silent
from assembler.buildroot.store import (
    Toolchain,
    add_toolchain,
    choose_toolchain,
    export_toolchain,
    find_toolchain,
    import_toolchain,
    remove_toolchain,
    stored_toolchains,
    unpack_sdk,
)
from tests.tools import need, run

if TYPE_CHECKING:
    from pathlib import Path

_RELOCATE = '#!/bin/sh\ncd "$(dirname "$0")" && pwd > share/location\n'


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    need("tar")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "brasm" / "toolchains"


@pytest.fixture
def sdk(tmp_path: Path) -> str:
    """The tarball that `make sdk` writes, with a hard link, a symlink and a program."""
    top = tmp_path / "x_sdk-buildroot"
    (top / "bin").mkdir(parents=True)
    (top / "share").mkdir()
    (top / "relocate-sdk.sh").write_text(_RELOCATE)
    (top / "bin" / "x-gcc").write_text("#!/bin/sh\necho compiled\n")
    (top / "bin" / "x-gcc").chmod(0o755)
    os.link(top / "bin" / "x-gcc", top / "bin" / "x-gcc-14")
    (top / "bin" / "cc").symlink_to("x-gcc")
    (top / "usr").symlink_to(".")
    run("tar", "-czf", tmp_path / "sdk.tar.gz", "-C", tmp_path, top.name)
    return str(tmp_path / "sdk.tar.gz")


def facts(name: str = "x86-64-musl+cxx", digest: str = "ab" * 32) -> Toolchain:
    return Toolchain(
        name=name,
        digest=digest,
        release="2025.02.16",
        identity="0" * 40,
        host=os.uname().machine,
        tuple="x86_64-buildroot-linux-musl",
        libc="musl",
        gcc="14",
        headers="6.1",
        symbols={"BR2_TOOLCHAIN_EXTERNAL": "y"},
        seconds=1.0,
        size=0,
    )


def add(sdk: str, one: Toolchain | None = None) -> Toolchain:
    return add_toolchain(one or facts(), lambda folder: unpack_sdk(sdk, folder))


def test_it_is_there_when_it_was_told_where_it_lies(sdk: str, cache: Path) -> None:
    assert stored_toolchains() == []
    one = add(sdk)
    assert one.folder == str(cache / f"x86-64-musl+cxx-{'ab' * 6}")
    assert (cache / one.folder / "sdk" / "share" / "location").read_text().strip() == one.sdk
    assert run(f"{one.sdk}/bin/cc") == "compiled\n"
    assert find_toolchain(one.name, one.digest) == one
    assert stored_toolchains() == [one]
    assert one.size == sum(
        os.lstat(os.path.join(one.sdk, path)).st_size
        for path in ("relocate-sdk.sh", "share/location", "bin/x-gcc", "bin/cc")
    )


def test_what_is_half_made_is_not_there(sdk: str, tmp_path: Path) -> None:
    def fail(folder: str) -> None:
        unpack_sdk(sdk, folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_toolchain(facts(), fail)
    assert stored_toolchains() == []
    run("tar", "-czf", tmp_path / "none.tar.gz", "-C", tmp_path, "cache")
    with pytest.raises(ProgramError, match=r"not an SDK of Buildroot: it has no relocate-sdk\.sh"):
        add(str(tmp_path / "none.tar.gz"))
    assert stored_toolchains() == []
    assert add(sdk) in stored_toolchains()


def test_which_one_is_meant(sdk: str) -> None:
    one, other = add(sdk), add(sdk, facts(digest="cd" * 32))
    third = add(sdk, facts("aarch64-musl", "ef" * 32))
    assert choose_toolchain("abab") == choose_toolchain(f"{one.name}-ab") == one
    assert choose_toolchain("aarch64-musl") == third
    with pytest.raises(NegativeAnswer, match=r"several toolchains are meant: .*-ababababab.*, .*-cdcdcd"):
        choose_toolchain(other.name)
    with pytest.raises(NegativeAnswer, match="no such toolchain in the cache"):
        choose_toolchain("armv7-glibc")
    remove_toolchain(third)
    assert stored_toolchains() == [one, other]


def test_exported_twice_it_is_the_same_bytes_and_imported_it_is_the_same(sdk: str, tmp_path: Path) -> None:
    one = add(sdk)
    for name in ("a", "b"):
        export_toolchain(one, str(tmp_path / f"{name}.tar.zst"), Silent())
        os.utime(os.path.join(one.sdk, "bin", "x-gcc"), (1, 1))
    assert (tmp_path / "a.tar.zst").read_bytes() == (tmp_path / "b.tar.zst").read_bytes()
    remove_toolchain(one)
    assert import_toolchain(str(tmp_path / "a.tar.zst"), Silent()) == one
    assert stored_toolchains() == [one]
    assert os.path.samefile(os.path.join(one.sdk, "bin", "x-gcc"), os.path.join(one.sdk, "bin", "x-gcc-14"))
    assert run(f"{one.sdk}/usr/bin/cc") == "compiled\n"


def test_what_is_no_toolchain(sdk: str, tmp_path: Path, cache: Path) -> None:
    with pytest.raises(SourceError, match=r"sdk\.tar\.gz: no toolchain: it has no toolchain\.json"):
        import_toolchain(sdk, Silent())
    (tmp_path / "text").write_text("hello")
    with pytest.raises(SourceError, match="text: not a tarball of a toolchain"):
        import_toolchain(str(tmp_path / "text"), Silent())
    one = add(sdk)
    export_toolchain(one, str(tmp_path / "whole"), Silent())
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:-20])
    with pytest.raises(SourceError, match="cut: cannot be read"):
        import_toolchain(str(tmp_path / "cut"), Silent())
    foreign = add(sdk, replace(facts("armv7-musl"), host="sparc"))
    export_toolchain(foreign, str(tmp_path / "foreign"), Silent())
    with pytest.raises(SourceError, match="its programs run on sparc"):
        import_toolchain(str(tmp_path / "foreign"), Silent())
    assert [name for name in os.listdir(cache) if name.startswith(".")] == []
