"""What tests of several platforms share: recipes with a variant for each, and small programs for many processors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from assembler.recipe import load_recipe
from assembler.recipe.find import find_recipe
from tests.acceptance.images import blob
from tests.tools import need, pack, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

INDEX: Final = "application/vnd.oci.image.index.v1+json"
LIMITS: Final = ("--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000")


class Target(NamedTuple):
    """A platform that images are run on: what the image-spec, the command line and the kernel call it."""

    entry: Mapping[str, str]
    option: str
    machine: str


TARGETS: Final[Mapping[str, Target]] = {
    "amd64": Target({"architecture": "amd64", "os": "linux"}, "linux/amd64", "x86_64"),
    "arm64": Target({"architecture": "arm64", "os": "linux", "variant": "v8"}, "linux/arm64", "aarch64"),
    "riscv64": Target({"architecture": "riscv64", "os": "linux"}, "linux/riscv64", "riscv64"),
}


def shell_recipe(folder: Path, roots: Mapping[str, Path]) -> Path:
    """Write recipes/shell with a variant for each root filesystem."""
    return _with_variants(folder, Path(find_recipe("shell")).read_text(encoding="utf-8").partition("\n")[2], roots)


def program_recipe(folder: Path, roots: Mapping[str, Path]) -> Path:
    """Write a recipe of `/app` with a variant for each root filesystem."""
    first = json.dumps(str(next(iter(roots.values()))))
    text = f'name = "app"\nversion = "1"\n[source]\ndirectory = {first}\n[image]\nentrypoint = ["/app"]\n'
    return _with_variants(folder, text, roots)


def _with_variants(folder: Path, text: str, roots: Mapping[str, Path]) -> Path:
    for name, root in roots.items():
        text += f'\n[variant.{name}]\nset = {{ "source.directory" = {json.dumps(str(root))} }}\n'
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def variants(names: Iterable[str]) -> list[str]:
    """Return the options that ask for variants."""
    return [word for name in names for word in ("--variant", name)]


def check_shell(within: Callable[..., str], target: Target) -> None:
    """Make sure that an image of recipes/shell is the one for a platform, and does what the recipe's tests say.

    Args:
        within: runs a program in it, and returns its output.
        target: the platform.
    """
    assert within("uname", "-m") == f"{target.machine}\n"
    for test in load_recipe(find_recipe("shell")).recipe.test:
        said = within(*test.run)
        assert test.stdout is not None
        assert re.search(test.stdout, said), f"{test.run}: {said}"


def text(platform: Mapping[str, str]) -> str:
    """Write a platform, or that of a config, as the command line does."""
    return "/".join(platform[key] for key in ("os", "architecture", "variant") if key in platform)


def entries(layout: Path, tag: str) -> list[dict[str, Any]]:
    """Return what an index in a layout lists."""
    found = [
        one
        for one in json.loads((layout / "index.json").read_bytes())["manifests"]
        if one["annotations"]["org.opencontainers.image.ref.name"] == tag
    ]
    assert [one["mediaType"] for one in found] == [INDEX]
    listed: list[dict[str, Any]] = json.loads(blob(layout, found[0]["digest"]).read_bytes())["manifests"]
    return listed


ARM: Final = r"""
void _start(void) {
  register int number __asm__("r7") = 4, first __asm__("r0") = 1;
  register const char *text __asm__("r1") = TEXT "\n";
  register unsigned size __asm__("r2") = sizeof TEXT;
  __asm__ volatile("svc 0" : "+r"(first) : "r"(number), "r"(text), "r"(size) : "memory");
  number = 1, first = 0;
  __asm__ volatile("svc 0" :: "r"(number), "r"(first));
}
"""
"""A program for Linux on 32-bit ARM that says `TEXT`; it needs no library, so what it runs on is up to its compiler."""

NOTHING: Final = "void _start(void) { for (;;) {} }"
"""A program that no test runs."""


class Compiled(NamedTuple):
    """How a program for a processor is made: compiler and flags, its source, and its platform."""

    compiler: str
    flags: tuple[str, ...]
    source: str
    platform: str


def _arm(variant: str, architecture: str, floats: str) -> Compiled:
    flags = ("-O1", "-marm", f"-march={architecture}", f"-mfloat-abi={floats}", f'-DTEXT="{variant}"')
    return Compiled("arm-linux-gnueabihf-gcc", flags, ARM, f"linux/arm/{variant}")


COMPILED: Final[Mapping[str, Compiled]] = {
    "armv5": _arm("v5", "armv5te", "soft"),
    "armv6": _arm("v6", "armv6+fp", "hard"),
    "armv7": _arm("v7", "armv7-a+fp", "hard"),
    "armv8": _arm("v8", "armv8-a+simd", "hard"),
    "aarch64": Compiled("aarch64-linux-gnu-gcc", (), NOTHING, "linux/arm64/v8"),
    "riscv64": Compiled("riscv64-linux-gnu-gcc", (), NOTHING, "linux/riscv64"),
    "i686": Compiled("i686-linux-gnu-gcc", (), NOTHING, "linux/386"),
    "x86_64": Compiled("gcc", (), NOTHING, "linux/amd64"),
    "ppc64le": Compiled("powerpc64le-linux-gnu-gcc", (), NOTHING, "linux/ppc64le"),
    "s390x": Compiled("s390x-linux-gnu-gcc", (), NOTHING, "linux/s390x"),
}


def compiled(name: str, root: Path, *flags: str) -> Path:
    """Make a root filesystem of one program, `/app`."""
    how = COMPILED[name]
    need(how.compiler)
    root.mkdir()
    words = ("-static", "-nostdlib", *how.flags, *flags)
    run(how.compiler, *words, "-x", "c", "-", "-o", root / "app", stdin=how.source)
    return root


def make_programs(folder: Path) -> None:
    """Make a folder: `recipe.toml`, and `layout` with an image of each program and all of them as the index `all`."""
    folder.mkdir()
    recipe = program_recipe(folder, {name: compiled(name, folder / name) for name in COMPILED})
    pack(recipe, *variants(COMPILED), "-o", "oci:layout:{variant}", cwd=folder)
    pack(recipe, *variants(COMPILED), "--index", "-o", "oci:layout:all", cwd=folder)
