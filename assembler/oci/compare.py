"""What differs between what two images say of themselves: config and annotations, setting by setting.

In: a config as it is stored, and a manifest's annotations. Out: `Setting`. Fields that the image-spec does not know
(docker's `Shell`, `OnBuild`) are compared like all others. What is empty is the same as what is not there, as in Go's
`omitempty`; not so the value of a variable, label or annotation. Of `rootfs` nothing is said: layers are compared by
themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import msgspec
from msgspec import Struct

from assembler.base.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Section = Literal["image", "config", "env", "label", "annotation", "history"]
"""`image`: the config's own fields; `config`: those of its property `config`, `Env` and `Labels` apart."""

Value = str | tuple[str, ...]

_SECTIONS: Final[tuple[Section, ...]] = get_args(Section)


class Setting(Struct, frozen=True):
    """A setting that differs.

    Attributes:
        section: where it stands.
        key: its name there: a field as the image-spec writes it, a variable, the key of a label or annotation; of what
            has fields itself `Healthcheck.Interval`, of the history `0.created_by`.
        before: what it was; None where it was not there.
        after: what it is now.
    """

    section: Section
    key: str
    before: Value | None
    after: Value | None


Settings = dict[tuple[Section, str], Value]


def read_settings(config: bytes, annotations: Mapping[str, str]) -> Settings:
    """Return all settings of an image.

    Raises:
        ImageError: the config is no JSON.
    """
    try:
        document = msgspec.json.decode(config, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ImageError(f"an image's config: {error}") from error
    inner = document.pop("config", None) or {}
    env = dict(item.partition("=")[::2] for item in inner.pop("Env", None) or ())
    labels = inner.pop("Labels", None) or {}
    history = dict(enumerate(document.pop("history", None) or ()))
    document.pop("rootfs", None)
    sections: dict[Section, Mapping[str, Value]] = {
        "image": dict(_flat(document)),
        "config": dict(_flat(inner)),
        "env": env,
        "label": labels,
        "annotation": annotations,
        "history": dict(_flat(history)),
    }
    return {(section, key): value for section, fields in sections.items() for key, value in fields.items()}


def compare_settings(before: Settings, after: Settings) -> tuple[Setting, ...]:
    """Return what differs, section by section, in each by key."""
    keys = sorted(before.keys() | after.keys(), key=lambda key: (_SECTIONS.index(key[0]), key[1]))
    rows = (Setting(*key, before.get(key), after.get(key)) for key in keys)
    return tuple(row for row in rows if row.before != row.after)


def _flat(fields: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Value]]:
    """Yield the fields of an object, those of objects in it too; lists of words and sets stay whole."""
    for name, value in fields.items():
        key = f"{prefix}{name}"
        match value:
            case {} if value and not any(value.values()):  # a set, as Go writes it: {"80/tcp": {}}
                yield key, tuple(sorted(value))
            case {}:
                yield from _flat(value, f"{key}.")
            case [str(), *_]:
                yield key, tuple(map(str, value))
            case [_, *_]:
                yield from _flat(dict(enumerate(value)), f"{key}.")
            case str() if value:
                yield key, value
            case _ if value:
                yield key, msgspec.json.encode(value).decode()
