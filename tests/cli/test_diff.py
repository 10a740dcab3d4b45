"""`brasm diff`: what it prints of hand-made images, for people and for programs, and its exit code."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from assembler.base.errors import ImageError, RecipeError, SourceError, UsageError
from assembler.base.progress import Silent
from assembler.cli.diff import command
from assembler.destinations import put
from assembler.oci.packages import PackageRecord, write_records
from assembler.oci.reference import parse
from assembler.oci.shipment import Shipment
from assembler.oci.types import INDEX, Platform
from assembler.pipeline.diff import Difference, diff
from assembler.remote.access import Access
from assembler.sources import platforms
from assembler.tree import Regular
from tests.elf.build import elf
from tests.oci.making import make_image
from tests.sources.archives import Blobs, archive, blob_path, descriptor, image, index, layout, member, tagged, tar

OLD = [
    tar(
        "etc dir\netc/a file 1\netc/b file 22\nbin dir\nbin/app file program\nbin/alias hard bin/app\nlib link usr/lib"
    ),
    tar("etc/c file 333"),
]
NEW = [
    OLD[0],
    tar("etc/.wh.a file\netc/b file 55555\nlib link usr/lib64\nsrv dir\nsrv/big file " + "x" * 5000),
]


def brasm(*arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments], standalone_mode=False, catch_exceptions=True)


def shown(*arguments: str) -> dict[str, Any]:
    result = brasm("--json", *arguments)
    assert result.exception is None, result.exception
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A layout with two images that share a layer, tagged `old` and `new`; the current folder is its parent."""
    monkeypatch.chdir(tmp_path)
    blobs: Blobs = {}

    def old(document: dict[str, Any]) -> None:
        document["config"] = {"Env": ["A=1", "B=2"], "Cmd": ["/bin/app"], "Labels": {"gone": "x"}}

    def new(document: dict[str, Any]) -> None:
        document["config"] = {"Env": ["B=3"], "Cmd": ["/bin/app", "a b"]}

    def annotated(manifest: dict[str, Any]) -> None:
        manifest["annotations"] = {"[bold]": "[/]\x1b"}

    return layout(
        tmp_path / "two",
        blobs,
        tagged(image(blobs, OLD, config=old), "old"),
        tagged(image(blobs, NEW, config=new, manifest=annotated), "new"),
    )


def compared(before: str, after: str) -> Difference:
    return diff(parse(before), parse(after), None, Silent(), Access())


def test_json_has_everything(two: Path) -> None:
    found = shown("oci:two:old", "oci:two:new")
    assert found.keys() == {
        "before", "after", "same", "totals", "files", "times", "directories", "kinds", "packages", "objects",
        "settings", "layers",
    }  # fmt: skip
    assert found["same"] is False
    assert found["before"]["image"] == "oci:two:old"
    assert found["totals"]["unpacked"] == {"before": 13, "after": 5012, "delta": 4999, "ratio": 385.538462}
    assert found["totals"]["files"]["delta"] == -1
    assert [(one["path"], one["state"], one["delta"], one["what"]) for one in found["files"]] == [
        ("/srv/big", "added", 5000, []),
        ("/etc/b", "changed", 3, ["content"]),
        ("/etc/c", "removed", -3, []),
        ("/etc/a", "removed", -1, []),
        ("/lib", "changed", 0, ["target"]),
        ("/srv", "added", 0, []),
    ]
    assert {one["name"]: one["size"]["delta"] for one in found["directories"]} == {"/srv": 5000, "/etc": -1}
    assert [(one["section"], one["key"], one["before"], one["after"]) for one in found["settings"]] == [
        ("config", "Cmd", ["/bin/app"], ["/bin/app", "a b"]),
        ("env", "A", "1", None),
        ("env", "B", "2", "3"),
        ("label", "gone", "x", None),
        ("annotation", "[bold]", None, "[/]\x1b"),
    ]
    layers = found["layers"]
    assert layers["shared"] == [layers["before"][0]["digest"]]
    assert layers["fetched"] == layers["after"][1]["size"]


def test_json_of_entries(two: Path) -> None:
    rows = {one["path"]: one for one in shown("oci:two:old", "oci:two:new")["files"]}
    assert rows["/lib"]["before"] == {
        "type": "symlink", "mode": "0777", "uid": 0, "gid": 0, "size": 0, "target": "usr/lib", "device": None,
        "xattrs": {}, "link": None,
    }  # fmt: skip
    assert rows["/lib"]["after"]["target"] == "usr/lib64"
    assert rows["/srv/big"]["before"] is None


def test_tables(two: Path) -> None:
    result = brasm("oci:two:old", "oci:two:new")
    assert result.exception is None
    assert result.return_value == 0
    for line in (
        "unpacked 13 B 5.01 kB +5.00 kB 38553.8%",
        "config Cmd /bin/app /bin/app 'a b'",
        "env A 1 -",
        r"annotation [bold] - [/]\x1b",
        "+5.00 kB 0 B 5.00 kB +1 /srv",
        "added: 2 paths, +5.00 kB",
        "+5.00 kB /srv/big",
        "0 B /srv/",
        "removed: 2 paths, -4 B",
        "changed: 2 paths, +3 B",
        "+3 B 2 B 5 B /etc/b content",
        "0 B 0 B 0 B /lib target usr/lib → usr/lib64",
    ):
        assert line in [" ".join(row.split()) for row in result.stdout.splitlines()]
    assert "layers: 1 in both" in result.stdout
    assert result.stderr == ""


def test_the_largest_or_all(tmp_path: Path) -> None:
    blobs: Blobs = {}
    many = tar("\n".join(f"x{number:02} file {'x' * number}" for number in range(40)))
    folder = layout(tmp_path / "many", blobs, tagged(image(blobs, [many]), "m"), tagged(image(blobs, []), "none"))
    few = brasm(f"oci:{folder}:none", f"oci:{folder}:m").stdout
    assert "/x20" in few
    assert "/x19" not in few
    assert "+190 B  (20 more)" in few
    everything = brasm("--all", f"oci:{folder}:none", f"oci:{folder}:m").stdout
    assert "/x00" in everything
    assert "more)" not in everything


def test_equal_images_however_they_are_cut(two: Path, tmp_path: Path) -> None:
    same = brasm("--exit-code", "oci:two:old", "oci:two:old")
    assert same.return_value == 0
    assert "files and config are the same" in same.stdout
    blobs: Blobs = {}
    whole = [tar("a file 1\nb file 2")]
    cut = [tar("a file 0"), tar("a file 1"), tar("b file 2")]
    folder = layout(
        tmp_path / "cut",
        blobs,
        tagged(image(blobs, whole), "whole"),
        tagged(image(blobs, cut), "cut"),
        tagged(image(blobs, whole, compress=False), "plain"),
    )
    for other in ("cut", "plain"):
        result = brasm("--exit-code", f"oci:{folder}:whole", f"oci:{folder}:{other}")
        assert result.return_value == 0
        assert "files and config are the same" in result.stdout
        assert "layers: 0 in both" in result.stdout
        assert ("before, same tar" in result.stdout) is (other == "plain")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, 0),
        ({"config": lambda document: document.update(author="me")}, 1),
        ({"config": lambda document: document.update(history=[{"comment": "x"}])}, 0),
        ({"manifest": lambda manifest: manifest.update(annotations={"a": "b"})}, 1),
        ({"architecture": "arm64"}, 1),
    ],
)
def test_what_makes_a_difference(changed: dict[str, Any], code: int, tmp_path: Path) -> None:
    blobs: Blobs = {}
    images = tagged(image(blobs, OLD), "a"), tagged(image(blobs, OLD, **changed), "b")
    folder = layout(tmp_path / "x", blobs, *images)
    result = brasm("--exit-code", "-q", f"oci:{folder}:a", f"oci:{folder}:b")
    assert result.exception is None
    assert result.return_value == code


def test_times_are_counted(tmp_path: Path) -> None:
    blobs: Blobs = {}
    tars = [
        archive(tmp_path / f"{when}.tar", *(member(name, "file", "x", mtime=when) for name in ("a", "b")))
        for when in (1, 2)
    ]
    images = (tagged(image(blobs, [Path(path).read_bytes()]), str(at)) for at, path in enumerate(tars))
    folder = layout(tmp_path / "x", blobs, *images)
    result = brasm("--exit-code", f"oci:{folder}:0", f"oci:{folder}:1")
    assert result.return_value == 1
    assert "note: 2 paths differ in nothing but the modification time" in result.stderr
    assert brasm("--quiet", f"oci:{folder}:0", f"oci:{folder}:1").stderr == ""
    assert shown(f"oci:{folder}:0", f"oci:{folder}:1")["times"] == 2


# Packages


def made(folder: Path, tag: str, tree: str) -> str:
    """Put an image of a tree into a layout, and return its reference."""
    reference = f"oci:{folder}/layout:{tag}"
    put(Shipment.of(make_image(folder, tree=tree)), tuple, parse(reference), "app", tag)
    return reference


def database(**versions: str) -> str:
    """Write a tree with a library for each package, and apk's database."""
    stanzas = "".join(rf"P:{name}\nV:{version}\nF:lib\nR:{name}.so\n\n" for name, version in versions.items())
    files = "".join(f"/lib/{name}.so file 0644 0:0 {version}\n" for name, version in versions.items())
    return f"{files}/lib/apk/db/installed file 0644 0:0 {stanzas}"


def test_packages_of_a_database(tmp_path: Path) -> None:
    before = made(tmp_path, "1", database(musl="1.2.4", zlib="1.2", gone="1"))
    after = made(tmp_path, "2", database(musl="1.2.10", zlib="1.2", come="22"))
    rows = {one["name"]: one for one in shown(before, after)["packages"]}
    assert {name: one["state"] for name, one in rows.items()} == {
        "musl": "changed",
        "gone": "removed",
        "come": "added",
        "(none)": "changed",  # the database itself
    }
    assert rows["musl"]["version"] == {"before": "1.2.4", "after": "1.2.10"}
    assert rows["musl"]["size"] == {"before": 5, "after": 6, "delta": 1, "ratio": 1.2}
    assert {one["path"]: one["package"] for one in shown(before, after)["files"]} == {
        "/lib/musl.so": "musl",
        "/lib/gone.so": "gone",
        "/lib/come.so": "come",
        "/lib/apk/db/installed": None,
    }
    text = brasm(before, after).stdout
    assert "by package" in text
    assert "1.2.4 → 1.2.10" in text
    assert "come (added)" in text


def test_packages_of_an_annotation(tmp_path: Path) -> None:
    blobs: Blobs = {}

    def annotated(**packages: PackageRecord) -> dict[str, Any]:
        def change(manifest: dict[str, Any]) -> None:
            manifest["annotations"] = dict(write_records(packages))

        return image(blobs, OLD, manifest=change)

    folder = layout(
        tmp_path / "x",
        blobs,
        tagged(annotated(zlib=PackageRecord("1.2", "Zlib", 1, 2)), "1"),
        tagged(annotated(zlib=PackageRecord("1.3", "Zlib", 1, 2)), "2"),
        tagged(annotated(), "3"),
    )
    (zlib,) = shown(f"oci:{folder}:1", f"oci:{folder}:2")["packages"]
    assert (zlib["name"], zlib["version"]) == ("zlib", {"before": "1.2", "after": "1.3"})
    one_sided = brasm(f"oci:{folder}:1", f"oci:{folder}:3")
    assert f"note: oci:{folder}:3 does not say what is of which package" in one_sided.stderr
    assert "by package" not in one_sided.stdout


# Programs and libraries


def test_programs_and_libraries(tmp_path: Path) -> None:
    blobs: Blobs = {}

    def files(folder: str, **data: bytes) -> dict[str, Any]:
        members = (member(name, "file", mode=0o755) for name in data)
        filled = [(info, io.BytesIO(bytes_of)) for (info, _), bytes_of in zip(members, data.values(), strict=True)]
        for info, stream in filled:
            info.size = len(stream.getvalue())
        return tagged(image(blobs, [Path(archive(tmp_path / folder, *filled)).read_bytes()]), folder)

    old, new = elf(soname="libz.so.1", needed=("libc.so.6",)), elf(soname="libz.so.1", needed=("libm.so.6",))
    code = elf(soname="libx.so.1")
    folder = layout(
        tmp_path / "x",
        blobs,
        files("1", libz12=old, libx=code, app=elf(interp="/lib/ld.so", needed=("libz.so.1",))),
        files("2", libz13=new, libx=code + b"code"),
    )
    found = shown(f"oci:{folder}:1", f"oci:{folder}:2")["objects"]
    assert {(one["path"]["before"], one["path"]["after"]): one["what"] for one in found} == {
        ("/libz12", "/libz13"): ["needed"],
        ("/libx", "/libx"): [],
        ("/app", None): [],
    }
    text = [" ".join(row.split()) for row in brasm(f"oci:{folder}:1", f"oci:{folder}:2").stdout.splitlines()]
    assert "programs and libraries; 1 more differ in nothing but code and data" in text
    assert "library /libz12 → /libz13 libz.so.1 needs -libc.so.6 +libm.so.6" in text
    assert "program removed /app needs libz.so.1" in text


# Every kind of change, in words


def test_changes_in_words(tmp_path: Path) -> None:
    before = made(
        tmp_path,
        "1",
        r"""
        /mode file 0644 0:0 x
        /owner dir
        /kind file 0644 0:0 x
        /null char 0666 0:0 1,3
        /one file 0644 0:0 linked
        /two hard /one
        /zero hard /one
        /old file 0644 0:0 12345
        """,
    )
    after = made(
        tmp_path,
        "2",
        r"""
        /mode file 4755 0:0 x
        /owner dir 0755 7:8
        /kind link x
        /null char 0666 0:0 1,5
        /one file 0644 0:0 linked!
        /two hard /one
        /young link /a\nb
        /a[red] file
        /b hard /a[red]
        /c file 0644 0:0 12345
        /nice hard /mode
        """,
    )
    rows = [" ".join(row.split()) for row in brasm(before, after).stdout.splitlines()]
    for row in (
        "0 B 1 B 1 B /mode mode 0644 → 4755",
        "0 B 0 B 0 B /owner owner 0:0 → 7:8",
        "-1 B 1 B 0 B /kind type file → symlink",
        "0 B 0 B 0 B /null device 1,3 → 1,5",
        "+1 B 6 B 7 B /one (and /two) content",
        "0 B /zero (hard link to /one)",
        r"0 B /young -> /a\x0ab",
        "0 B /a[red] (and /b)",
        "0 B /nice (hard link to /mode)",
        "+5 B /c",
        "-5 B /old",
    ):
        assert row in rows, "\n".join(rows)


# Bad input


def test_what_is_no_image(two: Path) -> None:
    for arguments, kind, message in (
        (("nope.tar", "oci:two:old"), SourceError, "nope.tar"),
        (("oci:two:old", "nope"), RecipeError, "nope: no such recipe"),
        (("oci:two:old", "oci:two:young"), ImageError, "there is no tag 'young'"),
        (("oci:two:old", "oci:two"), ImageError, "there are several images"),
        (("oci:two:old", "dir:two"), UsageError, "an unpacked root filesystem, not an image"),
        (("--platform", "linux", "oci:two:old", "oci:two:new"), UsageError, "is not a platform"),
        (("--platform", "linux/s390x", "oci:two:old", "oci:two:new"), ImageError, "linux/s390x"),
    ):
        result = brasm(*arguments)
        assert isinstance(result.exception, kind), result.exception
        assert message in str(result.exception)
        assert result.stdout == ""
    assert brasm("oci:two:old").exception is not None


@pytest.mark.parametrize("tag", ["old", "new"])
def test_a_damaged_layer(two: Path, tag: str) -> None:
    with_layers = compared(f"oci:two:{tag}", f"oci:two:{tag}").before.inspection
    path = blob_path(two, with_layers.layers[-1].digest)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    result = brasm("oci:two:old", "oci:two:new")
    assert isinstance(result.exception, ImageError)
    assert with_layers.layers[-1].digest in str(result.exception)


def test_an_index_without_the_platform(two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs: Blobs = {}
    several = [
        image(blobs, layers, architecture=name, platform={"os": "linux", "architecture": name})
        for name, layers in (("arm64", OLD), ("riscv64", NEW))
    ]
    layout(tmp_path / "all", blobs, tagged(descriptor(blobs, index(*several), INDEX), "all"))
    monkeypatch.setattr(platforms, "this_machine", lambda: Platform("amd64", "linux"))
    result = brasm("oci:all:all", "oci:two:new")
    assert isinstance(result.exception, ImageError)
    assert "there are: linux/arm64, linux/riscv64" in (result.exception.hint or "")
    same = brasm("--platform", "linux/riscv64", "--exit-code", "oci:all:all", "oci:all:all")
    assert same.exception is None
    assert same.return_value == 0


# What always holds


def test_the_other_way_round_it_is_the_mirror(two: Path) -> None:
    there, back = compared("oci:two:old", "oci:two:new"), compared("oci:two:new", "oci:two:old")
    assert [(one.path, one.delta, one.what) for one in there.files] == [
        (one.path, -one.delta, one.what) for one in back.files
    ]
    assert [(one.key, one.before, one.after) for one in there.settings] == [
        (one.key, one.after, one.before) for one in back.settings
    ]
    assert [(one.name, one.delta) for one in there.directories] == [(one.name, -one.delta) for one in back.directories]
    assert there.shared == back.shared
    assert there.before.totals == back.after.totals


def test_a_layer_that_both_have_is_read_once(two: Path) -> None:
    found = compared("oci:two:old", "oci:two:new")
    before, after = (side.inspection.tree["/bin/app"] for side in (found.before, found.after))
    assert isinstance(before, Regular)
    assert isinstance(after, Regular)
    assert before.content == after.content, "the same bytes of one file"
