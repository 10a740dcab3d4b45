"""`brasm bench`: what images cost, side by side."""

from __future__ import annotations

import contextlib
import os
import statistics
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec
from msgspec.structs import replace

from assembler.base.errors import UsageError
from assembler.base.paths import show
from assembler.base.units import format_size
from assembler.cli.boxes import limit_options
from assembler.cli.options import (
    Changes,
    complete_recipe,
    is_image,
    json_option,
    platform_option,
    quiet_option,
    read_recipe,
    recipe_options,
)
from assembler.cli.output import console, note, print_json
from assembler.cli.progress import progress
from assembler.cli.remote import remote_options
from assembler.experiments.bench.rounds import Benched, Extent, Subject, bench
from assembler.experiments.facts.machine import machine_facts
from assembler.oci.reference import parse
from assembler.pipeline.test import Target, Terms, packed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.base.progress import Progress
    from assembler.cli.boxes import Limits
    from assembler.remote.access import Access

_UNITS: Final = {
    "stored": "B",
    "unpacked": "B",
    "on_disk": "B",
    "files": "",
    "layers": "",
    "libraries": "",
    "relocations": "",
    "pack": "s",
    "pack_cpu": "s",
    "pack_memory": "B",
    "unpack": "s",
    "start_cold": "s",
    "start_warm": "s",
    "tests_cold": "s",
    "tests_warm": "s",
    "memory": "B",
}
"""All measures, in the table's order, with their units."""


@click.command(short_help="Measure what images cost: sizes, and the time to pack, unpack and start.")
@click.argument("targets", nargs=-1, metavar="[RECIPE|IMAGE]...", shell_complete=complete_recipe)
@click.option("--recipe", metavar="RECIPE", help="Whose tests images are put to. Default: does the entrypoint start?")
@click.option(
    "-n", "--runs", type=click.IntRange(0, 1000), default=5, show_default=True, help="Rounds; 0: sizes alone."
)
@click.option("--baseline", metavar="IMAGE|NUMBER", help="What ratios are of: one as given, or its place. Default: 1.")
@click.option("--no-pack", is_flag=True, help="Do not measure the packing of recipes.")
@click.option("--no-run", is_flag=True, help="Start nothing: sizes, packing and unpacking alone, without a runtime.")
@recipe_options
@limit_options
@platform_option
@remote_options
@json_option
@quiet_option
def command(
    *,
    targets: tuple[str, ...],
    recipe: str | None,
    runs: int,
    baseline: str | None,
    no_pack: bool,
    no_run: bool,
    changes: Changes,
    limits: Limits,
    platform: str | None,
    access: Access,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure what images cost: sizes, and the time to pack, unpack and start.

    A RECIPE is packed and put to its tests, as `brasm test` does; an IMAGE is put to those of --recipe, or its
    entrypoint is started. In each round every image has its turn: packed by a process of its own, unpacked, started
    while none of its files is in memory (cold) and once more (warm), tested in both ways, and watched for the most
    memory that a process of it takes. The table has the median, the least and the most of all rounds, and ratios of
    medians.

    The exit code is 1 where a test failed; all other images are measured nevertheless.
    """
    extent = Extent(runs, packs=not no_pack and runs > 0, starts=not no_run and runs > 0)
    terms = Terms(limits.runtime, limits.seconds, None, keep=False, tell=note, change=limits.change)
    _check(targets, recipe, changes)
    with progress(quiet=quiet or as_json) as listener, contextlib.ExitStack() as packing:
        subjects = _Subjects(changes, access, packing, listener).of(targets, recipe, platform)
        first = _baseline(baseline, [one.target.name for one in subjects], targets)
        benched = bench(subjects, terms, extent, listener)
    if as_json:
        print_json([_json(one) for one in benched])
    else:
        _print_table(benched, first)
        _print_rest(benched, runs, quiet=quiet)
    for one in benched:
        for failure in one.failures:
            click.echo(f"{click.style('FAIL', fg='red', bold=True)}  {show(one.image)}: {show(failure)}", err=True)
    return 1 if any(one.failures for one in benched) else 0


def _check(targets: tuple[str, ...], recipe: str | None, changes: Changes) -> None:
    if not targets and changes.source is None:
        raise UsageError(
            "neither a recipe nor an image is given", hint="brasm bench RECIPE, or brasm bench x.tar y.tar"
        )
    if recipe is not None and not any(map(is_image, targets)):
        raise UsageError("--recipe says how images are tested, and no image is given")


class _Subjects:
    """Reads what is to be measured; recipes are packed, and what came of them is there as long as it is measured."""

    def __init__(self, changes: Changes, access: Access, packing: contextlib.ExitStack, listener: Progress) -> None:
        self._changes = changes
        self._access = access
        self._packing = packing
        self._listener = listener

    def of(self, texts: Sequence[str], recipe: str | None, platform: str | None) -> list[Subject]:
        """Return all, in the order in which they are given; a recipe once for each variant."""
        subjects: list[Subject] = []
        for text in texts or (None,):
            if text is not None and is_image(text):
                subjects.append(Subject(self._image(text, recipe, platform)))
            else:
                subjects += self._recipe(text)
        return subjects

    def _image(self, text: str, recipe: str | None, platform: str | None) -> Target:
        only = self._changes if len(self._changes.variants) == 1 else replace(self._changes, variants=())
        loaded = None if recipe is None else read_recipe(recipe, only)
        return Target(text, parse(text), loaded, platform, self._access)

    def _recipe(self, text: str | None) -> Iterator[Subject]:
        from assembler.pipeline.make import Sources

        sources = Sources(self._listener, self._access)
        for each in self._changes.each():
            loaded = read_recipe(text, each)
            reference = self._packing.enter_context(packed(loaded, sources, os.environ, self._listener))
            target = Target(f"{loaded.recipe.name}:{loaded.recipe.version}", reference, loaded)
            yield Subject(target, _arguments(text, each))


def _arguments(text: str | None, changes: Changes) -> tuple[str, ...]:
    """Return the arguments of `brasm pack` for a recipe with what the command line changes."""
    words = [] if text is None else [text]
    for option, value in (("--source", changes.source), ("--entrypoint", changes.entrypoint), ("--mode", changes.mode)):
        words += [] if value is None else [f"{option}={value}"]
    words += [f"--variant={name}" for name in changes.variants]
    return (*words, *(f"--set={item}" for item in changes.overrides))


def _baseline(text: str | None, names: list[str], given: Sequence[str]) -> int:
    """Return the place of the image that others are compared to, from 0."""
    if text is None:
        return 0
    if text in names:
        return names.index(text)
    if text in given and len(given) == len(names):
        return list(given).index(text)
    if text.isdecimal() and 1 <= int(text) <= len(names):
        return int(text) - 1
    raise UsageError(f"--baseline {text}: none of the images", hint=f"one of {', '.join(names)}, or a number from 1")


def _json(one: Benched) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(one)
    runs = {
        name: None if values is None else [int(value) if _UNITS[name] == "B" else round(value, 6) for value in values]
        for name, values in one.runs.items()
    }
    return {**fields, "runs": runs}


def _print_table(benched: Sequence[Benched], first: int) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for one in benched:
        table.add_column(escape(show(one.image)), justify="right", overflow="fold")
        if len(benched) > 1:
            table.add_column("", justify="right")
    for name, unit in _UNITS.items():
        rows = [_values(one, name) for one in benched]
        if any(rows):
            cells = zip(rows, _ratios(rows, first), strict=True)
            words = [(_spread(values, unit), ratio) for values, ratio in cells]
            table.add_row(name.replace("_", " "), *(word for pair in words for word in pair[: len(benched)]))
    console().print(table)


def _values(one: Benched, name: str) -> tuple[float, ...]:
    """Return the numbers of a measure: of what is exact there is one."""
    return (getattr(one, name),) if name in Benched.__struct_fields__ else one.runs.get(name) or ()


def _spread(values: Sequence[float], unit: str) -> str:
    """Write the median, and where numbers differ the least and the most, all in the median's unit."""
    if not values:
        return "-"
    middle = statistics.median(values)
    if min(values) == max(values):
        return _written(middle, middle, unit)
    least, most = (_written(value, middle, unit).partition(" ")[0] for value in (min(values), max(values)))
    return f"{_written(middle, middle, unit)} ({least} to {most})"


def _written(value: float, middle: float, unit: str) -> str:
    """Write a number in the unit that fits another one."""
    match unit:
        case "B" if middle >= 1000:
            name = format_size(round(middle)).partition(" ")[2]
            return f"{value / 1000 ** (1 + ('kB', 'MB', 'GB', 'TB').index(name)):.2f} {name}"
        case "s" if middle < 1:
            return f"{value * 1000:.1f} ms"
        case "s":
            return f"{value:.3f} s"
        case _:
            return f"{value:,.0f} {unit}".strip()


def _ratios(rows: Sequence[Sequence[float]], first: int) -> list[str]:
    """Return what each median is of the first one's."""
    base = statistics.median(rows[first]) if rows[first] else 0
    return [f"{statistics.median(values) / base:.2f} x" if values and base else "" for values in rows]


def _print_rest(benched: Sequence[Benched], runs: int, *, quiet: bool) -> None:
    """Say what was measured how, and what was not."""
    if quiet:
        return
    runtimes = dict.fromkeys(one.runtime for one in benched if one.runtime is not None)
    if runs:
        facts = machine_facts()
        started = f", started by {', '.join(runtimes)}" if runtimes else ""
        machine = f"{facts['cpu']}, {facts['cores']} cores, {facts['memory']}, {facts['kernel']}"
        rounds = "1 round" if runs == 1 else f"medians of {runs} rounds (least to most)"
        note(f"{rounds}{started}; {machine}")
    for one in benched:
        for line in one.notes:
            note(f"note: {show(one.image)}: {line}")
