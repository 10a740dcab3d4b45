"""Globs: a table that reads like their specification."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.base.globs import GlobError, compile_glob, compile_globs

MATCHES = [
    ("/etc/ssl/**", "/etc/ssl/certs", True),
    ("/etc/ssl/**", "/etc/ssl/certs/a.pem", True),
    ("/etc/ssl/**", "/etc/ssl", False),
    ("/etc/ssl", "/etc/ssl", True),
    ("/etc/ssl", "/etc/ssl/certs/a.pem", True),
    ("/etc/ssl/", "/etc/ssl/certs", True),
    ("/etc/ssl", "/etc/ssl.conf", False),
    ("/usr/lib/*.so.?", "/usr/lib/libz.so.1", True),
    ("/usr/lib/*.so.?", "/usr/lib/libz.so.10", False),
    ("/usr/lib/*.so.?", "/usr/lib/sub/libz.so.1", False),
    ("/usr/**/tests", "/usr/tests", True),
    ("/usr/**/tests", "/usr/lib/a/tests/b", True),
    ("/usr/**/tests", "/usr/mytests", False),
    ("/**/*.pyc", "/a.pyc", True),
    ("/**/*.pyc", "/a/b/c.pyc", True),
    ("/**", "/a/b", True),
    ("/lib/lib[a-c].so", "/lib/libb.so", True),
    ("/lib/lib[!a-c].so", "/lib/libb.so", False),
    ("/lib/lib[!a-c].so", "/lib/libz.so", True),
    ("/lib/lib[!a-c]x", "/lib/lib/x", False),
    ("/a[]]", "/a]", True),
    ("/a[^b]", "/a^", True),
    ("/a[^b]", "/ac", False),
    ("/a[{]b[}]", "/a{b}", True),
    ("/a[{]b,c[}]", "/ab", False),
    ("/{a[,{],b}", "/a{", True),
    ("/{a[,{],b}", "/b", True),
    ("/usr/{bin,sbin}/x", "/usr/sbin/x", True),
    ("/usr/{bin,sbin}/x", "/usr/lib/x", False),
    ("/{a,b{c,d}}", "/bd", True),
    ("/x{,.gz}", "/x", True),
    ("/a.b", "/axb", False),
    ("/a\nb*", "/a\nbc", True),
    ("/", "/anything", True),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), MATCHES)
def test_matches(pattern: str, path: str, expected: bool) -> None:
    assert compile_glob(pattern).matches(path) is expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("etc/ssl", "not absolute"),
        ("", "not absolute"),
        ("/a[b", r"unclosed '\['"),
        ("/a{b", "unclosed '{'"),
        ("/ab}", "without its '{'"),
        ("/a/../b", "'.' or '..'"),
        ("/a[]", r"unclosed '\['"),
        ("/a[z-a]", "bad character set"),
    ],
)
def test_bad_pattern_says_what_is_wrong(pattern: str, message: str) -> None:
    with pytest.raises(GlobError, match=message):
        compile_glob(pattern)


def test_last_matching_pattern_decides() -> None:
    globs = compile_globs(["/etc/ssl/**", "!/etc/ssl/private", "/etc/ssl/private/public.pem"])
    assert globs.match("/etc/ssl/certs") is globs.globs[0]
    assert globs.match("/etc/ssl/private/key.pem") is None
    assert globs.match("/etc/ssl/private/public.pem") is globs.globs[2]
    assert globs.match("/etc/other") is None


@given(st.text(alphabet="ab*?[]{},!/^\\&~-.", max_size=12))
def test_any_pattern_compiles_or_is_refused(text: str) -> None:
    try:
        glob = compile_glob("/" + text)
    except GlobError:
        return
    assert glob.matches("/a/b") in {True, False}
