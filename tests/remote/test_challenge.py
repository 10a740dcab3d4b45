"""`WWW-Authenticate`, as the RFC has it and as registries write it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assembler.remote.challenge import Challenge, parse_challenges

TOKEN = "!#$%&'*+-.^_`|~0123456789abcXYZ"


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], []),
        ([""], []),
        (["Basic"], [("basic", {})]),
        (['Basic realm="a b"'], [("basic", {"realm": "a b"})]),
        (['BASIC Realm="x", charset="UTF-8"'], [("basic", {"realm": "x", "charset": "UTF-8"})]),
        (
            ['Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'],
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        (
            ['Bearer realm="r", scope="repository:a:pull repository:b:pull,push", error="invalid_token"'],
            [("bearer", {"realm": "r", "scope": "repository:a:pull repository:b:pull,push", "error": "invalid_token"})],
        ),
        (
            ['Basic realm="a", Bearer realm="b",service=c'],
            [("basic", {"realm": "a"}), ("bearer", {"realm": "b", "service": "c"})],
        ),
        (['Bearer realm="b"', "Basic realm=a"], [("bearer", {"realm": "b"}), ("basic", {"realm": "a"})]),
        (["Negotiate", 'Basic realm="x"'], [("negotiate", {}), ("basic", {"realm": "x"})]),
        (['Negotiate, Basic realm="x"'], [("negotiate", {}), ("basic", {"realm": "x"})]),
        (['Negotiate YIIabc+/==, Basic realm="x"'], [("negotiate", {}), ("basic", {"realm": "x"})]),
        (['NTLM TlRMTVNTUAAC=, Bearer realm="x"'], [("ntlm", {}), ("bearer", {"realm": "x"})]),
        ([r'Basic realm="say \"hi\", \\friend"'], [("basic", {"realm": r'say "hi", \friend'})]),
        (['Basic realm = "x" , charset = y'], [("basic", {"realm": "x", "charset": "y"})]),
        ([',, Basic realm="x",,, charset="y",'], [("basic", {"realm": "x", "charset": "y"})]),
        (['Basic realm="x" Bearer realm="y"'], [("basic", {"realm": "x"}), ("bearer", {"realm": "y"})]),
        (["Bearer realm=https://auth/token,service=x"], [("bearer", {"realm": "https://auth/token", "service": "x"})]),
        (['Bearer realm="https://auth/\r\n token"'], [("bearer", {"realm": "https://auth/\r\n token"})]),
        (['Basic realm=""'], [("basic", {"realm": ""})]),
        (['realm="x"'], []),
        (["@@@"], []),
    ],
)  # fmt: skip
def test_parse(values: list[str], found: list[tuple[str, dict[str, str]]]) -> None:
    assert parse_challenges(values) == [Challenge(*each) for each in found]


@given(st.lists(st.text(max_size=80) | st.text(alphabet='Basicer =,"\\/\t:', max_size=80), max_size=4))
@settings(max_examples=150, deadline=None)
def test_nothing_is_too_odd(values: list[str]) -> None:
    for challenge in parse_challenges(values):
        assert challenge.scheme == challenge.scheme.lower()
        assert all(name == name.lower() for name in challenge.parameters)


names = st.text(alphabet=TOKEN, min_size=1, max_size=8).map(str.lower)
challenges = st.builds(Challenge, names, st.dictionaries(names, st.text(max_size=20), max_size=4))


@given(st.lists(challenges, max_size=4), st.booleans())
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read(written: list[Challenge], one_header: bool) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    texts = [
        f"{each.scheme} " + ", ".join(f"{name}={quoted(value)}" for name, value in each.parameters.items())
        for each in written
    ]
    assert parse_challenges([", ".join(texts)] if one_header else texts) == written


@pytest.mark.parametrize(
    "value",
    [" " * 65000, "a" * 65000, "a " * 30000, 'a="b",' * 10000, 'a="' * 20000, "a" + " " * 65000 + "\x01", "a=" * 30000,
     '"' * 65000],
)  # fmt: skip
def test_long_headers_take_no_time(value: str) -> None:
    """A pattern that backtracks would take minutes here."""
    assert len(parse_challenges([f"Basic {value}"])) >= 1
