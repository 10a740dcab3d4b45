"""The runtime-spec's config.json."""

from __future__ import annotations

from typing import Any

import pytest

from assembler.oci.types import ContainerConfig
from assembler.runtime.box import Bind, Box
from assembler.runtime.process import Process
from assembler.runtime.spec import Caller, process_spec, runtime_spec
from assembler.runtime.users import User
from tests.runtime.making import job

ROOT = Caller(0, 0)
USER = Caller(1000, 100)


def mounts(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {mount["destination"]: mount for mount in spec["mounts"]}


def test_by_default_a_container_may_nothing() -> None:
    spec = runtime_spec(job(), ROOT, {})
    assert spec["root"] == {"path": "/f/rootfs", "readonly": True}
    assert set(map(tuple, spec["process"]["capabilities"].values())) == {()}
    assert set(spec["process"]["capabilities"]) == {"bounding", "effective", "permitted", "inheritable", "ambient"}
    assert spec["process"]["noNewPrivileges"] is True
    assert "rlimits" not in spec["process"]
    assert [one["type"] for one in spec["linux"]["namespaces"]] == ["pid", "mount", "ipc", "uts", "network"]
    assert "resources" not in spec["linux"]
    assert "/proc/kcore" in spec["linux"]["maskedPaths"]
    assert "gid=5" in mounts(spec)["/dev/pts"]["options"]


def test_the_process() -> None:
    spec = runtime_spec(job(user=User(101, 102, (5, 7))), ROOT, {})["process"]
    assert spec["user"] == {"uid": 101, "gid": 102, "additionalGids": [5, 7]}
    assert (spec["args"], spec["cwd"]) == (["/bin/sh", "-c", "true"], "/srv")
    assert (spec["env"], spec["terminal"]) == (["PATH=/bin", "A=b c"], False)


def test_a_terminal_is_the_first_process_s_alone() -> None:
    one = job(terminal=True)
    assert runtime_spec(one, ROOT, {})["process"]["terminal"] is True
    assert "TERM=xterm" in runtime_spec(one, ROOT, {})["process"]["env"]
    beside = process_spec(Process(("id",), ("PATH=/bin",), "/", User()), one, ROOT)
    assert (beside["terminal"], beside["env"]) == (False, ["PATH=/bin"])


def test_what_is_allowed() -> None:
    box = Box("host", 64_000_000, ("CAP_KILL",), ("/run",), read_only=False, binds=(Bind("/x", "/y", read_only=True),))
    spec = runtime_spec(job(box), ROOT, {"/etc/hosts": "/f/hosts"})
    assert spec["root"]["readonly"] is False
    assert spec["process"]["capabilities"]["ambient"] == ["CAP_KILL"]
    assert spec["linux"]["resources"] == {"memory": {"limit": 64_000_000}}
    assert {"type": "network"} not in spec["linux"]["namespaces"]
    found = mounts(spec)
    assert found["/sys"]["type"] == "sysfs"
    assert (found["/y"]["source"], found["/y"]["options"]) == ("/x", ["rbind", "rprivate", "ro"])
    assert found["/etc/hosts"]["options"] == ["rbind", "rprivate", "ro"]
    assert found["/run"]["options"][-4:] == ["tmpcopyup", "mode=1777", "uid=0", "gid=0"]


def test_volumes_keep_their_owner() -> None:
    config = ContainerConfig(volumes={"/var/cache": {}})
    options = mounts(runtime_spec(job(config=config), ROOT, {}))["/var/cache"]["options"]
    assert options == ["nosuid", "nodev", "tmpcopyup", "mode=0750", "uid=101", "gid=102"]


@pytest.mark.parametrize("caller", [USER, Caller(0, 0, alone=True)], ids=["user", "root of a small namespace"])
def test_without_root_there_is_one_id_and_no_cgroup(caller: Caller) -> None:
    box = Box(memory=1 << 20)
    config = ContainerConfig(volumes={"/var/cache": {}})
    spec = runtime_spec(job(box, User(101, 102, (5,)), config), caller, {})
    assert spec["linux"]["uidMappings"] == [{"containerID": 101, "hostID": caller.uid, "size": 1}]
    assert spec["linux"]["gidMappings"] == [{"containerID": 102, "hostID": caller.gid, "size": 1}]
    assert {"type": "user"} in spec["linux"]["namespaces"]
    assert "resources" not in spec["linux"]
    assert "additionalGids" not in spec["process"]["user"]
    assert "gid=5" not in mounts(spec)["/dev/pts"]["options"]
    assert mounts(spec)["/var/cache"]["options"][-2:] == ["uid=101", "gid=102"]


def test_sysfs_of_the_machine_s_network_is_not_a_user_s_to_mount() -> None:
    system = mounts(runtime_spec(job(Box("host")), USER, {}))["/sys"]
    assert (system["type"], system["source"], system["options"][0]) == ("none", "/sys", "rbind")
