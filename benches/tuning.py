"""A grid of options: one `brasm tune` beside a `brasm pack` of its own for every combination.

Not by turns, since a grid is one run: half of the packs come before it, half after it, so that a drift of the machine
meets both alike. Both start without a cache of brasm's and keep one of their own.
"""

from __future__ import annotations

import itertools
import json
import os
from typing import TYPE_CHECKING, Any, Final

from benches.contest import AGAIN, Contender, Ratio, Run, calibration, fresh, ratio, rows, run_once
from benches.measure import LOG, Sample, measure
from benches.programs import BRASM
from benches.record import Table, Target
from benches.section import Measured, Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benches.contest import Measure
    from benches.section import Bench

GRID: Final[Mapping[str, tuple[str | int, ...]]] = {
    "select.mode": ("closure", "prune"),
    "strip.mode": ("none", "debug", "unneeded"),
    "layers.split": ("single", "runtime+app", "package"),
    "layers.compression": ("gzip", "zstd"),
    "layers.level": (1, 2, 3, 4, 5, 6),
}

RECIPE: Final = """
name = "bench"
source.directory = {root}
select = {{ mode = "all", roots = ["/bin/sh"] }}
layers.split = "single"
layers.compression = "gzip"
image.entrypoint = ["python3"]
"""

TUNE: Final = "brasm tune"
REPEATED: Final = 12
"""Packs that run once more, for the calibration."""

_WORDS: Final[Mapping[Measure, str]] = {"wall": "wall", "cpu": "CPU", "peak": "peak"}

Options = dict[str, str | int]


def grid(axes: Mapping[str, Sequence[str | int]]) -> list[Options]:
    """Return all combinations, the last axis changing fastest."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def section(bench: Bench) -> Measured:
    """Measure both."""
    folder = fresh(f"{bench.scratch}/recipe")
    with open(f"{folder}/recipe.toml", "w", encoding="utf-8") as file:
        file.write(RECIPE.format(root=json.dumps(bench.inputs.root("python"))))
    trials = grid(GRID)
    packs = Packs(folder, bench)
    half = len(trials) // 2
    packs.run(trials[:half])
    results = f"{bench.scratch}/results.jsonl"
    whole = run_once(_tune(folder, results, f"{bench.scratch}/tune-cache"), f"{bench.scratch}/run")
    bench.say(f"{TUNE}: {whole.sample.wall:.2f} s")
    packs.run(trials[half:])
    separate, needed = f"{len(trials)} times brasm pack", "of these, one for each different image"
    runs = {
        separate: {0: Run(total(packs.samples))},
        needed: {0: Run(total([packs.samples[number] for number in first_of_each(packs.digests)]))},
        TUNE: {0: whole},
    }
    ratios = [
        *(Ratio(what, separate, f"{_WORDS[what]} / packs") for what in _WORDS),
        Ratio("wall", needed, "wall / packs of different images"),
    ]
    with open(results, "rb") as file:
        found = images(file, trials)
    table = Table(
        "",
        "",
        rows(runs, ratios),
        calibration(packs.repeated(trials), "brasm pack"),
        (agreement(packs.digests, found),),
    )
    return Measured(
        about=f"{len(trials)} combinations of {_axes()}, of a closure or all but what is dropped of a Debian root "
        f"with python3-minimal, without tests. `{TUNE}` has as many jobs as there are cores; each pack uses them all, "
        "and writes its image. Each of the two ran once: half of the packs before, half of them after the other. Its "
        f"calibration is of {REPEATED} packs that ran once more.",
        tables=(table,),
        targets=(
            Target(f"wall time of {separate}, in one {TUNE}", 0.25, ratio(runs, TUNE, separate, "wall").median),
            Target(f"images of {TUNE} that are not those of brasm pack", 0, len(differing(packs.digests, found))),
        ),
    )


class Packs:
    """Separate packs: what each took, and the digest of its image, in the order of trials."""

    def __init__(self, recipe: str, bench: Bench) -> None:
        self._recipe = recipe
        self._bench = bench
        self.samples: list[Sample] = []
        self.digests: list[str] = []

    def run(self, trials: Iterable[Options]) -> None:
        """Pack with each of these options."""
        for options in trials:
            sample, digest = self._one(options)
            self.samples.append(sample)
            self.digests.append(digest)
            if len(self.samples) % 20 == 0:
                self._bench.say(f"{len(self.samples)} packs: {sum(one.wall for one in self.samples):.1f} s")

    def repeated(self, trials: Sequence[Options]) -> dict[str, dict[int, Run]]:
        """Pack once more with some of the options, spread over them all."""
        step = max(1, len(trials) // REPEATED)
        chosen = range(0, len(trials), step)[:REPEATED]
        return {
            "brasm pack": {number: Run(self.samples[number]) for number in chosen},
            AGAIN: {number: Run(self._one(trials[number])[0]) for number in chosen},
        }

    def _one(self, options: Options) -> tuple[Sample, str]:
        folder = fresh(f"{self._bench.scratch}/run")
        words = [word for key, value in options.items() for word in ("--set", f"{key}={value}")]
        sample = measure(
            (BRASM, "pack", "-q", self._recipe, *words, "-o", "x.tar"),
            folder,
            environment={"XDG_CACHE_HOME": f"{self._bench.scratch}/pack-cache"},
        )
        with open(f"{folder}/{LOG}", encoding="utf-8") as log:
            return sample, log.read().strip()


def _tune(recipe: str, results: str, cache: str) -> Contender:
    words = [word for key, values in GRID.items() for word in ("--vary", f"{key}={','.join(map(str, values))}")]
    jobs = str(len(os.sched_getaffinity(0)))
    return Contender(
        TUNE,
        (BRASM, "tune", recipe, *words, "-o", results, "--jobs", jobs, "--no-tests"),
        peer=False,
        environment={"XDG_CACHE_HOME": cache},
    )


def total(samples: Sequence[Sample]) -> Sample:
    """Return what runs one after the other take together: times add up, memory does not."""
    return Sample(sum(one.wall for one in samples), sum(one.cpu for one in samples), max(one.peak for one in samples))


def images(lines: Iterable[bytes], trials: Sequence[Options]) -> list[str | None]:
    """Return the digest of each trial's image, from a file of results; None where there is none."""
    own = {"layers.split": "single", "layers.compression": "gzip"}
    found: dict[tuple[tuple[str, Any], ...], str | None] = {}
    for line in lines:
        record = json.loads(line)
        if record.get("kind") == "trial":  # it names what differs from the recipe
            found[_key({**own, **record["options"]})] = record.get("image")
    return [found.get(_key(options)) for options in trials]


def _key(options: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(options.items()))


def differing(packed: Sequence[str], tuned: Sequence[str | None]) -> list[int]:
    """Return the numbers of the trials, from 0, of which the two made different images."""
    return [number for number, (one, other) in enumerate(zip(packed, tuned, strict=True)) if one != other]


def first_of_each(digests: Sequence[str]) -> list[int]:
    """Return the numbers of the trials, from 0, whose image none before them has."""
    return sorted({digest: number for number, digest in reversed(list(enumerate(digests)))}.values())


def agreement(packed: Sequence[str], tuned: Sequence[str | None]) -> str:
    """Say whether the two made the same images, and how many different ones these are."""
    wrong = differing(packed, tuned)
    kinds = (
        f"there are {len(set(packed))} different ones: where programs were stripped by the distribution, stripping "
        "changes nothing, and what is the same is compressed once"
    )
    if wrong:
        return f"{len(wrong)} of {len(packed)} images have another digest than `brasm pack` gives them; {kinds}."
    return f"All {len(packed)} images have the digest that `brasm pack` gives them; {kinds}."


def _axes() -> str:
    return ", ".join(f"`{key}` ({len(values)})" for key, values in GRID.items())


SECTION: Final = Section(name="tune", title="Many trials", programs=(), measure=section)
