"""Is a root closed? What `brasm verify` asks of an image's root filesystem, every answer at once.

In: the flattened tree of an image and its config. Out: violations, and findings, which are no violations but worth a
look. What the config starts must be there and run; whatever that reaches, and every other ELF program, must find its
loader and libraries. A script or plugin that nothing reaches and that misses something is a finding: distributions
ship such files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.base.errors import RootError
from assembler.base.paths import show
from assembler.elf.types import ElfFile
from assembler.graph.build import build_graph
from assembler.graph.dependencies import Resolver, elf_files
from assembler.graph.facts import Facts
from assembler.graph.request import Request
from assembler.graph.scripts import parse_shebang
from assembler.graph.types import closure
from assembler.oci.violation import Violation
from assembler.tree import Directory, Entry, Regular, Symlink
from assembler.tree.users import unknown_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.elf.machine import Machine
    from assembler.graph.types import Unresolved
    from assembler.oci.types import ImageConfig
    from assembler.tree import Tree


class RootReport(Struct, frozen=True):
    """What was found: violations, and findings of the same form."""

    violations: tuple[Violation, ...]
    findings: tuple[Violation, ...]


def check_root(tree: Tree, config: ImageConfig) -> RootReport:
    """Check that a root filesystem has all that its image's config needs."""
    with Facts(tree, remember=True) as facts:
        request, violations = _started(tree, facts, config)
        started = build_graph(tree, request, facts)
        findings: list[Violation] = []
        required = closure(started.roots, started.hard_edges)
        for one in started.unresolved:
            hard = one.source in required or not one.source.startswith("/")
            (violations if hard else findings).append(_missing(one))
        violations += _check_machine(started.machine, config)
        others = Request(kept=tuple(("image", path) for path in _runnable(tree, facts) if path not in started.reached))
        for one in build_graph(tree, others, facts).unresolved:
            elf = facts.elf(one.source)
            hard = isinstance(elf, ElfFile) and elf.is_program
            (violations if hard else findings).append(_missing(one))
        violations += _check_symbols(tree, facts, request)
    return RootReport(tuple(dict.fromkeys(violations)), (*dict.fromkeys(findings), *_worth_a_look(tree)))


def _check_symbols(tree: Tree, facts: Facts, request: Request) -> Iterator[Violation]:
    """Yield what each program's objects ask of each other and do not have: versions, and symbols.

    Libraries that no program maps are not looked at: plugins are bound to whoever opens them.
    """
    resolver = Resolver(tree, facts, request.env, request.workdir)
    for path in elf_files(tree, facts):
        elf = facts.elf(path)
        if not isinstance(elf, ElfFile) or elf.interp is None or not resolver.can_load(elf):
            continue
        found = resolver.resolve(path, symbols=True)
        for one in found.missing_versions:
            yield Violation("version", one.path, f"{one.version} of {one.file} is not in {show(one.provider)}")
        if all(library.path is not None for library in found.libraries):
            for symbol in found.missing_symbols or ():
                version = f", version {symbol.version}" if symbol.version else ""
                yield Violation("symbol", symbol.path, f"{symbol.name}{version} is undefined in {show(path)}")


def _started(tree: Tree, facts: Facts, config: ImageConfig) -> tuple[Request, list[Violation]]:
    """Return a request for what the config starts and can, and a violation for each thing that cannot."""
    inner = config.config
    if inner is None:
        return Request(), []
    env = dict(item.partition("=")[::2] for item in inner.env or ())
    programs = [("entrypoint", inner.entrypoint[0])] if inner.entrypoint else []
    if not programs and inner.cmd:
        programs = [("cmd", inner.cmd[0])]
    if inner.healthcheck is not None and inner.healthcheck.test[:1] == ("CMD",) and len(inner.healthcheck.test) > 1:
        programs.append(("healthcheck", inner.healthcheck.test[1]))
    good: list[tuple[str, str]] = []
    violations: list[Violation] = []
    for key, name in programs:
        try:
            build_graph(tree, Request(programs=((key, name),), env=env), facts)
            good.append((key, name))
        except RootError as error:
            violations.append(Violation(key, name, error.message))
    violations += [Violation("user", inner.user or "", message) for message in unknown_names(tree, inner.user or "")]
    return Request(programs=tuple(good), env=env, workdir=inner.working_dir or "/"), violations


def _check_machine(machine: Machine | None, config: ImageConfig) -> list[Violation]:
    if machine is None or machine.architecture == config.architecture:
        return []
    message = f"the config says {config.architecture}, its programs are for {machine.architecture or machine}"
    return [Violation("architecture", "", message)]


def _runnable(tree: Tree, facts: Facts) -> Iterator[str]:
    """Yield what could be started or loaded: ELF files, and executable scripts."""
    for entry in tree:
        if isinstance(entry, Regular) and (
            facts.machine(entry.path) is not None
            or (entry.mode & 0o111 and parse_shebang(facts.head(entry.path)) is not None)
        ):
            yield entry.path


def _missing(one: Unresolved) -> Violation:
    where = f" (tried {'; '.join(one.tried)})" if one.tried else ""
    return Violation(one.kind, one.source, f"{show(one.name)} is not found{where}")


def _worth_a_look(tree: Tree) -> Iterator[Violation]:
    for entry in tree:
        yield from _look_at(entry)


def _look_at(entry: Entry) -> Iterator[Violation]:
    if isinstance(entry, Regular) and entry.mode & 0o6000:
        what = "setuid" if entry.mode & 0o4000 else "setgid"
        yield Violation(what, entry.path, f"{what}, mode {entry.mode:04o}, owner {entry.uid}:{entry.gid}")
    if any(name == "security.capability" for name, _ in entry.xattrs):
        yield Violation("capability", entry.path, "has file capabilities")
    if entry.mode & 0o002 and not isinstance(entry, Symlink) and not _is_shared(entry):
        yield Violation("world-writable", entry.path, f"anybody may write to it, mode {entry.mode:04o}")


def _is_shared(entry: Entry) -> bool:
    """Whether writing by anybody is what it is for: a sticky directory, a device."""
    return (isinstance(entry, Directory) and bool(entry.mode & 0o1000)) or not isinstance(entry, Directory | Regular)
