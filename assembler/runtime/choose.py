"""Which runtime: the one that is asked for, else the first of crun, runc, podman, docker that can work here.

In: its name or path, and who asks for what. Out: `Runtime`.
"""

from __future__ import annotations

import os
import pwd
import shutil
from typing import TYPE_CHECKING, Final

from assembler.base.errors import ProgramError
from assembler.runtime.oci_runtime import OciRuntime
from assembler.runtime.spec import Caller

if TYPE_CHECKING:
    from assembler.runtime.runtimes import Runtime
    from assembler.runtime.users import User

ORDER: Final = ("crun", "runc", "podman", "docker")
_UNIFIED: Final = "/sys/fs/cgroup/unified/cgroup.controllers"
_IDS_OF_AN_IMAGE: Final = 1 << 16
_HYBRID: Final = "it refuses hybrid cgroups: controllers of version 2 below version 1"


def choose(wanted: str | None, user: User) -> Runtime:
    """Return a runtime.

    Args:
        wanted: a name of `ORDER`, or a path; None for whichever works.
        user: who the process is, which decides what works without root.

    Raises:
        ProgramError: it is not installed, or cannot work here; of several, the message says why of each.
    """
    caller = Caller(os.geteuid(), os.getegid(), _is_alone())
    if wanted is not None:
        found = _find(wanted)
        if found is None:
            raise ProgramError(f"{wanted}: not installed", hint=f"brasm knows {', '.join(ORDER)}")
        return _asked_for(wanted, found, caller)
    reasons = []
    for name in ORDER:
        program = _find(name)
        reason = "not installed" if program is None else _objection(name, caller, user)
        if program is not None and reason is None:
            return _make(name, program, caller)
        reasons.append(f"{name}: {reason}")
    raise ProgramError(f"no runtime works here: {'; '.join(reasons)}", hint="apt install crun, or give --runtime")


def has_hybrid_cgroups() -> bool:
    """Whether cgroup version 2 has controllers below version 1: there crun refuses to work."""
    try:
        with open(_UNIFIED, encoding="ascii") as file:
            return bool(file.read().strip())
    except OSError:
        return False


def _asked_for(wanted: str, program: str, caller: Caller) -> Runtime:
    base = os.path.basename(wanted)
    name = next((known for known in ORDER if known in base), base)
    if name == "crun" and has_hybrid_cgroups():
        raise ProgramError(f"{wanted}: {_HYBRID}", hint="give --runtime runc, or unmount /sys/fs/cgroup/unified")
    return _make(name, program, caller)


def _find(name: str) -> str | None:
    """Look where programs are; an ordinary user's PATH often lacks the folders of root's."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin")
    return None if found is None else os.path.abspath(found)


def _objection(name: str, caller: Caller, user: User) -> str | None:
    """Return why a runtime that is installed would not work."""
    if name == "crun" and has_hybrid_cgroups():
        return _HYBRID
    if name == "runc" and caller.rootless and (user.uid, user.gid) != (0, 0):
        return f"without root it runs images only as 0:0, not {user.uid}:{user.gid}"
    if name == "podman" and caller.rootless and not _has_subordinate_ids(caller.uid):
        return "this user has no range in /etc/subuid"
    if name == "docker" and not os.environ.get("DOCKER_HOST") and not os.access("/var/run/docker.sock", os.W_OK):
        return "its daemon is not running, or not for this user"
    return None


def _is_alone() -> bool:
    """Whether this process's user namespace has too few ids for the users of images (user_namespaces(7), uid_map)."""
    try:
        with open("/proc/self/uid_map", encoding="utf-8") as file:
            return sum(int(line.split()[2]) for line in file) < _IDS_OF_AN_IMAGE
    except OSError:
        return False


def _has_subordinate_ids(uid: int) -> bool:
    """Whether podman can map the ids of an image for a user (subuid(5))."""
    try:
        names = {str(uid), pwd.getpwuid(uid).pw_name}
    except KeyError:
        names = {str(uid)}
    try:
        with open("/etc/subuid", encoding="utf-8", errors="replace") as file:
            return any(line.partition(":")[0] in names for line in file)
    except OSError:
        return False


def _make(name: str, program: str, caller: Caller) -> Runtime:
    if name == "podman":
        from assembler.runtime.podman import Podman

        return Podman(program, _find("runc") if has_hybrid_cgroups() else None)
    if name == "docker":
        from assembler.runtime.docker import Docker

        return Docker(program)
    return OciRuntime(name, program, caller)
