"""docker: the image is loaded under a name of its own, and removed afterwards; volumes are docker's, and go as well."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assembler.base.errors import ProgramError
from assembler.runtime.podman import identity, limits
from assembler.runtime.runtimes import answer, quietly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.runtime.job import Job, Unpacked
    from assembler.runtime.process import Process

_ITS_OWN_ERROR: Final = 125


class Docker(Struct, frozen=True):
    """docker by its path."""

    program: str
    name: str = "docker"

    def notes(self, job: Job) -> Sequence[str]:
        """See `Runtime.notes`."""
        return ()

    def prepare(self, image: Unpacked) -> None:
        """See `Runtime.prepare`."""
        archive = os.path.join(image.folder, "image.tar")
        image.save(archive, image.name)
        try:
            answer([self.program, "load", "--quiet", "--input", archive])
        finally:
            os.unlink(archive)

    def release(self, image: Unpacked) -> None:
        """See `Runtime.release`."""
        quietly([self.program, "image", "rm", "--force", image.name])

    def command(self, job: Job) -> list[str]:
        """See `Runtime.command`."""
        streams = ["--interactive", *(["--tty"] if job.terminal else [])]
        program, *args = job.process.args
        return [
            *(self.program, "run", "--rm", "--name", job.name, "--pull", "never", *streams),
            *("--platform", str(job.image.platform), "--log-driver", "none", *limits(job)),
            *(
                word
                for one in job.scratches
                if one.path in job.box.tmpfs
                for word in ("--tmpfs", _tmpfs(one.path, job))
            ),
            *identity(job.process),
            *(word for group in job.user.groups for word in ("--group-add", str(group))),
            *("--entrypoint", program, job.image.name, *args),
        ]

    def exec_command(self, job: Job, process: Process) -> list[str]:
        """See `Runtime.exec_command`."""
        return [self.program, "exec", "--interactive", *identity(process), job.name, *process.args]

    def pid(self, job: Job) -> int | None:
        """See `Runtime.pid`."""
        try:
            found = int(answer([self.program, "inspect", "--format", "{{.State.Pid}}", job.name]))
        except (ProgramError, ValueError):  # it is not there yet
            return None
        return found or None

    def has_started(self, job: Job, code: int) -> bool:
        """See `Runtime.has_started`."""
        return code != _ITS_OWN_ERROR

    def complaint(self, job: Job) -> str | None:
        """See `Runtime.complaint`: it is in standard error."""

    def signal(self, job: Job, number: int) -> None:
        """See `Runtime.signal`."""
        quietly([self.program, "kill", "--signal", str(number), job.name])

    def remove(self, job: Job) -> None:
        """See `Runtime.remove`."""
        quietly([self.program, "rm", "--force", "--volumes", job.name])


def _tmpfs(path: str, job: Job) -> str:
    """Return a folder in memory; docker does not copy what the image has there."""
    one = next(one for one in job.scratches if one.path == path)
    return f"{path}:mode={one.mode:04o},uid={one.uid},gid={one.gid},exec"
