"""Composing: layers and the recipe's `[image]` become an image with its config (image-spec v1.1, config.md)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from assembler.base.errors import RecipeError
from assembler.oci.image import Image
from assembler.oci.types import ContainerConfig, Healthcheck, History, ImageConfig, RootFS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from assembler.oci.image import Layer
    from assembler.oci.types import Platform
    from assembler.recipe import ImageSpec, Recipe
    from assembler.recipe.types import HealthcheckSpec

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NANOSECONDS: Final = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DURATION: Final = re.compile(r"(\d+)(ms|s|m|h)")


def compose(
    recipe: Recipe,
    platform: Platform,
    layers: Sequence[Layer],
    epoch: int,
    annotations: Mapping[str, str] = MappingProxyType({}),
) -> Image:
    """Put an image together.

    Args:
        recipe: for its `[image]`.
        platform: what the ELF files run on.
        layers: from the lowest up.
        epoch: the time of creation, in seconds since the epoch.
        annotations: of the manifest; those of the recipe win.
    """
    created = rfc3339(epoch)
    config = ImageConfig(
        architecture=platform.architecture,
        os=platform.os,
        variant=platform.variant,
        created=created,
        author=recipe.image.author,
        config=_container_config(recipe.image),
        rootfs=RootFS("layers", tuple(layer.diff_id for layer in layers)),
        history=tuple(History(created=created, created_by=layer.created_by) for layer in layers),
    )
    return Image(config, tuple(layers), dict(sorted({**annotations, **recipe.image.annotations}.items())) or None)


def creation_epoch(recipe: Recipe, environment: Mapping[str, str]) -> int:
    """Return the time of creation: the recipe's, else SOURCE_DATE_EPOCH, else 0 (seconds since the epoch).

    Raises:
        RecipeError: the value is not a time.
    """
    for key, text in (
        ("image.created", recipe.image.created),
        ("SOURCE_DATE_EPOCH", environment.get("SOURCE_DATE_EPOCH")),
    ):
        if text:
            try:
                return int(text) if text.isdecimal() else int(datetime.fromisoformat(text).timestamp())
            except ValueError as error:
                raise RecipeError(f"{key}: {text!r} is not a time: {error}", key=key) from error
    return 0


def rfc3339(epoch: int) -> str:
    """Write seconds since the epoch as RFC 3339 in UTC."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _container_config(image: ImageSpec) -> ContainerConfig:
    env = {"PATH": DEFAULT_PATH, **image.env}
    return ContainerConfig(
        user=image.user,
        exposed_ports=_set(port if "/" in port else f"{port}/tcp" for port in image.expose),
        env=tuple(f"{name}={value}" for name, value in env.items()),
        entrypoint=image.entrypoint or None,
        cmd=image.cmd or None,
        volumes=_set(image.volumes),
        working_dir=image.workdir,
        labels=dict(sorted(image.labels.items())) or None,
        stop_signal=image.stop_signal,
        healthcheck=None if image.healthcheck is None else _healthcheck(image.healthcheck),
    )


def _set(names: Iterable[str]) -> dict[str, dict[str, str]] | None:
    """Write a set as Go does: a map to empty objects."""
    return {name: {} for name in sorted(names)} or None


def _healthcheck(spec: HealthcheckSpec) -> Healthcheck:
    return Healthcheck(
        test=("CMD", *spec.test),
        interval=_nanoseconds(spec.interval),
        timeout=_nanoseconds(spec.timeout),
        start_period=_nanoseconds(spec.start_period),
        retries=spec.retries,
    )


def _nanoseconds(duration: str | None) -> int | None:
    if duration is None:
        return None
    return sum(int(number) * _NANOSECONDS[unit] for number, unit in _DURATION.findall(duration))
