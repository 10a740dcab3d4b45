"""Sums of two inventories: what grew, what shrank, the largest change first."""

from __future__ import annotations

from assembler.plan.growth import compare_packages, compare_sums
from assembler.plan.inventory import NO_PACKAGE, PackageSum, Sum


def test_sums_that_differ() -> None:
    before = [Sum("/usr", 3, 300), Sum("/etc", 2, 20), Sum("/var", 1, 1), Sum("/opt", 1, 5)]
    after = [Sum("/usr", 2, 200), Sum("/etc", 2, 20), Sum("/var", 2, 1), Sum("/srv", 1, 500)]
    found = [(one.name, one.files_after - one.files_before, one.delta) for one in compare_sums(before, after)]
    assert found == [("/srv", 1, 500), ("/usr", -1, -100), ("/opt", -1, -5), ("/var", 1, 0)]
    assert compare_sums(before, before) == ()


def test_packages_by_version_and_size() -> None:
    before = [
        PackageSum("zlib", 2, 100, "1.2"),
        PackageSum("gone", 1, 50),
        PackageSum("same", 1, 7, "1"),
        PackageSum("meta", 0, 0, "1"),
    ]
    after = [
        PackageSum("zlib", 2, 100, "1.3"),
        PackageSum("new", 1, 30, "0"),
        PackageSum("same", 1, 7, "1", "MIT"),
        PackageSum(NO_PACKAGE, 1, 9),
    ]
    rows = [
        (one.name, one.state, one.delta, one.version_before, one.version_after)
        for one in compare_packages(before, after)
    ]
    assert rows == [
        ("gone", "removed", -50, "", ""),
        ("new", "added", 30, "", "0"),
        (NO_PACKAGE, "changed", 9, "", ""),
        ("meta", "removed", 0, "1", ""),
        ("zlib", "changed", 0, "1.2", "1.3"),
    ]


def test_nothing_is_known_of_one_side() -> None:
    known = [PackageSum("zlib", 2, 100, "1.2")]
    assert compare_packages(known, []) == compare_packages([], known) == ()
