"""What a file of results holds: one value a line, JSON, each with its `kind`.

    {"kind": "results", …}   the first line: the version of the form, what made it, on which machine
    {"kind": "root", …}      a root filesystem that trials share: what is in it, and what became of the source's bytes
    {"kind": "trial", …}     one set of options: what came of it, measured; refers to its root by digest

Sizes are bytes, times seconds, paths absolute in the root, digests `sha256:<hex>`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from assembler.base.digest import Digest

VERSION: Final = 1
"""The version of the form: a reader refuses others."""

Outcome = Literal["passed", "failed", "untested", "error"]
"""`failed`: a test failed; `untested`: nobody asked for tests, or there are none; `error`: there is no image."""


class Header(Struct, frozen=True, tag_field="kind", tag="results"):
    """The first line.

    Attributes:
        version: of the form.
        brasm: the version that wrote it.
        recipe: the name of the recipe.
        machine: what the times depend on: `cpu`, `cores`, `memory`, `kernel`, `python`, and the compressors' versions.
    """

    version: Annotated[int, Meta(ge=1)]
    brasm: str
    recipe: str
    machine: dict[str, str] = {}


class Step(Struct, frozen=True):
    """What one rule did to the bytes of the source: `size` is what it saved, negative where it added.

    Attributes:
        reason: the group, as in `brasm plan`: `documentation`, `unreached`, `select.drop`, `strip`, `files`.
        rule: the single rule.
        files: how many files it changed.
        size: bytes.
    """

    reason: str
    rule: str
    files: int
    size: int


class FileRow(Struct, frozen=True, array_like=True):
    """A regular file of a root, hard links once: its path, its bytes, and the package that owns it, if one is known."""

    path: str
    size: int
    package: str | None = None


class RootRecord(Struct, frozen=True, tag_field="kind", tag="root"):
    """A root filesystem.

    `source_size` less the sizes of all `steps` is `unpacked`, the sum of the sizes of all files.

    Attributes:
        digest: the diff_id of all of it as one layer.
        platform: os/architecture[/variant].
        source: the digest of what it was made from.
        source_size: bytes of the source's files, hard links once; of a lazy tree, of those that were looked at.
        source_files: how many these are.
        steps: what became of the source, in the order in which the planner works.
        file_count: how many regular files are left, hard links once.
        files: what these are, sorted by path; none where a search tried a root and gave it up.
        unpacked: bytes of the files.
        on_disk: the same in blocks of 4 KiB, directories with one each.
        libraries: shared libraries that the entrypoint maps when it starts.
        relocations: dynamic relocations of these and of the entrypoint, which the loader works on.
        warnings: of the plan.
    """

    digest: Digest
    platform: str
    source: Digest
    source_size: int
    source_files: int
    steps: tuple[Step, ...]
    file_count: int
    files: tuple[FileRow, ...]
    unpacked: int
    on_disk: int
    libraries: int
    relocations: int
    warnings: tuple[str, ...] = ()


class LayerRow(Struct, frozen=True):
    """A layer of a trial's image: as tar, as stored, and what it took to compress and to decompress it (CPU time).

    `level` is the compressor's; None where it has none.
    """

    title: str
    diff_id: Digest
    uncompressed_size: int
    entries: int
    digest: Digest
    media_type: str
    size: int
    compress_seconds: float
    unpack_seconds: float
    level: int | None = None


class TestRow(Struct, frozen=True):
    """A test of the recipe's: its problems are none where it passed."""

    __test__ = False

    name: str
    problems: tuple[str, ...]
    seconds: float


class TrialRecord(Struct, frozen=True, tag_field="kind", tag="trial"):
    """One set of options, and what came of it.

    Attributes:
        id: of the recipe with these options, and the source: the same trial has the same id everywhere.
        number: its place among the trials of its run, from 1.
        options: what differs from the recipe, by key path.
        recipe: the digest of the recipe with these options.
        source: the digest of the source.
        outcome: what came of it.
        error: in one line, why there is no image, or that a test could not be run.
        hint: what to do about it.
        image: the digest of the manifest: what `brasm pack` with these options writes.
        root: the digest of its `RootRecord`.
        layers: from the lowest up.
        measures: by the names of `experiments.results.measures`.
        tests: in the recipe's order.
        log: one line each, of what was done for this trial: what was shared with others is said so.
        command: a command that packs the same image.
        worker: who did the last of it.
        check: what its tests are known by: of trials with the same, they are run once.
    """

    id: Digest
    number: int
    options: dict[str, Any]
    recipe: Digest
    source: Digest | None
    outcome: Outcome
    error: str | None = None
    hint: str | None = None
    image: Digest | None = None
    root: Digest | None = None
    layers: tuple[LayerRow, ...] = ()
    measures: dict[str, float] = {}
    tests: tuple[TestRow, ...] = ()
    log: tuple[str, ...] = ()
    command: str = ""
    worker: str = ""
    check: Digest | None = None


Record = Header | RootRecord | TrialRecord

DECODER: Final = msgspec.json.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """Write a record as a line, without its end: keys in their order, so that the same value is the same bytes."""
    return msgspec.json.encode(record, order="deterministic")
