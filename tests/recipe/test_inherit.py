"""What a source image's config gives to a recipe."""

from __future__ import annotations

from typing import Any

from assembler.oci.types import ContainerConfig, Healthcheck, ImageConfig
from assembler.recipe import ImageSpec, recipe_from_mapping
from assembler.recipe.inherit import inherit

CONFIG = ImageConfig(
    "amd64",
    "linux",
    author="them",
    config=ContainerConfig(
        user="7",
        entrypoint=("/bin/theirs",),
        cmd=("serve",),
        env=("PATH=/bin", "A=theirs=x"),
        labels={"a": "theirs", "b": "theirs"},
        exposed_ports={"80/tcp": {}},
        healthcheck=Healthcheck(("CMD", "/bin/check"), interval=1_500_000_000),
    ),
)


def merged(**image: Any) -> ImageSpec:
    loaded = recipe_from_mapping({"name": "x", "source": {"image": "oci:x"}, "image": image}, "/")
    return inherit(loaded, CONFIG).recipe.image


def test_what_is_unsaid_is_inherited() -> None:
    image = merged()
    assert (image.entrypoint, image.cmd, image.user, image.author) == (("/bin/theirs",), ("serve",), "7", "them")
    assert image.env == {"PATH": "/bin", "A": "theirs=x"}
    assert image.expose == ("80/tcp",)
    assert image.healthcheck is not None
    assert (image.healthcheck.test, image.healthcheck.interval) == (("/bin/check",), "1500ms")


def test_what_is_said_wins() -> None:
    image = merged(user="8", env={"A": "ours"}, labels={"a": "ours"})
    assert image.user == "8"
    assert image.env == {"PATH": "/bin", "A": "ours"}
    assert image.labels == {"a": "ours", "b": "theirs"}


def test_an_entrypoint_discards_their_cmd() -> None:
    image = merged(entrypoint=["/bin/ours"])
    assert (image.entrypoint, image.cmd) == (("/bin/ours",), ())


def test_other_sources_give_nothing() -> None:
    loaded = recipe_from_mapping({"name": "x", "source": {"directory": "/"}}, "/")
    assert inherit(loaded, None) is loaded
