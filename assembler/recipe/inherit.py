"""What an image's config gives to a recipe whose source is that image: all that the recipe leaves unsaid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from assembler.recipe.types import HealthcheckSpec, LoadedRecipe

if TYPE_CHECKING:
    from assembler.oci.types import ImageConfig


def inherit(loaded: LoadedRecipe, config: ImageConfig | None) -> LoadedRecipe:
    """Fill the unset keys of `[image]` from the config of the source image, where there is one.

    As in a Dockerfile, an entrypoint of the recipe's own discards the source's `cmd`. Environment and labels are
    merged, the recipe's values winning.
    """
    if config is None or config.config is None:
        return loaded
    image, theirs = loaded.recipe.image, config.config
    values: dict[str, Any] = {
        "entrypoint": image.entrypoint or theirs.entrypoint or (),
        "cmd": image.cmd or (() if image.entrypoint else theirs.cmd or ()),
        "env": {**dict(item.partition("=")[::2] for item in theirs.env or ()), **image.env},
        "user": image.user or theirs.user or None,
        "workdir": image.workdir or theirs.working_dir or None,
        "expose": image.expose or tuple(theirs.exposed_ports or ()),
        "volumes": image.volumes or tuple(theirs.volumes or ()),
        "stop_signal": image.stop_signal or theirs.stop_signal,
        "labels": {**(theirs.labels or {}), **image.labels},
        "author": image.author or config.author,
        "healthcheck": image.healthcheck or _healthcheck(config),
    }
    return replace(loaded, recipe=replace(loaded.recipe, image=replace(image, **values)))


def _healthcheck(config: ImageConfig) -> HealthcheckSpec | None:
    theirs = config.config and config.config.healthcheck
    if not theirs or theirs.test[:1] != ("CMD",):
        return None
    return HealthcheckSpec(
        test=theirs.test[1:],
        interval=_duration(theirs.interval),
        timeout=_duration(theirs.timeout),
        start_period=_duration(theirs.start_period),
        retries=theirs.retries,
    )


def _duration(nanoseconds: int | None) -> str | None:
    return None if nanoseconds is None else f"{nanoseconds // 10**6}ms"
