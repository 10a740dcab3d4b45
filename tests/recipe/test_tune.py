"""`[tune]`: what trials vary, of which the image knows nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from assembler.base.errors import RecipeError
from assembler.recipe import load_recipe, recipe_from_mapping
from assembler.recipe.schema import recipe_schema
from assembler.recipe.types import TuneSpec

if TYPE_CHECKING:
    from pathlib import Path

_RECIPE = """
name = "app"
source = { directory = "/" }

[tune]
strategy = "random"
vary = { "layers.level" = "-,1..12", "layers.compression" = ["gzip", "zstd"], "select.charsets" = [[], ["UTF-16"]] }
seed = 7
trials = 20
budget = "1m30s"
minimize = "compressed"
"""


def tune(**values: Any) -> TuneSpec:
    return recipe_from_mapping({"name": "app", "source": {"directory": "/"}, "tune": values}, "/").recipe.tune


def test_without_it_all_is_default() -> None:
    assert recipe_from_mapping({"name": "app", "source": {"directory": "/"}}, "/").recipe.tune == TuneSpec()
    assert TuneSpec() == TuneSpec(strategy="grid", vary={}, seed=0, trials=None, budget=None, minimize=None)


def test_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(_RECIPE)
    vary = {
        "layers.level": "-,1..12",
        "layers.compression": ["gzip", "zstd"],
        "select.charsets": [[], ["UTF-16"]],
    }
    loaded = load_recipe(str(tmp_path / "recipe.toml"))
    assert loaded.recipe.tune == TuneSpec("random", vary, 7, 20, "1m30s", "compressed")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({"strategi": "grid"}, "unknown key 'tune.strategi'", "did you mean 'tune.strategy'?"),
        ({"strategy": "gird"}, "tune.strategy: invalid enum value 'gird'", "did you mean 'grid'?"),
        ({"seed": -1}, "tune.seed: expected `int` >= 0", None),
        ({"strategy": "random", "trials": 0}, "tune.trials: expected `int` >= 1", None),
        (
            {"trials": 5},
            "tune.trials: strategy grid has as many as there are",
            "strategy = 'random' takes some of them",
        ),
        ({"budget": "soon"}, "tune.budget: expected `str` matching regex", None),
        ({"vary": {"layers.level": []}}, "tune.vary.layers.level: no value is given", None),
        ({"vary": {"layers.level": ""}}, "tune.vary.layers.level: no value is given", None),
        ({"vary": {"layers.level": 9}}, "tune.vary[...]: expected `str | array`, got `int`", None),
        (
            {"vary": {"layers": {"level": "9"}}},
            "tune.vary[...]: expected `str | array`, got `object`",
            "'layers.level' = …",
        ),
        (
            {"vary": {"layers.level": [1.5]}},
            "tune.vary[...][0]: expected `bool | int | str | array`, got `float`",
            None,
        ),
    ],
)
def test_bad_ones(values: dict[str, Any], message: str, hint: str | None) -> None:
    with pytest.raises(RecipeError) as error:
        tune(**values)
    assert message in error.value.message
    assert (hint is None) == (error.value.hint is None)
    assert (hint or "") in (error.value.hint or "")


def test_the_schema_takes_what_the_loader_takes() -> None:
    recipe = {"name": "x", "source": {"directory": "/"}}
    schema = json.loads(recipe_schema())
    vary = {"layers.level": "1..9", "layers.split": ["-", "single"], "select.charsets": [[], ["A"]]}
    jsonschema.validate({**recipe, "tune": {"vary": vary}}, schema, jsonschema.Draft202012Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**recipe, "tune": {"vary": {"a": 1}}}, schema, jsonschema.Draft202012Validator)
