"""`brasm login` and `brasm logout`: asked of a registry, kept where other programs find them, shown nowhere."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.remote.standin import Standin, TokenAuth
from tests.tools import BRASM, attempt, environment, lack, need, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Brasm = Callable[..., subprocess.CompletedProcess[str]]

PASSWORD = "s3cret: with colon"


@pytest.fixture
def registry() -> Iterator[Standin]:
    with Standin(basic={"ann": PASSWORD, "bob": "other"}) as standin:
        yield standin


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment without credentials."""
    gone = {"REGISTRY_AUTH_FILE": "", "DOCKER_CONFIG": "", "XDG_CONFIG_HOME": ""}
    return {**gone, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}


@pytest.fixture
def brasm(home: dict[str, str]) -> Brasm:
    def run(*arguments: str, stdin: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
        return attempt(*BRASM, *arguments, stdin=stdin, env={**home, **changes})

    return run


def test_in_and_out(brasm: Brasm, registry: Standin, tmp_path: Path) -> None:
    here, file = registry.address, tmp_path / ".docker/config.json"
    done = brasm("login", here, "-u", "ann", "--password-stdin", stdin=PASSWORD + "\n")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        f"note: {file}: the password stands there unencrypted; `credsStore` names a helper",
        f"logged in to {here}: {file}",
    ]
    assert list(json.loads(file.read_text())["auths"]) == [here]
    assert brasm("login", "--get-login", f"http://{here}/v2/").stdout == "ann\n"
    done = brasm("login", here, "-u", "bob", "--password-stdin", "-q", stdin="other")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert brasm("login", "--get-login", here).stdout == "bob\n"
    done = brasm("logout", here)
    assert (done.returncode, done.stderr) == (0, f"logged out of {here}\n")
    assert json.loads(file.read_text()) == {"auths": {}}
    done = brasm("logout", here)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, f"error: {here}: not logged in")
    done = brasm("login", "--get-login", here)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {here}: not logged in\n")


def test_what_a_registry_refuses_is_not_kept(brasm: Brasm, registry: Standin, tmp_path: Path) -> None:
    done = brasm("login", registry.address, "-u", "ann", "--password-stdin", stdin="wr0ng")
    assert done.returncode == 5
    assert done.stderr.startswith("error: ")
    assert "refused" in done.stderr
    assert "wr0ng" not in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".docker").exists()


def test_a_registry_with_tokens(brasm: Brasm, tmp_path: Path) -> None:
    with Standin(token_auth=TokenAuth(users={"ann": "secret"})) as registry:
        assert brasm("login", registry.address, "-u", "ann", "--password-stdin", stdin="wrong").returncode == 5
        assert not (tmp_path / ".docker").exists()
        assert brasm("login", registry.address, "-u", "ann", "--password-stdin", stdin="secret").returncode == 0
    assert brasm("login", "--get-login", registry.address).stdout == "ann\n"


@pytest.mark.parametrize(
    ("arguments", "stdin", "problem"),
    [
        (["REG"], "", "standard input is no terminal, so no password can be asked for"),
        (["REG", "--password-stdin"], "x", "--password-stdin: the user name is not given"),
        (["REG", "-u", "ann", "--password-stdin"], "", "the password on standard input is empty"),
        (["REG", "-u", "ann", "--password-stdin"], "\n", "the password on standard input is empty"),
        (["REG", "-u", "ann", "--password-stdin"], "\udcff", "the password on standard input is not UTF-8"),
        (["REG", "-u", "ann", "--password-stdin"], "x" * 70_000, "the password on standard input has more than 65,536"),
        (["REG", "-u", "a:b", "--password-stdin"], "x", "a:b: a user name has no colon"),
        (["quay.io/team/app", "-u", "ann", "--password-stdin"], "x", "a repository, not a registry"),
        (["quay io", "-u", "ann", "--password-stdin"], "x", "not the host of a registry"),
        (["", "-u", "ann", "--password-stdin"], "x", "not the host of a registry"),
        (["https://", "-u", "ann", "--password-stdin"], "x", "not the host of a registry"),
        (["-u", "ann", "--password-stdin"], "x", "Missing argument 'REGISTRY'"),
        (["REG", "-u", "ann", "--password", "x"], "", "No such option"),
    ],
)
def test_what_cannot_be_understood(
    brasm: Brasm, registry: Standin, tmp_path: Path, arguments: list[str], stdin: str, problem: str
) -> None:
    done = brasm("login", *(registry.address if one == "REG" else one for one in arguments), stdin=stdin)
    assert done.returncode == 2
    assert problem in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert not (tmp_path / ".docker").exists()
    assert not registry.requests


def test_a_malformed_file_is_named(brasm: Brasm, registry: Standin, tmp_path: Path) -> None:
    file = tmp_path / "auth.json"
    file.write_text('{"auths": 1}')
    for verb in (["login", "-u", "ann", "--password-stdin"], ["login", "--get-login"], ["logout"]):
        done = brasm(*verb, registry.address, "--authfile", str(file), stdin=PASSWORD)
        assert (done.returncode, done.stderr.splitlines()[0]) == (2, f"error: {file}: auths: is no JSON object")
    assert file.read_text() == '{"auths": 1}'


def test_logout_says_what_is_left(brasm: Brasm, registry: Standin, tmp_path: Path) -> None:
    here, other = registry.address, tmp_path / "run/containers/auth.json"
    login = ("login", here, "-u", "ann", "--password-stdin")
    assert brasm(*login, "--authfile", str(other), stdin=PASSWORD).returncode == 0
    done = brasm("logout", here)
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        [f"error: {here}: its credentials are in {other}", f"hint: brasm logout --authfile {other} {here}"],
    )
    done = brasm(*login, stdin=PASSWORD)
    assert f"note: {other} has other credentials of {here}, which are found before\n" in done.stderr
    done = brasm("logout", here)
    assert f"note: {other} has credentials of {here} too, which are used from now on\n" in done.stderr
    assert brasm("logout", "--authfile", str(other), here).returncode == 0
    assert brasm("login", "--get-login", here).returncode == 1


def test_all_are_forgotten(brasm: Brasm, registry: Standin, tmp_path: Path) -> None:
    assert brasm("login", registry.address, "-u", "ann", "--password-stdin", stdin=PASSWORD).returncode == 0
    assert brasm("logout").returncode == 2
    assert brasm("logout", "--all", registry.address).returncode == 2
    done = brasm("logout", "--all")
    assert (done.returncode, done.stderr) == (0, f"logged out of {registry.address}\n")
    assert json.loads((tmp_path / ".docker/config.json").read_text()) == {"auths": {}}
    assert brasm("logout", "--all").returncode == 0


def test_the_password_is_asked_for_without_echo(home: dict[str, str], registry: Standin, tmp_path: Path) -> None:
    try:
        controller, terminal = pty.openpty()
    except OSError as error:
        lack(f"no terminal can be made: {error}")
    try:
        process = subprocess.Popen(
            [*BRASM, "login", registry.address],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=environment(**home),
            start_new_session=True,  # without a terminal of its own but these
        )
        shown = b""

        def asked(what: bytes) -> bool:
            nonlocal shown
            shown += os.read(controller, 1000)
            return what in shown

        wait_for(lambda: asked(b"User name for "), "the user name is asked for")
        os.write(controller, b"ann\n")
        wait_for(lambda: asked(b"Password: "), "the password is asked for")
        os.write(controller, PASSWORD.encode() + b"\n")
        wait_for(lambda: asked(b"logged in to "), "it is done")
        assert process.wait(30) == 0
    finally:
        os.close(terminal)
        os.close(controller)
    assert b"ann" in shown
    assert PASSWORD.encode() not in shown
    assert (tmp_path / ".docker/config.json").exists()


def test_other_programs_find_what_is_kept(brasm: Brasm, home: dict[str, str], registry: Standin) -> None:
    need("skopeo")
    repository = f"docker://{registry.address}/team/app"
    listing = ("skopeo", "list-tags", "--tls-verify=false", repository)
    registry.repository("team/app")
    assert attempt(*listing, env=home).returncode != 0
    assert brasm("login", registry.address, "-u", "ann", "--password-stdin", stdin=PASSWORD).returncode == 0
    done = attempt(*listing, env=home)
    assert done.returncode == 0, done.stderr


def test_what_other_programs_keep_is_found(
    brasm: Brasm, home: dict[str, str], registry: Standin, tmp_path: Path
) -> None:
    need("skopeo")
    login = ("skopeo", "login", "--tls-verify=false", "-u", "ann", "--password-stdin", registry.address)
    done = attempt(
        *login, stdin=PASSWORD, env={**home, "REGISTRY_AUTH_FILE": str(tmp_path / "run/containers/auth.json")}
    )
    assert done.returncode == 0, done.stderr
    assert brasm("login", "--get-login", registry.address).stdout == "ann\n"


def test_it_starts_without_what_it_does_not_need() -> None:
    code = "import sys; import assembler.cli.login, assembler.cli.logout; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert not {"docker", "requests", "rich", "lief", "assembler.recipe"} & set(done.stdout.split())
