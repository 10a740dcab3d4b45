"""The page of an image: an `Inspection` in, one file of HTML out."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from assembler.base.paths import show
from assembler.base.units import format_size
from assembler.experiments.report import parts
from assembler.experiments.report.markup import Markup, asset, tag
from assembler.experiments.report.parts import Cell, count_cell, path_cell, size_cell
from assembler.experiments.report.payload import encode
from assembler.experiments.results.records import FileRow
from assembler.tree import Regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from assembler.oci.types import ImageConfig
    from assembler.pipeline.examine import InspectedLayer, Inspection
    from assembler.plan.inventory import PackageSum, Sum

_LARGEST = 100


def image_page(name: str, inspection: Inspection) -> bytes:
    """Write the page of an image; `name` is what its user calls it."""
    files = file_rows(inspection)
    inventory = inspection.inventory
    sections = {
        "Summary": _summary(inspection, files),
        "Where the bytes are": tiles(files),
        "Layers": parts.section("layers", "Layers, the lowest first", layers_table("layers-table", inspection.layers)),
        "Config": _config(inspection),
    }
    if inventory.packages:
        sections["Packages"] = _packages(inventory.packages)
    sections["Directories"] = _sums("directories", "Directories", "directory", inventory.directories)
    sections["Kinds of files"] = _sums("kinds", "Kinds of files", "kind", inventory.kinds)
    sections["Largest files"] = _largest(files)
    about = f"{inspection.digest}, {platform_of(inspection.config)}"
    data = encode({"kind": "image", "files": files})
    return parts.page(f"Image {show(name)}", about, sections, data, (asset("files.js"),))


def file_rows(inspection: Inspection) -> list[FileRow]:
    """Return the regular files of an image, hard links once, by path."""
    seen: set[int] = set()
    rows: list[FileRow] = []
    for entry in inspection.tree:
        if isinstance(entry, Regular) and entry.inode not in seen:
            seen |= {entry.inode} - {0}
            owner = inspection.packages.get(entry.path)
            rows.append(FileRow(show(entry.path), entry.content.size, owner and show(owner)))
    return rows


def platform_of(config: ImageConfig) -> str:
    """Return os/architecture[/variant]."""
    return "/".join(filter(None, (config.os, config.architecture, config.variant)))


def tiles(files: Sequence[FileRow], *more: str | Markup) -> Markup:
    """Make the section of the treemap; more controls may be put beside the switch."""
    ways = [("directory", "directory")]
    if any(row.package for row in files):
        ways.insert(0, ("package", "package"))
    controls = tag("div", parts.switch("by", ways, "By"), *more, class_="controls js-only")
    label = "The files of the root filesystem, by size"
    return parts.section("bytes", "Where the bytes are", controls, parts.treemap(label))


def layers_table(identity: str, layers: Iterable[InspectedLayer]) -> Markup:
    """Make the table of an image's layers."""
    columns = (("stored", True), ("unpacked", True), ("entries", True), ("made by", False), ("digest", False))
    rows = (
        parts.row(
            (
                size_cell(layer.size),
                size_cell(layer.uncompressed_size),
                count_cell(layer.entries),
                Cell(show(layer.created_by or ""), style="wrap"),
                digest_cell(layer.digest),
            )
        )
        for layer in layers
    )
    return parts.table(identity, columns, rows, "Layers", sort=False)


def digest_cell(digest: str) -> Cell:
    """Return the cell of a digest: its beginning; all of it where a pointer rests."""
    return Cell(tag("code", digest.partition(":")[2][:12]), title=digest)


def _summary(inspection: Inspection, files: Sequence[FileRow]) -> Markup:
    stored = {layer.digest: layer.size for layer in inspection.layers}
    unpacked = sum(row.size for row in files)
    layers = "1 layer" if len(inspection.layers) == 1 else f"{len(inspection.layers):,} layers"
    figures = [
        ("Layers as stored", format_size(sum(stored.values())), layers),
        ("Unpacked", format_size(unpacked), "the bytes of the files, hard links once"),
        ("Files", f"{len(files):,}", f"of {len(inspection.tree):,} entries"),
    ]
    if inspection.inventory.packages:
        figures.append(("Packages", f"{len(inspection.inventory.packages):,}", ""))
    return parts.section("summary", "Summary", parts.cards(figures))


def _config(inspection: Inspection) -> Markup:
    own = parts.facts(config_facts(inspection))
    notes = {show(key): show(value) for key, value in sorted(inspection.annotations.items())}
    more = (tag("h3", "Annotations"), parts.facts(notes)) if notes else ()
    return parts.section("config", "Config", own, *more)


def config_facts(inspection: Inspection) -> Mapping[str, str | None]:
    """Return what the config says, for people."""
    config, inner = inspection.config, inspection.config.config
    rows = {"Digest": inspection.digest, "Platform": platform_of(config), "Created": config.created}
    if inner is not None:
        rows |= {
            "Entrypoint": shlex.join(inner.entrypoint or ()),
            "Cmd": shlex.join(inner.cmd or ()),
            "User": inner.user,
            "Working directory": inner.working_dir,
            "Environment": "\n".join(map(show, inner.env or ())),
            "Ports": " ".join(inner.exposed_ports or ()),
            "Volumes": " ".join(inner.volumes or ()),
            "Stop signal": inner.stop_signal,
            "Labels": "\n".join(show(f"{key}={value}") for key, value in sorted((inner.labels or {}).items())),
        }
    return rows


def _packages(packages: Sequence[PackageSum]) -> Markup:
    columns = (
        ("bytes", True),
        ("share", True),
        ("files", True),
        ("package", False),
        ("version", False),
        ("licence", False),
    )
    total = sum(one.size for one in packages) or 1
    rows = (
        parts.row(
            (
                *_sum_cells(one, total),
                *(Cell(show(text), style="wrap") for text in (one.name, one.version or "", one.license or "")),
            )
        )
        for one in packages
    )
    return parts.section("packages", "Packages", parts.table("packages-table", columns, rows, "Packages"))


def _sums(identity: str, title: str, what: str, sums: Sequence[Sum]) -> Markup:
    total = sum(one.size for one in sums) or 1
    columns = (("bytes", True), ("share", True), ("files", True), (what, False))
    rows = (parts.row((*_sum_cells(one, total), path_cell(show(one.name)))) for one in sums)
    return parts.section(identity, title, parts.table(f"{identity}-table", columns, rows, title))


def _sum_cells(one: Sum, total: int) -> tuple[Cell, ...]:
    share = one.size / total
    return size_cell(one.size), Cell(f"{share:.1%}", f"{share:.6f}", "number"), count_cell(one.files)


def _largest(files: Sequence[FileRow]) -> Markup:
    largest = sorted(files, key=lambda row: (-row.size, row.path))[:_LARGEST]
    columns = [("bytes", True), ("path", False)]
    owned = any(row.package for row in largest)
    columns += [("package", False)] if owned else []
    rows = (
        parts.row((size_cell(one.size), path_cell(one.path), *([Cell(one.package or "")] if owned else [])))
        for one in largest
    )
    note = tag("p", f"The {len(largest)} largest of {len(files):,}.", class_="muted small")
    return parts.section("files", "Largest files", note, parts.table("files-table", columns, rows, "Largest files"))
