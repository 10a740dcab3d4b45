"""What an image starts, and what of it can be different."""

from __future__ import annotations

import pytest

from assembler.base.errors import RootError, UsageError
from assembler.oci.types import ContainerConfig
from assembler.runtime.process import NotFound, NotStarted, Overrides, Process, find_program, process_of
from assembler.runtime.setting import signal_number
from assembler.runtime.users import User
from tests.runtime.making import TREE
from tests.trees import make_tree

CONFIG = ContainerConfig(
    user="web", env=("A=1", "B=2"), entrypoint=("/bin/sh", "-e"), cmd=("-c", "x"), working_dir="/srv"
)


@pytest.mark.parametrize(
    ("config", "overrides", "args"),
    [
        (CONFIG, Overrides(), ("/bin/sh", "-e", "-c", "x")),
        (CONFIG, Overrides(args=("y",)), ("/bin/sh", "-e", "y")),
        (CONFIG, Overrides(args=()), ("/bin/sh", "-e")),
        (CONFIG, Overrides(entrypoint=("id",)), ("id",)),
        (CONFIG, Overrides(entrypoint=("id",), args=("-u",)), ("id", "-u")),
        (ContainerConfig(cmd=("/bin/sh",)), Overrides(), ("/bin/sh",)),
        (ContainerConfig(cmd=("/bin/sh",)), Overrides(args=("ls", "/")), ("ls", "/")),
        (None, Overrides(args=("ls",)), ("ls",)),
    ],
)
def test_entrypoint_and_cmd(config: ContainerConfig | None, overrides: Overrides, args: tuple[str, ...]) -> None:
    assert process_of(config, make_tree(TREE), overrides).args == args


def test_everything_else_of_a_config() -> None:
    process = process_of(CONFIG, make_tree(TREE), Overrides())
    assert (process.user, process.cwd) == (User(101, 102, (7, 5), "/srv"), "/srv")
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert process.env == (path, "HOME=/srv", "A=1", "B=2")


def test_everything_else_can_be_different() -> None:
    overrides = Overrides(env=("B=3", "HOME=/", "C="), user="0:0", workdir="/tmp")
    process = process_of(CONFIG, make_tree(TREE), overrides)
    assert (process.user, process.cwd) == (User(0, 0, (), "/root"), "/tmp")
    assert process.env[1:] == ("HOME=/", "A=1", "B=3", "C=")


def test_an_image_that_starts_nothing() -> None:
    for config in (None, ContainerConfig()):
        with pytest.raises(RootError, match="says of no program"):
            process_of(config, make_tree(TREE), Overrides())


PROGRAMS = """
/usr/bin/real file 0755
/bin link usr/bin
/sbin/real file 0644
/opt/tool file 0755
"""


@pytest.mark.parametrize(
    ("name", "path", "found"),
    [
        ("real", "/sbin:/bin", "/usr/bin/real"),
        ("/bin/real", "", "/usr/bin/real"),
        ("./tool", "", "/opt/tool"),
        ("tool", "/bin:", "/opt/tool"),
    ],
)
def test_a_program_is_found_as_execvp_finds_it(name: str, path: str, found: str) -> None:
    assert find_program(Process((name,), (f"PATH={path}",), "/opt", User()), make_tree(PROGRAMS)) == found


@pytest.mark.parametrize(
    ("name", "kind", "code", "message"),
    [
        ("nope", NotFound, 127, "nope: the image has no such program on its PATH"),
        ("/bin/nope", NotFound, 127, "/bin/nope: the image has no such program"),
        ("/sbin/real", NotStarted, 126, "/sbin/real: not an executable file"),
        ("/bin", NotStarted, 126, "/usr/bin: not an executable file"),
    ],
)
def test_a_program_that_is_none(name: str, kind: type[NotStarted], code: int, message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        find_program(Process((name,), ("PATH=/bin",), "/", User()), make_tree(PROGRAMS))
    assert caught.value.exit_code == code


@pytest.mark.parametrize(
    ("text", "number"), [(None, 15), ("SIGQUIT", 3), ("quit", 3), ("9", 9), ("SIGRTMIN+3", 37), ("SIGKILL", 9)]
)
def test_stop_signals(text: str | None, number: int) -> None:
    assert signal_number(text) == number


@pytest.mark.parametrize("text", ["SIGNOPE", "999", "SIGRTMIN+x"])
def test_no_signals(text: str) -> None:
    with pytest.raises(UsageError, match="no signal of Linux"):
        signal_number(text)
