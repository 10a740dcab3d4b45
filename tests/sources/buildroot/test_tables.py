"""Device and users tables, line by line: what makedevs and mkusers would do, and what is wrong with a line."""

from __future__ import annotations

import struct

import pytest

from assembler.base.capabilities import CapabilityError, capability_xattr
from assembler.base.content import read
from assembler.base.errors import SourceError
from assembler.sources.buildroot.devices import apply_device_table, parse_device_table
from assembler.sources.buildroot.draft import Draft
from assembler.sources.buildroot.users import apply_users_table, hash_password, parse_users_table
from assembler.tree import Device, Fifo, Regular, Tree
from tests.trees import make_tree

ROOT = r"""
/etc/passwd   file 0644 501:501 root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/false\n
/etc/shadow   file 0600 501:501 root:*:::::::\nwww-data:*:::::::\n
/etc/group    file 0644 501:501 root:x:0:\nwww-data:x:33:\naudio:x:29:\n
/etc/gshadow  file 0600 501:501 root:*::\nwww-data:*::\naudio:*::\n
/bin/ping     file 0755 501:501 x
/bin/ping6    hard /bin/ping
/bin/sh       link ping
/opt/a/b      file 0640 501:501 x
/opt/a/l      link nowhere
/dev          dir 0755
"""


def after(table: str) -> Tree:
    draft = Draft(make_tree(ROOT))
    apply_device_table(draft, parse_device_table(table, "devices"), "devices")
    return draft.tree()


def with_users(table: str, method: str = "sha-256") -> Tree:
    draft = Draft(make_tree(ROOT))
    apply_users_table(draft, parse_users_table(table, "users"), method, "users")
    return draft.tree()


def text(tree: Tree, path: str) -> list[str]:
    entry = tree[path]
    assert isinstance(entry, Regular)
    return read(entry.content).decode().splitlines()


def owner(tree: Tree, path: str) -> tuple[int, int, int]:
    entry = tree[path]
    return entry.mode, entry.uid, entry.gid


def test_everything_is_roots_at_first() -> None:
    assert {(entry.uid, entry.gid) for entry in after("")} == {(0, 0)}


@pytest.mark.parametrize(
    ("line", "path", "expected"),
    [
        ("/bin/ping f 4755 0 0 - - - - -", "/bin/ping", (0o4755, 0, 0)),
        ("/bin/ping f 4755 0 0 - - - - -", "/bin/ping6", (0o4755, 0, 0)),
        ("/bin/sh f 2711 7 8", "/bin/ping", (0o2711, 7, 8)),
        ("/bin/ping f -1 1 2 - - - - -", "/bin/ping", (0o755, 1, 2)),
        ("/bin/ping F 700 www-data audio", "/bin/ping", (0o700, 33, 29)),
        ("/nowhere F 700 0 0", "/bin/ping", (0o755, 0, 0)),
        ("/srv/www d 2775 33 33 - - - - -", "/srv/www", (0o2775, 33, 33)),
        ("/srv/www d 2775 33 33 - - - - -", "/srv", (0o755, 0, 0)),
        ("/srv d -1 33 33 - - - - -", "/srv", (0o755, 33, 33)),
        ("/opt r 750 5 6", "/opt/a/b", (0o750, 5, 6)),
        ("/opt r 750 5 6", "/opt", (0o750, 5, 6)),
        ("/opt r 750 5 6", "/opt/a/l", (0o777, 5, 6)),
        ("/opt r -1 5 6", "/opt/a/b", (0o640, 5, 6)),
        ("  # /bin/ping f 4755 0 0", "/bin/ping", (0o755, 0, 0)),
        ("\n\n/bin/ping\tf\t4755\t0\t0\t-\t-\t-\t-\t-\n", "/bin/ping", (0o4755, 0, 0)),
    ],
)
def test_owners_and_modes(line: str, path: str, expected: tuple[int, int, int]) -> None:
    assert owner(after(line), path) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/dev/console c 666 0 0 5 1 - - -", {"console": (5, 1)}),
        ("/dev/null c 666 0 0 1 3 0 0 -", {"null": (1, 3)}),
        ("/dev/ram b 640 0 0 1 0 0 1 4", {"ram0": (1, 0), "ram1": (1, 1), "ram2": (1, 2), "ram3": (1, 3)}),
        ("/dev/uio b 640 0 0 252 1 6 2 3", {"uio6": (252, 1), "uio7": (252, 3), "uio8": (252, 5)}),
        ("/dev/one c 640 0 0 9 9 7 1 1", {"one": (9, 9)}),
    ],
)
def test_nodes_and_their_ranges(line: str, expected: dict[str, tuple[int, int]]) -> None:
    tree = after(line)
    nodes = [tree[f"/dev/{name}"] for name in tree.children("/dev")]
    assert {node.path[5:]: (node.major, node.minor) for node in nodes if isinstance(node, Device)} == expected
    assert {node.kind for node in nodes if isinstance(node, Device)} == {line.split()[1]}


def test_a_fifo() -> None:
    tree = after("/dev/initctl p 600 0 5 - - - - -")
    assert isinstance(tree["/dev/initctl"], Fifo)
    assert owner(tree, "/dev/initctl") == (0o600, 0, 5)


def test_capabilities_belong_to_the_file_before_and_to_its_hard_links() -> None:
    tree = after("/bin/ping f 755 0 0 - - - - -\n|xattr cap_net_raw+p\n |xattr cap_net_admin+p")
    both = (("security.capability", struct.pack("<5I", 0x02000000, 3 << 12, 0, 0, 0)),)
    assert tree["/bin/ping"].xattrs == tree["/bin/ping6"].xattrs == both
    with pytest.raises(SourceError, match=r"devices:1: [|]xattr stands after no file"):
        after("|xattr cap_net_raw+p")


def test_capability_text() -> None:
    raw, admin = 1 << 13, 1 << 12
    assert capability_xattr(["cap_net_raw+ep"]) == struct.pack("<5I", 0x02000001, raw, 0, 0, 0)
    assert capability_xattr(["cap_net_raw,cap_net_admin=p"]) == struct.pack("<5I", 0x02000000, raw | admin, 0, 0, 0)
    assert capability_xattr(["cap_net_raw=eip", "cap_net_raw-i"]) == struct.pack("<5I", 0x02000001, raw, 0, 0, 0)
    assert capability_xattr(["cap_bpf+i"]) == struct.pack("<5I", 0x02000000, 0, 0, 0, 1 << 7)
    assert capability_xattr(["all=p"]) == struct.pack("<5I", 0x02000000, 0xFFFFFFFF, 0, 0x1FF, 0)
    for bad in ("cap_net_raw", "cap_nothing+p", "+p", "cap_net_raw+q"):
        with pytest.raises(CapabilityError):
            capability_xattr([bad])
    with pytest.raises(CapabilityError, match="all of the others or none"):
        capability_xattr(["cap_net_raw+ep", "cap_net_admin+p"])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("/bin/ping f", "devices:1: '/bin/ping f': a device table needs"),
        ("\n/bin/ping x 755 0 0", "devices:2: 'x' is no type of file"),
        ("/bin/ping f 999 0 0", "devices:1: '999' is no mode"),
        ("/dev/x c 666 0 0 1048576 0", "devices:1: 1048576: major"),
        ("/nowhere f 755 0 0", "devices:1: regular file '/nowhere' does not exist"),
        ("/bin f 755 0 0", "devices:1: regular file '/bin' does not exist"),
        ("/bin/ping d 755 0 0", "devices:1: /bin/ping: not a directory"),
        ("/opt/a/l/x d 755 0 0", "devices:1: /opt/a/l/x: not a directory"),
        ("/bin/ping f 755 nobody 0", "devices:1: unknown user 'nobody': not in /etc/passwd"),
        ("/bin/ping f 755 0 games", "devices:1: unknown group 'games': not in /etc/group"),
        ("/nowhere r 755 0 0", "devices:1: /nowhere: no such file"),
        ("/dev/x/y c 666 0 0 1 1", "devices:1: /dev/x: no such directory"),
        ("/dev/x c 666 0 0 1 1\n/dev/x c 666 0 0 1 1", "devices:2: /dev/x: there already"),
        ("/bin/ping f 755 0 0\n|xattr cap_x+p", "devices:2: 'cap_x' is no capability"),
    ],
)
def test_bad_device_tables_are_errors_with_their_line(table: str, message: str) -> None:
    with pytest.raises(SourceError) as error:
        after(table)
    assert error.value.message.startswith(message)


def test_automatic_ids_never_take_what_a_later_line_asks_for() -> None:
    tree = with_users(
        "auto -1 auto -1 * - - - Automatic\n"
        "fixed 100 fixed 100 * /var/fixed /bin/sh audio,extra Fixed one\n"
        "human -2 human -2 * /home/human /bin/sh - A human\n"
        "- -1 input -1 * - - - only a group\n"
    )
    assert text(tree, "/etc/passwd")[2:] == [
        "fixed:x:100:100:Fixed one:/var/fixed:/bin/sh",
        "auto:x:101:101:Automatic:/:/bin/false",
        "human:x:1000:1000:A human:/home/human:/bin/sh",
    ]
    assert text(tree, "/etc/group") == [
        "root:x:0:",
        "www-data:x:33:",
        "fixed:x:100:",
        "auto:x:101:",
        "human:x:1000:",
        "input:x:102:",
        "audio:x:29:fixed",
        "extra:x:103:fixed",
    ]
    assert text(tree, "/etc/gshadow")[-2:] == ["audio:*::fixed", "extra:*::fixed"]
    assert owner(tree, "/var/fixed") == (0o755, 100, 100)
    assert owner(tree, "/var") == (0o755, 0, 0)
    assert owner(tree, "/home/human") == (0o755, 1000, 1000)


def test_a_home_that_is_there_becomes_its_users_with_all_in_it() -> None:
    tree = with_users("web 500 web 500 - /opt - - \n")
    assert {owner(tree, path)[1:] for path in ("/opt", "/opt/a", "/opt/a/b", "/opt/a/l")} == {(500, 500)}
    assert text(tree, "/etc/shadow")[-1] == "web::::::::"


def test_a_user_of_the_skeleton_is_replaced() -> None:
    tree = with_users("www-data 33 www-data 33 !=secret /srv /bin/sh - Web\n")
    assert text(tree, "/etc/passwd")[1:] == ["www-data:x:33:33:Web:/srv:/bin/sh"]
    assert text(tree, "/etc/shadow")[1].startswith("www-data:!$5$")


@pytest.mark.parametrize(("method", "start"), [("sha-256", "$5$"), ("sha-512", "$6$"), ("md5", "$1$"), ("des", "")])
def test_passwords_in_every_method_are_the_same_every_time(method: str, start: str) -> None:
    first, second = (hash_password("secret", method, "web") for _ in range(2))
    assert first == second
    assert first.startswith(start)
    assert first != hash_password("secret", method, "other")


def test_a_password_that_is_a_hash_stays() -> None:
    assert text(with_users("web 500 web 500 $6$x$y - - -\n"), "/etc/shadow")[-1] == "web:$6$x$y:::::::"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("web 500 web", "users:1: 'web 500 web': a users table needs"),
        ("# x\nroot 1 root 1 * - - -", "users:2: a users table cannot make root"),
        ("web 0 web 1 * - - -", "users:1: uid '0' is none"),
        ("web 1 web -3 * - - -", "users:1: gid '-3' is none"),
        ("web x web 1 * - - -", "users:1: uid 'x' is none"),
        ("web 1 web 1 * / - -", "users:1: home '/' is not an absolute path below /"),
        ("web 1 web 1 * home - -", "users:1: home 'home' is not"),
        ("web 33 web 500 * - - -", "users:1: uid 33 of 'web' is user 'www-data' already"),
        ("web 500 web 33 * - - -", "users:1: gid 33 of 'web' is group 'www-data' already"),
        ("web 500 web 500 * - - -\nwob 500 wob 501 * - - -", "users:2: uid 500 of 'wob' is user 'web' already"),
        ("web 500 web 500 * - - -\nwob 501 web 501 * - - -", "users:2: group 'web' has gid 500 already, not 501"),
        ("www-data 34 www-data 33 * - - -", "users:1: user 'www-data' has uid 33 already, not 34"),
        ("web 500 web 500 =x /bin/sh - -", "users: home /bin/sh: there is something else"),
    ],
)
def test_bad_users_tables_are_errors_with_their_line(table: str, message: str) -> None:
    with pytest.raises(SourceError) as error:
        with_users(table)
    assert error.value.message.startswith(message)


def test_an_unknown_method_of_hashing() -> None:
    with pytest.raises(SourceError, match="password method 'rot13' is not known"):
        with_users("web 500 web 500 =x - - -", "rot13")
