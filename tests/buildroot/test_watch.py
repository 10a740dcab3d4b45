"""Where a build is: stamps are counted, seconds are those of earlier builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assembler.buildroot.facts import Package
from assembler.buildroot.watch import Watch, format_seconds, read_times, remember_times, remembered_times

if TYPE_CHECKING:
    from pathlib import Path


class Listener:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.done = 0
        self.total: int | None = None

    def start(self, task: str, total: int | None = None, *, unit: str = "") -> None:
        self.total = total
        self.lines.append(f"{task} {unit}")

    def advance(self, amount: int) -> None:
        self.done += amount

    def status(self, line: str) -> None:
        self.lines.append(line)


PACKAGES = {name: Package("target", name, stamp_dir=f"build/{name}-1") for name in ("zlib", "gmp", "nettle", "taskd")}


def stamp(output: Path, name: str) -> None:
    (output / "build" / f"{name}-1").mkdir(parents=True)
    (output / "build" / f"{name}-1" / ".stamp_installed").touch()


def test_what_an_earlier_call_built_counts(tmp_path: Path) -> None:
    stamp(tmp_path, "zlib")
    listener = Listener()
    watch = Watch(str(tmp_path), PACKAGES, {}, listener)
    watch.begin("app")
    assert (listener.total, listener.done) == (4, 1)
    watch.feed("gcc -c x.c\n")
    watch.feed("\x1b[7m>>> gmp 6.3.0 Configuring\x1b[27m\n")
    stamp(tmp_path, "gmp")
    watch.feed(">>>   Finalizing target directory\n")
    assert listener.done == 2
    assert listener.lines == [
        "app of 4 packages",
        "1/4 gmp 6.3.0 Configuring (0:00)",
        "2/4 Finalizing target directory (0:00)",
    ]


def test_an_estimate_needs_most_packages_to_be_known(tmp_path: Path) -> None:
    listener = Listener()
    watch = Watch(str(tmp_path), PACKAGES, {"zlib": 10.0, "gmp": 20.0, "nettle": 30.0}, listener)
    watch.begin("app")
    watch.feed(">>> zlib 1 Building")
    assert listener.lines[-1] == "0/4 zlib 1 Building (0:00, about 1:20 to go)"
    watch = Watch(str(tmp_path), PACKAGES, {"zlib": 10.0}, listener)
    watch.feed(">>> zlib 1 Building")
    assert listener.lines[-1] == "0/4 zlib 1 Building (0:00)"


_LOG = """\
10.5:start:download            : zlib
11.5:end  :download            : zlib
20.0:start:build               : zlib
100.0:start:build               : zlib
103.0:end  :build               : zlib
103.0:start:install-target      : zlib
103.0:end  :install-target      : zlib
110.0:start:configure           : gmp
119.0:end  :configure           : gmp
120.0:start:build               : gmp
200.0:start:configure           : host-gcc-final
"""


def test_steps_that_were_begun_twice_or_never_ended() -> None:
    assert read_times(_LOG.splitlines()) == {"gmp": 9.0, "zlib": 4.0}
    assert read_times(_LOG.splitlines(), whole=True) == {"zlib": 4.0}


def test_times_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert remembered_times() == {}
    remember_times(str(tmp_path))
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "build-time.log").write_text(_LOG)
    remember_times(str(tmp_path))
    assert remembered_times() == {"zlib": 4.0}
    (tmp_path / "build" / "build-time.log").write_text(_LOG.replace("zlib", "nettle"))
    remember_times(str(tmp_path))
    assert remembered_times() == {"nettle": 4.0, "zlib": 4.0}
    (tmp_path / "cache" / "brasm" / "build-times.json").write_text("damaged")
    assert remembered_times() == {}


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (65, "1:05"), (3661, "1:01:01")])
def test_times_for_people(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
