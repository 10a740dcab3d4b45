"""Turning symbols on together with what they need: `depends on`, prompts, choices, and what must be off.

In: a configured tree and the symbols that are wanted. Out: the lines that a defconfig needs for it, or all that stands
in the way. Nothing that the user set is undone; of alternatives the one that is on already is taken, else the first
that can be had without conflict. The configuration is tried out on kconfiglib's own, which knows what follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.dotconfig import config_lines
from assembler.buildroot.kconfig_reasons import (
    Missing,
    first_symbol,
    is_on,
    missing,
    operands,
    prompt_condition,
    selectors,
    unmet,
)
from assembler.buildroot.toolchain_facts import Advice, is_fact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assembler.buildroot.kconfig_tree import Expr, Kconf, Symbol

_DEPTH: Final = 16
"""Symbols that a chain of needs goes down before it is given up."""
_PASSES: Final = 3
"""Times that all operands of an AND are gone through: what one turns on may undo another."""

Lacking = tuple[Missing, ...]


class Setting(Struct, frozen=True):
    """A line for a defconfig.

    Attributes:
        symbol: its name.
        value: `y` or `n`.
        for_symbol: the wanted symbol that needs it; itself, for one that was wanted.
    """

    symbol: str
    value: str
    for_symbol: str

    @property
    def line(self) -> str:
        """The line itself."""
        return next(iter(config_lines({self.symbol: self.value})))


class Enabled(Struct, frozen=True):
    """What came of it.

    Attributes:
        settings: lines to add, needs before what needs them.
        already: wanted symbols that are on without them, each with what brings it: the defconfig's own line, or the
            symbols that select it.
        blocked: by wanted symbol, what stands in the way.
    """

    settings: tuple[Setting, ...]
    already: Mapping[str, str]
    blocked: Mapping[str, Lacking]


def enable(kconf: Kconf, wanted: Sequence[str], own: Mapping[str, str]) -> Enabled:
    """Turn symbols on in a configured tree, which is left as it is then.

    Args:
        kconf: configured with all that goes before the new lines.
        wanted: names of symbols that the tree has.
        own: what the user's defconfig sets; it is not undone, but for a wanted symbol that is off in it.
    """
    before = {name: is_on(symbol) for name, symbol in _asked(kconf, own).items()}
    attempt = _Attempt(kconf, {name: value for name, value in own.items() if name not in wanted})
    already: dict[str, str] = {}
    blocked: dict[str, Lacking] = {}
    for name in wanted:
        symbol = kconf.syms[name]
        if is_on(symbol):
            already[name] = _brought_by(symbol, own)
        elif lacking := attempt.turn_on_for(symbol):
            blocked[name] = lacking
    if not blocked:
        _meet_selected(wanted, attempt, blocked)
        _check_undone(kconf, before, wanted, attempt, blocked)
    return Enabled(() if blocked else attempt.settings(wanted), already, blocked)


def _asked(kconf: Kconf, own: Mapping[str, str]) -> dict[str, Symbol]:
    return {name: kconf.syms[name] for name, value in own.items() if value == "y" and name in kconf.syms}


def _brought_by(symbol: Symbol, own: Mapping[str, str]) -> str:
    if own.get(symbol.name) == "y":
        return "the defconfig sets it"
    chosen = [] if symbol.rev_dep is symbol.kconfig.n else operands(symbol.rev_dep, any_of=True)
    names = [first_symbol(one) for one in chosen if is_on(one)]
    return f"{names[0]} selects it" if names else "it is so by default"


def _check_undone(
    kconf: Kconf, before: Mapping[str, bool], wanted: Sequence[str], attempt: _Attempt, blocked: dict[str, Lacking]
) -> None:
    """Refuse to turn off what the user turned on."""
    lost = [name for name, was_on in before.items() if was_on and name not in wanted and not is_on(kconf.syms[name])]
    if lost:
        conflict = Advice(f"it would turn off {lost[0]}, which the defconfig sets")
        first = attempt.settings(wanted)[0].for_symbol if attempt.settings(wanted) else wanted[0]
        blocked[first] = (Missing(lost[0], wanted=True, advice=conflict, possible=False),)


def _meet_selected(wanted: Sequence[str], attempt: _Attempt, blocked: dict[str, Lacking]) -> None:
    """Meet the dependencies of what is selected, where kconfig would only warn; refuse what cannot be met."""
    for symbol in attempt.selected():
        if lacking := attempt.meet(symbol):
            first = next((one.for_symbol for one in attempt.settings(wanted)), wanted[0])
            blocked[first] = (Missing(symbol.name, wanted=True, because=lacking),)
            return


class _Attempt:
    """Symbols that were set one after the other, and can be taken back in that order."""

    def __init__(self, kconf: Kconf, own: Mapping[str, str]) -> None:
        self._kconf = kconf
        self._own = own
        self._trail: list[tuple[Symbol, str, object, object]] = []
        self._for: dict[str, str] = {}
        self._target = ""
        self._open: set[str] = set()
        self._on_before = {symbol.name for symbol in kconf.unique_defined_syms if is_on(symbol)}

    def turn_on_for(self, symbol: Symbol) -> Lacking:
        """Turn a wanted symbol on; return what stands in the way."""
        self._target = symbol.name
        if prompt_condition(symbol) is None and not is_fact(symbol):
            names = tuple(dict.fromkeys(map(first_symbol, selectors(symbol))))
            return (Missing(symbol.name, wanted=True, selected_by=names, possible=False),)
        return tuple(below for one in self._turn_on(symbol) for below in one.because or (one,))

    def meet(self, symbol: Symbol) -> Lacking:
        """Turn on what a selected symbol depends on; return what stands in the way."""
        return self._satisfy(symbol.direct_dep, wanted=True)

    def settings(self, wanted: Sequence[str]) -> tuple[Setting, ...]:
        """Return the lines that are needed: what follows from others is none."""
        kept = []
        for symbol, value, before, _ in reversed(self._trail):
            if symbol.name not in wanted and self._follows(symbol, value, before, wanted):
                continue
            kept.append(Setting(symbol.name, value, self._for[symbol.name]))
        return tuple(reversed(kept))

    def selected(self) -> list[Symbol]:
        """Return the symbols that became on, but for those without dependencies."""
        return [
            symbol
            for symbol in self._kconf.unique_defined_syms
            if symbol.rev_dep is not self._kconf.n and symbol.name not in self._on_before and is_on(symbol)
        ]

    def _follows(self, symbol: Symbol, value: str, before: object, wanted: Sequence[str]) -> bool:
        """Say whether a symbol would have its value, and all wanted ones be on, without its line."""
        if symbol.choice is not None and symbol.choice.user_selection is symbol:
            return False
        set_to = symbol.user_value
        _give_back(symbol, before)
        if symbol.str_value == value and all(is_on(self._kconf.syms[name]) for name in wanted):
            return True
        symbol.set_value(set_to)
        return False

    def _turn_on(self, symbol: Symbol) -> Lacking:
        name: str = symbol.name
        if is_on(symbol):
            return ()
        if is_fact(symbol) or symbol.is_constant or not symbol.nodes:
            return (missing(self._kconf, symbol, wanted=True),)
        if name in self._open or len(self._open) > _DEPTH:
            return (Missing(name, wanted=True),)
        if self._own.get(name) == "n":
            return (Missing(name, wanted=True, advice=Advice("the defconfig has it off"), possible=False),)
        self._open.add(name)
        try:
            return self._by_prompt(symbol) if prompt_condition(symbol) is not None else self._by_others(symbol)
        finally:
            self._open.discard(name)

    def _by_prompt(self, symbol: Symbol) -> Lacking:
        if taken := self._taken(symbol):
            return (taken,)
        if lacking := self._satisfy(prompt_condition(symbol), wanted=True):
            return _under(symbol, lacking)
        self._set(symbol, "y")
        return () if is_on(symbol) else (missing(self._kconf, symbol, wanted=True),)

    def _by_others(self, symbol: Symbol) -> Lacking:
        ways = selectors(symbol)
        if not ways:
            return (missing(self._kconf, symbol, wanted=True),)
        if lacking := self._any(ways, wanted=True):
            # What a fixed set of architectures or machines decides is told as such.
            told = missing(self._kconf, symbol, wanted=True)
            return (told,) if told.advice else _under(symbol, lacking)
        return () if is_on(symbol) else (missing(self._kconf, symbol, wanted=True),)

    def _taken(self, symbol: Symbol) -> Missing | None:
        """Return what is said where the user chose another member of a choice."""
        if symbol.choice is None:
            return None
        others = [one.name for one in symbol.choice.syms if one is not symbol]
        chosen = next((one for one in others if self._own.get(one) == "y" or self._for.get(one)), None)
        if chosen is None:
            return None
        advice = Advice(f"a choice, of which {chosen} is taken already")
        return Missing(symbol.name, wanted=True, advice=advice, possible=False)

    def _turn_off(self, symbol: Symbol) -> Lacking:
        name: str = symbol.name
        if is_fact(symbol) or symbol.is_constant or not symbol.nodes:
            return (missing(self._kconf, symbol, wanted=False),)
        if self._own.get(name) == "y" or name in self._for or name == self._target or name in self._open:
            return (Missing(name, wanted=False, advice=Advice(self._wanted_by(name)), possible=False),)
        self._open.add(name)
        try:
            chosen = [] if symbol.rev_dep is self._kconf.n else operands(symbol.rev_dep, any_of=True)
            if lacking := self._all([one for one in chosen if is_on(one)], wanted=False):
                return _under(symbol, lacking, wanted=False)
            if symbol.choice is not None:
                others = [one for one in symbol.choice.syms if one is not symbol]
                return self._first(others, self._turn_on)
            if prompt_condition(symbol) is not None and is_on(symbol):
                self._set(symbol, "n")
        finally:
            self._open.discard(name)
        return () if not is_on(symbol) else (missing(self._kconf, symbol, wanted=False),)

    def _wanted_by(self, name: str) -> str:
        return (
            "the defconfig wants it on" if self._own.get(name) == "y" else "something else that is needed wants it on"
        )

    def _satisfy(self, expr: Expr, *, wanted: bool) -> Lacking:
        import kconfiglib

        if is_on(expr) == wanted:
            return ()
        if isinstance(expr, kconfiglib.Symbol):
            return self._turn_on(expr) if wanted else self._turn_off(expr)
        if isinstance(expr, kconfiglib.Choice):
            return self._satisfy(prompt_condition(expr), wanted=wanted)
        if expr[0] is kconfiglib.NOT:
            return self._satisfy(expr[1], wanted=not wanted)
        if expr[0] is kconfiglib.AND or expr[0] is kconfiglib.OR:
            any_of = expr[0] is kconfiglib.OR
            parts = operands(expr, any_of=any_of)
            return self._any(parts, wanted=wanted) if any_of == wanted else self._all(parts, wanted=wanted)
        return unmet(self._kconf, expr, wanted=wanted)

    def _all(self, parts: Sequence[Expr], *, wanted: bool) -> Lacking:
        """Satisfy all operands; where some cannot be, return what all of those lack."""
        for _ in range(_PASSES):
            lacking = [one for part in parts for one in self._satisfy(part, wanted=wanted)]
            if lacking or all(is_on(part) == wanted for part in parts):
                return tuple(dict.fromkeys(lacking))
        return tuple(one for part in parts for one in unmet(self._kconf, part, wanted=wanted))

    def _any(self, parts: Sequence[Expr], *, wanted: bool) -> Lacking:
        """Satisfy the first operand that can be; where none can, return what the nearest lacks."""
        if any(is_on(part) == wanted for part in parts):
            return ()
        return self._first(sorted(parts, key=_is_second_choice), lambda part: self._satisfy(part, wanted=wanted))

    def _first(self, parts: Sequence[Expr], satisfy: Callable[[Expr], Lacking]) -> Lacking:
        least: Lacking | None = None
        for part in parts:
            mark = len(self._trail)
            lacking = satisfy(part)
            if not lacking:
                return ()
            self._take_back(mark)
            if least is None or _farness(lacking) < _farness(least):
                least = lacking
        return least or ()

    def _set(self, symbol: Symbol, value: str) -> None:
        selection = symbol.choice.user_selection if symbol.choice is not None else None
        self._trail.append((symbol, value, symbol.user_value, selection))
        self._for[symbol.name] = self._target
        symbol.set_value(value)

    def _take_back(self, mark: int) -> None:
        while len(self._trail) > mark:
            symbol, _, value, selection = self._trail.pop()
            self._for.pop(symbol.name, None)
            _give_back(symbol, value)
            if symbol.choice is not None:
                if selection is None:
                    symbol.choice.unset_value()
                else:
                    selection.set_value("y")  # type: ignore[attr-defined]


def _give_back(symbol: Symbol, value: object) -> None:
    """Give a symbol the user value that it had; None where it had none."""
    if value is None:
        symbol.unset_value()
    else:
        symbol.set_value(value)


def _is_second_choice(expr: Expr) -> bool:
    """Say whether an alternative is the member of a choice that is not its default."""
    choice = getattr(expr, "choice", None)
    if choice is None or not choice.syms:
        return False
    default = next((symbol for symbol, _ in choice.defaults), choice.syms[0])
    return expr is not default


def _under(symbol: Symbol, lacking: Lacking, *, wanted: bool = True) -> Lacking:
    return (Missing(symbol.name, wanted, because=lacking),)


def _farness(lacking: Lacking) -> int:
    ends = [end for one in lacking for end in one.settled_by]
    return sum(1 if end.possible else 10 if end.advice and end.advice.option else 50 for end in ends)
