"""From the source to the image, step by step: each bar begins where the one before it ends, to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from assembler.oci.types import LAYER_FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assembler.experiments.results.records import LayerRow, RootRecord, Step, TrialRecord

MOST: Final = 12
"""Rules that have a bar of their own."""


class Bar(Struct, frozen=True, array_like=True):
    """A bar.

    Attributes:
        kind: `total` stands on the ground, `change` begins where the bar before it ends.
        label: what it is.
        size: bytes; of a change, what it adds: negative where it saves.
        about: more of it, in one line.
    """

    kind: Literal["total", "change"]
    label: str
    size: int
    about: str = ""


def root_bars(root: RootRecord) -> tuple[Bar, ...]:
    """Return the bars from the source's files to the root's."""
    bars = [Bar("total", "source", root.source_size, f"{root.source_files:,} files")]
    steps = [step for step in root.steps if step.size]
    by_size = sorted(range(len(steps)), key=lambda at: -abs(steps[at].size))
    shown = {*by_size[: MOST if len(steps) > MOST + 1 else len(steps)]}
    bars += [_step_bar(step) for at, step in enumerate(steps) if at in shown]
    rest = [step for at, step in enumerate(steps) if at not in shown]
    if rest:
        size, files = -sum(step.size for step in rest), sum(step.files for step in rest)
        bars.append(Bar("change", f"{len(rest)} more rules", size, f"{files:,} files"))
    unexplained = root.unpacked - root.source_size + sum(step.size for step in steps)
    if unexplained:
        bars.append(Bar("change", "not told", unexplained, "no rule of the record says why"))
    bars.append(Bar("total", "unpacked", root.unpacked, f"{root.file_count:,} files"))
    return tuple(bars)


def image_bars(trial: TrialRecord, root: RootRecord) -> tuple[Bar, ...]:
    """Return the bars that follow: from the root's files to what is stored; none where the trial has no layers."""
    if not trial.layers:
        return ()
    plain = sum(layer.uncompressed_size for layer in trial.layers)
    stored = sum(layer.size for layer in trial.layers)
    entries = sum(layer.entries for layer in trial.layers)
    bars = [Bar("change", "tar", plain - root.unpacked, f"headers and padding of {entries:,} entries")]
    if stored != plain:
        bars.append(Bar("change", f"compression ({_formats(trial)})", stored - plain, f"to {stored / plain:.1%}"))
    layers = "1 layer" if len(trial.layers) == 1 else f"{len(trial.layers)} layers"
    bars.append(Bar("total", "stored", stored, layers))
    transferred = trial.measures.get("transferred")
    if transferred is not None:
        bars.append(Bar("change", "config, manifest", int(transferred) - stored))
        bars.append(Bar("total", "image", int(transferred), "what a registry sends"))
    return tuple(bars)


def levels(bars: Iterable[Bar]) -> tuple[tuple[int, int], ...]:
    """Return where each bar begins and ends, in bytes."""
    found: list[tuple[int, int]] = []
    for bar in bars:
        begin = found[-1][1] if bar.kind == "change" and found else 0
        found.append((begin, begin + bar.size))
    return tuple(found)


def _step_bar(step: Step) -> Bar:
    told = step.rule.startswith(step.reason)  # `select.drop` of `select.drop '/usr/share/doc'`
    label = (step.rule if told else f"{step.reason}: {step.rule}") if step.rule else step.reason
    return Bar("change", label, -step.size, f"{step.files:,} {'file' if step.files == 1 else 'files'}")


def _formats(trial: TrialRecord) -> str:
    return ", ".join(dict.fromkeys(map(_format, trial.layers)))


def _format(layer: LayerRow) -> str:
    name: str = LAYER_FORMATS.get(layer.media_type, layer.media_type)
    return name if layer.level is None else f"{name} {layer.level}"
