"""What `brasm tune` asks of the command line: a recipe as trials' base, its axes, who does the work."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from assembler.base.errors import Interrupted, UsageError
from assembler.cli.options import given_by, name_for
from assembler.cli.output import console, note
from assembler.experiments.results.files import Writer
from assembler.experiments.results.measures import MEASURES, format_measure
from assembler.experiments.trials.axes import axes_of
from assembler.experiments.trials.matrix import Base, Matrix, declare, read_base
from assembler.experiments.trials.tune import header_of
from assembler.recipe.keys import format_override
from assembler.recipe.types import Strategy
from assembler.runtime.box import parse_duration
from assembler.runtime.container import held_signals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.table import Table

    from assembler.base.progress import Progress
    from assembler.cli.options import Changes
    from assembler.experiments.results.records import TrialRecord
    from assembler.experiments.trials.tune import Wish
    from assembler.experiments.trials.work import Crew
    from assembler.recipe.types import TuneSpec
    from assembler.remote.access import Access


_COLUMNS: Final = ("compressed", "unpacked", "files", "pack_seconds", "unpack_seconds", "test_seconds")


class Varied(Struct, frozen=True):
    """What the command line says of trials; None where the recipe's `[tune]` decides."""

    vary: tuple[str, ...]
    strategy: Strategy | None
    seed: int | None
    trials: int | None
    budget: str | None
    minimize: str | None

    def seconds(self, tune: TuneSpec) -> float | None:
        """Return how long all of it may take.

        Raises:
            UsageError: that is no time.
        """
        text = self.budget or tune.budget
        return None if text is None else parse_duration(text)


class Hands(Struct, frozen=True):
    """Who does the work: so many processes, or a cluster and where tars travel by."""

    jobs: int | None
    scheduler: str | None
    share: str | None


def base_of(text: str | None, changes: Changes) -> Base:
    """Return the recipe that trials are laid over.

    Raises:
        UsageError: neither a recipe nor a source is given.
        RecipeError: there is no such recipe, or it cannot be read.
    """
    given = given_by(changes)
    options = (("--source", changes.source), ("--entrypoint", changes.entrypoint), ("--mode", changes.mode))
    words = [word for name, value in options if value is not None for word in (name, value)]
    if text is not None:
        from assembler.recipe.find import find_recipe

        return read_base(find_recipe(text), changes.overrides, given, changes.variant, [text, *words])
    if changes.source is None:
        raise UsageError(
            "neither a recipe nor a source is given",
            hint="brasm tune RECIPE, or brasm tune --source DIR --entrypoint PROGRAM --vary layers.level=1..9",
        )
    values = {"name": name_for(changes)}
    return Base(values, os.getcwd(), given=given, overrides=changes.overrides, words=tuple(words))


def matrix_of(base: Base, varied: Varied) -> Matrix:
    """Return the trials that are asked for.

    Raises:
        UsageError: nothing is varied, or a value is none.
        RecipeError: the recipe is wrong.
    """
    tune = base.load().recipe.tune
    axes = axes_of(tune, varied.vary)
    if not axes:
        raise UsageError(
            "nothing is varied: there is no --vary, and the recipe has no tune.vary",
            hint="--vary layers.level=1..9 tries levels; --subject-to tests searches what can be dropped",
        )
    trials = tune.trials if varied.trials is None else varied.trials
    strategy = varied.strategy or ("random" if varied.trials is not None else tune.strategy)
    if strategy != "random" and (varied.trials, varied.seed) != (None, None):
        raise UsageError(f"--strategy {strategy}: --trials and --seed are of random", hint="--strategy random")
    seed = tune.seed if varied.seed is None else varied.seed
    return declare(base, axes, strategy, seed=seed, trials=trials, environment=os.environ)


@contextlib.contextmanager
def crew_for(hands: Hands, access: Access, progress: Progress) -> Iterator[Crew]:
    """Give a crew, which is gone afterwards.

    Raises:
        UsageError: --share without --scheduler.
        ProgramError: there is no such scheduler, or it has no workers.
    """
    if hands.scheduler is None and hands.share is not None:
        raise UsageError("--share: only for --scheduler: on one machine nothing travels")
    if hands.scheduler is not None and hands.jobs is not None:
        raise UsageError("--jobs: a cluster's workers decide how many tasks they do at once")
    crew: Crew | None = None
    try:
        if hands.scheduler is None:
            from assembler.experiments.trials.processes import Processes

            with held_signals():  # its folder would be left behind
                crew = Processes(hands.jobs or len(os.sched_getaffinity(0)))
        else:
            from assembler.experiments.cluster.crew import Cluster
            from assembler.oci.reference import parse

            crew = Cluster(hands.scheduler, None if hands.share is None else parse(hands.share), access, progress)
        yield crew
    finally:
        if crew is not None:
            crew.close()


def default_output(base: Base) -> str:
    """Return where results go when nobody says."""
    return f"{base.load().recipe.name.rpartition('/')[2]}-results.jsonl"


@contextlib.contextmanager
def opened(
    base: Base, hands: Hands, path: str, wish: Wish, listener: Progress, *, quiet: bool
) -> Iterator[tuple[Crew, Writer]]:
    """Give a crew, and the file of results that it works for.

    Raises:
        BrasmError: the file cannot be written, or there is no crew.
    """
    with Writer(path, header_of(base)) as writer, crew_for(hands, wish.access, listener) as crew:
        if not quiet:
            for line in writer.notes:
                note(f"note: {line}")
        try:
            yield crew, writer
        except (KeyboardInterrupt, Interrupted):
            note(f"{path} has {len(writer.trials):,} trials: the same command goes on from there")
            raise


def options_line(options: Mapping[str, Any]) -> str:
    """Write a trial's options as people read them."""
    return "  ".join(format_override(key, value) for key, value in options.items()) or "the recipe as it is"


def print_trials(records: Sequence[TrialRecord], title: str) -> None:
    """Print trials as a table: measures, what came of each, and a column for each option.

    On a terminal that is too narrow for all measures there are fewer of them.
    """
    out = console()
    columns = [name for name in _COLUMNS if any(name in one.measures for one in records)]
    table, unlimited = _table(records, columns, title), out.options.update(max_width=10_000)
    while out.measure(table, options=unlimited).minimum > out.width and len(columns) > 1:
        columns.pop()
        table = _table(records, columns, title)
    out.print(table)


def _table(records: Sequence[TrialRecord], columns: Sequence[str], title: str) -> Table:
    from rich.markup import escape
    from rich.table import Table

    keys = list(dict.fromkeys(key for one in records for key in one.options))
    table = Table(title=title, box=None, pad_edge=False, title_justify="left", title_style="bold")
    headings = ["trial", *(MEASURES[name].title for name in columns), "outcome"]
    cells = [[str(one.number), *(_measure(one, name) for name in columns), one.outcome] for one in records]
    for heading, *column in zip(headings, *cells, strict=True):
        justify: Literal["left", "right"] = "left" if heading == "outcome" else "right"
        table.add_column(heading, justify=justify, min_width=max(map(len, (heading, *column))))
    for heading in short_names(keys):
        table.add_column(heading, min_width=len(heading), overflow="fold")
    for one, row in zip(records, cells, strict=True):
        table.add_row(*row, *(escape(_value(one.options, key)) for key in keys))
    return table


def _measure(trial: TrialRecord, name: str) -> str:
    return format_measure(name, trial.measures[name]) if name in trial.measures else ""


def _value(options: Mapping[str, Any], key: str) -> str:
    if key not in options:
        return "-"
    return format_override(key, options[key]).partition("=")[2]


def short_names(keys: Sequence[str]) -> list[str]:
    """Return the last parts of keys, as few of them as tell them apart: `level`, `select.mode`, `strip.mode`."""
    ends = [key.rpartition(".")[2] for key in keys]
    return [end if ends.count(end) == 1 else key for key, end in zip(keys, ends, strict=True)]
