"""Declaring trials: axes and a strategy in, recipes out, each with what it differs in from the recipe as it is given.

In: `Base`, a recipe as the command line gives it, and `Axis`es. Out: `Matrix`: candidates in a fixed order, each
another recipe. What contradicts the recipe's own rules (gzip has no level 13) is left out, and told.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import re
import shlex
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from assembler.base.digest import Digest
from assembler.base.errors import RecipeError, UsageError
from assembler.experiments.trials.axes import LIBC, MOST_VALUES, OWN, VARIANT
from assembler.experiments.trials.identity import RecipeDigests, recipe_digest, trial_id
from assembler.recipe.keys import format_override, parse_override
from assembler.recipe.load import override, read_toml, recipe_from_mapping
from assembler.recipe.types import LoadedRecipe, Strategy
from assembler.recipe.variants import variant_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assembler.experiments.trials.axes import Axis

__all__ = [
    "Base",
    "Candidate",
    "Choice",
    "LeftOut",
    "Matrix",
    "choices",
    "declare",
    "read_base",
    "recipe_digest",
    "reproduce",
    "trial_id",
]

Choice = Mapping[str, Any]
"""What differs from the recipe, by key: plain values of TOML; `variant` and `buildroot.libc` as in `axes`."""

_TOOLCHAIN: Final = "buildroot.toolchain"
_PATIENCE: Final = 20
"""Combinations that are looked at for each that is asked for, where many are left out."""
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Base(Struct, frozen=True):
    """A recipe before trials lay their options over it, which come after all that is here.

    Attributes:
        values: of the file, or of the command line where there is none; plain, unchecked.
        folder: what relative paths start from.
        where: what errors call the recipe.
        variant: `--variant`.
        given: by key, what the command line's own options set.
        overrides: what `--set` sets, in order.
        words: the words of the command line that name the recipe, its source and mode: all but `--variant` and `--set`.
    """

    values: Mapping[str, Any]
    folder: str
    where: str = "command line"
    variant: str | None = None
    given: Mapping[str, Any] = {}
    overrides: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def load(self, options: Choice = _NOTHING) -> LoadedRecipe:
        """Return the recipe with options laid over it.

        Raises:
            RecipeError: it is wrong, has no such variant, or contradicts itself.
        """
        variant = options.get(VARIANT, self.variant)
        values = dict(self.values)
        if variant is not None:
            values = override(values, variant_values(values, variant, self.where))
        values = override(override(values, self.given), dict(map(parse_override, self.overrides)))
        values = override(values, {key: value for key, value in options.items() if key not in {VARIANT, LIBC}})
        loaded = recipe_from_mapping(values, self.folder, (), self.where)
        if LIBC in options:
            toolchain = _with_libc(loaded, options[LIBC])
            loaded = recipe_from_mapping(override(values, {_TOOLCHAIN: toolchain}), self.folder, (), self.where)
        return replace(loaded, variant=variant)


def read_base(
    path: str,
    overrides: Sequence[str] = (),
    given: Mapping[str, Any] = _NOTHING,
    variant: str | None = None,
    words: Sequence[str] = (),
) -> Base:
    """Read a recipe file, as `recipe.load_recipe` does; `words` are those of `Base`, by default the path.

    Raises:
        RecipeError: the file cannot be read, or is not TOML.
    """
    folder = os.path.dirname(os.path.abspath(path))
    return Base(read_toml(path), folder, path, variant, given, tuple(overrides), tuple(words) or (path,))


class Candidate(Struct, frozen=True):
    """A trial that is to be.

    Attributes:
        number: its place, from 1.
        options: what differs from the recipe.
        loaded: the recipe with them.
        recipe_digest: of that.
    """

    number: int
    options: Choice
    loaded: LoadedRecipe
    recipe_digest: Digest


class LeftOut(Struct, frozen=True):
    """A combination that is no recipe: why not, in one line, and what to do about it."""

    options: Choice
    reason: str
    hint: str | None = None

    @property
    def kind(self) -> str:
        """The reason without the values of this combination: alike for all that are left out for the same."""
        kind = self.reason
        for value in self.options.values():
            if isinstance(value, str | int) and str(value):
                kind = re.sub(rf"(?<!\w){re.escape(str(value))}(?!\w)", "…", kind)
        return kind


class Matrix(Struct, frozen=True):
    """Trials that are to be.

    Attributes:
        candidates: in order, each another recipe.
        left_out: combinations that are no recipe.
        repeated: how many combinations say the same as an earlier one.
    """

    candidates: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...] = ()
    repeated: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What became of combinations that are no trials, one line for each reason."""
        total = len(self.candidates) + len(self.left_out) + self.repeated
        kinds: dict[str, list[LeftOut]] = {}
        for one in self.left_out:
            kinds.setdefault(one.kind, []).append(one)
        lines = [f"{len(ones):,} of {total:,} combinations left out: {ones[0].reason}" for ones in kinds.values()]
        if self.repeated:
            lines.append(f"{self.repeated:,} of {total:,} combinations left out: they say the same as others")
        return tuple(lines)


def declare(
    base: Base,
    axes: Sequence[Axis],
    strategy: Strategy = "grid",
    *,
    seed: int = 0,
    trials: int | None = None,
    environment: Mapping[str, str] = _NOTHING,
) -> Matrix:
    """Make the recipes of trials.

    Args:
        base: what they are laid over.
        axes: what they vary.
        strategy: which combinations are taken.
        seed: of strategy `random`.
        trials: how many candidates `random` is to find; others take no heed of it.
        environment: for SOURCE_DATE_EPOCH.

    Raises:
        UsageError: there are too many combinations, or none that is a recipe.
        RecipeError: the recipe is wrong by itself, or has no such variant.
        SourceError: a file beside the recipe cannot be read.
    """
    _check_variants(base, axes)
    digests = RecipeDigests(environment)
    found: dict[Digest, Candidate] = {}
    left_out: list[LeftOut] = []
    repeated = 0
    for options in choices(axes, strategy, seed, trials):
        try:
            loaded = base.load(options)
            digest = digests.of(loaded)
        except RecipeError as error:
            left_out.append(LeftOut(options, error.message.removeprefix(f"{base.where}: "), error.hint))
            continue
        if digest in found:
            repeated += 1
            continue
        found[digest] = Candidate(len(found) + 1, options, loaded, digest)
        if strategy == "random" and len(found) == trials:
            break
    if not found:
        base.load()  # a recipe that is wrong by itself is told as such
        raise UsageError(f"no combination is a recipe: {left_out[0].reason}", hint=left_out[0].hint)
    return Matrix(tuple(found.values()), tuple(left_out), repeated)


def choices(axes: Sequence[Axis], strategy: Strategy, seed: int = 0, trials: int | None = None) -> Iterator[Choice]:
    """Yield combinations, each once, in an order that depends on nothing else.

    Strategy `random` goes on until `_PATIENCE` times as many as are asked for: some may be no recipe. It takes the same
    ones first whatever `trials` is, and keeps no more than what it has taken in memory.

    Raises:
        UsageError: there are too many for `grid`, or `random` is not told how many.
    """
    total = math.prod(len(axis.values) for axis in axes)
    if strategy == "random":
        if trials is None:
            raise UsageError("strategy random: how many trials?", hint="--trials 100")
        indices = itertools.islice(_shuffled(total, seed), trials * _PATIENCE)
        return (_choice(axes, index) for index in indices)
    if strategy == "one-at-a-time":
        alone = ({axis.key: value} for axis in axes for value in axis.values if value is not OWN)
        return itertools.chain([{}], alone)
    if total > MOST_VALUES:
        raise UsageError(
            f"{total:,} combinations: more than {MOST_VALUES:,}",
            hint="--strategy random --trials 100 takes some of them",
        )
    return (_choice(axes, index) for index in range(total))


def reproduce(base: Base, options: Choice, environment: Mapping[str, str] = _NOTHING) -> str:
    """Return a command for a shell that packs the image of a trial into a file in the current folder.

    Raises:
        RecipeError: the options make no recipe.
    """
    loaded = base.load(options)
    laid = {key: value for key, value in options.items() if key not in {VARIANT, LIBC}}
    if LIBC in options:
        laid[_TOOLCHAIN] = loaded.recipe.buildroot.toolchain
    words = ["brasm", "pack", *base.words]
    if loaded.variant is not None:
        words += ["--variant", loaded.variant]
    # An option that a trial varies is given once, at its end: tables come before keys in them.
    kept = [text for text in base.overrides if parse_override(text)[0] not in laid]
    for text in (*kept, *(format_override(key, value) for key, value in laid.items())):
        words += ["--set", text]
    words += ["-o", f"{loaded.recipe.name.rpartition('/')[2]}.tar"]
    epoch = environment.get("SOURCE_DATE_EPOCH")
    before = f"SOURCE_DATE_EPOCH={shlex.quote(epoch)} " if epoch and loaded.recipe.image.created is None else ""
    return before + " ".join(map(_quote, words))


def _check_variants(base: Base, axes: Sequence[Axis]) -> None:
    """Refuse a name that no variant has: it is a slip, not a contradiction."""
    for axis in axes:
        if axis.key == VARIANT:
            for name in axis.values:
                if name is not OWN:
                    variant_values(base.values, name, base.where)


def _with_libc(loaded: LoadedRecipe, libc: str) -> str:
    """Return a recipe's toolchain with another C library: the last part of its fragment's name."""
    from assembler.buildroot.compose import parse_toolchain  # most trials build nothing

    toolchain = loaded.recipe.buildroot.toolchain
    if toolchain is None:
        raise RecipeError(f"{LIBC}: {libc}: the recipe has no {_TOOLCHAIN} to change", key=LIBC)
    fragment, plus, options = toolchain.partition("+")
    name = f"{fragment.rpartition('-')[0]}-{libc}{plus}{options}"
    parse_toolchain(name, LIBC)
    return name


def _choice(axes: Sequence[Axis], index: int) -> Choice:
    """Return the combination with a number: the last axis counts the ones, as in a number of mixed radix."""
    options: dict[str, Any] = {}
    for axis in reversed(axes):
        index, place = divmod(index, len(axis.values))
        options[axis.key] = axis.values[place]
    return {axis.key: options[axis.key] for axis in axes if options[axis.key] is not OWN}


def _shuffled(total: int, seed: int) -> Iterator[int]:
    """Yield all numbers below `total` in an order that the seed alone decides, whatever the version of Python.

    Durstenfeld's shuffle (Algorithm 235, CACM 7, 1964) from the front, of which only what has moved is kept.
    """
    moved: dict[int, int] = {}
    for place in range(total):
        drawn = int.from_bytes(hashlib.sha256(f"{seed}/{place}".encode()).digest(), "big")
        other = place + drawn % (total - place)
        here = moved.pop(place, place)
        found = here if other == place else moved.get(other, other)
        if other != place:
            moved[other] = here
        yield found


def _quote(word: str) -> str:
    """Quote a word for a shell; one with bytes that are no UTF-8 with dollar-single-quotes (POSIX.1-2024, 2.2.4)."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return f"$'{''.join(map(_octal, os.fsencode(word)))}'"
    return shlex.quote(word)


def _octal(byte: int) -> str:
    return chr(byte) if 0x20 <= byte < 0x7F and chr(byte) not in "'\\" else f"\\{byte:03o}"
