"""Results that reports are made of in tests: trials of all outcomes over two roots, with texts that mean harm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assembler.base.digest import Digest, sha256
from assembler.experiments.results.files import Results
from assembler.experiments.results.records import (
    VERSION,
    FileRow,
    Header,
    LayerRow,
    RootRecord,
    Step,
    TestRow,
    TrialRecord,
)
from assembler.oci.types import LAYER_GZIP, LAYER_ZSTD

if TYPE_CHECKING:
    from assembler.experiments.results.records import Outcome

HOSTILE = "</script><img src=x onerror=\"document.title='harmed'\"><b>&amp;$x^2$ | `a` %{x}"
"""Ends a script, is markup to HTML, Plotly, Markdown and matplotlib, and would run."""


def digest(text: str) -> Digest:
    return sha256(text.encode())


def files(scale: int) -> tuple[FileRow, ...]:
    """Return files of a root, sorted by path: large ones, many small ones, an empty one, one of no package."""
    rows = [
        FileRow("/usr/lib/libc.so.6", 1_900_000 * scale, "libc6"),
        FileRow("/usr/lib/libm.so.6", 900_000, "libc6"),
        FileRow("/usr/bin/app", 700_000, "app"),
        FileRow(f"/usr/share/app/{HOSTILE}", 350_000, "app"),
        FileRow("/etc/empty", 0, "base"),
        FileRow("/srv/data", 12_345),
    ]
    rows += [FileRow(f"/usr/share/many/{number:03}", 100 + number, "many") for number in range(120)]
    return tuple(sorted(rows, key=lambda row: row.path))


def root(scale: int = 1, *, steps: int = 20) -> RootRecord:
    """Return a root that adds up."""
    rows = files(scale)
    unpacked = sum(row.size for row in rows)
    made = [Step("files", "added by the recipe", 2, -12_345)]
    made += [
        Step("unreached", f"rule {number} {HOSTILE if number == 3 else ''}", number, 10_000 * number)
        for number in range(steps)
    ]
    made += [Step("strip", "strip --strip-unneeded", 3, 123_456)]
    return RootRecord(
        digest=digest(f"root {scale} {steps}"),
        platform="linux/amd64",
        source=digest("source"),
        source_size=unpacked + sum(step.size for step in made),
        source_files=4321,
        steps=tuple(made),
        file_count=len(rows),
        files=rows,
        unpacked=unpacked,
        on_disk=unpacked + 4096,
        libraries=2,
        relocations=1738,
    )


def layer(of: RootRecord, kind: str, level: int, size: int) -> LayerRow:
    plain = of.unpacked + 51_200
    media_type = {"gzip": LAYER_GZIP, "zstd": LAYER_ZSTD}[kind]
    stored = digest(f"{of.digest} {kind} {level}")
    return LayerRow("root", of.digest, plain, 140, stored, media_type, size, 0.5, 0.02, level)


def trial(number: int, of: RootRecord | None, outcome: Outcome = "passed", **values: Any) -> TrialRecord:
    """Return a trial; without a root one that has no image."""
    kind, level = ("gzip", number) if number % 2 else ("zstd", number)
    options: dict[str, Any] = values.pop("options", {"layers.compression": kind, "layers.level": level})
    size = 1_500_000 - 37_123 * number
    measures: dict[str, float] = {}
    layers: tuple[LayerRow, ...] = ()
    if of is not None:
        layers = (layer(of, kind, level, size),)
        measures = {
            "compressed": float(size),
            "transferred": size + 1234.0,
            "unpacked": float(of.unpacked),
            "files": float(len(of.files)),
            "relocations": float(of.relocations),
            "plan_seconds": 0.25,
            "pack_seconds": 0.1 * number * number + 0.123456789,
        }
    given = {
        "image": of and digest(f"image {number}"),
        "root": of and of.digest,
        "layers": layers,
        "measures": measures,
        "command": f"brasm pack app --set layers.level={level} -o app-{number}.tar",
        "log": ("planned", "compressed"),
        "worker": "machine/1",
    }
    return TrialRecord(
        digest(f"trial {number}"), number, options, digest("recipe"), digest("source"), outcome, **{**given, **values}
    )


def sample() -> Results:
    """Return results with trials of each outcome."""
    small, large = root(), root(2, steps=5)
    failing = (TestRow("starts", (), 0.1), TestRow(f"answers {HOSTILE}", ("exit code 1, expected 0", HOSTILE), 0.2))
    trials = [trial(number, small if number % 3 else large) for number in range(1, 10)]
    trials.append(trial(10, small, "untested", options={"layers.level": 10, "select.drop": [HOSTILE, "/usr/share/**"]}))
    trials.append(
        trial(11, large, "failed", tests=failing, measures={"unpacked": float(large.unpacked)}, layers=(), image=None)
    )
    trials.append(trial(12, None, "error", error=f"layers.level: 13 {HOSTILE}", hint="less of it", options={}))
    header = Header(VERSION, "0.1.0", f"app {HOSTILE}", {"cpu": "some cpu", "memory": HOSTILE})
    return Results((header,), {one.digest: one for one in (small, large)}, tuple(trials))
