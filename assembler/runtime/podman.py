"""podman: runs a folder (`podman run --rootfs`), with storage of its own below the image's, which goes with it."""

from __future__ import annotations

import os
import resource
import shutil
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.errors import ProgramError
from assembler.runtime.job import read_pid
from assembler.runtime.runtimes import quietly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.runtime.box import Scratch
    from assembler.runtime.job import Job, Unpacked
    from assembler.runtime.process import Process

_ITS_OWN_ERROR: Final = frozenset({125, 126, 127})
_LONGEST: Final = 40
"""Characters of a folder's path that podman can have its runroot below: that may have 50."""

_MOST_PROCESSES: Final = 32768
"""podman lowers its own limit to this; more needs CAP_SYS_RESOURCE."""


class Podman(Struct, frozen=True):
    """podman by its path; `runtime` is what it runs containers with where its own choice would fail."""

    program: str
    runtime: str | None = None
    name: str = "podman"

    def notes(self, job: Job) -> Sequence[str]:
        """See `Runtime.notes`."""
        user = (job.user.uid, job.user.gid)
        others = [one.path for one in job.scratches if (one.uid, one.gid) not in {user, (0, 0)}]
        return [f"podman: {path}: belongs to root there, not to its owner in the image" for path in others]

    def prepare(self, image: Unpacked) -> None:
        """See `Runtime.prepare`."""
        try:
            os.mkdir(_storage(image), 0o700)
        except OSError as error:
            raise ProgramError(f"podman: {_storage(image)}: cannot be made: {error.strerror}") from error

    def release(self, image: Unpacked) -> None:
        """See `Runtime.release`."""
        shutil.rmtree(_storage(image), ignore_errors=True)

    def command(self, job: Job) -> list[str]:
        """See `Runtime.command`."""
        streams = ["--interactive", *(["--tty"] if job.terminal else [])]
        return [
            *self._control(job),
            *("run", "--rm", "--name", job.name, "--pidfile", job.pid_file, *streams),
            *("--http-proxy=false", "--passwd=false", "--read-only-tmpfs=false", *_ulimits()),
            *limits(job),
            *(word for one in job.scratches for word in ("--mount", _tmpfs(one, job))),
            *identity(job.process),
            *(word for group in job.user.groups for word in ("--group-add", str(group))),
            *("--rootfs", job.image.root, *job.process.args),
        ]

    def exec_command(self, job: Job, process: Process) -> list[str]:
        """See `Runtime.exec_command`."""
        return [*self._control(job), "exec", "--interactive", *identity(process), job.name, *process.args]

    def pid(self, job: Job) -> int | None:
        """See `Runtime.pid`."""
        return read_pid(job.pid_file)

    def has_started(self, job: Job, code: int) -> bool:
        """See `Runtime.has_started`."""
        return code not in _ITS_OWN_ERROR or self.pid(job) is not None

    def complaint(self, job: Job) -> str | None:
        """See `Runtime.complaint`: it is in standard error."""

    def signal(self, job: Job, number: int) -> None:
        """See `Runtime.signal`."""
        quietly([*self._control(job), "kill", "--signal", str(number), job.name])

    def remove(self, job: Job) -> None:
        """See `Runtime.remove`."""
        quietly([*self._control(job), "rm", "--force", "--ignore", "--time", "0", job.name])

    def _control(self, job: Job) -> list[str]:
        folder = _storage(job.image)
        places = {"root": "root", "runroot": "run", "tmpdir": "tmp"}
        where = [f"--{option}={os.path.join(folder, name)}" for option, name in places.items()]
        how = ("--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=none", "--log-level=error")
        return [self.program, *where, *how, *([f"--runtime={self.runtime}"] if self.runtime else [])]


def _storage(image: Unpacked) -> str:
    """Return the folder of podman's storage: the image's, or where that has too long a name one of /tmp."""
    below = os.path.join(image.folder, "podman")
    return below if len(below) <= _LONGEST else f"/tmp/{image.name.partition(':')[0]}"  # noqa: S108 a name of its own


def limits(job: Job) -> list[str]:
    """Return the options that docker shares: network, capabilities, memory, what may be written to."""
    box = job.box
    words = ["--network", box.network, "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    words += [word for name in box.capabilities for word in ("--cap-add", name)]
    words += [] if box.memory is None else ["--memory", f"{box.memory}b"]
    words += ["--read-only"] if box.read_only else []
    for bind in box.binds:
        words += ["--volume", f"{bind.source}:{bind.target}{':ro' if bind.read_only else ''}"]
    return words


def identity(process: Process) -> list[str]:
    """Return the options of who and where a process is, which exec takes as well."""
    words = ["--workdir", process.cwd, "--user", f"{process.user.uid}:{process.user.gid}"]
    return [*words, *(word for item in process.env for word in ("--env", item))]


def _ulimits() -> list[str]:
    """Return this process's own limits, which podman would raise."""
    words = []
    for name, kind, most in (
        ("nofile", resource.RLIMIT_NOFILE, None),
        ("nproc", resource.RLIMIT_NPROC, _MOST_PROCESSES),
    ):
        pair = resource.getrlimit(kind)
        if most is not None:
            pair = tuple(most if value < 0 else min(value, most) for value in pair)  # type: ignore[assignment]
        words += ["--ulimit", f"{name}={pair[0]}:{pair[1]}"]
    return words


def _tmpfs(one: Scratch, job: Job) -> str:
    """Return a folder in memory; podman copies what is there, and can give it to the process's user alone."""
    owned = (one.uid, one.gid) == (job.user.uid, job.user.gid) != (0, 0)
    return f"type=tmpfs,destination={one.path},tmpfs-mode={one.mode:04o}{',U=true' if owned else ''}"
