"""Which of several images runs on a platform."""

from __future__ import annotations

import pytest

from assembler.base.digest import sha256
from assembler.base.errors import ImageError
from assembler.oci.types import MANIFEST, Descriptor, Platform
from assembler.sources.platforms import choose, distance, matches, parse_platform


def listed(*texts: str) -> list[tuple[Descriptor, Platform | None]]:
    """Images for platforms, in the order of an index."""
    return [(Descriptor(MANIFEST, sha256(text.encode()), 1), parse_platform(text)) for text in texts]


@pytest.mark.parametrize(
    ("there", "wanted", "chosen"),
    [
        ("linux/amd64 linux/arm64", "linux/arm64", "linux/arm64"),
        ("linux/arm64/v8 linux/arm/v7", "linux/arm64", "linux/arm64/v8"),
        ("linux/arm64", "linux/arm64/v8", "linux/arm64"),
        ("linux/arm64", "linux/arm64/v9", "linux/arm64"),
        ("linux/arm/v6 linux/arm/v7", "linux/arm/v6", "linux/arm/v6"),
        ("linux/arm/v6 linux/arm/v7", "linux/arm/v7", "linux/arm/v7"),
        ("linux/arm/v6 linux/arm", "linux/arm/v7", "linux/arm"),
        ("linux/arm/v6 linux/arm/v7", "linux/arm", "linux/arm/v7"),
        ("linux/arm/v5 linux/arm/v6", "linux/arm/v7", "linux/arm/v6"),
        ("linux/arm/v5 linux/arm/v6", "linux/arm", "linux/arm/v6"),
        ("linux/arm/v8", "linux/arm", "linux/arm/v8"),
        ("linux/arm/v7 linux/arm/v6", "linux/arm/v8", "linux/arm/v7"),
        ("linux/amd64/v3 linux/amd64/v2 linux/amd64", "linux/amd64", "linux/amd64"),
        ("linux/amd64/v3 linux/amd64/v2 linux/amd64", "linux/amd64/v4", "linux/amd64/v3"),
        ("linux/riscv64/rva22u64 linux/riscv64", "linux/riscv64", "linux/riscv64"),
        ("linux/riscv64/rva22u64", "linux/riscv64", "linux/riscv64/rva22u64"),
    ],
)
def test_the_nearest_is_chosen(there: str, wanted: str, chosen: str) -> None:
    assert str(choose(listed(*there.split()), parse_platform(wanted), "x")[1]) == chosen


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ("linux/arm/v7", "linux/arm/v6"),
        ("linux/arm64/v8", "linux/arm/v8"),
        ("linux/arm64/v9", "linux/arm64/v8"),
        ("linux/amd64/v3", "linux/amd64/v2"),
        ("windows/amd64", "linux/amd64"),
        ("linux/riscv64/rva22u64", "linux/riscv64/rva20u64"),
    ],
)
def test_what_does_not_run_there(there: str, wanted: str) -> None:
    assert distance(parse_platform(there), parse_platform(wanted)) is None
    with pytest.raises(ImageError, match=f"^x: no image for {wanted}$") as raised:
        choose(listed(there, "linux/s390x"), parse_platform(wanted), "x")
    assert raised.value.hint == f"there are: {there}, linux/s390x; choose with --platform"


def test_an_older_variant_runs_there_but_is_not_for_it() -> None:
    older, wanted = parse_platform("linux/arm/v6"), parse_platform("linux/arm/v7")
    assert distance(older, wanted) == 1
    assert not matches(older, wanted)
    assert matches(parse_platform("linux/arm"), wanted)
