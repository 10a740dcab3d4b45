"""Running Buildroot's make: out of tree, all that it says in a log, and its failure as one error.

In: the tree, the output folder, targets. Out: nothing but what make leaves in the output folder.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.errors import ProgramError
from assembler.base.files import destination_errors
from assembler.buildroot.messages import FailureFinder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.buildroot.messages import Failure

NOTES: Final = ".brasm"
"""Folder of ours in the output folder: the defconfig, the log, what was built."""

LOG: Final = "build.log"

_SETS_MAKE: Final = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "O", "BR2_EXTERNAL", "BR2_DEFCONFIG", "V")
_GRACE: Final = 20.0
"""Seconds that make has to end after Ctrl-C."""

_STEPS: Final = {
    "downloaded": "downloaded",
    "extracted": "extracted",
    "patched": "patched",
    "configured": "configured",
    "built": "built",
    "host_installed": "installed for the machine",
    "staging_installed": "installed to staging",
    "target_installed": "installed to the target",
    "images_installed": "installed to images",
}
_HINTS: Final = {
    "No space left on device": "the disk is full: free some room and run it again; it goes on where it stopped",
    "Disk quota exceeded": "the quota is used up: free some room and run it again; it goes on where it stopped",
    "FORCE_UNSAFE_CONFIGURE=1": "build as an ordinary user, or with FORCE_UNSAFE_CONFIGURE=1 in the environment",
    "You have legacy configuration": "the defconfig has symbols that this release no longer has: brasm menuconfig",
    "You must install": "install it, and run it again",
    "doesn't have expected": "the file in the download folder is not the one that the package's .hash file names",
    "No hash found for": "the package's .hash file knows no such file: a version of your own needs its hash there",
}
_NOT_DOWNLOADED: Final = (
    "no network, or no such file there? Put it into the download folder (BR2_DL_DIR), or name a mirror "
    "(BR2_PRIMARY_SITE in --config)"
)
_HINT: Final = re.compile("|".join(map(re.escape, _HINTS)))


class Make(Struct, frozen=True):
    """How make is called.

    Attributes:
        tree: Buildroot's tree.
        output: the output folder (`O=`).
        externals: external trees (`BR2_EXTERNAL=`).
        environment: laid over this process's.
    """

    tree: str
    output: str
    externals: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}

    @property
    def log(self) -> str:
        """The file that has all that was said."""
        return os.path.join(self.output, NOTES, LOG)

    def command(self, *words: str) -> list[str]:
        """Return the command line; external trees are named every time, so that none is remembered."""
        external = f"BR2_EXTERNAL={':'.join(self.externals)}"
        return ["make", "--no-print-directory", "-C", self.tree, f"O={self.output}", external, *words]

    def variables(self) -> dict[str, str]:
        """Return make's environment: ours without what another make, or a user's habits, would change."""
        kept = {name: value for name, value in os.environ.items() if name not in _SETS_MAKE}
        return {**kept, **self.environment}

    def shown(self, *words: str) -> str:
        """Return the command as one can paste it into a shell."""
        given = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*given, shlex.join(self.command(*words))])


def run_make(make: Make, words: Sequence[str], told: Callable[[str], None] = lambda _: None) -> None:
    """Run make to its end.

    On an interruption make gets it too, and has `_GRACE` seconds to end: its stamps let the next call go on.

    Args:
        make: how.
        words: targets and variables.
        told: gets each line as it comes.

    Raises:
        ProgramError: make failed, with the end of what it said, the log's path and the command.
        DestinationError: the log cannot be written.
    """
    _check_installed(make)
    finder = FailureFinder()
    hints: list[str] = []
    with destination_errors(make.log):
        os.makedirs(os.path.dirname(make.log), exist_ok=True)
        with open(make.log, "ab") as log:
            log.write(f"$ {make.shown(*words)}\n".encode())
            code = _follow(make, words, log, lambda line: _feed(line, finder, hints, told))
    if code:
        raise _failed(make, words, finder.failure(), hints)


def query(make: Make, *words: str) -> str:
    """Run a target of make that only prints, and return what it printed.

    Raises:
        ProgramError: it failed.
    """
    _check_installed(make)
    done = subprocess.run(
        make.command("-s", *words),
        env=make.variables(),
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        finder = FailureFinder()
        for line in (done.stdout + done.stderr).splitlines():
            finder.feed(line)
        raise _failed(make, words, finder.failure(), [])
    return done.stdout


def _check_installed(make: Make) -> None:
    if shutil.which("make", path=make.variables().get("PATH")) is None:
        raise ProgramError("make: not installed", hint="on Debian: apt install make")


def _feed(line: str, finder: FailureFinder, hints: list[str], told: Callable[[str], None]) -> None:
    finder.feed(line)
    if match := _HINT.search(line):
        hints.append(_HINTS[match[0]])
    told(line)


def _follow(make: Make, words: Sequence[str], log: IO[bytes], told: Callable[[str], None]) -> int:
    with subprocess.Popen(
        make.command(*words),
        env=make.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101  (it is a pipe)
        try:
            for line in process.stdout:
                log.write(line)
                log.flush()
                told(line.decode("utf-8", "replace"))
            return process.wait()
        except BaseException:
            _end(process)
            raise


def _end(process: subprocess.Popen[bytes]) -> None:
    """End make and what it started: it removes half-made targets when it is asked to end."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_GRACE)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
        break
    process.wait()


def _failed(make: Make, words: Sequence[str], failure: Failure, hints: Sequence[str]) -> ProgramError:
    if failure.package is not None:
        step = _STEPS.get(failure.step or "", f"at .stamp_{failure.step}")
        what = f"{failure.package} failed while it was {step}: {failure.error}"
    else:
        what = f"Buildroot's make failed: {failure.error}"
    known = [*hints, *([_NOT_DOWNLOADED] if failure.step == "downloaded" else [])]
    told = f"{known[0]}; " if known else ""
    return ProgramError(
        what, hint=f"{told}the whole log: {make.log}; by hand: {make.shown(*words)}", context=failure.context
    )
