"""What the plan warns of: files that are likely to fail, or to be an open door, on another machine."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from assembler.tree import Tree
from tests.elf.build import elf, note
from tests.plan.making import loaded_recipe, plan_of
from tests.plan.test_planner import APP, LD, ROOT, file

V3 = note(b"GNU", 5, struct.pack("<IIII", 0xC0008002, 4, 0b111, 0))
LINUX = note(b"GNU", 1, struct.pack("<4I", 0, 5, 10, 0))


def warnings(image: dict[str, str] | None = None, /, **program: Any) -> tuple[str, ...]:
    """Return what is warned of when the program is such."""
    tree = Tree([*ROOT, file("/usr/bin/app", elf(interp=LD, needed=("libc.so.6",), **program))])
    return plan_of(tree, loaded_recipe(**{**APP, "image": {**APP["image"], **(image or {})}})).warnings


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ({"exec_stack": True}, "asks for an executable stack"),
        ({"textrel": True}, "has text relocations: its code is written to when it is loaded"),
        ({"relro": False}, "has no RELRO: its relocated data stays writable"),
        ({"runpath": "/home/me/lib"}, "runpath points into a build folder: /home/me/lib"),
        ({"rpath": "/srv/buildroot-1/output/host/lib"},
         "rpath points into a build folder: /srv/buildroot-1/output/host/lib"),
        ({"rpath": "lib:/lib"}, "rpath has 'lib': the current directory decides"),
        ({"runpath": ":/lib"}, "runpath has an empty element: the current directory decides"),
    ],
)  # fmt: skip
def test_hazards_of_a_program(program: dict[str, Any], message: str) -> None:
    assert warnings(**program) == (f"/usr/bin/app: {message}",)


def test_a_sound_program_has_none() -> None:
    assert warnings(notes=V3 + LINUX, runpath="$ORIGIN/../lib") == ()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"cpu": "x86-64-v2"}, "needs x86-64-v3, and image.cpu is x86-64-v2"),
        ({"cpu": "x86-64"}, "needs x86-64-v3, and image.cpu is x86-64"),
        ({"cpu": "x86-64-v3"}, None),
        ({"kernel": "4.4"}, "needs Linux 5.10, and image.kernel is 4.4"),
        ({"kernel": "5.10"}, None),
        ({"kernel": "5.9.300"}, "needs Linux 5.10, and image.kernel is 5.9.300"),
    ],
)
def test_what_is_beyond_the_machine_that_the_recipe_names(image: dict[str, str], message: str | None) -> None:
    assert warnings(image, notes=V3 + LINUX) == ((f"/usr/bin/app: {message}",) if message else ())


def test_what_many_share_is_one_line() -> None:
    libraries = tuple(f"lib{number}.so" for number in range(5))
    files = [file(f"/lib/{name}", elf(soname=name, exec_stack=True)) for name in libraries]
    tree = Tree([*ROOT, file("/usr/bin/app", elf(interp=LD, needed=libraries)), *files])
    assert plan_of(tree, loaded_recipe(**APP)).warnings == (
        "5 files: each asks for an executable stack: /lib/lib0.so, /lib/lib1.so, /lib/lib2.so, …",
    )
