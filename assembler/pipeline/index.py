"""Several images under one name, for a runtime to choose its platform's.

sources ─▶ Shipments ─▶ one Shipment, whose root is an index ─▶ destination
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from assembler.base.digest import Digest
from assembler.base.errors import UsageError
from assembler.destinations import check_holders, check_outputs
from assembler.oci.combine import add, combine, index_of, remove
from assembler.oci.types import Descriptor
from assembler.pipeline.copy import names_for, send
from assembler.sources.platforms import matches, parse_platform
from assembler.sources.shipment import open_shipment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.base.progress import Progress
    from assembler.oci.reference import Reference
    from assembler.oci.shipment import Shipment
    from assembler.remote.access import Access


class Indexed(Struct, frozen=True):
    """An index that was written.

    Attributes:
        digest: of it.
        manifests: what it lists.
        output: where it is now, complete with its tag.
        notes: one line each: what was replaced, or who cannot read it.
    """

    digest: Digest
    manifests: tuple[Descriptor, ...]
    output: str
    notes: tuple[str, ...]


def create_index(target: Reference, sources: Sequence[Reference], access: Access, progress: Progress) -> Indexed:
    """Make an index of images and of what other indexes list; in place of what has the name.

    Raises:
        BrasmError: any of the tree; nothing half-written is left.
    """
    _check(target, access)
    opened = [open_shipment(source, access, every=True) for source in sources]
    shipment = combine([(str(source), one.shipment) for source, one in zip(sources, opened, strict=True)])
    return _put(shipment, target, names_for(opened[0]), access, progress)


def add_to_index(target: Reference, sources: Sequence[Reference], access: Access, progress: Progress) -> Indexed:
    """Add images to an index, each in place of the one for its platform; an image alone becomes an index.

    Raises:
        BrasmError: any of the tree; nothing half-written is left.
    """
    _check(target, access)
    base = open_shipment(target, access, every=True)
    shipment, notes = base.shipment, []
    for source in sources:
        shipment, replaced = add(shipment, str(source), open_shipment(source, access, every=True).shipment)
        notes += [f"{each.platform} was {each.digest}" for each in replaced]
    return _put(shipment, target, names_for(base), access, progress, notes)


def remove_from_index(target: Reference, selectors: Sequence[str], access: Access, progress: Progress) -> Indexed:
    """Take images out of an index, by platform (`OS/ARCHITECTURE[/VARIANT]`) or digest.

    Raises:
        NegativeAnswer: there is none such, or none would be left.
        BrasmError: any other of the tree.
    """
    _check(target, access)
    base = open_shipment(target, access, every=True)
    shipment, notes = base.shipment, []
    for selector in selectors:
        shipment, gone = remove(shipment, lambda each, wanted=selector: _is(each, wanted), selector)  # type: ignore[misc]
        notes += [f"removed {each.platform or ''} {each.digest}" for each in gone]
    return _put(shipment, target, names_for(base), access, progress, notes)


def _check(target: Reference, access: Access) -> None:
    check_holders((target,))
    if target.digest is not None:
        raise UsageError(f"{target}: a digest names what there is already", hint="name a tag")
    check_outputs((target,), None, access)


def _is(descriptor: Descriptor, selector: str) -> bool:
    if ":" in selector:
        return descriptor.digest == selector
    return descriptor.platform is not None and matches(descriptor.platform, parse_platform(selector))


def _put(
    shipment: Shipment,
    target: Reference,
    names: tuple[str | None, str],
    access: Access,
    progress: Progress,
    notes: Sequence[str] = (),
) -> Indexed:
    written = send(shipment, target, names, access, progress)
    manifests = index_of(shipment).manifests
    return Indexed(shipment.root.digest, manifests, written.reference, (*notes, *written.notes))
