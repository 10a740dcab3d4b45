"""What is asked of a repository besides images: its tags, and that something go.

docker://HOST/NAME ─▶ tags
docker://HOST/NAME:TAG ─▶ gone
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.base.errors import NegativeAnswer, UsageError
from assembler.remote.registry import open_repository

if TYPE_CHECKING:
    from assembler.base.digest import Digest
    from assembler.oci.reference import Reference
    from assembler.remote.access import Access


def list_tags(reference: Reference, access: Access) -> list[str]:
    """Return the tags of a repository, or of a layout, sorted: some registries are not as the spec wants them.

    Raises:
        RemoteError: there is no such repository, or it does not say.
        ImageError, SourceError: the layout cannot be read.
        UsageError: the reference names no place with tags.
    """
    if reference.transport == "docker":
        return sorted(open_repository(reference.path, reference.name or "", access).tags())
    if reference.transport in {"oci", "oci-archive"}:
        from assembler.sources.layout import tags_of
        from assembler.sources.store import open_store

        return tags_of(open_store(reference.path, folder=reference.transport == "oci"))
    raise UsageError(f"{reference}: has no tags to list", hint="docker://HOST/NAME, oci:DIR or oci-archive:FILE")


def delete(reference: Reference, access: Access, *, tag_only: bool) -> Digest:
    """Delete a manifest and with it every tag that names it, or one tag alone.

    Returns:
        The digest that the reference had.

    Raises:
        NegativeAnswer: there is no such tag or digest.
        RemoteError: the registry cannot be reached, or refuses.
        UsageError: the reference is of no registry, or names no one manifest.
    """
    if reference.transport != "docker":
        raise UsageError(f"{reference}: only what is in a registry can be deleted", hint="docker://HOST/NAME:TAG")
    wanted = reference.digest or reference.tag
    if wanted is None or (tag_only and reference.tag is None):
        raise UsageError(f"{reference}: which one? Nothing is deleted by a default tag", hint=f"{reference}:TAG")
    repository = open_repository(reference.path, reference.name or "", access)
    found = repository.find_manifest(wanted, "pull,delete")
    if found is None:
        raise NegativeAnswer(f"{reference}: is not there", hint=f"brasm tags {repository} lists what there is")
    digest = found[0].digest
    repository.delete_manifest(reference.tag if tag_only and reference.tag is not None else digest)
    return digest
