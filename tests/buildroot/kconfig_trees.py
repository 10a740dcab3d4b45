"""A Buildroot tree as far as kconfig reads it: real symbols, of each kind of dependency one, and nothing to build."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assembler.buildroot.kconfig_tree import configure, load_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.buildroot.kconfig_tree import Kconf

TREE = (Path(__file__).parent / "kconfig_tree.txt").read_text(encoding="utf-8")
"""Sections of a file each."""

CXX = {"BR2_TOOLCHAIN_BUILDROOT_CXX": "y"}
GLIBC = {"BR2_x86_64": "y", "BR2_TOOLCHAIN_BUILDROOT_GLIBC": "y", "BR2_KERNEL_HEADERS_5_10": "y"}
MUSL = {"BR2_x86_64": "y", "BR2_TOOLCHAIN_BUILDROOT_MUSL": "y"}
UCLIBC = {"BR2_x86_64": "y"}
IMAGE = {"BR2_INIT_NONE": "y", "BR2_PACKAGE_BUSYBOX": "n"}
"""What toolchain/image.config says, as far as this tree has it."""

REAL = os.environ.get("BRASM_BUILDROOT", "")
needs_real = pytest.mark.skipif(not REAL, reason="BRASM_BUILDROOT names no Buildroot checkout")


def small_tree(folder: Path, changes: Mapping[str, str] | None = None) -> str:
    """Write the tree, with other texts for some of its files, and return its path."""
    parts = re.split(r"^== (\S+)\n", TREE, flags=re.MULTILINE)[1:]
    texts = dict(zip(parts[::2], parts[1::2], strict=True)) | dict(changes or {})
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return str(folder)


def external_tree(folder: Path, name: str = "OURS", config: str = "", desc: str = "our packages") -> str:
    """Write an external tree and return its path."""
    folder.mkdir(parents=True)
    (folder / "external.desc").write_text(f"name: {name}\ndesc: {desc}\n")
    (folder / "external.mk").write_text("")
    (folder / "Config.in").write_text(config)
    return str(folder)


def configured(tree: str, *parts: Mapping[str, str], externals: Sequence[str] = (), host_gcc: str = "9") -> Kconf:
    """Return a tree with a configuration."""
    kconf = load_tree(tree, externals, host_gcc)
    for part in parts:
        configure(kconf, part)
    return kconf


def dot_config(kconf: Kconf) -> dict[str, str]:
    """Return the configuration as `.config` has it, in the form of `parse_config`."""
    return {one.name: one.str_value for one in kconf.unique_defined_syms if one.config_string}
