"""What Buildroot wants of the machine: all that is missing is named at once, and refusals come first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from assembler.base.errors import ProgramError, UsageError
from assembler.buildroot import host
from assembler.buildroot.host import check_environment, check_host, check_output

if TYPE_CHECKING:
    from pathlib import Path

_GNU_TAR = '#!/bin/sh\necho "tar (GNU tar) {}"\n'


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for PATH with all that is wanted; `file` by its full name is taken as given."""
    programs = {name: package for name, package in host._PROGRAMS.items() if "/" not in name}
    monkeypatch.setattr(host, "_PROGRAMS", programs)
    for name in programs:
        program = tmp_path / name
        program.write_text(_GNU_TAR.format("1.35") if name == "tar" else "#!/bin/sh\n")
        program.chmod(0o755)
    return tmp_path


def check(folder: Path, symbols: dict[str, str] | None = None, **environment: str) -> None:
    check_host({"PATH": str(folder), **environment}, symbols or {})


def test_a_machine_that_has_everything(machine: Path) -> None:
    check(machine)


def test_everything_missing_is_named_at_once_with_its_package(machine: Path) -> None:
    for name in ("cmp", "cpio", "g++"):
        (machine / name).unlink()
    with pytest.raises(ProgramError) as error:
        check(machine)
    assert error.value.message.endswith("g++ (g++), cpio (cpio), cmp (diffutils)")
    assert error.value.hint == "on Debian: apt install cpio diffutils g++"


def test_modules_of_perl(machine: Path) -> None:
    (machine / "perl").write_text("#!/bin/sh\necho 'Thread::Queue IPC::Cmd '\n")
    with pytest.raises(ProgramError, match=r"perl's Thread::Queue \(perl, or perl-modules\), perl's IPC::Cmd"):
        check(machine)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PATH", "/bin:.", "PATH has the current folder in it"),
        ("PATH", "/bin:", "PATH has the current folder in it"),
        ("PATH", "/bin::/usr/bin", "PATH has the current folder in it"),
        ("PATH", "/bin:/my programs", "PATH has white space in it"),
        ("PATH", "/bin:/a\tb", "PATH has white space in it"),
        ("LD_LIBRARY_PATH", "/lib:.", "LD_LIBRARY_PATH has the current folder in it"),
        ("LD_LIBRARY_PATH", "", "LD_LIBRARY_PATH has the current folder in it"),
    ],
)
def test_environments_that_buildroot_refuses(name: str, value: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        check_environment({"PATH": "/bin", name: value})
    assert error.value.hint


@pytest.mark.parametrize("path", ["/a b/c", "/a@b", "/a:b"])
def test_folders_that_buildroot_cannot_build_in(path: str) -> None:
    with pytest.raises(UsageError, match="cannot build in a folder with"):
        check_output(path)


@pytest.mark.parametrize(
    ("tar", "symbols", "refusing"),
    [
        ("1.34", {}, "host-tar (this machine's tar is older than 1.35)"),
        ("1.35", {"BR2_PACKAGE_COREUTILS": "y"}, "coreutils"),
        ("1.35", {"BR2_PACKAGE_COREUTILS": "n"}, None),
    ],
)
def test_root_is_explained_before_anything_is_built(
    machine: Path, monkeypatch: pytest.MonkeyPatch, tar: str, symbols: dict[str, str], refusing: str | None
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (machine / "tar").write_text(_GNU_TAR.format(tar))
    if refusing is None:
        check(machine, symbols)
        return
    with pytest.raises(UsageError) as error:
        check(machine, symbols)
    assert f"the configure script of {refusing} refuses that" in error.value.message
    assert "FORCE_UNSAFE_CONFIGURE=1" in (error.value.hint or "")
    check(machine, symbols, FORCE_UNSAFE_CONFIGURE="1")


def test_an_ordinary_user_is_not_asked(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (machine / "tar").write_text(_GNU_TAR.format("1.34"))
    check(machine)
