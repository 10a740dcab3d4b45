"""The pages of an image and of what differs between two: their numbers are those of the values they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from assembler.base.errors import DestinationError
from assembler.base.progress import Silent
from assembler.base.units import format_size
from assembler.cli.diff import command as diff_verb
from assembler.cli.inspect import command as inspect_verb
from assembler.experiments.report import difference_page as difference_module
from assembler.experiments.report.difference_page import difference_page
from assembler.experiments.report.image_page import file_rows, image_page
from assembler.oci.packages import PackageRecord, write_records
from assembler.oci.reference import parse
from assembler.pipeline.diff import Difference, diff
from assembler.pipeline.examine import Inspection, inspect
from assembler.remote.access import Access
from tests.experiments.pages import Reader
from tests.sources.archives import Blobs, image, layout, tagged, tar

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "<img/src=x><b>"
OLD = [
    tar(
        f"etc dir\netc/a file 1\netc/b file 22\nbin dir\nbin/app file program\nbin/alias hard bin/app\n"
        f"srv/{HOSTILE} file x"
    ),
    tar("etc/c file 333"),
]
NEW = [OLD[0], tar(f"etc/.wh.a file\netc/b file 55555\nsrv dir\nsrv/big file {'x' * 5000}\nsrv/same file yy")]


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A layout with two images, tagged `old` and `new`; the current folder is its parent."""
    monkeypatch.chdir(tmp_path)

    def old(document: dict[str, Any]) -> None:
        document["config"] = {"Env": ["A=1", f"B={HOSTILE}"], "Cmd": ["/bin/app"], "Labels": {"gone": "x"}}

    def new(document: dict[str, Any]) -> None:
        document["config"] = {"Env": ["A=2"], "Cmd": ["/bin/app", "a b"]}

    def annotated(size: int) -> Any:
        def change(manifest: dict[str, Any]) -> None:
            manifest["annotations"] = write_records(
                {HOSTILE: PackageRecord("1", "MIT", 1, size), "app": PackageRecord()}
            )

        return change

    blobs: Blobs = {}
    one = tagged(image(blobs, OLD, config=old, manifest=annotated(5)), "old")
    layout(tmp_path / "two", blobs, one, tagged(image(blobs, NEW, config=new, manifest=annotated(7)), "new"))
    return "oci:two"


def inspected(name: str) -> Inspection:
    return inspect(parse(name), None, Silent(), Access())


def differing(two: str) -> Difference:
    return diff(parse(f"{two}:old"), parse(f"{two}:new"), None, Silent(), Access())


def test_an_images_page_has_its_files(two: str) -> None:
    found = inspected(f"{two}:old")
    page = Reader(image_page("old", found))
    files = {row.path: row.size for row in file_rows(found)}
    assert files == {"/bin/alias": 7, "/etc/a": 1, "/etc/b": 2, "/etc/c": 3, "/srv/<img/src=x><b>": 1}, (
        "hard links once"
    )
    assert {path: size for path, size, _ in page.data["files"]} == files
    largest = page.rows("files-table")
    assert {row["path"][1]: int(row["bytes"][0]["data-value"] or "") for row in largest} == files
    assert [row["bytes"][1] for row in largest] == [format_size(size) for size in sorted(files.values(), reverse=True)]


def test_an_images_page_has_its_layers_and_packages(two: str) -> None:
    found = inspected(f"{two}:old")
    page = Reader(image_page("old", found))
    assert page.numbers("layers-table", "stored") == [layer.size for layer in found.layers]
    assert page.numbers("layers-table", "unpacked") == [layer.uncompressed_size for layer in found.layers]
    assert page.numbers("layers-table", "entries") == [layer.entries for layer in found.layers]
    packages = {row["package"][1]: int(row["bytes"][0]["data-value"] or "") for row in page.rows("packages-table")}
    assert packages == {one.name: one.size for one in found.inventory.packages}
    assert sum(page.numbers("directories-table", "bytes")) == sum(page.numbers("kinds-table", "bytes")) == 14


def test_what_an_image_says_is_text(two: str) -> None:
    for page in (image_page("<i>x", inspected(f"{two}:old")), difference_page("<i>x", "<i>y", differing(two))):
        names = {name for name, _ in Reader(page).elements}
        assert not names & {"img", "i", "b"}
        assert b"B=&lt;img/src=x&gt;" in page or b"&lt;img/src=x&gt;&lt;b&gt;" in page


def test_the_page_of_a_difference_adds_up(two: str) -> None:
    found = differing(two)
    page = Reader(difference_page("old", "new", found))
    change = found.after.totals.unpacked - found.before.totals.unpacked
    rows = page.data["files"]
    assert sum(row[3] for row in rows) == change
    assert sum(row[1] for row in rows) == found.after.totals.unpacked
    tables = [f"files-{state}-table" for state in ("added", "removed", "changed")]
    assert sum(sum(page.numbers(name, "change")) for name in tables) == change
    assert page.numbers("directories-table", "change") == [one.delta for one in found.directories]
    totals = {row[""][1]: row for row in page.rows("totals")}
    assert totals["unpacked"]["change"][0]["data-value"] == str(change)
    assert totals["on disk"]["before"][0]["data-value"] == str(found.before.totals.on_disk)
    assert totals["layers"]["change"][1] == "+0"


def test_the_page_of_a_difference_has_all_that_differs(two: str) -> None:
    found = differing(two)
    page = Reader(difference_page("old", "new", found))
    config = {(row["of"][1], row["key"][1]): (row["before"][1], row["after"][1]) for row in page.rows("config-table")}
    assert config["env", "A"] == ("1", "2")
    assert config["label", "gone"] == ("x", "\u2013")
    assert config["config", "Cmd"] == ("/bin/app", "/bin/app 'a b'")
    packages = {row["package"][1]: (row["change"][1], row[""][1]) for row in page.rows("packages-table")}
    assert packages[HOSTILE] == ("+2 B", "changed")
    assert [row["path"][1] for row in page.rows("files-removed-table")] == ["/etc/c", "/etc/a"]
    assert page.numbers("layers-before", "stored") == [layer.size for layer in found.before.inspection.layers]


def test_the_page_of_no_difference(two: str) -> None:
    found = diff(parse(f"{two}:old"), parse(f"{two}:old"), None, Silent(), Access())
    page = difference_page("a", "b", found)
    assert b"Files and config are the same." in page
    assert {*Reader(page).tables} == {"totals"}


def test_long_tables_end(two: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(difference_module, "MOST", 1)
    page = difference_page("a", "b", differing(two))
    assert b"The 1 largest of 2." in page
    assert len(Reader(page).tables["files-removed-table"]) == 2


def test_the_same_images_are_the_same_bytes(two: str) -> None:
    assert image_page("x", inspected(f"{two}:old")) == image_page("x", inspected(f"{two}:old"))
    assert difference_page("x", "y", differing(two)) == difference_page("x", "y", differing(two))


def test_verbs_write_pages_as_well(two: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(inspect_verb, [f"{two}:old", "--html", "i.html"], standalone_mode=False)
    assert result.exception is None
    assert "largest files" in result.stdout
    assert (tmp_path / "i.html").read_bytes() == image_page(f"{two}:old", inspected(f"{two}:old"))
    arguments = [f"{two}:old", f"{two}:new"]
    result = CliRunner().invoke(diff_verb, [*arguments, "--json", "--html", "d.html"], standalone_mode=False)
    assert result.exception is None
    assert result.stdout.startswith("{")
    assert (tmp_path / "d.html").read_bytes() == difference_page(f"{two}:old", f"{two}:new", differing(two))


def test_where_a_page_cannot_be_written(two: str) -> None:
    for verb, arguments in ((inspect_verb, [f"{two}:old"]), (diff_verb, [f"{two}:old", f"{two}:new"])):
        result = CliRunner().invoke(verb, [*arguments, "--html", "no/x.html"], standalone_mode=False)
        assert isinstance(result.exception, DestinationError)
        assert result.exception.message == "no/x.html: cannot be written: No such file or directory"
