"""The endpoints' paths (distribution-spec v1.1, "Endpoints"), and answers that all of them share."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from tests.remote.messages import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["base", "uploads", "upload", "blob", "manifest", "tags", "referrers"]

NAME: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
TAG: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
VERSION_HEADER: Final = ("Docker-Distribution-Api-Version", "registry/2.0")

_PATHS: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    ("base", re.compile(r"/v2/?()()")),
    ("uploads", re.compile(r"/v2/(.+)/blobs/uploads/?()")),
    ("upload", re.compile(r"/v2/(.+)/blobs/uploads/([^/]+)")),
    ("blob", re.compile(r"/v2/(.+)/blobs/([^/]+)")),
    ("manifest", re.compile(r"/v2/(.+)/manifests/([^/]+)")),
    ("tags", re.compile(r"/v2/(.+)/tags/list()")),
    ("referrers", re.compile(r"/v2/(.+)/referrers/([^/]+)")),
)


class Route(Struct, frozen=True):
    """What a path names: `reference` is a digest, a tag or a session."""

    kind: Kind
    name: str
    reference: str


class Refusal(Exception):
    """An error of the spec's list, to be answered."""

    def __init__(self, status: int, code: str, message: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message or code)
        self.answer = error(status, code, message, headers)


def find(path: str) -> Route | None:
    """Find what a path names; None where the spec has no such path."""
    for kind, pattern in _PATHS:
        if match := pattern.fullmatch(path):
            return Route(kind, match[1], match[2])
    return None


def document(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with JSON."""
    fields = {"Content-Type": "application/json", **(headers or {})}
    return Answer(status, tuple(fields.items()), json.dumps(value).encode())


def error(status: int, code: str, message: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with one error (distribution-spec, "Error Codes")."""
    listed = {"code": code, "message": message or code.lower().replace("_", " "), "detail": None}
    return document(status, {"errors": [listed]}, headers)
