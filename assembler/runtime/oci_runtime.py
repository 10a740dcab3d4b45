"""crun, runc, and others that take an OCI bundle (runtime-spec v1.0.2, runtime.md) by the command line of runc.

As an ordinary user the container has a user namespace with one id: the image's user is the caller. runc maps root or
nothing (it refuses a namespace without id 0), crun any; neither has cgroups then.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from assembler.base.errors import ProgramError
from assembler.runtime.job import read_pid
from assembler.runtime.runtimes import quietly
from assembler.runtime.spec import Caller, process_spec, runtime_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.runtime.job import Job, Unpacked
    from assembler.runtime.process import Process

_LOG: Final = "log"


class OciRuntime(Struct, frozen=True):
    """A runtime, by its name and path, and who starts it."""

    name: str
    program: str
    caller: Caller

    def notes(self, job: Job) -> Sequence[str]:
        """See `Runtime.notes`."""
        if job.box.memory is not None and self.caller.rootless:
            return ("memory is not limited: without root there is no cgroup for it",)
        return ()

    def prepare(self, image: Unpacked) -> None:
        """See `Runtime.prepare`: it reads the folder."""

    def release(self, image: Unpacked) -> None:
        """See `Runtime.release`."""

    def command(self, job: Job) -> list[str]:
        """See `Runtime.command`."""
        if self.caller.rootless and self.name == "runc" and (job.user.uid, job.user.gid) != (0, 0):
            raise ProgramError(
                f"runc: without root it runs images only as 0:0, this one is for {job.user.uid}:{job.user.gid}",
                hint="install crun, run as root, or give --user 0:0",
            )
        spec = runtime_spec(job, self.caller, _etc_files(job))
        _write(os.path.join(job.folder, "config.json"), spec)
        return [*self._control(job), "run", "--pid-file", job.pid_file, "--bundle", job.folder, job.name]

    def exec_command(self, job: Job, process: Process) -> list[str]:
        """See `Runtime.exec_command`."""
        path = os.path.join(job.folder, "exec.json")
        _write(path, process_spec(process, job, self.caller))
        return [*self._control(job), "exec", "--process", path, job.name]

    def pid(self, job: Job) -> int | None:
        """See `Runtime.pid`."""
        return read_pid(job.pid_file)

    def has_started(self, job: Job, code: int) -> bool:
        """See `Runtime.has_started`."""
        return code == 0 or self.pid(job) is not None

    def complaint(self, job: Job) -> str | None:
        """See `Runtime.complaint`: the last error of its log."""
        try:
            with open(os.path.join(job.folder, _LOG), encoding="utf-8", errors="replace") as file:
                lines = [json.loads(line) for line in file if line.startswith("{")]
        except (OSError, ValueError):
            return None
        return next((str(line["msg"]) for line in reversed(lines) if line.get("level") == "error"), None)

    def signal(self, job: Job, number: int) -> None:
        """See `Runtime.signal`."""
        pid = self.pid(job)
        if pid is None:
            self.remove(job)
            return
        with contextlib.suppress(ProcessLookupError):  # it ended by itself meanwhile
            os.kill(pid, number)

    def remove(self, job: Job) -> None:
        """See `Runtime.remove`."""
        if os.path.isdir(os.path.join(job.folder, "state", job.name)):
            quietly([*self._control(job), "delete", "--force", job.name])

    def _control(self, job: Job) -> list[str]:
        log = os.path.join(job.folder, _LOG)
        own = [f"--log={'file:' if self.name == 'crun' else ''}{log}", "--log-format=json"]
        if self.name == "crun" and not self._needs_cgroup(job):
            own.append("--cgroup-manager=disabled")
        return [self.program, f"--root={os.path.join(job.folder, 'state')}", *own]

    def _needs_cgroup(self, job: Job) -> bool:
        """Whether a limit is kept by cgroups: of memory, or of which devices can be used by who may make nodes."""
        limited = job.box.memory is not None or "CAP_MKNOD" in job.box.capabilities
        return limited and not self.caller.rootless


def _etc_files(job: Job) -> dict[str, str]:
    """Write what the machine, not the image, knows of names; return the files by their paths in the container."""
    texts = {
        "hostname": f"{job.name}\n",
        "hosts": f"127.0.0.1 localhost {job.name}\n::1 localhost\n",
        "resolv.conf": "",
    }
    files = {}
    for name, text in texts.items():
        machine_s = f"/etc/{name}"
        if job.box.network == "host" and name != "hostname" and os.path.isfile(machine_s):
            files[machine_s] = os.path.realpath(machine_s)
            continue
        files[machine_s] = os.path.join(job.folder, name)
        with open(files[machine_s], "w", encoding="utf-8", opener=_readable) as file:
            file.write(text)
    bound = {bind.target for bind in job.box.binds}
    return {target: source for target, source in files.items() if target not in bound}


def _readable(path: str, flags: int) -> int:
    descriptor = os.open(path, flags, 0o644)
    os.fchmod(descriptor, 0o644)  # whoever the image's user is, whatever the umask
    return descriptor


def _write(path: str, document: dict[str, Any]) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump(document, file, ensure_ascii=False)
