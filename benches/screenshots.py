"""Pictures of a report's page for README: `python -m benches.screenshots RESULTS.jsonl`, into benches/images/.

Chromium opens the page that `brasm report` makes of the results, offline; each picture is a section of it, 1200 pixels
wide, with so few colours that it has 120 kB at most.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Page

IMAGES: Final = Path(__file__).parent / "images"
SECTIONS: Final = {"size-time": "#plot", "waterfall": "#from-source", "treemap": "#bytes", "table": "#trials"}
"""What each picture shows."""

WIDTH: Final = 1200
MOST: Final = 120_000
"""Bytes of a picture."""

FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(prog="python -m benches.screenshots", description=__doc__)
    parser.add_argument("results", nargs="+", help="files that `brasm tune` wrote")
    parser.add_argument("--color", help="what points are coloured by: an option's key, outcome")
    parser.add_argument("--output", type=Path, default=IMAGES, help="the folder to write to")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        more = ["--color", options.color] if options.color else []
        subprocess.run([sys.executable, "-m", "assembler", "report", *options.results, *more, "-o", page], check=True)
        for name, picture in take(page).items():
            path = options.output / f"{name}.png"
            path.write_bytes(picture)
            print(f"{path}: {len(picture):,} bytes")


def take(path: Path) -> dict[str, bytes]:
    """Open a page and return its pictures, by name."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS])
        context = browser.new_context(offline=True, viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        page = context.new_page()
        page.goto(path.absolute().as_uri())
        page.add_style_tag(content=STYLE)
        page.set_viewport_size({"width": WIDTH - 1, "height": 900})  # what is drawn is drawn anew, in these margins
        page.set_viewport_size({"width": WIDTH, "height": 900})
        page.wait_for_timeout(1000)
        pictures = {name: smaller(shot(page, section)) for name, section in SECTIONS.items()}
        browser.close()
    return pictures


STYLE: Final = """
body { max-width: none; padding: 0; margin: 0; }
section { padding: 1px 16px 16px; }
section > h2 { border: 0; margin: 0; }
.scroll.high { max-height: 21rem; }
"""


def shot(page: Page, section: str) -> bytes:
    """Return the picture of a section."""
    return page.locator(section).screenshot(animations="disabled")


def smaller(picture: bytes, colors: Sequence[int] = (256, 128, 64, 32, 16)) -> bytes:
    """Return a picture with a palette, of as many colours as there is room for."""
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as opened:
        image = opened.convert("RGB")
    for count in colors:
        out = io.BytesIO()
        image.quantize(count, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        if out.tell() <= MOST:
            return out.getvalue()
    sys.exit(f"a picture of {image.width} x {image.height} pixels does not fit into {MOST:,} bytes")


if __name__ == "__main__":
    main()
