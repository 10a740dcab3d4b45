"""Buildroot's messages, on lines that a real build wrote."""

from __future__ import annotations

import os
from typing import Final

import pytest

from assembler.buildroot.messages import FailureFinder, Message, parse_message

CAPTURE: Final = os.path.join(os.path.dirname(__file__), "capture")


def lines(name: str) -> list[str]:
    with open(os.path.join(CAPTURE, name), encoding="utf-8", newline="\n") as file:
        return file.readlines()


def test_every_captured_message_is_understood() -> None:
    messages = [parse_message(line) for line in lines("progress-lines.txt")]
    assert None not in messages
    steps = {message.step for message in messages if message is not None and message.package}
    assert {"Extracting", "Patching", "Configuring", "Building", "Installing to target"} <= steps
    assert {message.package for message in messages if message is not None} >= {"host-gcc-final", "taskd", "glibc"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("\x1b[7m>>> host-tar 1.35 Patching libtool\x1b[27m\n", Message("host-tar", "1.35", "Patching libtool")),
        ("\x1b[7m>>> host-skeleton  Extracting\x1b[27m\n", Message("host-skeleton", "", "Extracting")),
        ("\x1b[7m>>>   Finalizing target directory\x1b[27m\n", Message("", "", "Finalizing target directory")),
        (">>> busybox 1.37.0 Building\r\n", Message("busybox", "1.37.0", "Building")),
        ("checking for >>> x y z\n", None),
        ("", None),
    ],
)
def test_a_message(line: str, expected: Message | None) -> None:
    assert parse_message(line) == expected


def test_the_captured_failure_names_package_step_and_error() -> None:
    finder = FailureFinder()
    for line in lines("failure-excerpt.txt"):
        finder.feed(line)
    failure = finder.failure()
    assert (failure.package, failure.step) == ("glibc-2.41", "staging_installed")
    assert "No rule to make target 'libc.texinfo'" in failure.context[-1]
    assert failure.error == failure.context[-1]


def test_the_line_of_the_compiler_is_the_error() -> None:
    finder = FailureFinder()
    for line in (
        ">>> x 1 Building\n",
        "x.c:3:1: error: unknown type name 'foo'\n",
        "cc: more\n",
        "make[2]: *** [Makefile:5: x.o] Error 1\n",
        "make[2]: *** Waiting for unfinished jobs....\n",
        "make[1]: *** [package/pkg-generic.mk:283: /o/build/x-1/.stamp_built] Error 2\n",
        "make: *** [Makefile:23: _all] Error 2\n",
    ):
        finder.feed(line)
    failure = finder.failure()
    assert (failure.package, failure.step) == ("x-1", "built")
    assert failure.error == "x.c:3:1: error: unknown type name 'foo'"


def test_a_failure_without_a_package() -> None:
    finder = FailureFinder()
    finder.feed("You have legacy configuration in your .config! Please check your configuration.\n")
    finder.feed("make: *** [Makefile:951: .config] Error 1\n")
    assert finder.failure().package is None
    assert FailureFinder().failure().error == "no message"
