"""What a graph is asked for: where to start, and the environment that programs will have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from assembler.graph.hazards import Limits

Priority = Literal["required", "recommended", "suggested", "strings"]

PRIORITIES: Final[tuple[Priority, ...]] = ("required", "recommended", "suggested", "strings")
"""From what is always kept to what is only guessed (UAPI.12 knows the first three)."""


class Request(Struct, frozen=True):
    """Where a graph starts.

    Attributes:
        programs: (recipe's key, name) of programs that must run: an absolute path, or a name that `PATH` finds.
        kept: (recipe's key, path) of entries that stay whatever they are; programs among them bring what they need.
        user: the image's user, if it is named: names need /etc/passwd and /etc/group.
        env: the image's environment; PATH, LD_LIBRARY_PATH and LD_PRELOAD count.
        dlopen: the least priority of what is opened at run time that is kept.
        rules: by a rule's name, whether it is asked, whatever its priority.
        charsets: the character sets beyond UTF-8 that the image is to know.
        workdir: the directory that programs are started in.
        limits: the least machine that they are to run on.
        guesses: whether strings of files are looked through for names of what they may open.
    """

    programs: tuple[tuple[str, str], ...] = ()
    kept: tuple[tuple[str, str], ...] = ()
    user: str | None = None
    env: Mapping[str, str] = {}
    dlopen: Priority = "recommended"
    rules: Mapping[str, bool] = {}
    charsets: tuple[str, ...] = ()
    workdir: str = "/"
    limits: Limits = Limits()
    guesses: bool = False

    @property
    def starts(self) -> bool:
        """Whether there is anything to start from."""
        return bool(self.programs or self.kept or self.user)

    @property
    def path(self) -> tuple[str, ...]:
        """The directories of PATH; those that runtimes set where the image sets none."""
        return tuple(filter(None, self.env.get("PATH", DEFAULT_PATH).split(":")))

    def wants(self, rule: str, priority: Priority) -> bool:
        """Say whether what a rule finds is kept: as its own switch says, else by its priority."""
        return self.rules.get(rule, self.keeps(priority))

    def keeps(self, priority: Priority) -> bool:
        """Say whether what has a priority is kept."""
        return PRIORITIES.index(priority) <= PRIORITIES.index(self.dlopen)


DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
