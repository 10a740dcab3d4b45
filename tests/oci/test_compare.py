"""What differs of configs and annotations: each setting by its key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assembler.base.errors import ImageError
from assembler.oci.compare import Section, Settings, Value, compare_settings, read_settings

BARE: dict[str, Any] = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}


def settings(annotations: dict[str, str] | None = None, inner: object = None, **top: Any) -> Settings:
    document = BARE | top | ({"config": inner} if inner is not None else {})
    return read_settings(json.dumps(document).encode(), annotations or {})


Row = tuple[Section, str, Value | None, Value | None]


@pytest.mark.parametrize(
    ("before", "after", "rows"),
    [
        ({}, {}, []),
        ({}, {"created": "2001-09-09T01:46:40Z"}, [("image", "created", None, "2001-09-09T01:46:40Z")]),
        ({"variant": "v7"}, {"variant": "v8"}, [("image", "variant", "v7", "v8")]),
        ({"os.version": "1"}, {}, [("image", "os.version", "1", None)]),
        ({"inner": {"Cmd": ["a", "b"]}}, {"inner": {"Cmd": ["a"]}}, [("config", "Cmd", ("a", "b"), ("a",))]),
        ({"inner": {"User": ""}}, {"inner": {"User": "7"}}, [("config", "User", None, "7")]),
        (
            {"inner": {"Env": ["A=1", "B=2", "E="]}},
            {"inner": {"Env": ["B=3", "C=x=y", "D"]}},
            [
                ("env", "A", "1", None),
                ("env", "B", "2", "3"),
                ("env", "C", None, "x=y"),
                ("env", "D", None, ""),
                ("env", "E", "", None),
            ],
        ),
        ({"inner": {"Labels": {"a": "1"}}}, {"inner": {"Labels": {"a": "2"}}}, [("label", "a", "1", "2")]),
        (
            {"inner": {"ExposedPorts": {"80/tcp": {}}}},
            {"inner": {"ExposedPorts": {"80/tcp": {}, "53/udp": {}}}},
            [("config", "ExposedPorts", ("80/tcp",), ("53/udp", "80/tcp"))],
        ),
        (
            {"inner": {"Healthcheck": {"Test": ["CMD", "x"], "Retries": 3}}},
            {"inner": {"Healthcheck": {"Test": ["CMD", "y"], "Retries": 4}}},
            [
                ("config", "Healthcheck.Retries", "3", "4"),
                ("config", "Healthcheck.Test", ("CMD", "x"), ("CMD", "y")),
            ],
        ),
        ({"annotations": {"k": "1"}}, {"annotations": {}}, [("annotation", "k", "1", None)]),
        (
            {"history": [{"created_by": "x"}]},
            {"history": [{"created_by": "x"}, {"created_by": "y", "empty_layer": True}]},
            [("history", "1.created_by", None, "y"), ("history", "1.empty_layer", None, "true")],
        ),
        # docker's own, which no spec has
        ({}, {"inner": {"Shell": ["/bin/sh", "-c"]}}, [("config", "Shell", None, ("/bin/sh", "-c"))]),
        # nothing at all, in all its forms
        ({"inner": {"Env": None, "Labels": {}, "Cmd": [], "Volumes": None}}, {}, []),
    ],
)
def test_what_differs(before: dict[str, Any], after: dict[str, Any], rows: list[Row]) -> None:
    found = compare_settings(settings(**before), settings(**after))
    assert [(one.section, one.key, one.before, one.after) for one in found] == rows
    back = compare_settings(settings(**after), settings(**before))
    assert [(one.section, one.key, one.after, one.before) for one in back] == rows


def test_layers_are_no_settings() -> None:
    other = {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}
    assert compare_settings(settings(), settings(rootfs=other)) == ()


@pytest.mark.parametrize("data", [b"{", b"[]", b"\xff", b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"])
def test_what_is_no_config(data: bytes) -> None:
    with pytest.raises(ImageError, match="an image's config"):
        read_settings(data, {})
