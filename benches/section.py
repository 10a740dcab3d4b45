"""The one shape of all sections, and what they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benches.contest import able

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benches.contest import Contender
    from benches.inputs import Inputs
    from benches.programs import Program
    from benches.record import Listing, Table, Target


class Skip(Exception):
    """A section cannot be measured here, with the reason."""


class Bench(NamedTuple):
    """What a section is given.

    Attributes:
        rounds: how often each contender runs.
        scratch: a folder that is the section's own.
        inputs: root filesystems.
        here: programs that this machine has or lacks.
        root: whether it is root that measures.
        say: is told how it goes.
    """

    rounds: int
    scratch: str
    inputs: Inputs
    here: Mapping[str, Program]
    root: bool
    say: Callable[[str], None]

    def able(self, contenders: Sequence[Contender]) -> tuple[list[Contender], dict[str, str]]:
        """Part contenders into those that can run here, and those left out, with the reason.

        Raises:
            Skip: no peer is left: without one there is no ratio.
        """
        running, left_out = able(contenders, self.here, root=self.root)
        if not any(one.peer for one in running):
            raise Skip("; ".join(f"{name}: {reason}" for name, reason in left_out.items()))
        return running, left_out


class Measured(NamedTuple):
    """What a section found."""

    about: str
    tables: tuple[Table, ...]
    targets: tuple[Target, ...] = ()
    listings: tuple[Listing, ...] = ()
    left_out: Mapping[str, str] = {}


class Section(NamedTuple):
    """A part of the suite.

    Attributes:
        name: what `--only` calls it.
        title: its heading.
        programs: that it asks for.
        needs: those of them without which nothing is measured.
        root: whether only root can measure it.
        measure: does it.
    """

    name: str
    title: str
    programs: tuple[str, ...]
    measure: Callable[[Bench], Measured]
    needs: tuple[str, ...] = ()
    root: bool = False


def obstacle(section: Section, here: Mapping[str, Program], *, root: bool) -> str | None:
    """Return why a section cannot be measured here; None if it can."""
    if section.root and not root:
        return "only root can measure this"
    return "; ".join(here[name].lack for name in section.needs if here[name].version is None) or None
