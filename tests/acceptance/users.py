"""Somebody at a terminal: a home of their own, with nothing of whoever runs the tests, and brasm to be run."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.registries import PASSWORD, USER
from tests.tools import BRASM, attempt, environment, wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.registries import Registry, Relay

SECRETS = (PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())
_MEASURE = (
    "import os, sys\n"
    "child = os.fork() or os.execvp(sys.argv[2], sys.argv[2:])\n"
    "_, status, usage = os.wait4(child, 0)\n"
    "open(sys.argv[1], 'w').write(str(usage.ru_maxrss << 10))\n"
    "sys.exit(os.waitstatus_to_exitcode(status))"
)
"""Runs a program and notes its memory. A small process does: to the kernel a child begins as large as its parent."""


class Somebody(NamedTuple):
    """Somebody with a home, in which nothing stands at first."""

    home: Path

    @property
    def env(self) -> dict[str, str]:
        """What their environment has in place of the tests'."""
        return {
            **{name: "" for name in os.environ if name.lower().endswith("_proxy")},
            "REGISTRY_AUTH_FILE": "",
            "DOCKER_CONFIG": "",
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
        }

    def attempt(self, *arguments: str | os.PathLike[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run brasm in the home; whatever comes of it, no secret is shown."""
        done = attempt(*BRASM, *arguments, cwd=self.home, env=self.env, stdin=stdin)
        for secret in SECRETS:
            assert secret not in done.stdout + done.stderr
        return done

    def brasm(self, *arguments: str | os.PathLike[str], stdin: str = "") -> str:
        """Run brasm, which must succeed, and return its standard output."""
        done = self.attempt(*arguments, stdin=stdin)
        assert done.returncode == 0, f"{arguments}: exit {done.returncode}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: str | os.PathLike[str]) -> Any:
        """Run brasm with `--json`, and return what it says."""
        return json.loads(self.brasm(*arguments, "--json"))

    def refused(self, code: int, *arguments: str | os.PathLike[str], stdin: str = "") -> str:
        """Run brasm, which must refuse in a line and at most a hint; return the two."""
        done = self.attempt(*arguments, stdin=stdin)
        lines = done.stderr.splitlines()
        assert done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        assert [line.partition(": ")[0] for line in lines] in (["error"], ["error", "hint"]), done.stderr
        assert done.stdout == ""
        return "\n".join(lines)

    def log_in(self, address: str, *options: str, password: str = PASSWORD) -> None:
        """Log in to a registry."""
        self.brasm("login", *options, address, "-u", USER, "--password-stdin", stdin=password)

    def keep(self, path: str, address: str, password: str = PASSWORD) -> str:
        """Write a file with credentials of a registry, without asking it; return its path."""
        auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
        (self.home / path).write_text(json.dumps({"auths": {address: {"auth": auth}}}))
        return str(self.home / path)

    def trust(self, registry: Registry) -> None:
        """Put a registry's authority where podman looks for it."""
        assert registry.certificates is not None
        folder = self.home / "config/containers/certs.d" / registry.address
        folder.mkdir(parents=True)
        shutil.copy(registry.certificates.authority, folder / "ca.crt")

    def begin(
        self,
        *arguments: str | os.PathLike[str],
        program: Sequence[str] = BRASM,
        stdin: str | os.PathLike[str] = os.devnull,
    ) -> subprocess.Popen[str]:
        """Start brasm, which heeds SIGINT though the tests may not."""
        with open(stdin, "rb") as file:
            return subprocess.Popen(
                ["env", "--default-signal=INT", *program, *(os.fspath(one) for one in arguments)],
                cwd=self.home,
                env=environment(**self.env),
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )

    def measured(self, *arguments: str | os.PathLike[str]) -> int:
        """Run brasm, which must succeed, and return its peak memory in bytes."""
        process = self.begin(*BRASM, *arguments, program=(sys.executable, "-c", _MEASURE, str(self.home / "peak")))
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, output + errors
        return int((self.home / "peak").read_text())


class Ended(NamedTuple):
    """How a process ended that got a signal, and what its kernel's files said of it before."""

    code: int
    output: str
    errors: str
    shown: str


def interrupt(
    process: subprocess.Popen[str], relay: Relay, number: signal.Signals = signal.SIGKILL, written: int = 0
) -> Ended:
    """Send a signal to a process when its relay has cut it off, and it has written so many bytes to files."""
    try:
        wait_for(lambda: relay.cut.is_set() or process.poll() is not None, "it is cut off")
        shown = "" if process.poll() is not None else _shown(process.pid)
        wait_for(lambda: not written or _written(process.pid) >= written, "it has written what came")
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    wait_for(relay.idle, "the connections end")
    return Ended(process.returncode, output, errors, shown)


def _written(pid: int) -> int:
    with open(f"/proc/{pid}/io", encoding="ascii") as file:
        return int(dict(line.split(": ") for line in file)["wchar"])


def _shown(pid: int) -> str:
    """Return what other users may see of a process, and what it hands on."""
    texts = []
    for name in ("cmdline", "environ"):
        with open(f"/proc/{pid}/{name}", "rb") as file:
            texts.append(file.read().decode("utf-8", "replace"))
    return "\0".join(texts)
