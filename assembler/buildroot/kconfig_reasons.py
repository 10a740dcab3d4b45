"""Why a symbol cannot have a value in a configuration, followed down to what a user can set.

In: a tree that `kconfig_tree` read, configured. Out: `Missing`, a tree of causes, and the line that tells of it. A
symbol is visible where the condition of its prompt holds, to which `depends on`, menus, `if` and choices contribute;
one without a prompt has its value of `select` and `default` (Documentation/kbuild/kconfig-language).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.buildroot.toolchain_facts import Advice, advice, architecture, is_architecture, is_fact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.buildroot.kconfig_tree import Expr, Kconf, Symbol

_DEPTH: Final = 8
"""Symbols that a chain of causes goes down; it is cut there."""
_SHOWN: Final = 3
"""Alternatives that are named."""
_YES: Final = 2


class Missing(Struct, frozen=True):
    """A symbol that is not as another one needs it.

    Attributes:
        symbol: its name, or a comparison as it stands.
        wanted: whether it is to be on.
        because: what it lacks in turn; nothing where the user can set it, or where `advice` says who can.
        advice: what gives a fact of the toolchain, the machine or the architecture.
        selected_by: for a symbol without a prompt, those of which one selects it; for one that is to be off, those that
            select it now.
        possible: whether a line of the defconfig can do something about it.
    """

    symbol: str
    wanted: bool
    because: tuple[Missing, ...] = ()
    advice: Advice | None = None
    selected_by: tuple[str, ...] = ()
    possible: bool = True

    @property
    def settled_by(self) -> tuple[Missing, ...]:
        """The ends of the chains: what would have to change first."""
        return tuple(end for one in self.because for end in one.settled_by) if self.because else (self,)


def tell(missing: Sequence[Missing], of: str | None = None) -> str:
    """Return a line: `needs BR2_A, which needs BR2_B, which is n: the toolchain option cxx sets it`.

    What would only repeat causes that were told is left out.

    Args:
        missing: what is to be told.
        of: the symbol that lacks it.
    """
    told: set[Missing] = set()
    parts = []
    for one in missing:
        if not told.issuperset(one.settled_by):
            parts.append(_of_itself(one) if one.symbol == of and not one.because else f"needs {_told(one)}")
        told.update(one.settled_by)
    return "; ".join(parts)


def _told(one: Missing) -> str:
    name = one.symbol if one.wanted else f"{one.symbol} off"
    if one.because:
        return f"{name}, which needs {' and '.join(map(_told, one.because))}"
    if " " in one.symbol:
        told = f"{name}, which does not hold"
    elif one.selected_by:
        verb = "would select" if one.wanted else "selects"
        told = f"{name}, which {' or '.join(_few(one.selected_by))} {verb}"
    else:
        told = f"{name}, which is {'n' if one.wanted else 'y'}"
    return f"{told}: {one.advice.text}" if one.advice else told


def _of_itself(one: Missing) -> str:
    """Return what a symbol says that cannot be set, whatever else is."""
    if one.selected_by:
        return f"has no prompt: {' or '.join(_few(one.selected_by))} would select it"
    return one.advice.text if one.advice else "cannot be set"


def _few(names: Sequence[str]) -> list[str]:
    return list(names) if len(names) <= _SHOWN else [*names[: _SHOWN - 1], f"{len(names) - _SHOWN + 1} more"]


def prompt_condition(symbol: Symbol) -> Expr | None:
    """Return the condition under which a user can set a symbol or choice; None where there is no prompt."""
    import kconfiglib

    conditions = [node.prompt[1] for node in symbol.nodes if node.prompt]
    if not conditions:
        return None
    whole = conditions[0]
    for condition in conditions[1:]:
        whole = (kconfiglib.OR, whole, condition)
    return whole


def is_on(expr: Expr) -> bool:
    """Say whether an expression, a symbol or a choice is y."""
    import kconfiglib

    return bool(kconfiglib.expr_value(expr) == _YES)


def operands(expr: Expr, *, any_of: bool) -> list[Expr]:
    """Return the operands of all the OR (`any_of`) or AND at the top of an expression."""
    import kconfiglib

    return list(kconfiglib.split_expr(expr, kconfiglib.OR if any_of else kconfiglib.AND))


def selectors(symbol: Symbol) -> list[Expr]:
    """Return the ways in which a symbol without a prompt becomes y: what selects it, then its defaults."""
    import kconfiglib

    chosen = [] if symbol.rev_dep is symbol.kconfig.n else operands(symbol.rev_dep, any_of=True)
    defaults = [
        condition if value is symbol.kconfig.y else (kconfiglib.AND, value, condition)
        for value, condition in symbol.defaults
        if value is not symbol.kconfig.n
    ]
    return [*chosen, *defaults]


def unmet(kconf: Kconf, expr: Expr, *, wanted: bool = True) -> tuple[Missing, ...]:
    """Return what keeps an expression from being on (or off); of alternatives, the nearest one."""
    return tuple(_unmet(kconf, expr, wanted, frozenset()))


def why_off(kconf: Kconf, symbol: Symbol) -> tuple[Missing, ...]:
    """Return what keeps a user from setting a symbol; nothing where it can be set, or has no prompt."""
    condition = prompt_condition(symbol)
    return () if condition is None else unmet(kconf, condition)


def missing(kconf: Kconf, symbol: Symbol, *, wanted: bool) -> Missing:
    """Return why a symbol is not on (or off)."""
    return _missing(kconf, symbol, wanted, frozenset())


def _unmet(kconf: Kconf, expr: Expr, wanted: bool, seen: frozenset[str]) -> list[Missing]:
    import kconfiglib

    if is_on(expr) == wanted:
        return []
    if not isinstance(expr, tuple):
        symbol = isinstance(expr, kconfiglib.Symbol)
        return [_missing(kconf, expr, wanted, seen)] if symbol else _unmet(kconf, prompt_condition(expr), wanted, seen)
    if expr[0] is kconfiglib.NOT:
        return _unmet(kconf, expr[1], not wanted, seen)
    if expr[0] is kconfiglib.AND or expr[0] is kconfiglib.OR:
        any_of = expr[0] is kconfiglib.OR
        parts = [_unmet(kconf, part, wanted, seen) for part in operands(expr, any_of=any_of)]
        if any_of == wanted:
            return min(parts, key=_cost)
        return list(dict.fromkeys(one for part in parts for one in part))
    return [_comparison(kconf, expr, wanted)]


def _comparison(kconf: Kconf, expr: Expr, wanted: bool) -> Missing:
    import kconfiglib

    told = kconfiglib.expr_str(expr if wanted else (kconfiglib.NOT, expr))
    symbols = [part for part in expr[1:] if isinstance(part, kconfiglib.Symbol) and not part.is_constant]
    conditions = [leaf for symbol in symbols for _, condition in symbol.defaults for leaf in leaves(condition)]
    found = None
    if any(symbol.env_var for symbol in symbols):
        found = Advice("this machine decides")
    elif any(map(is_architecture, (*symbols, *conditions))):
        found = Advice(f"the architecture {architecture(kconf)} decides")
    return Missing(told, wanted=True, advice=found, possible=False)


def _missing(kconf: Kconf, symbol: Symbol, wanted: bool, seen: frozenset[str]) -> Missing:
    name: str = symbol.name
    if symbol.is_constant or not symbol.nodes:
        return Missing(name, wanted, advice=Advice("the tree has no such symbol"), possible=False)
    if is_fact(symbol):
        return Missing(name, wanted, advice=advice(kconf, name, wanted=wanted), possible=False)
    if name in seen or len(seen) > _DEPTH:
        return Missing(name, wanted)
    seen |= {name}
    if not wanted:
        chosen = [] if symbol.rev_dep is kconf.n else operands(symbol.rev_dep, any_of=True)
        return Missing(name, wanted, selected_by=tuple(first_symbol(one) for one in chosen if is_on(one)))
    condition = prompt_condition(symbol)
    if condition is not None:
        return Missing(name, wanted, because=tuple(_unmet(kconf, condition, True, seen)))
    return _without_prompt(kconf, symbol, seen)


def _without_prompt(kconf: Kconf, symbol: Symbol, seen: frozenset[str]) -> Missing:
    ways = selectors(symbol)
    if not ways:
        return Missing(symbol.name, wanted=True, advice=Advice("nothing sets it"), possible=False)
    nearest = min((_unmet(kconf, way, True, seen) for way in ways), key=_cost)
    ends = [end for one in nearest for end in one.settled_by]
    if any(end.advice and (known := kconf.syms.get(end.symbol)) and is_architecture(known) for end in ends):
        told = Advice(f"not for the architecture {architecture(kconf)}")
        return Missing(symbol.name, wanted=True, advice=told, possible=False)
    names = tuple(dict.fromkeys(first_symbol(way) for way in ways))
    if all(one.possible and not one.because for one in nearest):
        return Missing(symbol.name, wanted=True, selected_by=names)
    return Missing(symbol.name, wanted=True, because=tuple(nearest))


def first_symbol(expr: Expr) -> str:
    """Return the first symbol of an expression: of `select … if …` the one that selects."""
    while isinstance(expr, tuple):
        expr = expr[1]
    return str(expr.name)


def _cost(parts: Sequence[Missing]) -> int:
    """Return how far an alternative is: what no defconfig can set is far, an architecture farther."""
    return sum(_cost_of(one) for one in parts)


def _cost_of(one: Missing) -> int:
    if one.because:
        return 1 + _cost(one.because)
    if one.possible:
        return 1
    return 10 if one.advice and one.advice.option else 50


def leaves(expr: Expr) -> Iterator[Symbol]:
    """Yield the symbols of an expression, left to right."""
    import kconfiglib

    if isinstance(expr, tuple):
        for part in expr[1:]:
            yield from leaves(part)
    elif isinstance(expr, kconfiglib.Symbol):
        yield expr
