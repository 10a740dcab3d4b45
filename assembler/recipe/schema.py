"""The JSON schema of a recipe (draft 2020-12), made from the types; `recipes/recipe.schema.json` is its output."""

from __future__ import annotations

import msgspec

from assembler.recipe.types import Recipe


def recipe_schema() -> bytes:
    """Return the schema as indented JSON."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "brasm recipe",
        **msgspec.json.schema(Recipe),
    }
    return msgspec.json.format(msgspec.json.encode(schema, order="deterministic"), indent=2) + b"\n"
