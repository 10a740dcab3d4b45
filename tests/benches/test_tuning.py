from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from assembler.recipe.load import load_recipe
from benches import packing
from benches.measure import Sample
from benches.tuning import GRID, RECIPE, agreement, differing, first_of_each, grid, images, total

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

AXES: Mapping[str, tuple[str | int, ...]] = {"layers.split": ("single", "package"), "layers.level": (1, 2)}


def test_the_grid_has_every_combination_once() -> None:
    trials = grid(GRID)
    assert len(trials) >= 200
    assert len({tuple(one.items()) for one in trials}) == len(trials)
    assert grid(AXES)[:2] == [
        {"layers.split": "single", "layers.level": 1},
        {"layers.split": "single", "layers.level": 2},
    ]


def test_every_combination_is_a_recipe(tmp_path: Path) -> None:
    path = f"{tmp_path}/recipe.toml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(RECIPE.format(root=json.dumps('/a "root"')))
    recipes = {
        repr(load_recipe(path, [f"{key}={value}" for key, value in options.items()]).recipe) for options in grid(GRID)
    }
    assert len(recipes) == len(grid(GRID))


def test_times_add_up_and_memory_does_not() -> None:
    assert total([Sample(1, 2, 30), Sample(10, 20, 20)]) == Sample(11, 22, 30)


def lines(*trials: tuple[dict[str, object], str | None]) -> list[bytes]:
    head = {"kind": "results", "version": 1}
    return [
        json.dumps(one).encode() for one in (head, *({"kind": "trial", "options": o, "image": i} for o, i in trials))
    ]


def test_images_are_found_by_their_options_in_whatever_order() -> None:
    # What is the recipe's own need not be named.
    file = lines(
        ({"layers.level": 2, "layers.split": "package"}, "d"),
        ({"layers.level": 1}, "a"),
        ({"layers.split": "single", "layers.level": 2}, "b"),
    )
    trials = [{**one, "layers.compression": "gzip"} for one in grid(AXES)]
    assert images(file, trials) == ["a", "b", None, "d"]


def test_other_images_are_told() -> None:
    assert differing(["a", "b", "c"], ["a", None, "x"]) == [1, 2]
    assert agreement(["a", "b", "b"], ["a", "b", "b"]).startswith("All 3 images have the digest")
    assert "there are 2 different ones" in agreement(["a", "b", "b"], ["a", "b", "b"])
    assert agreement(["a", "b"], ["a", "x"]).startswith("1 of 2 images have another digest")


def test_of_equal_images_the_first_counts() -> None:
    assert first_of_each(["a", "b", "a", "c", "b"]) == [0, 1, 3]
    assert first_of_each([]) == []


def test_a_layer_is_weighed_by_the_last_manifest(tmp_path: Path) -> None:
    os.makedirs(f"{tmp_path}/layout/blobs/sha256")
    for name, value in (
        ("index.json", {"manifests": [{"digest": "sha256:no"}, {"digest": "sha256:aa"}]}),
        ("blobs/sha256/aa", {"layers": [{"size": 3}, {"size": 4}]}),
    ):
        with open(f"{tmp_path}/layout/{name}", "w", encoding="utf-8") as file:
            json.dump(value, file)
    assert packing.layer_size(str(tmp_path)) == 7
