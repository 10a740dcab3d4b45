"""The runtime-spec's config.json of a container, as a pure function.

In: `Job`, who runs it. Out: the document. Source: runtime-spec v1.0.2, config.md and config-linux.md; the mounts, and
the masked and read-only paths, are those that `runc spec` and docker have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from assembler.runtime.box import Scratch
    from assembler.runtime.job import Job
    from assembler.runtime.process import Process

# fmt: off
_MASKED: Final = (
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
    "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
)
# fmt: on
_READ_ONLY: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_SETS: Final = ("bounding", "effective", "permitted", "inheritable", "ambient")
_PLAIN: Final = ("nosuid", "noexec", "nodev")


class Caller(Struct, frozen=True):
    """Who starts the runtime. An ordinary user gets a user namespace in which the one id of the image is theirs.

    Attributes:
        uid: effective.
        gid: likewise.
        alone: whether it is root of a user namespace that knows too few other ids for images.
    """

    uid: int
    gid: int
    alone: bool = False

    @property
    def rootless(self) -> bool:
        """Whether it is an ordinary user, or as good as one."""
        return self.uid != 0 or self.alone


def runtime_spec(job: Job, caller: Caller, files: dict[str, str]) -> dict[str, Any]:
    """Return the document.

    Args:
        job: the container.
        caller: who starts the runtime.
        files: files of the machine that are bound, read-only, to paths in /etc, as docker and podman do.
    """
    etc = [_bind(source, target, read_only=True) for target, source in files.items()]
    binds = [_bind(bind.source, bind.target, read_only=bind.read_only) for bind in job.box.binds]
    mounts = [*_system(job, caller), *etc, *(_tmpfs(one, job, caller) for one in job.scratches), *binds]
    return {
        "ociVersion": "1.0.2",
        "process": process_spec(job.process, job, caller),
        "root": {"path": job.image.root, "readonly": job.box.read_only},
        "hostname": job.name,
        "mounts": mounts,
        "linux": _linux(job, caller),
    }


def process_spec(process: Process, job: Job, caller: Caller) -> dict[str, Any]:
    """Return the object `process`, also of one that is started beside the first (`runc exec --process`)."""
    user: dict[str, Any] = {"uid": process.user.uid, "gid": process.user.gid}
    if process.user.groups and not caller.rootless:
        user["additionalGids"] = list(process.user.groups)
    terminal = job.terminal and process is job.process
    return {
        "terminal": terminal,
        "user": user,
        "args": list(process.args),
        "env": [*process.env, "TERM=xterm"] if terminal else list(process.env),
        "cwd": process.cwd,
        "capabilities": {kind: list(job.box.capabilities) for kind in _SETS},
        "noNewPrivileges": True,
    }


def _linux(job: Job, caller: Caller) -> dict[str, Any]:
    kinds = ["pid", "mount", "ipc", "uts"]
    linux: dict[str, Any] = {"maskedPaths": list(_MASKED), "readonlyPaths": list(_READ_ONLY)}
    if job.box.network == "none":
        kinds.append("network")
    if caller.rootless:
        kinds.append("user")
        linux["uidMappings"] = [{"containerID": job.user.uid, "hostID": caller.uid, "size": 1}]
        linux["gidMappings"] = [{"containerID": job.user.gid, "hostID": caller.gid, "size": 1}]
    elif job.box.memory is not None:
        linux["resources"] = {"memory": {"limit": job.box.memory}}
    linux["namespaces"] = [{"type": kind} for kind in kinds]
    return linux


def _system(job: Job, caller: Caller) -> list[dict[str, Any]]:
    """Return what every container has; without an own network, an ordinary user may not mount sysfs."""
    terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    terminals += [] if caller.rootless else ["gid=5"]
    system = _mount("/sys", "sysfs", "sysfs", *_PLAIN, "ro")
    if caller.rootless and job.box.network == "host":
        system = _mount("/sys", "none", "/sys", "rbind", *_PLAIN, "ro")
    return [
        _mount("/proc", "proc", "proc", *_PLAIN),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount("/dev/pts", "devpts", "devpts", *terminals),
        _mount("/dev/shm", "tmpfs", "shm", *_PLAIN, "mode=1777", "size=65536k"),  # noqa: S108 the container's
        _mount("/dev/mqueue", "mqueue", "mqueue", *_PLAIN),
        system,
    ]


def _tmpfs(one: Scratch, job: Job, caller: Caller) -> dict[str, Any]:
    """Return a folder in memory; `tmpcopyup`, which runc, crun and podman share, fills it with what is there."""
    uid, gid = (job.user.uid, job.user.gid) if caller.rootless else (one.uid, one.gid)
    owner = (f"mode={one.mode:04o}", f"uid={uid}", f"gid={gid}")
    return _mount(one.path, "tmpfs", "tmpfs", "nosuid", "nodev", "tmpcopyup", *owner)


def _bind(source: str, target: str, *, read_only: bool) -> dict[str, Any]:
    return _mount(target, "bind", source, "rbind", "rprivate", *(("ro",) if read_only else ()))


def _mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}
