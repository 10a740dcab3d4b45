"""Taskwarrior's server out of an image, in runc, and real `task` clients that synchronise with it over TLS.

Whatever made the image: its config says what is started, as whom, and (TASKDDATA) where the data folder is mounted.
Certificates are made outside, by GnuTLS's certtool, as taskd's own documents have it. `synchronise` is all of it.
"""

from __future__ import annotations

import functools
import gzip
import json
import os
import re
import shutil
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.acceptance.images import blob
from tests.tools import Service, attempt, need, need_root, run, wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

TLS_1_2: Final = "NORMAL:-VERS-ALL:+VERS-TLS1.2"
TLS_1_3: Final = "NORMAL:-VERS-ALL:+VERS-TLS1.3"
_BAD_CERTIFICATE: Final = "Handshake failed. Error in the certificate."
_KINDS: Final = {"server": "tls_www_server", "client": "tls_www_client"}


class Authority:
    """Who signs certificates: `certtool` with a key and a certificate of its own."""

    def __init__(self, folder: Path) -> None:
        need("certtool")
        folder.mkdir(parents=True)
        self._folder = folder
        self.certificate = folder / "ca.cert.pem"
        self._key = self._new_key("ca", "rsa")
        template = self._template("ca", "cn = authority", "ca", "cert_signing_key", "crl_signing_key")
        signing = ("--generate-self-signed", "--load-privkey", self._key, "--template", template)
        run("certtool", *signing, "--outfile", self.certificate)

    def sign(self, name: str, kind: str, algorithm: str) -> tuple[Path, Path]:
        """Return the paths of a new certificate and its key.

        Args:
            name: what the certificate is for: the CN and, of a server, the host that clients connect to.
            kind: `server` or `client`.
            algorithm: of the key, as certtool calls it: `rsa`, `ecdsa`, `ed25519`.
        """
        stem = f"{kind}-{algorithm}-{name}"
        key, certificate = self._new_key(stem, algorithm), self._folder / f"{stem}.cert.pem"
        template = self._template(stem, f"cn = {name}", f"dns_name = {name}", "signing_key", _KINDS[kind])
        signing = ("--load-ca-certificate", self.certificate, "--load-ca-privkey", self._key, "--template", template)
        run("certtool", "--generate-certificate", "--load-privkey", key, *signing, "--outfile", certificate)
        return certificate, key

    def revoke(self, certificate: Path) -> Path:
        """Return the path of a revocation list with one certificate."""
        revoked = self._folder / "crl.pem"
        template = self._template("crl", "crl_next_update = 30", "crl_number = 1")
        signing = ("--load-ca-certificate", self.certificate, "--load-ca-privkey", self._key, "--template", template)
        run("certtool", "--generate-crl", *signing, "--load-certificate", certificate, "--outfile", revoked)
        return revoked

    def _new_key(self, stem: str, algorithm: str) -> Path:
        key = self._folder / f"{stem}.key.pem"
        run("certtool", "--generate-privkey", "--key-type", algorithm, "--sec-param", "high", "--outfile", key)
        return key

    def _template(self, stem: str, *lines: str) -> Path:
        path = self._folder / f"{stem}.template"
        path.write_text("\n".join((*lines, "expiration_days = 7", "")))
        return path


class TaskdImage:
    """An image unpacked, and its data folder: what a user has after `docker run -v DATA:…`."""

    def __init__(self, image: str, folder: Path) -> None:
        """Unpack it.

        Args:
            image: as skopeo names it: `oci-archive:x.tar`, `oci:layout:tag`, `docker-archive:x.tar`.
            folder: to work in, that is there and empty.
        """
        need("skopeo", "runc", "tar", "zstd")
        need_root()
        self._bundle, self.data = folder / "bundle", folder / "data"
        self._state, self._log = folder / "state", folder / "log"
        self._config = _unpack(image, folder / "layout", self._bundle / "rootfs")
        self._environment = dict(line.split("=", 1) for line in self._config.get("Env", ()))
        uid, gid = self._ids()
        self.data.mkdir(mode=0o700)
        os.chown(self.data, uid, gid)
        self._serial = 0

    @property
    def mounted(self) -> str:
        """Where the image has its data."""
        return str(self._environment["TASKDDATA"])

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run taskd with these arguments in a container of its own."""
        name = self._prepare(arguments)
        return attempt("runc", "--root", self._state, "run", "--bundle", self._bundle, name)

    def taskd(self, *arguments: str) -> str:
        """Run taskd with arguments that it must take, and return what it prints; its exit code tells little."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"taskd {arguments}: exit {done.returncode}: {done.stdout}{done.stderr}"
        assert "ERROR" not in done.stdout, done.stdout
        return done.stdout

    def take(self, source: Path, name: str) -> str:
        """Copy a file to the data folder, readable to taskd alone; return its path in the container."""
        target = self.data / name
        shutil.copy(source, target)
        os.chown(target, *self._ids())
        target.chmod(0o400)
        return os.path.join(self.mounted, name)

    @contextmanager
    def served(self, port: int) -> Iterator[None]:
        """Have the server run as the image starts it, with no argument given."""
        name = self._prepare(self._config.get("Cmd") or ("server",))
        command = ("runc", "--root", str(self._state), "run", "--bundle", str(self._bundle), name)
        service = Service(command, str(self._log))
        try:
            # It makes its parameters for Diffie and Hellman's exchange before it listens.
            service.wait(lambda: _listens(port), seconds=120)
            yield
        finally:
            attempt("runc", "--root", self._state, "kill", name, "KILL")
            service.stop()
            attempt("runc", "--root", self._state, "delete", "--force", name)

    def log(self) -> str:
        """Return what the server wrote, if its log is standard output."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def bad_certificates(self) -> int:
        """Count the clients whose certificate the server refused."""
        return self.log().count(_BAD_CERTIFICATE)

    def _ids(self) -> tuple[int, int]:
        uid, _, gid = self._config.get("User", "0:0").partition(":")
        return int(uid), int(gid or uid)

    def _prepare(self, arguments: Sequence[str]) -> str:
        """Write the bundle's config.json; return a name for the container.

        The container shares the machine's network, so that clients on it reach the server by 127.0.0.1 without any
        setting up, and what is not the data folder is read-only.
        """
        uid, gid = self._ids()
        (self._bundle / "config.json").unlink(missing_ok=True)
        run("runc", "spec", "--bundle", self._bundle)
        spec = json.loads((self._bundle / "config.json").read_bytes())
        spec["process"] |= {
            "terminal": False,
            "user": {"uid": uid, "gid": gid},
            "args": [*(self._config.get("Entrypoint") or ()), *arguments],
            "env": [f"{key}={value}" for key, value in self._environment.items()],
            "cwd": self._config.get("WorkingDir") or "/",
        }
        spec["process"].pop("rlimits", None)
        spec["root"]["readonly"] = True
        spec["mounts"].append(
            {"destination": self.mounted, "type": "bind", "source": str(self.data), "options": ["rbind", "rw"]}
        )
        spec["linux"]["namespaces"] = [one for one in spec["linux"]["namespaces"] if one["type"] != "network"]
        (self._bundle / "config.json").write_text(json.dumps(spec))
        self._serial += 1
        return f"brasm-taskd-{os.getpid()}-{self._serial}"


class Client:
    """A `task` with a data folder of its own."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        need("task")
        (folder / "data").mkdir(parents=True)
        self._rc = folder / "taskrc"
        fixed = {"data.location": str(folder / "data"), "confirmation": "off", "news.version": "2.6.0"}
        self._rc.write_text("".join(f"{key}={value}\n" for key, value in {**fixed, **settings}.items()))

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `task`, which may fail."""
        return attempt("task", f"rc:{self._rc}", *arguments, env={"HOME": str(self._rc.parent), "TZ": "UTC"})

    def task(self, *arguments: str) -> str:
        """Run `task`, which must succeed; return what it prints."""
        done = self.attempt(*arguments)
        assert done.returncode == 0, f"task {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def tasks(self) -> dict[str, str]:
        """Return the status of each task by its description."""
        return {one["description"]: one["status"] for one in json.loads(self.task("export"))}


class Site:
    """A server that is set up by nothing but the image's own program, and an authority that signs for its clients."""

    def __init__(self, image: TaskdImage, folder: Path) -> None:
        self.image = image
        self.port = free_port()
        self.authority = Authority(folder / "authority")
        self.revoked = self.authority.sign("former", "client", "ecdsa")
        assert f"Created {image.mounted}/config" in image.taskd("init")
        image.taskd("config", "--force", "log", "-")
        image.taskd("config", "--force", "server", f"127.0.0.1:{self.port}")
        certificate, key = self.authority.sign("localhost", "server", "ecdsa")
        for setting, source in (
            ("ca.cert", self.authority.certificate),
            ("server.cert", certificate),
            ("server.key", key),
            ("server.crl", self.authority.revoke(self.revoked[0])),
        ):
            image.taskd("config", "--force", setting, image.take(source, f"{setting}.pem"))
        assert "Created organization" in image.taskd("add", "org", "Public")
        added = re.search(r"New user key: (\S+)", image.taskd("add", "user", "Public", "Alice"))
        assert added is not None
        self._credentials = f"Public/Alice/{added[1]}"

    def settings(self, algorithm: str, signer: Authority | None = None, host: str = "localhost") -> dict[str, str]:
        """Return what a client's taskrc has to say.

        Args:
            algorithm: of the client's key.
            signer: of its certificate; None for the server's own authority.
            host: by which it calls the server, whose certificate is for localhost.
        """
        certificate, key = (signer or self.authority).sign("Alice", "client", algorithm)
        return {
            "taskd.server": f"{host}:{self.port}",
            "taskd.credentials": self._credentials,
            "taskd.ca": str(self.authority.certificate),
            "taskd.certificate": str(certificate),
            "taskd.key": str(key),
            "taskd.trust": "strict",
        }


def synchronise(image: str, folder: Path) -> None:
    """Put a taskd image to the whole test.

    Args:
        image: the path of an archive: oci-archive, docker-archive or the universal one.
        folder: to work in.
    """
    folder = folder / "taskd-test"
    folder.mkdir()
    unpacked = TaskdImage(skopeo_name(image), folder)
    site = Site(unpacked, folder)
    with unpacked.served(site.port):
        both_ways(site, folder / "one", ("ed25519", TLS_1_3), ("rsa", TLS_1_2))
        both_ways(site, folder / "other", ("ecdsa", TLS_1_2), ("rsa", TLS_1_3))
        refuse_clients(site, folder / "clients")
        refuse_servers(site, folder / "servers")


def both_ways(site: Site, folder: Path, first: tuple[str, str], second: tuple[str, str]) -> None:
    """Have a client add a task, another see and complete it, and the first see that.

    Args:
        site: the server, running.
        folder: to work in.
        first: the kind of the first client's key, and its ciphers.
        second: of the second client.
    """
    a = Client(folder / "a", {**site.settings(first[0]), "taskd.ciphers": first[1]})
    b = Client(folder / "b", {**site.settings(second[0]), "taskd.ciphers": second[1]})
    milk = f"milk, ½ l, in {folder.name}"
    a.task("add", milk)
    a.task("sync", "initialization")
    b.task("sync")
    assert b.tasks()[milk] == "pending"
    b.task(f"description:{milk}", "done")
    b.task("add", f"{milk}, again")
    b.task("sync")
    assert a.tasks()[milk] == "pending"
    a.task("sync")
    assert a.tasks()[milk] == "completed"
    assert a.tasks()[f"{milk}, again"] == "pending"


def refuse_clients(site: Site, folder: Path) -> None:
    """See that the server refuses a stranger's certificate, one that was revoked, and an unknown user."""
    good = site.settings("rsa")
    honest = Client(folder / "honest", good)
    honest.task("sync", "initialization")
    foreign = site.settings("rsa", Authority(folder / "authority"))
    revoked = {"taskd.certificate": str(site.revoked[0]), "taskd.key": str(site.revoked[1])}
    for name, settings in (("foreign", foreign), ("revoked", {**good, **revoked})):
        known = site.image.bad_certificates()
        _refused(Client(folder / name, settings), "Could not connect")
        wait_for(functools.partial(_more, site.image, known), "the server's log has the refusal")
        honest.task("sync")  # the log would only count what it has said already
    nobody = {"taskd.credentials": "Public/Bob/00000000-0000-0000-0000-000000000000"}
    _refused(Client(folder / "nobody", {**good, **nobody}), "credentials are incorrect")
    honest.task("sync")
    assert "secret" not in honest.tasks()


def refuse_servers(site: Site, folder: Path) -> None:
    """See that a client refuses a server with a certificate for another name, or of an authority that it knows not."""
    other_name = site.settings("rsa", host="127.0.0.1")
    _refused(Client(folder / "name", other_name), "does not match the expected")
    other = {"taskd.ca": str(Authority(folder / "authority").certificate)}
    _refused(Client(folder / "authority-of-another", {**site.settings("rsa"), **other}), "issuer is unknown")


def _more(image: TaskdImage, known: int) -> bool:
    return image.bad_certificates() == known + 1


def _refused(client: Client, saying: str) -> None:
    client.task("add", "secret")
    done = client.attempt("sync")
    assert done.returncode != 0, done.stdout
    assert saying in done.stdout + done.stderr, done.stdout + done.stderr


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def skopeo_name(path: str) -> str:
    """Name an archive of an image as skopeo does; the universal archive is both of the kinds that it knows."""
    names = run("tar", "--list", "--file", path).split()
    return f"{'oci-archive' if 'oci-layout' in names else 'docker-archive'}:{path}"


def _listens(port: int) -> bool:
    """Look whether the port is listened on, without a connection that taskd would have to refuse (proc(5), tcp)."""
    wanted = f"0100007F:{port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(fields[1] == wanted and fields[3] == "0A" for fields in lines)


def _unpack(image: str, layout: Path, root: Path) -> dict[str, Any]:
    """Unpack an image without whiteouts, by skopeo and tar; return its config's `config`."""
    run("skopeo", "copy", image, f"oci:{layout}:image")
    index = json.loads((layout / "index.json").read_bytes())
    manifest = json.loads(blob(layout, index["manifests"][0]["digest"]).read_bytes())
    root.mkdir(parents=True)
    for layer in manifest["layers"]:
        plain = layout / "layer.tar"
        _decompress(blob(layout, layer["digest"]), layer["mediaType"], plain)
        run("tar", "--extract", "--numeric-owner", "--same-permissions", "--file", plain, "--directory", root)
    value: dict[str, Any] = json.loads(blob(layout, manifest["config"]["digest"]).read_bytes())["config"]
    return value


def _decompress(packed: Path, media_type: str, plain: Path) -> None:
    if media_type.endswith("zstd"):
        run("zstd", "--decompress", "--quiet", "--force", packed, "-o", plain)
    elif media_type.endswith("gzip"):
        with gzip.open(packed) as source, plain.open("wb") as target:
            shutil.copyfileobj(source, target)
    else:
        shutil.copy(packed, plain)
