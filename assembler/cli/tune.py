"""`brasm tune`: which options, and which files less, make the best image that still passes its tests?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec.structs import replace

from assembler.base.errors import NegativeAnswer, UsageError
from assembler.cli.buildroot import buildroot_option, machine_option
from assembler.cli.options import Changes, complete_recipe, json_option, quiet_option, recipe_options
from assembler.cli.output import note, print_json
from assembler.cli.progress import long_progress, progress
from assembler.cli.remote import registry_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.cli.trials import Hands, Varied
    from assembler.experiments.trials.matrix import Base, Matrix
    from assembler.experiments.trials.tune import Tuned, Wish
    from assembler.remote.access import Access

MOST: Final = 10
"""Rows of the table; the file of results has them all."""


@click.command(short_help="Try options or drops, each gated by the recipe's tests, and keep what came of each.")
@click.argument("recipe", required=False, metavar="[RECIPE]", shell_complete=complete_recipe)
@recipe_options
@click.option(
    "--vary",
    multiple=True,
    metavar="KEY=VALUES",
    help="A key of the recipe and its values: layers.level=1..9, strip.mode=none,debug; '-' is the recipe's own.",
)
@click.option(
    "--strategy",
    type=click.Choice(["grid", "one-at-a-time", "random"]),
    help="Which combinations; default: all (grid).",
)
@click.option("--trials", type=click.IntRange(1), metavar="N", help="So many combinations, taken at random.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Which ones random takes: the same seed, the same.")
@click.option("--budget", metavar="TIME", help="How long all of it may take: 10m; what is done by then counts.")
@click.option("--minimize", metavar="MEASURE", help="What is to be least: compressed (default), unpacked, files, …")
@click.option(
    "--subject-to",
    type=click.Choice(["tests"]),
    help="Search what can be dropped so that the recipe's tests still pass, in place of trying options.",
)
@click.option("--attempts", type=click.IntRange(2), metavar="N", help="Of a search: how many trials it may take.")
@click.option("--patch", metavar="FILE", help="Of a search: where the patch to the recipe goes. Default: printed.")
@click.option("--apply", "is_applied", is_flag=True, help="Of a search: write what it found into the recipe itself.")
@click.option("--no-tests", is_flag=True, help="Do not run the recipe's tests: only sizes and times of packing.")
@click.option("--runtime", metavar="NAME|PATH", help="What runs the tests: crun, runc, podman or docker.")
@click.option("--build", "builds", is_flag=True, help="Have Buildroot build what a trial wants and is not built yet.")
@buildroot_option
@machine_option
@click.option("-j", "--jobs", type=click.IntRange(1), metavar="N", help="Processes. Default: one a processor.")
@click.option("--scheduler", metavar="URL", help="Of a Dask cluster that does the work: tcp://HOST:8786.")
@click.option("--share", metavar="REFERENCE", help="Where its workers find files: oci:DIR or docker://HOST/NAME.")
@click.option("-o", "--output", metavar="FILE", help="Results, added to. Default: {name}-results.jsonl")
@click.option("--retry", is_flag=True, help="Run trials again that failed before.")
@click.option("--dry-run", is_flag=True, help="Only list the trials.")
@registry_options
@json_option
@quiet_option
def command(
    *,
    recipe: str | None,
    changes: Changes,
    subject_to: str | None,
    attempts: int | None,
    patch: str | None,
    is_applied: bool,
    no_tests: bool,
    runtime: str | None,
    builds: bool,
    buildroot: str | None,
    machine: str | None,
    jobs: int | None,
    scheduler: str | None,
    share: str | None,
    output: str | None,
    retry: bool,
    dry_run: bool,
    access: Access,
    as_json: bool,
    quiet: bool,
    **varied: Any,
) -> int:
    """Try options or drops, each gated by the recipe's tests, and keep what came of each.

    A trial is the recipe with some keys changed. Its root filesystem is put to the recipe's tests first; what fails is
    a result too. What trials share (the source, a plan, a layer's bytes) is done once. Results are a file of JSON
    Lines: the same command goes on where it was interrupted, `brasm report` makes a page of it.

    The exit code is 1 where no trial passed.
    """
    from assembler.cli.trials import Hands, Varied, base_of
    from assembler.pipeline.build import BuildOptions, read_machine

    wanted, hands = Varied(**varied), Hands(jobs, scheduler, share)
    base = base_of(recipe, changes)
    wish = _wish(base, wanted, access, tested=not no_tests, runtime=runtime, retry=retry)
    if builds:
        wish = replace(wish, build=BuildOptions(buildroot, read_machine(machine)))
    if subject_to is not None:
        from assembler.cli.searching import Goal, run_search
        from assembler.recipe.find import find_recipe

        _refuse_grid(wanted, dry_run=dry_run, no_tests=no_tests)
        path = None if recipe is None else find_recipe(recipe)
        if is_applied and recipe is not None and not os.path.exists(recipe):
            raise UsageError(f"--apply: {recipe} ships with brasm", hint="--patch FILE, or a recipe of your own")
        goal = Goal(path, attempts, patch, is_applied)
        return run_search(base, goal, wish, hands, output, as_json=as_json, quiet=quiet)
    if patch is not None or is_applied or attempts is not None:
        raise UsageError(
            "--attempts, --patch and --apply are of a search", hint="--subject-to tests searches what can be dropped"
        )
    return _try_options(base, wanted, wish, hands, output, dry_run=dry_run, as_json=as_json, quiet=quiet)


def _wish(base: Base, wanted: Varied, access: Access, *, tested: bool, runtime: str | None, retry: bool) -> Wish:
    from assembler.experiments.trials.tune import Wish, check_measure

    spec = base.load().recipe.tune
    minimize = check_measure(wanted.minimize or spec.minimize or "compressed")
    return Wish(tested, runtime, minimize, wanted.seconds(spec), retry, os.environ, access)


def _refuse_grid(wanted: Varied, *, dry_run: bool, no_tests: bool) -> None:
    if no_tests:
        raise UsageError("--no-tests: a search needs tests to know what is needed")
    if wanted.vary or wanted.strategy or (wanted.trials, wanted.seed) != (None, None) or dry_run:
        raise UsageError(
            "--subject-to: a search tries drops, and no options",
            hint="search first; then --vary on the recipe with its new drops",
        )


def _try_options(
    base: Base,
    wanted: Varied,
    wish: Wish,
    hands: Hands,
    output: str | None,
    *,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    from assembler.cli.trials import default_output, matrix_of, opened

    matrix = matrix_of(base, wanted)
    if not quiet:
        for line in matrix.notes:
            note(f"note: {line}")
    if dry_run:
        _list(matrix, as_json=as_json)
        return 0
    path = output or default_output(base)
    shown = progress if wish.build is None else long_progress
    with (
        shown(quiet=quiet or as_json) as listener,
        opened(base, hands, path, wish, listener, quiet=quiet) as (crew, writer),
    ):
        from assembler.experiments.trials.tune import tune

        tuned = tune(matrix, base, wish, crew, writer, listener)
    if as_json:
        print_json(_json(tuned, matrix, path))
    elif not quiet:
        _print(tuned, wish, path)
    if tuned.best is None:
        raise _none_passed(tuned)
    return 0


def _list(matrix: Matrix, *, as_json: bool) -> None:
    from assembler.cli.trials import options_line

    if as_json:
        print_json(
            [{"number": one.number, "options": one.options, "recipe": one.recipe_digest} for one in matrix.candidates]
        )
        return
    for one in matrix.candidates:
        click.echo(f"{one.number:>5}  {options_line(one.options)}")


def _json(tuned: Tuned, matrix: Matrix, path: str) -> dict[str, Any]:
    return {
        "results": path,
        "trials": [{"number": one.number, "id": one.id, "outcome": one.outcome} for one in tuned.records],
        "passed": tuned.count("passed"),
        "failed": tuned.count("failed"),
        "untested": tuned.count("untested"),
        "errors": tuned.count("error"),
        "earlier": tuned.earlier,
        "missing": tuned.missing,
        "best": tuned.best,
        "front": [one.number for one in tuned.front],
        "notes": matrix.notes,
    }


def _print(tuned: Tuned, wish: Wish, path: str) -> None:
    from assembler.cli.trials import print_trials

    good = [one for one in tuned.records if wish.minimize in one.measures]
    rows = sorted(
        good, key=lambda one: (one.outcome not in {"passed", "untested"}, one.measures[wish.minimize], one.number)
    )
    if rows:
        print_trials(rows[:MOST], f"best by {wish.minimize}")
    for line in _summary(tuned):
        note(line)
    note(f"results: {path}; brasm report {path} -o report.html makes a page of them")


def _summary(tuned: Tuned) -> Iterator[str]:
    errors = "error" if tuned.count("error") == 1 else "errors"
    words = {"passed": "passed", "untested": "not tested", "failed": "failed", "error": errors}
    counts = ", ".join(f"{tuned.count(one):,} {word}" for one, word in words.items() if tuned.count(one))
    trials = "1 trial" if len(tuned.records) == 1 else f"{len(tuned.records):,} trials"
    earlier = f"; {tuned.earlier:,} recorded before" if tuned.earlier else ""
    yield f"{trials}: {counts or 'none finished'}{earlier}"
    if tuned.missing:
        yield f"the time is up: {tuned.missing:,} trials were not run; the same command goes on"
    if tuned.best is not None:
        yield f"best: trial {tuned.best.number}: {tuned.best.command}"


def _none_passed(tuned: Tuned) -> NegativeAnswer:
    if not tuned.records:
        return NegativeAnswer("no trial was finished in time", hint="a longer --budget")
    bad = tuned.records[0]
    return NegativeAnswer(f"no trial passed; trial {bad.number}: {bad.error or bad.outcome}", hint=bad.hint)
