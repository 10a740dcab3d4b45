"""Buildroot's tree: known by its commit and what was changed since, cloned once, held to what a recipe pins."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from assembler.base.errors import ProgramError, RecipeError, UsageError
from assembler.base.progress import Silent
from assembler.buildroot.checkout import cached_checkouts, check_release, find_checkout, open_checkout
from assembler.recipe.types import BuildrootSpec
from tests.tools import need, run

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = "2025.02.16"


def git(folder: Path, *words: str) -> str:
    return run("git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.org", *words).strip()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree in git with a tag; the cache is empty."""
    need("git")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "buildroot"
    (folder / "package").mkdir(parents=True)
    (folder / "Makefile").write_text(f"all:\nexport BR2_VERSION := {_VERSION}\n")
    (folder / "Config.in").write_text("")
    (folder / ".gitignore").write_text("/output\n/dl\n")
    (folder / "package" / "x.mk").write_text("X_VERSION = 1\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "x")
    git(folder, "tag", _VERSION)
    return folder


def test_it_is_known_by_its_commit(tree: Path) -> None:
    found = open_checkout(str(tree))
    assert (found.version, found.identity) == (_VERSION, git(tree, "rev-parse", "HEAD"))
    assert found.commit == found.identity
    (tree / "output").mkdir()
    (tree / "output" / "x").write_text("ignored")
    assert open_checkout(str(tree)) == found


def test_changes_since_the_commit_make_it_another(tree: Path) -> None:
    clean = open_checkout(str(tree))
    identities = {clean.identity}
    (tree / "package" / "x.mk").write_text("X_VERSION = 2\n")
    identities.add(open_checkout(str(tree)).identity)
    (tree / "package" / "y.mk").write_text("")
    identities.add(open_checkout(str(tree)).identity)
    (tree / "package" / "x.mk").unlink()
    identities.add(open_checkout(str(tree)).identity)
    assert len(identities) == 4
    assert all(one.startswith(clean.identity) for one in identities)
    assert open_checkout(str(tree)).commit == clean.commit


def test_without_git_it_is_known_by_its_files(tree: Path) -> None:
    run("rm", "-r", tree / ".git")
    first = open_checkout(str(tree))
    assert first.commit is None
    (tree / "dl").mkdir()
    (tree / "dl" / "x.tar").write_text("no source")
    assert open_checkout(str(tree)) == first
    (tree / "package" / "x.mk").write_text("X_VERSION = 2\n")
    assert open_checkout(str(tree)).identity != first.identity


def test_what_is_no_tree(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError, match="not a Buildroot tree"):
            open_checkout(str(folder))


def test_a_release_is_cloned_once(tree: Path) -> None:
    commit = git(tree, "rev-parse", "HEAD")
    spec = BuildrootSpec(version=_VERSION, commit=commit, repository=tree.as_uri())
    found = find_checkout(None, spec, Silent())
    assert (found.version, found.identity) == (_VERSION, commit)
    run("rm", "-r", tree)
    assert find_checkout(None, spec, Silent()) == found
    assert cached_checkouts() == [found]


def test_a_tag_that_is_another_commit_leaves_nothing(tree: Path) -> None:
    spec = BuildrootSpec(version=_VERSION, commit="0" * 40, repository=tree.as_uri())
    with pytest.raises(RecipeError, match=f"tag {_VERSION} is commit .*, not 0000"):
        find_checkout(None, spec, Silent())
    assert cached_checkouts() == []
    assert os.listdir(tree.parent / "cache" / "brasm" / "buildroot") == []


def test_a_repository_that_is_not_there(tree: Path) -> None:
    spec = BuildrootSpec(version=_VERSION, repository=(tree / "none").as_uri())
    with pytest.raises(ProgramError, match=f"Buildroot {_VERSION} cannot be cloned") as error:
        find_checkout(None, spec, Silent())
    assert "--buildroot DIR" in (error.value.hint or "")


def test_neither_a_folder_nor_a_pin() -> None:
    with pytest.raises(UsageError, match="pins no release"):
        find_checkout(None, BuildrootSpec(), Silent())


@pytest.mark.parametrize(
    ("version", "releases", "allowed"),
    [
        ("2025.02.3", (), True),
        ("2025.02", (), True),
        ("2025.05", (), False),
        ("2025.05", ("2024.*",), False),
        (None, (), True),
        ("2026.02", ("2025.*", "2026.*"), False),
        ("2026.02", ("2025.02.1?",), True),
    ],
)
def test_releases_that_a_recipe_allows(
    tree: Path, version: str | None, releases: tuple[str, ...], allowed: bool
) -> None:
    spec = BuildrootSpec(version=version, releases=releases)
    if allowed or "2025.*" in releases:
        check_release(open_checkout(str(tree)), spec)
        return
    with pytest.raises(RecipeError, match=f"Buildroot {_VERSION}, and the recipe allows"):
        find_checkout(str(tree), spec, Silent())
