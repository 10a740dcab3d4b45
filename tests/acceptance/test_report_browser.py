"""Pages in a browser: offline, by mouse and by keyboard, narrow and dark, on paper, without scripts."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

from assembler.base.progress import Silent
from assembler.base.units import format_size
from assembler.experiments.report.difference_page import difference_page
from assembler.experiments.report.image_page import image_page
from assembler.experiments.report.markup import Markup
from assembler.experiments.report.parts import page as plain_page
from assembler.experiments.report.summary import Choices, front_of
from assembler.experiments.report.trials_page import trials_page
from assembler.experiments.results.measures import format_measure
from assembler.oci.reference import parse
from assembler.pipeline.diff import diff
from assembler.pipeline.examine import inspect
from assembler.remote.access import Access
from tests.experiments.reporting import HOSTILE, root, sample
from tests.sources.archives import Blobs, image, layout, tagged, tar
from tests.tools import SEARCH_PATH, need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PAGES: Final = ("trials", "image", "difference")
CONTRAST: Final = """() => {
  const number = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a] = number(getComputedStyle(at).backgroundColor);
      if (a === undefined || a === 1) return [r, g, b];
    }
  };
  const found = [];
  for (const element of document.querySelectorAll("main *, header *, nav *, footer")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest("svg, option")) continue;
    const [one, other] = [number(getComputedStyle(element).color), behind(element)].map(light);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) found.push([element.tagName, element.className, element.textContent.slice(0, 40), ratio]);
  }
  return found;
}"""
"""Texts whose contrast is below 4.5 (WCAG 2.2, 1.4.3)."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    need("chromium")
    import shutil

    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = shutil.which("chromium", path=SEARCH_PATH)
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with trials.html, image.html and difference.html."""
    folder = tmp_path_factory.mktemp("pages")
    blobs: Blobs = {}
    many = "\n".join(f"usr/share/many/{number:03} file {'x' * (100 + number)}" for number in range(150))
    old = tar(f"etc dir\netc/a file 1\nbin dir\nbin/app file {'p' * 30000}\nusr/lib/gone file {'g' * 9000}\n{many}")
    new = tar(f"usr/lib/.wh.gone file\nbin/app file {'q' * 50000}\nsrv/<img\\x20src=x> file {'n' * 12000}")
    made = [tagged(image(blobs, [old]), "old"), tagged(image(blobs, [old, new]), "new")]
    layout(folder / "two", blobs, *made)
    one, other = (parse(f"oci:{folder}/two:{name}") for name in ("old", "new"))
    access = Access()
    (folder / "trials.html").write_bytes(trials_page(sample(), Choices()))
    (folder / "image.html").write_bytes(image_page("two:new", inspect(other, None, Silent(), access)))
    found = diff(one, other, None, Silent(), access)
    (folder / "difference.html").write_bytes(difference_page("two:old", "two:new", found))
    return folder


@pytest.fixture
def show(browser: Browser, pages: Path) -> Iterator[Callable[..., Page]]:
    """Open a page without a network; nothing may go wrong in it, and nothing may be asked for."""
    wrong: list[str] = []
    contexts = []

    def open_page(name: str = "trials", **settings: Any) -> Page:
        context = browser.new_context(**{"offline": True, "viewport": {"width": 1200, "height": 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("request", lambda request: wrong.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        address = (pages / f"{name}.html").as_uri()
        page.goto(address)
        assert wrong == [address]
        wrong.clear()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def texts(found: Locator) -> list[str]:
    return [text.strip() for text in found.all_inner_texts()]


def middle(point: Locator) -> tuple[float, float]:
    """Bring something into view that a layer for the pointer lies over, and return where it is."""
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def column(page: Page, title: str) -> list[float | None]:
    """Return the numbers of a column of the table of trials, in the order in which they stand there."""
    titles = [text.partition(" ")[0] for text in texts(page.locator("#trials-table th"))]
    cells = page.locator(f"#trials-table tbody tr:not([hidden]) td:nth-child({titles.index(title) + 1})")
    values = [cell.get_attribute("data-value") for cell in cells.all()]
    return [None if value is None else float(value) for value in values]


# Offline, and what others wrote stays text


@pytest.mark.parametrize("name", PAGES)
def test_it_asks_for_nothing(show: Callable[..., Page], name: str) -> None:
    page = show(name)
    page.wait_for_selector(".treemap button")
    assert page.evaluate("performance.getEntriesByType('resource').length") == 0
    assert page.title() != "harmed"
    assert page.locator("img").count() == 0


def test_what_others_wrote_is_text(show: Callable[..., Page]) -> None:
    page = show()
    assert page.locator("h1").inner_text() == f"Trials of app {HOSTILE}"
    page.select_option("#color", "select.drop")
    page.select_option("#color", "layers.level")
    page.check("input[name=by][value=directory]")
    assert HOSTILE.rpartition("/")[2] in (page.locator(".treemap").text_content() or "")
    page.evaluate("all('details').forEach(one => { one.open = true; })")
    assert HOSTILE in page.locator("#failed").inner_text()
    assert page.title() == f"Trials of app {HOSTILE}"
    assert page.locator("img").count() == 0


def test_a_script_that_is_not_the_pages_own_does_not_run(browser: Browser, tmp_path: Path) -> None:
    body = Markup('<section id="x"><img src=x onerror="document.title=1"><script>document.title=2</script></section>')
    path = tmp_path / "bad.html"
    path.write_bytes(plain_page("fine", "", {"all": body}, b"{}", ()))
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.title() == "fine"
    assert page.evaluate("fetch('https://example.org/').then(() => 'sent', () => 'refused')") == "refused"
    context.close()


# The plots


def test_each_trial_with_both_measures_is_a_point(show: Callable[..., Page]) -> None:
    page = show()
    measured = [one for one in sample().trials if {"compressed", "pack_seconds"} <= one.measures.keys()]
    drawn = page.evaluate(
        "by('scatter').data.filter(one => one.mode === 'markers' && one.name).flatMap(one => [...one.x])"
    )
    assert sorted(drawn) == sorted(one.measures["pack_seconds"] for one in measured)
    front = page.evaluate("by('scatter').data[0].customdata")
    assert front == [*front_of(sample().trials, "pack_seconds", "compressed")]
    assert page.locator("#scatter .xtitle").text_content() == "pack (s), logarithmic"
    assert page.locator("#scatter .ytitle").text_content() == "compressed (MB)"


def test_axes_and_colours_are_chosen(show: Callable[..., Page]) -> None:
    page = show()
    page.select_option("#x", "files")
    page.select_option("#y", "pack_seconds")
    assert page.locator("#scatter .xtitle").text_content() == "files"
    assert page.locator("#scatter .ytitle").text_content() == "pack (s), logarithmic"
    assert page.evaluate("by('scatter').data[0].customdata") == [0]
    page.select_option("#x", "pack_seconds")
    assert page.evaluate("by('scatter').data[0].x.length") == 0, "of a measure against itself there is no front"
    page.select_option("#color", "layers.compression")
    assert {"gzip", "zstd"} <= {*page.locator("#scatter .legendtext").all_text_contents()}


def test_the_pointer_tells_of_a_point(show: Callable[..., Page]) -> None:
    page = show()
    page.mouse.move(*middle(page.locator("#scatter .points path.point").nth(2)))
    told = page.locator("#scatter .hoverlayer .hovertext").text_content() or ""
    assert "trial 3: passed" in told
    assert f"compressed: {format_measure('compressed', sample().trials[2].measures['compressed'])}" in told
    assert "layers.level=3" in told


def test_a_click_on_a_point_chooses_the_trial(show: Callable[..., Page]) -> None:
    page = show()
    assert page.locator("tr.chosen button.choose").inner_text() == "9"
    page.mouse.click(*middle(page.locator("#scatter .points path.point").nth(1)))
    page.wait_for_selector("tr[data-place='1'].chosen")
    assert page.locator("tr.chosen button.choose").inner_text() == "2"
    assert page.locator("#waterfall-trial").input_value() == page.locator("#tiles-trial").input_value() == "1"
    assert page.locator("#told").inner_text() == "trial 2: passed, layers.compression=zstd, layers.level=2"


def test_the_waterfall_adds_up(show: Callable[..., Page]) -> None:
    page = show()
    for place in ("0", "2", "10"):
        one = sample().trials[int(place)]
        assert one.root is not None
        page.select_option("#waterfall-trial", place)
        rows = page.locator("#steps tbody tr").all()
        values = [[cell.get_attribute("data-value") for cell in row.locator("td.number").all()] for row in rows]
        level = 0
        for row, (size, then) in zip(rows, values, strict=True):
            number = int(size or "")
            level = number if (row.locator("td.number").first.text_content() or "")[0].isdigit() else level + number
            assert level == int(then or "")
        assert level == one.measures.get("transferred", sample().roots[one.root].unpacked)
        assert page.locator("#waterfall .point").count() == len(rows)
    page.select_option("#waterfall-trial", "0")
    page.select_option("#part", "end")
    assert page.locator("#steps tbody tr td:first-child").all_text_contents()[0] == "unpacked"


# The treemap


def test_tiles_are_as_large_as_their_files(show: Callable[..., Page]) -> None:
    page = show()
    boxes = {
        tile.locator("b").inner_text(): tile.bounding_box() for tile in page.locator(".treemap > button:has(b)").all()
    }
    sizes = {"libc6": 1_900_000 * 2 + 900_000, "app": 1_050_000}
    areas = {name: box["width"] * box["height"] for name, box in boxes.items() if box}
    assert areas["libc6"] / areas["app"] == pytest.approx(sizes["libc6"] / sizes["app"], rel=0.02)
    whole = page.locator(".treemap").bounding_box()
    assert whole is not None
    every = [tile.bounding_box() for tile in page.locator(".treemap > button").all()]
    assert sum(box["width"] * box["height"] for box in every if box) == pytest.approx(
        whole["width"] * whole["height"], rel=0.01
    )


def crumbs(page: Page) -> list[str]:
    return texts(page.locator(".crumbs li"))


def focused(page: Page) -> str:
    text: str = page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.textContent")
    return text


def test_by_mouse(show: Callable[..., Page]) -> None:
    page = show()
    page.locator(".treemap button", has_text="libc6").click(position={"x": 5, "y": 5})
    assert crumbs(page) == ["all files", "libc6"]
    assert page.locator(".treemap > button").count() == 2
    page.locator(".treemap > button").first.hover()
    assert page.locator(".status").inner_text() == "/usr/lib/libc.so.6: 3.80 MB, 80.9 % of libc6"
    page.locator(".treemap > button").first.click()
    assert crumbs(page) == ["all files", "libc6"], "a file has nothing in it"
    page.locator(".crumbs button").first.click()
    assert crumbs(page) == ["all files"]
    assert focused(page).startswith("libc6: ")


def test_by_keyboard(show: Callable[..., Page]) -> None:
    page = show()
    page.locator(".crumbs button").first.focus()
    page.keyboard.press("Tab")
    assert focused(page).startswith("libc6: 4.70 MB, 81.3 % of all files")
    page.keyboard.press("ArrowRight")
    assert focused(page).startswith("app: ")
    page.keyboard.press("ArrowLeft")
    assert focused(page).startswith("libc6: ")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    assert len(crumbs(page)) == 2
    page.keyboard.press("Escape")
    assert crumbs(page) == ["all files"]
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    assert crumbs(page) == ["all files", "libc6"]
    page.keyboard.press("Backspace")
    page.keyboard.press("Backspace")
    assert crumbs(page) == ["all files"]
    assert focused(page).startswith("libc6: ")
    tabs = page.locator(".treemap button[tabindex='0']")
    assert tabs.count() == 1, "one stop for all tiles"


def test_arrows_reach_each_tile(show: Callable[..., Page]) -> None:
    page = show("image")
    page.locator(".treemap > button", has_text="usr").first.focus()
    page.keyboard.press("Enter")
    everything = page.locator(".treemap > button").count()
    seen, edge = {focused(page)}, [focused(page)]
    moves = ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown")
    while edge:
        start = edge.pop()
        for move in moves:
            page.evaluate(
                "name => document.querySelector(`.treemap > button[aria-label=${CSS.escape(name)}]`).focus()", start
            )
            page.keyboard.press(move)
            if focused(page) not in seen:
                seen.add(focused(page))
                edge.append(focused(page))
    assert len(seen) == everything > 10


def test_small_tiles_are_one(show: Callable[..., Page]) -> None:
    page = show("image", viewport={"width": 360, "height": 800})
    page.locator(".treemap > button", has_text="usr").first.click(position={"x": 5, "y": 5})
    name = page.locator(".treemap > button > b", has_text=" more").inner_text()
    page.locator(".treemap > button", has_text=" more").first.click(position={"x": 5, "y": 5})
    assert crumbs(page)[-1] == name
    inner = page.locator(".treemap > button").count()
    assert 0 < inner <= int(name.split()[0])


def test_by_directory(show: Callable[..., Page]) -> None:
    page = show()
    page.check("input[name=by][value=directory]")
    names = texts(page.locator(".treemap > button > b"))
    assert names[0] == "usr"
    assert page.locator(".status").inner_text() == f"all files: {format_size(root(2, steps=5).unpacked)}, 126 files"
    page.locator(".treemap > button").first.click(position={"x": 5, "y": 5})
    assert crumbs(page) == ["all files", "usr"]


def test_what_changed_has_its_sign(show: Callable[..., Page]) -> None:
    page = show("difference")
    status = page.locator(".status")
    assert status.inner_text() == "all files: +23.00 kB"
    labels = [tile.get_attribute("aria-label") or "" for tile in page.locator(".treemap > button").all()]
    assert [label for label in labels if label.startswith("usr/lib")] == ["usr/lib: \u22129.00 kB"]
    assert "d2" in (page.locator(".treemap > button", has_text="usr/lib").get_attribute("class") or "")
    assert "g1" in (page.locator(".treemap > button", has_text="bin").get_attribute("class") or "")
    page.check("input[name=size][value=size]")
    assert status.inner_text().endswith(", +23.00 kB")


# The table


def test_it_sorts(show: Callable[..., Page]) -> None:
    page = show()
    header = page.locator("#trials-table th", has_text="compressed").last
    page.locator("#trials-table th button", has_text="compressed").filter(has_not_text="layers").click()
    header = page.locator("#trials-table th[aria-sort=ascending]")
    assert header.inner_text().startswith("compressed")
    values = column(page, "compressed")
    there = [value for value in values if value is not None]
    assert there == sorted(there)
    assert values == [*there, None, None], "what has none comes last"
    header.locator("button").press("Enter")
    values = column(page, "compressed")
    assert page.locator("#trials-table th[aria-sort=descending]").count() == 1
    assert values == [*sorted(there, reverse=True), None, None]
    page.locator("#trials-table th button", has_text="layers.level").click()
    levels = texts(page.locator("#trials-table tbody td:nth-child(6)"))
    assert levels == [str(number) for number in range(1, 12)] + [""], "numbers in words sort as numbers"
    assert page.locator("#trials-table th[aria-sort]:not([aria-sort=none])").count() == 1


def test_it_filters(show: Callable[..., Page]) -> None:
    page = show()
    shown = page.locator("#trials-table tbody tr:visible")
    assert page.locator("form output").inner_text() == "12 of 12"
    page.get_by_label("Find").fill("zstd PASSED")
    assert texts(shown.locator("button.choose")) == ["2", "4", "6", "8"]
    assert page.locator("form output").inner_text() == "4 of 12"
    page.locator("#outcome").select_option("failed")
    assert shown.count() == 0
    page.get_by_label("Find").fill("")
    assert texts(shown.locator("button.choose")) == ["11"]
    page.get_by_label("Find").press("Enter")
    assert page.locator("form output").inner_text() == "1 of 12", "nothing is sent"


def test_a_button_in_a_row_chooses_the_trial(show: Callable[..., Page]) -> None:
    page = show()
    page.locator("button.choose", has_text="4").first.press("Enter")
    assert page.locator("#tiles-trial").input_value() == "3"
    page.locator("tr[data-place='11'] button.choose").click()
    assert page.locator("#told").inner_text() == "trial 12: error"
    assert page.locator("#tiles-trial").input_value() == "3", "of no root there is nothing to show"


def test_numbers_are_written_as_everywhere(show: Callable[..., Page]) -> None:
    page = show()
    some = random.Random(0)
    sizes = [0, 1, 999, 1000, 999_994, 999_995, 999_996, 10**6, -1234, 10**12, 10**16]
    sizes += [some.randrange(10 ** some.randrange(1, 15)) for _ in range(500)]
    assert page.evaluate("sizes => sizes.map(bytes)", sizes) == [format_size(size) for size in sizes]


def test_a_command_is_copied(show: Callable[..., Page]) -> None:
    page = show()
    button = page.locator("button.copy").nth(3)
    button.click()
    page.wait_for_function("button => button.textContent === 'Copied'", arg=button.element_handle())
    page.get_by_label("Find").focus()
    page.keyboard.press("Control+V")
    assert page.get_by_label("Find").input_value() == sample().trials[3].command


# For everybody


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [360, 768])
def test_it_is_never_wider_than_the_window(show: Callable[..., Page], name: str, width: int) -> None:
    page = show(name, viewport={"width": width, "height": 800})
    page.evaluate("all('details').forEach(one => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.set_viewport_size({"width": 360, "height": 800})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") == 360, "when it is made narrower"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_texts_stand_out(show: Callable[..., Page], name: str, scheme: str) -> None:
    page = show(name, color_scheme=scheme)
    assert page.evaluate(CONTRAST) == []


def test_plots_follow_the_scheme(show: Callable[..., Page]) -> None:
    page = show(color_scheme="light")
    look = (
        "() => ['scatter', 'waterfall'].flatMap(id => [by(id).layout.paper_bgcolor, by(id).layout.font.color]).join()"
    )
    wanted: dict[Literal["dark", "light"], str] = {"dark": "#0f1419,#e6edf3", "light": "#ffffff,#1b1f24"}
    for scheme, colours in wanted.items():
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"wanted => ({look})() === wanted", arg=f"{colours},{colours}")


@pytest.mark.parametrize("name", PAGES)
def test_all_is_reached_by_keyboard(show: Callable[..., Page], name: str) -> None:
    page = show(name)
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    assert page.locator(".skip").bounding_box() is not None
    page.evaluate(
        "document.querySelectorAll('main *').forEach((one, at) => { if (one.matches(`a, button:not([tabindex='-1']), "
        "select, input, summary, [tabindex='0']`) && one.checkVisibility()) one.dataset.wanted = at; })"
    )
    radios = page.locator("main input[type=radio][data-wanted]:not(:checked)").count()
    wanted = page.locator("main [data-wanted]").count() - radios  # of a group one is a stop, arrows do the rest
    seen = set()
    for _ in range(wanted + 60):
        page.keyboard.press("Tab")
        place, outline = page.evaluate(
            "() => { const at = document.activeElement, look = getComputedStyle(at);"
            "return [at.dataset.wanted ?? null, look.outlineStyle !== 'none' || look.boxShadow !== 'none']; }"
        )
        assert outline or place is None, "what has the focus is seen to have it"
        seen |= {place} - {None}
    assert len(seen) == wanted


@pytest.mark.parametrize("name", PAGES)
def test_all_has_a_name(show: Callable[..., Page], name: str) -> None:
    page = show(name)
    for role in ("button", "combobox", "searchbox", "radio", "region", "navigation", "table"):
        for one in page.get_by_role(role).all():
            described = one.aria_snapshot().splitlines()[0]
            assert '"' in described or role == "table", described
    assert page.locator("main").count() == page.locator("h1").count() == page.locator("footer").count() == 1
    levels = [int(tag[1]) for tag in page.evaluate("all('h1, h2, h3, h4').map(one => one.tagName)")]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), "no level is left out"
    assert page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("name", PAGES)
def test_on_paper(show: Callable[..., Page], name: str) -> None:
    page = show(name, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".controls:visible, nav.sections:visible, button.copy:visible").count() == 0
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 25)"
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("name", PAGES)
def test_without_scripts_the_tables_are_there(show: Callable[..., Page], name: str) -> None:
    page = show(name, java_script_enabled=False)
    assert page.locator("noscript").inner_text().startswith("Plots, sorting and filtering need JavaScript")
    assert page.locator(".js-only:visible").count() == 0
    assert page.locator("table:visible").count() > 0
    if name == "trials":
        assert page.locator("#trials-table tbody tr:visible").count() == 12
