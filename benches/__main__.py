"""`make bench`: measures brasm against its peers and writes the record, benches/RESULTS.md and results.json.

What cannot be had (a peer, root's rights, a root filesystem) is left out, with the reason in the record. How things
are measured, and how to read the figures: benches/METHOD.md.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from benches import machine, packing, report, resolving, running, transfers, tuning
from benches.contest import fresh
from benches.inputs import INPUTS, Inputs, Unavailable
from benches.measure import Failed
from benches.programs import BRASM, programs
from benches.record import VERSION, Record, Refused, SectionRecord, decode, encode, updated
from benches.section import Bench, Skip, obstacle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benches.programs import Program
    from benches.section import Section

HERE: Final = os.path.dirname(os.path.abspath(__file__))
SECTIONS: Final = (packing.SECTION, resolving.SECTION, transfers.SECTION, running.SECTION, tuning.SECTION)
MEMORY: Final = "/dev/shm"
ROOM: Final = 6 * 10**9
"""Bytes that must be free in memory to measure there."""


def main() -> int:
    """Measure what is asked for, write the record."""
    parser = _parser()
    options = parser.parse_args()
    output = options.output or (None if options.only else os.path.join(HERE, "RESULTS.md"))
    if options.update:
        output = output or os.path.join(HERE, "RESULTS.md")
    try:
        sections = chosen(options.only)
        given = given_inputs(options.input)
        old = _read(beside(output)) if options.update and output else None
    except (Refused, OSError) as error:
        parser.error(str(error))
    if not os.path.exists(BRASM):
        parser.error(f"{BRASM} is not there: run this with the Python of the project's environment (make bench)")
    try:
        found = _measured(sections, options, given)
    except KeyboardInterrupt:
        say("interrupted: nothing was written")
        return 130
    try:
        found = updated(old, found) if old is not None else found
    except Refused as error:
        sys.stdout.write(report.record(found))
        parser.error(str(error))
    text = report.record(found)
    if output is not None:
        _write(output, text, found)
    sys.stdout.write(text)
    return 1 if any((one.skipped or "").startswith("failed") for one in found.sections) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument("--only", help=f"sections, of {','.join(one.name for one in SECTIONS)}; default: all of them")
    parser.add_argument("--rounds", type=_count, default=5, help="runs of each contender (default: 5)")
    parser.add_argument(
        "--output", metavar="FILE.md", help="the record; default: benches/RESULTS.md, none where --only is given"
    )
    parser.add_argument(
        "--update", action="store_true", help="replace these sections in the record, if it is of this very machine"
    )
    parser.add_argument(
        "--input", action="append", default=[], metavar="NAME=TAR", help=f"stands for an input: {', '.join(INPUTS)}"
    )
    parser.add_argument(
        "--mirror",
        metavar="URL",
        help="Debian's packages are from there, or from a snapshot; default: as the machine has",
    )
    parser.add_argument("--scratch", metavar="FOLDER", help=f"where; default: {MEMORY} if there is room, else TMPDIR")
    return parser


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least one round")
    return value


def chosen(names: str | None) -> list[Section]:
    """Return the sections that are asked for, in their own order.

    Raises:
        Refused: there is no such section.
    """
    if names is None:
        return list(SECTIONS)
    wanted = {name.strip() for name in names.split(",")}
    unknown = wanted - {one.name for one in SECTIONS}
    if unknown:
        raise Refused(f"no section {', '.join(sorted(unknown))}: there are {', '.join(one.name for one in SECTIONS)}")
    return [one for one in SECTIONS if one.name in wanted]


def given_inputs(words: Sequence[str]) -> dict[str, str]:
    """Return the tars that stand for inputs.

    Raises:
        Refused: there is no such input, or no such file.
    """
    given = {}
    for word in words:
        name, _, path = word.partition("=")
        if name not in INPUTS or not path:
            raise Refused(f"--input {word}: write NAME=TAR, with a name of {', '.join(INPUTS)}")
        if not os.path.isfile(path):
            raise Refused(f"--input {word}: no such file")
        given[name] = os.path.abspath(path)
    return given


def beside(output: str) -> str:
    """Return where the same record stands for programs: `RESULTS.md` and `results.json`."""
    folder, name = os.path.split(output)
    return os.path.join(folder, f"{os.path.splitext(name)[0].lower()}.json")


def _read(path: str) -> Record:
    with open(path, "rb") as file:
        return decode(file.read())


def _write(output: str, text: str, found: Record) -> None:
    with open(output, "w", encoding="utf-8") as file:
        file.write(text + real_builds())
    with open(beside(output), "wb") as file:
        file.write(encode(found))


def real_builds() -> str:
    """Return the record of real Buildroot builds, which `python -m benches.buildroot` writes where there are some."""
    path = os.path.join(HERE, "BUILDROOT.md")
    if not os.path.isfile(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return f"\n{file.read()}"


def _measured(sections: Sequence[Section], options: argparse.Namespace, given: Mapping[str, str]) -> Record:
    names = sorted({name for section in sections for name in section.programs} | {"mmdebstrap"})
    here = programs(names)
    with _scratch(options.scratch) as scratch:
        inputs = Inputs(
            f"{scratch}/inputs",
            say,
            given=given,
            mirror=options.mirror,
            lack=here["mmdebstrap"].lack,
        )
        load = machine.load()
        for warning in machine.warnings(load, 0):
            say(f"warning: {warning}")
        facts = machine.facts(scratch)
        done = tuple(replace(_section(one, options.rounds, scratch, inputs, here), load=load) for one in sections)
    versions = {name: program.version or f"({program.lack})" for name, program in here.items()}
    return Record(VERSION, facts, versions, inputs.records, done)


def _section(section: Section, rounds: int, scratch: str, inputs: Inputs, here: Mapping[str, Program]) -> SectionRecord:
    root = os.geteuid() == 0
    reason = obstacle(section, here, root=root)
    if reason is not None:
        say(f"{section.name}: not measured: {reason}")
        return SectionRecord(section.name, section.title, "", skipped=reason)
    folder = os.path.join(scratch, section.name)
    os.makedirs(folder)
    before, began = machine.clock(), time.monotonic()
    try:
        found = section.measure(Bench(rounds, folder, inputs, here, root, lambda text: say(f"{section.name}: {text}")))
    except (Skip, Unavailable, Failed) as error:
        reason = f"failed: {error.reason}" if isinstance(error, Failed) else str(error)
        say(f"{section.name}: not measured: {reason}")
        return SectionRecord(section.name, section.title, "", skipped=reason)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return SectionRecord(
        name=section.name,
        title=section.title,
        about=found.about,
        brasm=machine.brasm(),
        when=datetime.now(UTC).date().isoformat(),
        seconds=time.monotonic() - began,
        others=machine.others(before, machine.clock()),
        tables=found.tables,
        listings=found.listings,
        targets=found.targets,
        left_out=dict(found.left_out),
    )


def say(text: str) -> None:
    """Tell whoever waits how it goes."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _scratch(wanted: str | None) -> Iterator[str]:
    parent = wanted or (MEMORY if _roomy(MEMORY) else None)
    folder = tempfile.mkdtemp(prefix="brasm-bench-", dir=parent)
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = fresh(f"{folder}/tmp")  # of all contenders
    try:
        yield folder
    finally:
        os.environ.pop("TMPDIR")
        if before is not None:
            os.environ["TMPDIR"] = before
        shutil.rmtree(folder, ignore_errors=True)


def _roomy(folder: str) -> bool:
    """Tell whether there is room in memory, and memory for it."""
    try:
        room = os.statvfs(folder)
    except OSError:
        return False
    memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return os.access(folder, os.W_OK) and min(room.f_bavail * room.f_frsize, memory) >= ROOM


if __name__ == "__main__":
    sys.exit(main())
