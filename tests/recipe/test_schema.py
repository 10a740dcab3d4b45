"""The schema that is checked in is the one that the types make, and it takes what the loader takes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from assembler.recipe.find import find_recipe, share_folder, shipped_recipes
from assembler.recipe.schema import recipe_schema


def test_checked_in_schema_is_current() -> None:
    assert (Path(share_folder("recipes")) / "recipe.schema.json").read_bytes() == recipe_schema(), "run `make schema`"


def test_schema_is_valid_and_describes_every_key() -> None:
    schema = json.loads(recipe_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$defs"]["LayersSpec"]["properties"]["level"]["description"]


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_follow_the_schema(name: str) -> None:
    recipe = tomllib.loads(Path(find_recipe(name)).read_text(encoding="utf-8"))
    jsonschema.validate(recipe, json.loads(recipe_schema()), jsonschema.Draft202012Validator)


def test_schema_refuses_unknown_keys() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(
            {"name": "x", "source": {"directory": "/"}, "selct": {}},
            json.loads(recipe_schema()),
            jsonschema.Draft202012Validator,
        )
