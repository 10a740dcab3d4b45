"""Credentials: where they are found, which of them, and what stays when they are stored and erased."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assembler.base.errors import BrasmError, DestinationError, ProgramError, UsageError
from assembler.remote import credentials as module
from assembler.remote.access import Access
from assembler.remote.authfile import HUB_KEY, hostname, matching
from assembler.remote.credentials import Credentials, Place, erase, erase_all, find, locate, store
from tests.tools import environment, need_root

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    AuthFile = Callable[..., Path]

SECRET = "s3cret:with colon, ümlaut"
HERE = Access()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without credentials."""
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path


def entry(user: str, password: str = SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def write(path: Path, auths: dict[str, Any] | None = None, **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(({} if auths is None else {"auths": auths}) | more))
    return path


def user_of(host: str, repository: str | None = None, access: Access = HERE) -> str | None:
    found = find(host, repository, access)
    return None if found is None else found.username


# --- which file


def test_files_are_asked_in_their_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "docker": home / ".docker/config.json",
        "config": home / ".config/containers/auth.json",
        "runtime": home / "run/containers/auth.json",
        "environment": home / "environment.json",
        "option": home / "option.json",
    }
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(files["environment"]))
    assert user_of("quay.io") is None
    for user, path in files.items():
        write(path, {"quay.io": entry(user)})
        access = Access(authfile=str(path)) if user == "option" else HERE
        assert user_of("quay.io", access=access) == user
        assert find("quay.io", None, access) == Credentials(user, SECRET)


def test_variables_name_the_folders(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / "d/config.json", {"quay.io": entry("docker")})
    monkeypatch.setenv("DOCKER_CONFIG", str(home / "d"))
    assert user_of("quay.io") == "docker"
    write(home / "c/containers/auth.json", {"quay.io": entry("podman")})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "c"))
    assert user_of("quay.io") == "podman"


def test_without_a_runtime_folder_podmans_own_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert f"/run/containers/{os.getuid()}/auth.json" in module._files(HERE)


def test_a_file_that_does_not_know_the_host_is_passed(home: Path) -> None:
    write(home / "run/containers/auth.json", {"ghcr.io": entry("other"), "quay.io": {}})
    write(home / ".docker/config.json", {"quay.io": entry("ann")})
    assert user_of("quay.io") == "ann"


def test_a_file_that_is_named_is_asked_alone(home: Path) -> None:
    write(home / ".docker/config.json", {"quay.io": entry("ann")})
    named = write(home / "named.json", {})
    assert user_of("quay.io", access=Access(authfile=str(named))) is None
    assert user_of("quay.io", access=Access(authfile="/dev/null")) is None
    with pytest.raises(UsageError, match=r"absent\.json: no such file"):
        find("quay.io", None, Access(authfile=str(home / "absent.json")))


# --- which entry


@pytest.mark.parametrize(
    ("keys", "host", "repository", "wanted"),
    [
        (["quay.io"], "quay.io", "team/app", "quay.io"),
        (["quay.io", "quay.io/team", "quay.io/team/app"], "quay.io", "team/app", "quay.io/team/app"),
        (["quay.io", "quay.io/team"], "quay.io", "team/app", "quay.io/team"),
        (["quay.io/team/"], "quay.io", "team/app", "quay.io/team/"),
        (["quay.io/team"], "quay.io", None, None),
        (["quay.io/te"], "quay.io", "team/app", None),
        (["quay.io/team/app/more"], "quay.io", "team/app", None),
        (["quay.io:443"], "quay.io", "team/app", None),
        (["quay.io"], "quay.io:443", "team/app", None),
        (["localhost:5000"], "localhost:5000", "app", "localhost:5000"),
        (["https://quay.io"], "quay.io", "team/app", "https://quay.io"),
        (["http://quay.io/v2/"], "quay.io", "team/app", "http://quay.io/v2/"),
        (["https://quay.io/some/path"], "quay.io", "team/app", "https://quay.io/some/path"),
        (["quay.io/v1/"], "quay.io", "team/app", "quay.io/v1/"),
        (["https://quay.io", "quay.io"], "quay.io", None, "quay.io"),
        (["QUAY.io"], "quay.io", None, "QUAY.io"),
        ([HUB_KEY], "docker.io", "library/alpine", HUB_KEY),
        ([HUB_KEY], "registry-1.docker.io", "library/alpine", HUB_KEY),
        (["docker.io"], "index.docker.io", "library/alpine", "docker.io"),
        (["docker.io/team", HUB_KEY], "docker.io", "team/app", "docker.io/team"),
        (["docker.io/team", HUB_KEY], "docker.io", "library/alpine", HUB_KEY),
        (["index.docker.io/v1/"], "docker.io", "team/app", "index.docker.io/v1/"),
        (["registry.docker.io"], "docker.io", "team/app", None),
    ],
)
def test_the_key_that_speaks_of_a_repository(
    keys: list[str], host: str, repository: str | None, wanted: str | None
) -> None:
    assert next(iter(matching(keys, host, repository, whole_hosts=False)), None) == wanted


def test_in_dockers_file_a_key_with_a_path_speaks_of_its_host(home: Path) -> None:
    path = write(home / ".docker/config.json", {"quay.io/other": entry("other")})
    assert user_of("quay.io", "team/app") == "other"
    write(path, {"quay.io/other": entry("other"), "quay.io": entry("ann")})
    assert user_of("quay.io", "team/app") == "ann"
    write(home / ".config/containers/auth.json", {"ghcr.io/other": entry("other")})
    assert user_of("ghcr.io", "team/app") is None


label = st.from_regex(r"[a-z0-9]{1,4}", fullmatch=True)
hosts = st.builds(
    lambda names, port: ".".join(names) + port, st.lists(label, min_size=2, max_size=3), st.sampled_from(["", ":5000"])
)
paths = st.lists(label.filter(lambda part: part not in {"v1", "v2"}), min_size=1, max_size=4)


@given(hosts, paths, st.data())
def test_the_longest_path_above_a_repository_wins(host: str, path: list[str], data: st.DataObject) -> None:
    depths = data.draw(st.sets(st.integers(0, len(path)), min_size=1))
    above = ["/".join([host, *path[:depth]]) for depth in depths]
    beside = ["/".join([host, *path[:depth]]) + "x" for depth in range(len(path) + 1)]
    keys = data.draw(st.permutations([*above, *beside]))
    assert matching(keys, host, "/".join(path), whole_hosts=False) == sorted(above, key=len, reverse=True)


@given(hosts, st.sampled_from(["", "http://", "https://"]), st.sampled_from(["", "/", "/v1/", "/v2/"]))
def test_spellings_of_a_host_are_one(host: str, scheme: str, path: str) -> None:
    key = f"{scheme}{host.upper()}{path}"
    assert hostname(key) == host
    assert matching([key], host, "team/app", whole_hosts=False) == [key]
    assert matching([key], f"x{host}", "team/app", whole_hosts=True) == []


@given(hosts, hosts, paths)
def test_credentials_of_one_host_are_never_those_of_another(one: str, other: str, path: list[str]) -> None:
    key = "/".join([one, *path])
    assert (matching([key], other, "/".join(path), whole_hosts=True) == [key]) == (one == other)


# --- what stands in an entry


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        (entry("ann"), Credentials("ann", SECRET)),
        (entry("ann", "pass\0\0"), Credentials("ann", "pass")),
        ({"username": "ann", "password": "pass"}, Credentials("ann", "pass")),
        (entry("", "") | {"identitytoken": "token"}, Credentials("", "", "token")),
        ({"identitytoken": "token"}, Credentials("", "", "token")),
        (entry("ann") | {"email": "ann@example.org", "unknown": 1}, Credentials("ann", SECRET)),
        ({}, None),
        ({"auth": ""}, None),
        ({"auth": None}, None),
    ],
)
def test_forms_of_an_entry(home: Path, fields: dict[str, Any], wanted: Credentials | None) -> None:
    write(home / ".docker/config.json", {"quay.io": fields})
    assert find("quay.io", None, HERE) == wanted


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", r"config\.json: is not JSON: line 1"),
        ("[" * 100_000, r"config\.json: is not JSON"),
        ("[]", r"config\.json: is no JSON object"),
        ('{"auths": []}', r"config\.json: auths: is no JSON object"),
        ('{"auths": {"quay.io": "s3cret"}}', r"config\.json: auths\.quay\.io: is no JSON object"),
        ('{"auths": {"quay.io": {"auth": 1}}}', r"auths\.quay\.io\.auth: is no string"),
        ('{"auths": {"quay.io": {"auth": "s3cret!"}}}', r"auths\.quay\.io\.auth: is not base64 of USER:PASSWORD"),
        ('{"auths": {"quay.io": {"auth": "czNjcmV0"}}}', r"auths\.quay\.io\.auth: is not base64 of USER:PASSWORD"),
        ('{"auths": {"quay.io": {"auth": "//79Og=="}}}', r"auths\.quay\.io\.auth: is not base64"),
        ('{"credHelpers": []}', r"config\.json: credHelpers: is no JSON object"),
        ('{"credHelpers": {"quay.io": 1}}', r"credHelpers\.quay\.io: is not the NAME"),
        ('{"credsStore": {}, "credHelpers": {"quay.io": "../x"}}', r"credHelpers\.quay\.io: is not the NAME"),
        ('{"credsStore": ["x"]}', r"credsStore: is not the NAME"),
    ],
)
def test_malformed_files_are_named_with_the_key(home: Path, text: str, problem: str) -> None:
    path = write(home / ".docker/config.json")
    path.write_text(text)
    with pytest.raises(UsageError, match=problem) as caught:
        find("quay.io", None, HERE)
    assert "s3cret" not in caught.value.message
    assert str(path) in caught.value.message
    before = path.read_bytes()
    if "quay" not in problem or "credHelpers" in problem:  # an entry that is malformed is replaced
        with pytest.raises(UsageError, match=problem):
            store("quay.io", Credentials("ann", "pass"), HERE)
        assert path.read_bytes() == before


def test_files_that_cannot_be_read(home: Path) -> None:
    (home / ".docker/config.json").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"config\.json: cannot be read: Is a directory"):
        find("quay.io", None, HERE)


def test_a_file_of_another_user_is_an_error(home: Path) -> None:
    need_root()
    path = write(home / "private.json", {"quay.io": entry("ann")})
    path.chmod(0o600)
    code = (
        "import os, sys\n"
        "from assembler.remote.credentials import find; from assembler.remote.access import Access\n"
        "from assembler.base.errors import UsageError\n"
        "os.setuid(65534)\n"
        "try: find('quay.io', None, Access(authfile=sys.argv[1]))\n"
        "except UsageError as error: print(error.message)"
    )
    for folder in path.parents:
        if folder.stat().st_uid == 0 and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, env=environment()
    )
    assert done.stdout == f"{path}: cannot be read: Permission denied\n"


def test_secrets_do_not_show() -> None:
    for credentials in (Credentials("ann", "s3cret"), Credentials("ann", "", "s3cret")):
        shown = [repr(credentials), str(credentials), f"{credentials}", f"{[credentials]!r}"]
        assert "s3cret" not in " ".join(shown)
        assert "ann" in repr(credentials)
        assert "s3cret" not in str(list(credentials.__rich_repr__()))
    with pytest.raises(AttributeError):
        Credentials("a", "b").password = "c"  # type: ignore[misc]


# --- helpers

HELPER = """#!{python}
import json, os, sys
folder = {folder!r}
with open(folder + "/log", "a") as log:
    print(*sys.argv[1:], open("/proc/self/cmdline").read().replace("\\0", " "), file=log)
state = folder + "/state"
known = json.load(open(state)) if os.path.exists(state) else {{}}
match sys.argv[1]:
    case "get":
        server = sys.stdin.read().strip()
        with open(folder + "/asked", "a") as asked:
            print(server, file=asked)
        if server not in known:
            print("credentials not found in native keychain")
            sys.exit(1)
        print(json.dumps({{"ServerURL": server, "Username": known[server][0], "Secret": known[server][1]}}))
    case "store":
        given = json.load(sys.stdin)
        known[given["ServerURL"]] = [given["Username"], given["Secret"]]
    case "erase":
        del known[sys.stdin.read().strip()]
    case "list":
        print(json.dumps({{server: pair[0] for server, pair in known.items()}}))
json.dump(known, open(state, "w"))
"""


@pytest.fixture
def helper(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that makes a `docker-credential-NAME` on PATH and returns its folder."""
    programs = home / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def make(name: str, script: str = HELPER, **known: list[str]) -> Path:
        folder = home / f"helper-{name}"
        folder.mkdir()
        (folder / "state").write_text(json.dumps(known))
        program = programs / f"docker-credential-{name}"
        program.write_text(script.format(python=sys.executable, folder=str(folder)))
        program.chmod(0o755)
        return folder

    return make


def test_a_helper_is_asked_before_the_entries(home: Path, helper: AuthFile) -> None:
    helper("mine", **{"quay.io": ["helped", SECRET], HUB_KEY: ["hub", SECRET]})
    write(home / ".docker/config.json", {"quay.io": entry("plain"), "ghcr.io": entry("plain")}, credsStore="mine")
    assert find("quay.io", "team/app", HERE) == Credentials("helped", SECRET)
    assert user_of("docker.io") == user_of("registry-1.docker.io") == "hub"
    assert user_of("ghcr.io") == "plain"
    assert user_of("gcr.io") is None


def test_a_helper_of_a_host_is_asked_before_that_of_all(home: Path, helper: AuthFile) -> None:
    one = helper("one", **{"quay.io": ["one", SECRET], "docker.io": ["podman's", SECRET]})
    other = helper("other", **{"quay.io": ["other", SECRET], "ghcr.io": ["other", SECRET]})
    named = {"https://quay.io": "one", HUB_KEY: "one"}
    write(home / ".docker/config.json", credsStore="other", credHelpers=named)
    assert [user_of(host) for host in ("quay.io", "ghcr.io", "docker.io")] == ["one", "other", "podman's"]
    assert (one / "asked").read_text().split() == ["quay.io", HUB_KEY, "docker.io"]
    assert (other / "asked").read_text().split() == ["ghcr.io"]


def test_a_helper_gives_identity_tokens(home: Path, helper: AuthFile) -> None:
    helper("mine", **{"quay.io": ["<token>", "the token"]})
    write(home / ".docker/config.json", credsStore="mine")
    assert find("quay.io", None, HERE) == Credentials("", "", "the token")


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (None, "docker-credential-mine: not installed, or not on PATH"),
        ("#!/bin/sh\necho a; echo 'no\tkeyring'; exit 3", r"failed with exit code 3: no\\x09keyring"),
        ("#!/bin/sh\nexit 3", "failed with exit code 3: no message"),
        ("#!/bin/sh\nkill -9 $$", "failed with exit code -9: no message"),
        ("#!/bin/sh\nprintf '\\377'; exit 1", "its answer is not the JSON"),
        ("#!/bin/sh\necho s3cret", "its answer is not the JSON"),
        ("#!/bin/sh\necho '[\"s3cret\"]'", "its answer is not the JSON"),
        ('#!/bin/sh\necho \'{{"Secret": "s3cret"}}\'', "its answer is not the JSON"),
        ('#!/bin/sh\necho \'{{"Username": "a", "Secret": ["s3cret"]}}\'', "its answer has no Username and Secret"),
        ("#!/no/such/interpreter", "not installed or not available"),
    ],
)
def test_a_helper_that_fails_is_named_with_its_file(
    home: Path, helper: AuthFile, script: str | None, problem: str
) -> None:
    path = write(home / ".docker/config.json", {"quay.io": entry("plain")}, credHelpers={"quay.io": "mine"})
    if script is not None:
        helper("mine", script)
    with pytest.raises(ProgramError, match=problem) as caught:
        find("quay.io", None, HERE)
    assert caught.value.message.startswith("docker-credential-mine: ")
    assert caught.value.hint is not None
    assert str(path) in caught.value.hint
    assert "s3cret" not in caught.value.message
    assert user_of("ghcr.io") is None


def test_the_sdk_is_imported_for_helpers_only(home: Path) -> None:
    write(home / ".docker/config.json", {"quay.io": entry("ann")})
    code = (
        "import sys; from assembler.remote.credentials import find; from assembler.remote.access import Access\n"
        "print(find('quay.io', 'team/app', Access()).username, 'docker' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout == "ann False\n"


# --- storing and erasing


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_stored_is_found(home: Path) -> None:
    path = home / ".docker/config.json"
    for host, credentials in (
        ("quay.io", Credentials("ann", SECRET)),
        ("docker.io", Credentials("bob", "")),
        ("localhost:5000", Credentials("", "", "token")),
    ):
        assert store(host, credentials, HERE) == Place(str(path), plain=True)
        assert find(host, "team/app", HERE) == credentials
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert list(json.loads(path.read_text())["auths"]) == ["quay.io", HUB_KEY, "localhost:5000"]
    assert os.listdir(path.parent) == ["config.json"]


def test_where_credentials_are_stored(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = Credentials("ann", SECRET)
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(home / "deep/down/environment.json"))
    assert store("quay.io", credentials, HERE).name == str(home / "deep/down/environment.json")
    named = Access(authfile=str(home / "named.json"))
    assert store("quay.io", credentials, named).name == str(home / "named.json")
    assert locate("quay.io", None, named) == (credentials, Place(str(home / "named.json"), plain=True))
    assert erase("quay.io", named)
    assert find("quay.io", None, named) is None
    assert find("quay.io", None, HERE) == credentials


def test_all_else_in_the_file_stays(home: Path) -> None:
    path = write(
        home / ".docker/config.json",
        {"ghcr.io": entry("other") | {"email": "x"}, "https://quay.io/v1/": entry("old"), "quay.io/team": entry("t")},
        HttpHeaders={"X-Meta": "ü"},
        psFormat="table",
        plugins={"a": {"b": [1, 2.5, None, True, 1 << 70]}},
    )
    path.chmod(0o644)
    before = json.loads(path.read_text())
    store("quay.io", Credentials("ann", SECRET), HERE)
    after = json.loads(path.read_text())
    assert list(after["auths"]) == ["ghcr.io", "quay.io/team", "quay.io"]
    del before["auths"]["https://quay.io/v1/"]
    assert erase("quay.io", HERE)
    assert not erase("quay.io", HERE)
    assert json.loads(path.read_text()) == before
    assert list(json.loads(path.read_text())) == list(before)
    assert mode(path) == 0o600


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
keys = st.text().filter(lambda key: key not in {"auths", "credHelpers", "credsStore"})


@settings(deadline=None)
@given(st.dictionaries(keys, json_values), st.dictionaries(hosts, json_values), hosts, st.text(min_size=1))
def test_storing_and_erasing_leave_what_was_there(
    tmp_path_factory: pytest.TempPathFactory, more: Any, auths: Any, host: str, password: str
) -> None:
    auths.pop(host, None)
    path = tmp_path_factory.mktemp("stored") / "auth.json"
    path.write_text(json.dumps(more | {"auths": auths}))
    access = Access(authfile=str(path))
    store(host, Credentials("ann", password.rstrip("\0")), access)
    assert find(host, None, access) == Credentials("ann", password.rstrip("\0"))
    assert erase(host, access)
    assert json.loads(path.read_text()) == more | {"auths": auths}


def test_a_link_stays_a_link(home: Path) -> None:
    real = write(home / "dotfiles/docker.json", {})
    (home / ".docker").mkdir()
    (home / ".docker/config.json").symlink_to(real)
    store("quay.io", Credentials("ann", SECRET), HERE)
    assert (home / ".docker/config.json").is_symlink()
    assert "quay.io" in real.read_text()


def test_a_users_file_stays_the_users(home: Path) -> None:
    need_root()
    path = write(home / ".docker/config.json", {})
    os.chown(path, 1234, 2345)
    store("quay.io", Credentials("ann", SECRET), HERE)
    assert (path.stat().st_uid, path.stat().st_gid, mode(path)) == (1234, 2345, 0o600)


def test_nothing_is_written_where_nothing_changes(home: Path) -> None:
    assert not erase("quay.io", HERE)
    assert erase_all(HERE) == ()
    assert not (home / ".docker").exists()
    path = write(home / ".docker/config.json", {"ghcr.io": entry("ann")})
    before = path.stat()
    assert not erase("quay.io", HERE)
    assert path.stat() == before


def test_a_place_that_cannot_be_written(home: Path) -> None:
    (home / "file").touch()
    with pytest.raises(DestinationError, match=r"auth\.json: cannot be written"):
        store("quay.io", Credentials("ann", SECRET), Access(authfile=str(home / "file/auth.json")))


def test_two_at_once_both_stay(home: Path) -> None:
    code = (
        "import sys; from assembler.remote.access import Access\n"
        "from assembler.remote.credentials import Credentials, store\n"
        "for number in range(10): store(f'{sys.argv[1]}{number}.example', Credentials('u', 'p'), Access())"
    )
    names = ["a", "b", "c", "d"]
    workers = [subprocess.Popen([sys.executable, "-c", code, name], env=environment()) for name in names]
    assert [worker.wait(60) for worker in workers] == [0] * len(workers)
    auths = json.loads((home / ".docker/config.json").read_text())["auths"]
    assert sorted(auths) == sorted(f"{name}{number}.example" for name in names for number in range(10))


def test_a_helper_keeps_what_is_stored(home: Path, helper: AuthFile) -> None:
    folder = helper("mine")
    path = write(home / ".docker/config.json", {"quay.io": entry("plain")}, credsStore="mine")
    for host, key in (("quay.io", "quay.io"), ("docker.io", HUB_KEY)):
        assert store(host, Credentials("ann", SECRET), HERE) == Place("docker-credential-mine", plain=False)
        assert json.loads((folder / "state").read_text())[key] == ["ann", SECRET]
        assert json.loads(path.read_text())["auths"][key] == {}
        assert user_of(host) == "ann"
    assert SECRET not in path.read_text()
    assert entry("plain")["auth"] not in path.read_text()
    store("quay.io", Credentials("", "", "token"), HERE)
    assert json.loads((folder / "state").read_text())["quay.io"] == ["<token>", "token"]
    assert find("quay.io", None, HERE) == Credentials("", "", "token")
    assert erase("quay.io", HERE)
    assert not erase("quay.io", HERE)
    assert json.loads((folder / "state").read_text()) == {HUB_KEY: ["ann", SECRET]}
    assert list(json.loads(path.read_text())["auths"]) == [HUB_KEY]


def test_secrets_are_in_no_command_line(home: Path, helper: AuthFile) -> None:
    folder = helper("mine")
    write(home / ".docker/config.json", credsStore="mine")
    store("quay.io", Credentials("ann", "s3cret"), HERE)
    assert user_of("quay.io") == "ann"
    assert erase("quay.io", HERE)
    log = (folder / "log").read_text()
    assert [line.split()[0] for line in log.splitlines()] == ["store", "get", "get", "erase"]
    assert "s3cret" not in log


def test_a_helper_that_cannot_store_changes_nothing(home: Path, helper: AuthFile) -> None:
    path = write(home / ".docker/config.json", {"quay.io": entry("plain")}, credsStore="mine")
    before = path.read_bytes()
    helper("mine", '#!/bin/sh\nread -r given; echo "bad: $given"; exit 1')
    with pytest.raises(ProgramError, match=r"bad: .*\*\*\*") as caught:
        store("quay.io", Credentials("ann", "s3cret"), HERE)
    assert "s3cret" not in str(caught.value)
    assert path.read_bytes() == before


def test_a_helper_that_says_not_found_when_it_stores(home: Path, helper: AuthFile) -> None:
    write(home / ".docker/config.json", credsStore="mine")
    helper("mine", "#!/bin/sh\necho credentials not found in native keychain; exit 1")
    with pytest.raises(ProgramError, match="it was to keep credentials"):
        store("quay.io", Credentials("ann", "s3cret"), HERE)


def test_all_are_erased(home: Path, helper: AuthFile) -> None:
    folder = helper("mine", **{"quay.io": ["a", "b"], HUB_KEY: ["a", "b"], "https://gcr.io": ["a", "b"]})
    path = write(
        home / ".docker/config.json",
        {HUB_KEY: {}, "ghcr.io": entry("a"), "ghcr.io/team": entry("a")},
        credsStore="mine",
        credHelpers={"gcr.io": "mine"},
        psFormat="x",
    )
    assert erase_all(HERE) == ("docker.io", "ghcr.io", "ghcr.io/team", "quay.io", "gcr.io")
    assert json.loads((folder / "state").read_text()) == {}
    left = json.loads(path.read_text())
    assert left == {"auths": {}, "credsStore": "mine", "credHelpers": {"gcr.io": "mine"}, "psFormat": "x"}


def test_errors_are_of_the_tree(home: Path) -> None:
    path = write(home / ".docker/config.json")
    path.write_bytes(os.urandom(100))
    with pytest.raises(BrasmError):
        erase("quay.io", HERE)


def test_credentials_are_values() -> None:
    assert msgspec.structs.replace(Credentials("a", "b"), password="c") == Credentials("a", "c")
