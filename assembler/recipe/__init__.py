"""Recipes: their types, reading them, and where they are found."""

from assembler.recipe.load import load_recipe, recipe_from_mapping
from assembler.recipe.types import (
    FileSpec,
    ImageSpec,
    LayersSpec,
    Recipe,
    SelectSpec,
    SourceSpec,
    StripSpec,
    TestSpec,
)

__all__ = [
    "FileSpec",
    "ImageSpec",
    "LayersSpec",
    "Recipe",
    "SelectSpec",
    "SourceSpec",
    "StripSpec",
    "TestSpec",
    "load_recipe",
    "recipe_from_mapping",
]
