"""Matrices: which trials there are, what is left out, and commands that make the same again."""

from __future__ import annotations

import itertools
import math
import os
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from assembler.base.digest import sha256
from assembler.base.errors import RecipeError, UsageError
from assembler.cli.options import Changes, read_recipe
from assembler.experiments.trials.axes import MOST_VALUES, OWN, Axis, parse_axis
from assembler.experiments.trials.matrix import (
    Base,
    Matrix,
    choices,
    declare,
    read_base,
    recipe_digest,
    reproduce,
    trial_id,
)
from assembler.recipe import load_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_RECIPE = """
name = "team/app"
version = "1.0"
description = "before"

[source]
buildroot = "defconfig"

[buildroot]
toolchain = "x86-64-glibc+cxx"

[variant.musl]
toolchain = "x86-64-musl+cxx"
set = { "layers.level" = 12 }

[variant.tree]
set = { "select.charsets" = ["UTF-16"] }

[image]
entrypoint = ["/bin/app"]
env = { B = "1", A = "2" }

[[test]]
run = ["/bin/app"]
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "recipe.toml").write_text(_RECIPE)
    return str(tmp_path / "recipe.toml")


def base_of(text: str, folder: Path) -> Base:
    (folder / "recipe.toml").write_text(text)
    return read_base(str(folder / "recipe.toml"))


def axes(*texts: str) -> tuple[Axis, ...]:
    return tuple(map(parse_axis, texts))


def options_of(matrix: Matrix) -> list[Mapping[str, Any]]:
    return [candidate.options for candidate in matrix.candidates]


def test_a_grid_is_in_the_order_of_the_axes(path: str) -> None:
    matrix = declare(read_base(path), axes("layers.compression=gzip,zstd", "layers.level=1,9"))
    assert options_of(matrix) == [
        {"layers.compression": "gzip", "layers.level": 1},
        {"layers.compression": "gzip", "layers.level": 9},
        {"layers.compression": "zstd", "layers.level": 1},
        {"layers.compression": "zstd", "layers.level": 9},
    ]
    assert [candidate.number for candidate in matrix.candidates] == [1, 2, 3, 4]
    third = matrix.candidates[2]
    assert (third.loaded.recipe.layers.compression, third.loaded.recipe.layers.level) == ("zstd", 1)
    assert third.recipe_digest == recipe_digest(third.loaded)
    assert not matrix.notes


def test_one_at_a_time_begins_with_the_recipe_itself(path: str) -> None:
    matrix = declare(read_base(path), axes("layers.compression=-,zstd", "layers.level=1,9"), "one-at-a-time")
    assert options_of(matrix) == [{}, {"layers.compression": "zstd"}, {"layers.level": 1}, {"layers.level": 9}]


def test_without_axes_there_is_the_recipe_itself(path: str) -> None:
    assert options_of(declare(read_base(path), ())) == [{}]


def test_what_contradicts_the_recipe_is_left_out(path: str) -> None:
    matrix = declare(read_base(path), axes("layers.compression=gzip,zstd,none", "layers.level=1..22"))
    assert len(matrix.candidates) == 12 + 22
    assert matrix.notes == (
        "10 of 66 combinations left out: layers.level: 13: gzip goes to 12",
        "22 of 66 combinations left out: layers.level: 1: none has no levels",
    )
    assert matrix.left_out[0].options == {"layers.compression": "gzip", "layers.level": 13}


def test_what_says_the_same_is_one_trial(path: str) -> None:
    """The default level of gzip is 6, and the budget says nothing of the image."""
    matrix = declare(read_base(path), axes("layers.level=-,6,9", "budget.compressed=-,1 MB"))
    assert options_of(matrix) == [{}, {"layers.level": 9}]
    assert matrix.notes == ("4 of 6 combinations left out: they say the same as others",)


def test_nothing_is_left(path: str) -> None:
    with pytest.raises(UsageError, match=r"no combination is a recipe: layers\.level: 13: gzip goes to 12"):
        declare(read_base(path), axes("layers.level=13..22"))


def test_a_recipe_that_is_wrong_by_itself_is_told_as_such(tmp_path: Path) -> None:
    base = base_of(_RECIPE + "[layers]\nlevle = 1\n", tmp_path)
    with pytest.raises(RecipeError, match=r"recipe\.toml: unknown key 'layers\.levle'"):
        declare(base, axes("layers.level=1,2"))


def test_a_recipe_may_be_right_only_with_options(tmp_path: Path) -> None:
    base = base_of('name = "x"\nsource = {}\n', tmp_path)
    assert len(declare(base, axes("source.directory=/a,/b")).candidates) == 2


def test_variants(path: str) -> None:
    matrix = declare(read_base(path), axes("variant=-,musl,tree", "layers.level=-,3"))
    found = [
        (one.loaded.variant, one.loaded.recipe.version, one.loaded.recipe.layers.level) for one in matrix.candidates
    ]
    assert found == [
        (None, "1.0", None),
        (None, "1.0", 3),
        ("musl", "1.0-musl", 12),
        ("musl", "1.0-musl", 3),
        ("tree", "1.0-tree", None),
        ("tree", "1.0-tree", 3),
    ]
    assert len({candidate.recipe_digest for candidate in matrix.candidates}) == 6


def test_a_variant_that_there_is_not(path: str) -> None:
    with pytest.raises(RecipeError, match="no variant is called 'mosl'") as error:
        declare(read_base(path), axes("variant=-,mosl"))
    assert error.value.hint == "did you mean 'musl'?"


def test_the_c_library(path: str) -> None:
    matrix = declare(read_base(path), axes("variant=-,musl", "buildroot.libc=-,uclibc"))
    assert [candidate.loaded.recipe.buildroot.toolchain for candidate in matrix.candidates] == [
        "x86-64-glibc+cxx",
        "x86-64-uclibc+cxx",
        "x86-64-musl+cxx",
        "x86-64-uclibc+cxx",
    ]
    assert matrix.candidates[1].options == {"buildroot.libc": "uclibc"}


@pytest.mark.parametrize(
    ("toolchain", "libc", "expected"),
    [
        ("x86-64-v3-glibc", "musl", "x86-64-v3-musl"),
        ("aarch64-musl+static+cxx", "glibc", "aarch64-glibc+static+cxx"),
        ("x86-64-glibc", "glibc", "x86-64-glibc"),
    ],
)
def test_the_c_library_is_the_last_part_of_the_fragment(path: str, toolchain: str, libc: str, expected: str) -> None:
    base = read_base(path, [f"buildroot.toolchain={toolchain}"])
    assert base.load({"buildroot.libc": libc}).recipe.buildroot.toolchain == expected


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "buildroot.libc: musl: the recipe has no buildroot.toolchain to change"),
        ("[buildroot]\ntoolchain = 'sparc-glibc'", "buildroot.libc: no toolchain is called 'sparc-musl'"),
    ],
)
def test_a_c_library_that_cannot_be_had(tmp_path: Path, lines: str, message: str) -> None:
    base = base_of(f'name = "x"\nsource = {{ buildroot = "defconfig" }}\n{lines}', tmp_path)
    with pytest.raises(UsageError) as error:
        declare(base, axes("buildroot.libc=musl"))
    assert message in error.value.message


def test_too_many_for_a_grid(path: str) -> None:
    many = (*axes("layers.level=1..22"), *(Axis(f"image.env.N{number}", tuple("0123456789")) for number in range(5)))
    with pytest.raises(UsageError, match="2,200,000 combinations: more than 1,000,000") as error:
        declare(read_base(path), many)
    assert error.value.hint == "--strategy random --trials 100 takes some of them"
    assert len(declare(read_base(path), many, "random", trials=50).candidates) == 50


def test_random_finds_as_many_as_are_asked_for(path: str) -> None:
    """Of 46 combinations 36 are recipes, and of these two say the same as others."""
    varied = axes("layers.compression=gzip,zstd", "layers.level=-,1..22")
    asked = declare(read_base(path), varied, "random", seed=1, trials=20)
    assert len(asked.candidates) == 20
    everything = declare(read_base(path), varied, "random", seed=1, trials=1000)
    assert options_of(everything)[:20] == options_of(asked)
    assert len(everything.candidates) == 34
    assert options_of(declare(read_base(path), varied, "random", seed=2, trials=20)) != options_of(asked)


def test_random_must_know_how_many(path: str) -> None:
    with pytest.raises(UsageError, match="strategy random: how many trials") as error:
        declare(read_base(path), axes("layers.level=1..3"), "random")
    assert error.value.hint == "--trials 100"


def test_the_same_seed_is_the_same_trials_whatever_python_it_is() -> None:
    found = choices([Axis("layers.level", tuple(range(1, 13)))], "random", 7, 1)
    assert [options["layers.level"] for options in itertools.islice(found, 12)] == [
        5, 11, 4, 10, 8, 2, 7, 1, 9, 6, 12, 3,
    ]  # fmt: skip


_axes = st.lists(
    st.lists(st.one_of(st.just(OWN), st.integers(0, 99)), min_size=1, max_size=6, unique=True), min_size=0, max_size=4
).map(lambda lists: [Axis(f"key{number}", tuple(values)) for number, values in enumerate(lists)])


@given(_axes)
def test_a_grid_has_each_combination_once(varied: list[Axis]) -> None:
    found = [tuple(options.items()) for options in choices(varied, "grid")]
    assert len(set(found)) == len(found) == math.prod(len(axis.values) for axis in varied)


@given(_axes)
def test_one_at_a_time_varies_one_at_a_time(varied: list[Axis]) -> None:
    found = list(choices(varied, "one-at-a-time"))
    assert found[0] == {}
    assert all(len(options) == 1 for options in found[1:])
    own = sum(OWN in axis.values for axis in varied)
    assert len(found) == 1 + sum(len(axis.values) for axis in varied) - own


@given(_axes, st.integers(0, 9), st.integers(1, 40))
def test_random_takes_each_combination_at_most_once(varied: list[Axis], seed: int, trials: int) -> None:
    found = [tuple(options.items()) for options in choices(varied, "random", seed, trials)]
    total = math.prod(len(axis.values) for axis in varied)
    assert len(set(found)) == len(found) == min(total, trials * 20)
    assert found == [tuple(options.items()) for options in choices(varied, "random", seed, trials)]
    more = [tuple(options.items()) for options in choices(varied, "random", seed, trials + 1)]
    assert more[: len(found)] == found
    assert set(found) <= {tuple(options.items()) for options in choices(varied, "grid")}


def test_random_over_a_grid_that_no_memory_holds() -> None:
    huge = [Axis(f"key{number}", tuple(range(MOST_VALUES))) for number in range(8)]
    found = list(itertools.islice(choices(huge, "random", 3, 100), 100))
    assert len({tuple(options.items()) for options in found}) == 100


@pytest.mark.parametrize(
    "overrides",
    [
        ("description=after",),
        ("version=2",),
        ("budget.compressed=1 MB",),
        ("tune={strategy='random', seed=3, trials=9}",),
        ("variant.other.toolchain=x86-64-uclibc",),
        ("layers.level=6",),
        ("layers.hardlinks=true",),
        ("strip.mode=unneeded",),
        ("image.created=0",),
    ],
)
def test_what_says_nothing_of_the_image_does_not_count(path: str, overrides: tuple[str, ...]) -> None:
    assert recipe_digest(load_recipe(path, overrides)) == recipe_digest(load_recipe(path))


@pytest.mark.parametrize(
    "overrides",
    [
        ("layers.level=5",),
        ("layers.compression=zstd",),
        ("image.env={A='2', B='1'}",),
        ("test=[]",),
        ("run.network=host",),
        ("select.drop=['/x']",),
        ("source.buildroot=other",),
        ("image.created=1",),
        ("name=other",),
    ],
)
def test_what_says_something_of_the_image_or_its_tests_counts(path: str, overrides: tuple[str, ...]) -> None:
    assert recipe_digest(load_recipe(path, overrides)) != recipe_digest(load_recipe(path))


def test_the_time_of_the_environment_counts_where_the_recipe_has_none(path: str) -> None:
    plain, timed = load_recipe(path), load_recipe(path, ["image.created=5"])
    later = {"SOURCE_DATE_EPOCH": "5"}
    assert recipe_digest(plain, later) == recipe_digest(timed) == recipe_digest(timed, later)
    assert recipe_digest(plain, later) != recipe_digest(plain)


def test_files_beside_the_recipe_count(tmp_path: Path) -> None:
    lines = 'overlay = "over"\n[[files]]\npath = "/etc/x"\nsource = "x"\n'
    text = f'name = "x"\nsource = {{ directory = "/" }}\n{lines}'
    (tmp_path / "over/etc").mkdir(parents=True)
    (tmp_path / "over/etc/y").write_text("y")
    (tmp_path / "x").write_text("x")
    base = base_of(text, tmp_path)
    seen = [recipe_digest(base.load())]
    changes = (
        lambda: (tmp_path / "x").write_text("z"),
        lambda: (tmp_path / "over/etc/y").write_text("z"),
        lambda: (tmp_path / "over/etc/y").chmod(0o755),
        lambda: (tmp_path / "over/new").symlink_to("etc/y"),
        (tmp_path / "over/empty").mkdir,
    )
    for change in changes:
        change()
        seen.append(recipe_digest(base.load()))
    assert len(set(seen)) == len(seen)
    os.utime(tmp_path / "x", (1, 1))
    os.utime(tmp_path / "over/etc/y", (1, 1))
    (tmp_path / "over/etc/y").chmod(0o711)
    assert recipe_digest(base.load()) == seen[-1]


def test_the_folder_of_a_recipe_does_not_count(path: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    other = base_of(_RECIPE, tmp_path / "elsewhere")
    assert recipe_digest(other.load()) == recipe_digest(load_recipe(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    base = base_of('name = "x"\nsource = { directory = "/" }\n', tmp_path)
    with pytest.raises(UsageError, match=r"no combination is a recipe: files\[0\]\.source: .*/nowhere: No such file"):
        declare(base, (Axis("files", ([{"path": "/x", "source": "nowhere"}],)),))


def test_the_id_of_a_trial() -> None:
    recipe, source = sha256(b"recipe"), sha256(b"source")
    ids = {
        trial_id(recipe, source, tested=True),
        trial_id(recipe, source, tested=False),
        trial_id(recipe, None, tested=True),
        trial_id(source, recipe, tested=True),
    }
    assert len(ids) == 4
    assert trial_id(recipe, source, tested=True) in ids


def packed_by(command: str) -> Any:
    """Return the recipe that `brasm pack` reads for a command line."""
    from assembler.cli.pack import command as pack

    words = shlex.split(command)
    environment = dict([words.pop(0).split("=", 1)]) if "=" in words[0] else {}
    assert words[:2] == ["brasm", "pack"]
    context = pack.make_context("pack", words[2:])
    given = {name: context.params[name] for name in Changes.__struct_fields__}
    recipes = context.params["recipes"]
    loaded = read_recipe(recipes[0] if recipes else None, Changes(**given))
    return recipe_digest(loaded, environment), context.params["outputs"]


@pytest.mark.parametrize(
    "varied",
    [
        ("layers.compression=gzip,zstd", "layers.level=-,1,9"),
        ("variant=-,musl,tree", "select.charsets=-,[],[\"it's\", '$x y']", "layers.level=-,2"),
        ("variant=-,musl", "buildroot.libc=glibc,musl,uclibc"),
        ('image.author=-,"a \'b\' $c\\n","-","true","[1]","ä"', "layers={level=3},{split='package'}"),
        ("select.keep=-,['/x*', '!/x y']", "select.rules.qt=true,false", "image.env.C=-,'a=b'"),
    ],
)
@pytest.mark.parametrize("overrides", [(), ("layers.level=5", "layers={level=7}", "image.user=7")])
def test_a_command_makes_the_same_image(path: str, varied: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    base = read_base(path, overrides)
    matrix = declare(base, axes(*varied))
    assert matrix.candidates
    for candidate in matrix.candidates:
        command = reproduce(base, candidate.options)
        assert packed_by(command) == (candidate.recipe_digest, ("app.tar",))


def test_a_command_reads_well(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(os.path.dirname(path))
    base = read_base("recipe.toml", ["layers.level=5", "image.user=7"], {}, "musl")
    options = {"layers.level": 9, "layers.compression": "zstd", "select.charsets": ["UTF-16"]}
    assert reproduce(base, options, {"SOURCE_DATE_EPOCH": "7"}) == (
        "SOURCE_DATE_EPOCH=7 brasm pack recipe.toml --variant musl --set image.user=7 --set layers.level=9"
        " --set layers.compression=zstd --set 'select.charsets=[\"UTF-16\"]' -o app.tar"
    )


def test_a_command_for_a_recipe_of_the_command_line(tmp_path: Path) -> None:
    words = ("--source", str(tmp_path), "--entrypoint", "/bin/x -y", "--mode", "prune")
    changes = Changes(source=str(tmp_path), entrypoint="/bin/x -y", mode="prune")
    loaded = read_recipe(None, changes)
    given = {"source": {"directory": str(tmp_path)}, "image.entrypoint": ["/bin/x", "-y"], "select.mode": "prune"}
    base = Base({"name": loaded.recipe.name}, os.getcwd(), given=given, words=words)
    assert recipe_digest(base.load()) == recipe_digest(loaded)
    matrix = declare(base, axes("layers.level=-,1", "select.mode=-,all"))
    assert len(matrix.candidates) == 4
    for candidate in matrix.candidates:
        assert packed_by(reproduce(base, candidate.options))[0] == candidate.recipe_digest


def test_a_command_has_names_that_are_no_utf_8() -> None:
    base = Base({"name": "x"}, "/", given={"source": {"directory": "/"}}, words=("--source", "/a'\\\udcff b"))
    command = reproduce(base, {})
    assert command == "brasm pack --source $'/a\\047\\134\\377 b' -o x.tar"
    assert command.encode()


def test_an_image_is_the_same_with_and_without_tune(tmp_path: Path) -> None:
    from assembler.cli.pack import command as pack

    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/x").write_text("x")
    text = (
        'name = "x"\nsource = { directory = "root" }\nselect = { mode = "all" }\nimage = { platform = "linux/amd64" }\n'
    )
    digests = []
    for more in ("", "[tune]\nstrategy = 'random'\ntrials = 3\nvary = { 'layers.level' = '1..9' }\n"):
        (tmp_path / "recipe.toml").write_text(text + more)
        done = CliRunner().invoke(pack, [str(tmp_path), "-o", str(tmp_path / "x.tar"), "-q"], catch_exceptions=False)
        assert done.exit_code == 0
        digests.append(done.stdout)
    assert digests[0] == digests[1] != ""
