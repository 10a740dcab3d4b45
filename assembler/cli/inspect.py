"""`brasm inspect`: what is in an image, and where the bytes are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from assembler.base.paths import show
from assembler.base.units import format_size
from assembler.cli.options import json_option, platform_option, quiet_option
from assembler.cli.output import console, package_line, print_json
from assembler.cli.progress import progress
from assembler.cli.remote import remote_options
from assembler.oci.reference import parse
from assembler.pipeline.examine import inspect
from assembler.plan.inventory import PackageSum
from assembler.tree import size_of, type_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from assembler.pipeline.examine import Inspection
    from assembler.plan.inventory import Sum
    from assembler.remote.access import Access

MOST = 15
"""Rows of a table; `--json` has them all."""


@click.command(short_help="Show what is in an image and where the bytes are.")
@click.argument("image", metavar="IMAGE")
@platform_option
@remote_options
@click.option("--html", metavar="FILE", help="Write a page as well: one file that works without a network.")
@json_option
@quiet_option
def command(*, image: str, platform: str | None, access: Access, html: str | None, as_json: bool, quiet: bool) -> None:
    """Show what is in an image and where the bytes are: by directory, by kind, by package, and the largest files.

    IMAGE is FILE.tar, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG], docker://NAME[:TAG] or
    docker-daemon:NAME[:TAG].
    """
    with progress(quiet=quiet) as listener:
        inspection = inspect(parse(image), platform, listener, access)
    if html is not None:
        from assembler.experiments.report.image_page import image_page
        from assembler.experiments.report.write import write_file

        write_file(image_page(image, inspection), html)
    if as_json:
        print_json(_json(inspection))
        return
    out = console()
    _print_config(out, inspection)
    _print_layers(out, inspection)
    inventory = inspection.inventory
    _print_sums(out, "directory", inventory.directories)
    _print_sums(out, "kind", inventory.kinds)
    if inventory.packages:
        _print_sums(out, "package", inventory.packages)
    _print_largest(out, inspection)


def _json(inspection: Inspection) -> dict[str, object]:
    inventory = inspection.inventory
    return {
        "digest": inspection.digest,
        "config": msgspec.to_builtins(inspection.config),
        "annotations": inspection.annotations,
        "layers": inspection.layers,
        "files": [
            {
                "path": show(entry.path),
                "type": type_name(entry),
                "mode": f"{entry.mode:04o}",
                "uid": entry.uid,
                "gid": entry.gid,
                "size": size_of(entry),
                "package": inspection.packages.get(entry.path),
            }
            for entry in inspection.tree
        ],
        "directories": inventory.directories,
        "kinds": inventory.kinds,
        "packages": inventory.packages,
    }


def _print_config(out: Console, inspection: Inspection) -> None:
    import shlex

    from rich.table import Table

    config, inner = inspection.config, inspection.config.config
    rows: dict[str, Sequence[str | None]] = {
        "digest": [inspection.digest],
        "platform": ["/".join(filter(None, (config.os, config.architecture, config.variant)))],
        "created": [config.created],
    }
    if inner is not None:
        rows |= {
            "entrypoint": [shlex.join(inner.entrypoint or ())],
            "cmd": [shlex.join(inner.cmd or ())],
            "user": [inner.user],
            "workdir": [inner.working_dir],
            "env": inner.env or (),
            "ports": [" ".join(inner.exposed_ports or ())],
            "volumes": [" ".join(inner.volumes or ())],
            "stop signal": [inner.stop_signal],
            "labels": [f"{key}={value}" for key, value in (inner.labels or {}).items()],
        }
    table = Table(box=None, show_header=False, pad_edge=False)
    for key, texts in rows.items():
        if lines := [show(text) for text in texts if text]:
            table.add_row(f"[bold]{key}[/]", _plain("\n".join(lines)))
    out.print(table)


def _print_layers(out: Console, inspection: Inspection) -> None:
    from rich.table import Table

    table = Table(title="layers, the lowest first", box=None, pad_edge=False, title_justify="left", title_style="bold")
    for title in ("digest", "stored", "unpacked", "entries", "made by"):
        table.add_column(title, justify="right" if title in {"stored", "unpacked", "entries"} else "left")
    for layer in inspection.layers:
        sizes = format_size(layer.size), format_size(layer.uncompressed_size), f"{layer.entries:,}"
        table.add_row(layer.digest[:19], *sizes, _plain(show(layer.created_by or "")))
    out.print("", table)


def _print_sums(out: Console, title: str, sums: Sequence[Sum]) -> None:
    from rich.table import Table

    total = sum(one.size for one in sums) or 1
    table = Table(title=f"by {title}", box=None, pad_edge=False, title_justify="left", title_style="bold")
    table.add_column("bytes", justify="right")
    table.add_column("share", justify="right")
    table.add_column("")
    table.add_column("files", justify="right")
    table.add_column(title)
    for one in sums[:MOST]:
        share = one.size / total
        table.add_row(format_size(one.size), f"{share:.1%}", _bar(share), f"{one.files:,}", _plain(_named(one)))
    if rest := sums[MOST:]:
        size, files = sum(one.size for one in rest), sum(one.files for one in rest)
        table.add_row(format_size(size), f"{size / total:.1%}", _bar(size / total), f"{files:,}", f"({len(rest)} more)")
    out.print("", table)


def _named(one: Sum) -> str:
    known = (one.version, one.license) if isinstance(one, PackageSum) else (None, None)
    return package_line(show(one.name), *known)


def _print_largest(out: Console, inspection: Inspection) -> None:
    from rich.table import Table

    table = Table(title="largest files", box=None, pad_edge=False, title_justify="left", title_style="bold")
    table.add_column("bytes", justify="right")
    table.add_column("path")
    for entry in inspection.inventory.largest:
        table.add_row(format_size(size_of(entry)), _plain(show(entry.path)))
    out.print("", table)


def _bar(share: float, width: int = 20) -> str:
    return "▇" * round(share * width)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
