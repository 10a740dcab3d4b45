"""Plots as SVG or PNG: size against time, the waterfall, the treemap. The same records give the same bytes.

In: results. Out: bytes of a file. Matplotlib draws; no setting of its user's has a say in it.
"""

from __future__ import annotations

import importlib
import io
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from msgspec import Struct

from assembler.base.errors import ProgramError, UsageError
from assembler.base.paths import show
from assembler.base.units import format_size
from assembler.experiments.report.points import axis_of, groups_of, unit_for
from assembler.experiments.report.squares import Box, squarify
from assembler.experiments.report.summary import BY_OUTCOME, front_of, summarize, title_of
from assembler.experiments.report.waterfall import image_bars, levels, root_bars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from assembler.experiments.report.points import Group
    from assembler.experiments.report.summary import Choices, Summary
    from assembler.experiments.results.files import Results
    from assembler.experiments.results.records import FileRow, RootRecord, TrialRecord

PlotName = Literal["size-time", "waterfall", "treemap"]
PLOTS: Final[tuple[PlotName, ...]] = get_args(PlotName)

_SETTINGS: Final = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#57606a",
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "figure.dpi": 150,
    "font.size": 10,
    "grid.color": "#d0d7de",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "savefig.dpi": 150,
    "svg.hashsalt": "brasm",
    "text.parse_math": False,
}
_SIZE: Final = (8.0, 4.5)
_DARK, _MUTED, _GREW, _SHRANK, _TOTAL = "#1b1f24", "#57606a", "#d55e00", "#0072b2", "#5f6b77"
_STYLES: Final = {
    "passed": ("#0072b2", "o"),
    "untested": ("#5f6368", "D"),
    "failed": ("#c04a00", "X"),
    "error": ("#a8326e", "^"),
    "0": ("#0072b2", "o"),
    "1": ("#d55e00", "s"),
    "2": ("#009e73", "D"),
    "3": ("#c2649a", "^"),
    "4": ("#b67c00", "P"),
    "5": ("#3fa3dc", "*"),
    "6": ("#6b4c9a", "p"),
    "7": ("#5f6368", "h"),
}
_TILES: Final = ("#a8cbe8", "#f5c08f", "#9ad3b8", "#e6bcd6", "#efdc85", "#bcc3ec", "#d8cab6", "#c6ccd2")
_SMALL: Final = 14.0
"""What a tile of a treemap has at least, in a plot of 160 by 100."""
_HEAD: Final = 7.5
"""How high the two lines of a group are."""
_LABEL: Final = 44
"""Characters of a label."""


def plot(results: Results, choices: Choices, name: PlotName, kind: Literal["svg", "png"]) -> bytes:
    """Draw a plot.

    Raises:
        UsageError: what was chosen is not in the results, or there is nothing to draw.
        ProgramError: matplotlib is not installed.
    """
    summary = summarize(results, choices)
    with _matplotlib() as figure_class:
        match name:
            case "size-time":
                figure = _scatter(figure_class, summary)
            case "waterfall":
                figure = _waterfall(figure_class, *_chosen(results, summary))
            case "treemap":
                figure = _treemap(figure_class, *_chosen(results, summary))
        return _written(figure, kind)


@contextmanager
def _matplotlib() -> Iterator[Any]:
    """Give the class of figures, with settings that no file of the user's changes."""
    try:
        matplotlib: Any = importlib.import_module("matplotlib")
        figures: Any = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise ProgramError("matplotlib is not installed", hint="pip install 'brasm[report]'") from error
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of characters that its font lacks: a box stands for them
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield figures.Figure


def _written(figure: Any, kind: Literal["svg", "png"]) -> bytes:
    data = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    figure.savefig(data, format=kind, metadata=metadata)
    return data.getvalue()


def _chosen(results: Results, summary: Summary) -> tuple[TrialRecord, RootRecord]:
    if summary.chosen is None:
        raise UsageError("there is nothing to draw: no trial has a root filesystem")
    trial = summary.trials[summary.chosen]
    return trial, results.roots[trial.root or trial.id]


# Size against time


def _scatter(figure_class: Any, summary: Summary) -> Any:
    x, y = summary.x, summary.y
    trials = [trial for trial in summary.trials if {x, y} <= trial.measures.keys()]
    if not trials:
        raise UsageError("there is nothing to draw: no trial has both measures", hint="--x and --y name others")
    figure = figure_class(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    xs, ys = (_scaled(axes, way, name, trials) for way, name in (("x", x), ("y", y)))
    front = () if x == y else front_of(trials, x, y)
    line = {"color": _MUTED, "linestyle": ":", "linewidth": 1.6, "label": "Pareto front", "zorder": 1}
    axes.step([xs[at] for at in front], [ys[at] for at in front], where="post", **line)
    points = {"s": 42, "edgecolors": "white", "linewidths": 0.7, "zorder": 2}
    for group in groups_of(trials, summary.color):
        axes.scatter([xs[at] for at in group.places], [ys[at] for at in group.places], **points, **_look(group))
    title = f"{title_of(y)} against {title_of(x)}, {len(trials):,} trials"
    axes.set_title(title[:1].upper() + title[1:])
    _add_legend(figure, axes, summary)
    return figure


def _scaled(axes: Any, way: str, name: str, trials: Sequence[TrialRecord]) -> list[float]:
    """Set up an axis; return the values in its unit."""
    axis = axis_of(name, trials)
    if axis.log:
        ticker: Any = importlib.import_module("matplotlib.ticker")
        getattr(axes, f"set_{way}scale")("log")
        drawn = getattr(axes, f"{way}axis")
        drawn.set_major_locator(ticker.LogLocator(base=10, subs=(1, 2, 5)))
        drawn.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        drawn.set_minor_formatter(ticker.NullFormatter())
    getattr(axes, f"set_{way}label")(axis.title)
    return [trial.measures[name] / axis.one for trial in trials]


def _look(group: Group) -> dict[str, Any]:
    """Return how a group's points look."""
    if group.numbers:
        return {"c": group.numbers, "cmap": "cividis", "marker": "o"}
    color, marker = _STYLES[group.style]
    return {"c": color, "marker": marker, "label": group.name}


def _add_legend(figure: Any, axes: Any, summary: Summary) -> None:
    continuous = [each for each in axes.collections if each.get_array() is not None]
    if continuous:
        ticker: Any = importlib.import_module("matplotlib.ticker")
        ticks = ticker.MaxNLocator(8, integer=True)
        figure.colorbar(continuous[0], ax=axes, label=show(summary.color), ticks=ticks)
    title = None if continuous or summary.color == BY_OUTCOME else show(summary.color)
    axes.legend(title=title, alignment="left")


# From source to image


def _waterfall(figure_class: Any, trial: TrialRecord, root: RootRecord) -> Any:
    bars = (*root_bars(root), *image_bars(trial, root))
    spans = levels(bars)
    unit, one = unit_for("B", max(end for _, end in spans))
    figure = figure_class(figsize=(_SIZE[0], 1.1 + 0.29 * len(bars)), layout="constrained")
    axes = figure.add_subplot()
    for at, (bar, (begin, end)) in enumerate(zip(bars, spans, strict=True)):
        color = _TOTAL if bar.kind == "total" else _GREW if bar.size > 0 else _SHRANK
        axes.barh(at, (end - begin) / one, left=begin / one, color=color, height=0.72)
        text = format_size(bar.size) if bar.kind == "total" else _signed(bar.size)
        axes.annotate(text, (max(begin, end) / one, at), (5, 0), textcoords="offset points", va="center", fontsize=9)
        if at + 1 < len(bars):
            axes.plot([end / one] * 2, [at - 0.36, at + 1.36], color=_MUTED, linewidth=0.7, zorder=0)
    axes.set_yticks(range(len(bars)), [_squeezed(show(bar.label), _LABEL) for bar in bars], fontsize=9)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, max(end for _, end in spans) / one * 1.25 or 1)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(unit)
    figure.suptitle(f"From source to image: trial {trial.number}", x=0.01, ha="left", size=12, weight="bold")
    return figure


def _signed(size: int) -> str:
    return f"{'+' if size > 0 else chr(0x2212)}{format_size(abs(size))}"


# Where the bytes are


def _treemap(figure_class: Any, trial: TrialRecord, root: RootRecord) -> Any:
    """Draw two levels: packages, or where none is known directories, and the files in them."""
    if not root.files:
        raise UsageError(f"there is nothing to draw: the results do not list the files of trial {trial.number}")
    owned = any(row.package for row in root.files)
    figure = figure_class(figsize=(_SIZE[0], 5.0), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    whole = Box(0, 0, 160, 100)
    axes.set_xlim(0, whole.width)
    axes.set_ylim(whole.height, 0)
    groups = _groups_of(root.files, (lambda row: row.package or "no package") if owned else _directory)
    for at, (tile, box) in enumerate(_placed(groups, whole, "more")):
        _draw_group(axes, tile, box, _TILES[at % len(_TILES)])
    what = "package" if owned else "directory"
    axes.set_title(f"Where the bytes are, by {what}: trial {trial.number}, {format_size(root.unpacked)} unpacked")
    return figure


class _Tile(Struct, frozen=True):
    """A tile: its name, its bytes, and the tiles in it."""

    name: str
    size: int
    inner: tuple[_Tile, ...] = ()


def _groups_of(files: Sequence[FileRow], key: Callable[[FileRow], str]) -> list[_Tile]:
    groups: dict[str, list[_Tile]] = {}
    for row in files:
        if row.size:
            groups.setdefault(key(row), []).append(_Tile(row.path.rpartition("/")[2], row.size))
    return [_Tile(name, sum(tile.size for tile in tiles), tuple(tiles)) for name, tiles in groups.items()]


def _placed(tiles: Sequence[_Tile], box: Box, rest: str) -> list[tuple[_Tile, Box]]:
    """Lay tiles out, the largest first; those that are too small to be seen are one together."""
    least = _SMALL * sum(tile.size for tile in tiles) / (box.width * box.height)
    small = [tile for tile in tiles if tile.size < least]
    shown = [*tiles]
    if len(small) > 1:
        shown = [tile for tile in tiles if tile.size >= least]
        shown.append(_Tile(f"{len(small):,} {rest}", sum(tile.size for tile in small)))
    shown.sort(key=lambda tile: (-tile.size, tile.name))
    return list(zip(shown, squarify([tile.size for tile in shown], box), strict=True))


def _directory(row: FileRow) -> str:
    return "/" + "/".join(row.path.split("/")[1:-1][:3])


def _draw_group(axes: Any, group: _Tile, box: Box, color: str) -> None:
    edge = _draw_tile(axes, box, color, "white", 1.2)
    if box.height < _HEAD * 2 or box.width < 14:
        if box.width > 7 and box.height > 3.5:
            _write(axes, edge, box, show(group.name))
        return
    _write(axes, edge, box, f"{show(group.name)}\n{format_size(group.size)}", bold=True)
    inner = Box(box.x + 0.5, box.y + _HEAD, box.width - 1, box.height - _HEAD - 0.5)
    for tile, place in _placed(group.inner, inner, "more files"):
        outline = _draw_tile(axes, place, color, "#00000038", 0.5)
        if place.width > 6 and place.height > 3.5:
            _write(axes, outline, place, show(tile.name))


def _draw_tile(axes: Any, box: Box, color: str, edge: str, width: float) -> Any:
    patches: Any = importlib.import_module("matplotlib.patches")
    tile = patches.Rectangle((box.x, box.y), box.width, box.height, facecolor=color, edgecolor=edge, linewidth=width)
    return axes.add_patch(tile)


def _write(axes: Any, outline: Any, box: Box, text: str, *, bold: bool = False) -> None:
    """Write into a tile; what does not fit is cut off at its edge."""
    size, weight = (7.5, "bold") if bold else (6.5, "normal")
    written = axes.text(
        box.x + 0.6, box.y + 0.5, text, fontsize=size, weight=weight, va="top", color=_DARK, clip_on=True
    )
    written.set_clip_path(outline)
    written.set_in_layout(False)


def _squeezed(text: str, most: int) -> str:
    """Take the middle out of a text that is too long: how rules and paths end tells them apart."""
    end = most // 2
    return text if len(text) <= most else f"{text[: most - 1 - end]}\u2026{text[-end:]}"
