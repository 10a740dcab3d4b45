"""Push and pull: brasm beside skopeo and podman, from and to one registry.

docker's registry listens on a loopback port. What was pushed is removed before every push, what brasm remembers of
registries too. podman pushes from its own storage, and pulls into it.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from msgspec.structs import replace

from benches.contest import Contender, Ratio, again, calibration, compete, fastest, fresh, ratio, rows, spread
from benches.measure import measure
from benches.packing import PLATFORM
from benches.programs import BRASM, search_path
from benches.record import Table, Target
from benches.section import Measured, Section, Skip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benches.section import Bench


_MOST_FOR_PODMAN: Final = 10
"""Blobs of an image that podman takes part with: it writes every layer's files, and compresses them again to push."""

OWN: Final = "brasm"


class Place(NamedTuple):
    """Where a contest takes place: a folder, the registry's address and its storage."""

    folder: str
    address: str
    storage: str

    @property
    def image(self) -> str:
        """The image's name there."""
        return f"docker://{self.address}/image:x"

    @property
    def cache(self) -> dict[str, str]:
        """Where brasm remembers what it knows of the registry."""
        return {"XDG_CACHE_HOME": f"{self.folder}/cache"}

    def forget(self, folder: str = "") -> None:
        """Empty the registry, and what brasm remembers of it."""
        del folder
        shutil.rmtree(f"{self.storage}/docker", ignore_errors=True)
        shutil.rmtree(f"{self.folder}/cache", ignore_errors=True)

    def podman(self, *words: str) -> tuple[str, ...]:
        """Return podman's command with storage of its own."""
        store = (f"--root={self.folder}/podman", f"--runroot={self.folder}/podman-run", "--storage-driver=overlay")
        return ("podman", *store, "--events-backend=none", "--log-level=error", *words)


def section(bench: Bench) -> Measured:
    """Measure all."""
    root = bench.inputs.root("debian")
    tables: list[Table] = []
    targets: list[Target] = []
    left_out: dict[str, str] = {}
    with _place(bench.scratch) as place:
        layouts = {"a layer a package": _layout(root, place, "package"), "one layer": _layout(root, place, "single")}
        for title, layout in layouts.items():
            for verb in ("push", "pull"):
                table, reached, out = _contest(verb, title, layout, place, bench)
                tables.append(table)
                targets += reached
                left_out |= {f"{verb}, {title}: {name}": reason for name, reason in out.items()}
        alone = spread(_alone(layouts["one layer"], place) for _ in range(bench.rounds))
    return Measured(
        about="The Debian root as an image, from a layout to docker's registry and back to a layout (podman: from and "
        "to its storage), all on this machine.",
        tables=(*tables, _client(bench, alone.median)),
        targets=tuple(targets),
        left_out=left_out,
    )


def _contest(
    verb: str, title: str, layout: str, place: Place, bench: Bench
) -> tuple[Table, list[Target], dict[str, str]]:
    size, blobs = _weight(layout)
    make = _pushes if verb == "push" else _pulls
    own, *peers = make(layout, place, with_podman=blobs <= _MOST_FOR_PODMAN)
    running, left_out = bench.able(peers)
    _ready(verb, layout, place, [one.name for one in running])
    outcome = compete([own, again(own), *running], bench.rounds, f"{place.folder}/run", bench.say)
    peer = fastest(outcome.runs, [one.name for one in running if one.name in outcome.runs] or [OWN])
    ratios = [Ratio("wall", peer, "wall / faster peer"), Ratio("peak", peer, "peak / its peak")]
    table = Table(
        f"{verb.capitalize()}, {title}",
        f"{blobs} blobs, {size / 1e6:.0f} MB; the faster peer is {peer}.",
        rows(outcome.runs, ratios),
        calibration(outcome.runs, OWN),
    )
    wall, peak = (ratio(outcome.runs, OWN, peer, what).median if peer != OWN else None for what in ("wall", "peak"))
    reached = [
        Target(f"wall time of the faster peer, {verb}, {title}", 0.9, wall),
        Target(f"peak memory of that peer, {verb}, {title}", 0.9, peak),
    ]
    return table, reached, {**left_out, **outcome.failed}


def _ready(verb: str, layout: str, place: Place, names: list[str]) -> None:
    """Have in the registry what is pulled, and in podman's storage what it pushes."""
    os.makedirs(f"{place.folder}/run", exist_ok=True)
    if verb == "pull":
        place.forget()
        measure((BRASM, "copy", "-q", f"oci:{layout}:x", place.image), place.folder, environment=place.cache)
    elif "podman" in names:
        measure(place.podman("pull", f"oci:{layout}:x"), place.folder)
        measure(("sh", "-c", '"$@" tag "$("$@" images -q)" bench', "sh", *place.podman()), place.folder)


def _brasm(place: Place, source: str, target: str) -> Contender:
    return Contender(OWN, (BRASM, "copy", "-q", source, target), peer=False, environment=place.cache)


def _pushes(layout: str, place: Place, *, with_podman: bool) -> list[Contender]:
    source = f"oci:{layout}:x"
    skopeo = ("skopeo", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false", source, place.image)
    jobs = [_brasm(place, source, place.image), Contender("skopeo", skopeo, ("skopeo",))]
    if with_podman:
        push = place.podman("push", "-q", "--tls-verify=false", "bench", place.image)
        jobs.append(Contender("podman", push, ("podman",), root=True))
    return [replace(job, prepare=place.forget) for job in jobs]


def _pulls(layout: str, place: Place, *, with_podman: bool) -> list[Contender]:
    del layout
    back = f"{place.folder}/back"

    def none_there(folder: str) -> None:
        del folder
        shutil.rmtree(back, ignore_errors=True)

    def none_stored(folder: str) -> None:
        measure(place.podman("rmi", "--all", "--force"), folder)

    target = f"oci:{back}:x"
    skopeo = ("skopeo", "copy", "-q", "--preserve-digests", "--src-tls-verify=false", place.image, target)
    jobs = [
        replace(_brasm(place, place.image, target), prepare=none_there),
        Contender("skopeo", skopeo, ("skopeo",), prepare=none_there),
    ]
    if with_podman:
        pull = place.podman("pull", "-q", "--tls-verify=false", place.image)
        jobs.append(Contender("podman", pull, ("podman",), root=True, prepare=none_stored))
    return jobs


def _layout(root: str, place: Place, split: str) -> str:
    layout = f"{place.folder}/{split}"
    how = ("--set", f"layers.split={split}", *PLATFORM)
    measure((BRASM, "pack", "-q", "-s", root, "--mode", "all", *how, "-o", f"oci:{layout}:x"), place.folder)
    return layout


def _weight(layout: str) -> tuple[int, int]:
    """Return the bytes and the number of an image's blobs."""
    sizes = [entry.stat().st_size for entry in os.scandir(f"{layout}/blobs/sha256")]
    return sum(sizes), len(sizes)


def _client(bench: Bench, alone: float) -> Table:
    """Measure what an interpreter alone takes that can speak HTTP."""
    bare = "`python -c pass`"
    job = "`python -c 'import http.client'`"
    jobs = [
        Contender(bare, (sys.executable, "-c", "pass")),
        Contender(job, (sys.executable, "-c", "import http.client")),
    ]
    outcome = compete(jobs, bench.rounds, f"{bench.scratch}/run", bench.say)
    ratios = [Ratio("wall", bare, "wall / python"), Ratio("peak", bare, "peak / python")]
    note = (
        f"The one layer takes docker's registry itself {alone:.3f} s, from a client that does nothing but sendfile(2): "
        "no push of it can be faster."
    )
    return Table(
        "The least", "What brasm cannot go below, being a Python program.", rows(outcome.runs, ratios), None, (note,)
    )


def _alone(layout: str, place: Place) -> float:
    """Return the seconds that the registry takes to take an image's largest blob (distribution-spec, POST then PUT)."""
    place.forget()
    largest = max(os.scandir(f"{layout}/blobs/sha256"), key=lambda entry: entry.stat().st_size)
    connection = http.client.HTTPConnection(place.address)
    with contextlib.closing(connection), open(largest.path, "rb") as file:
        began = time.perf_counter()
        connection.request("POST", "/v2/alone/blobs/uploads/")
        answer = connection.getresponse()
        answer.read()
        url = urlsplit(answer.headers["Location"])
        connection.putrequest("PUT", f"{url.path}?{url.query}&digest=sha256:{largest.name}")
        connection.putheader("Content-Length", str(largest.stat().st_size))
        connection.endheaders()
        connection.sock.sendfile(file)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 201:
            raise Skip(f"the registry answers {answer.status}")
        return time.perf_counter() - began


@contextlib.contextmanager
def _place(folder: str) -> Iterator[Place]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    place = Place(folder, address, fresh(f"{folder}/registry"))
    with open(f"{folder}/config.yml", "w", encoding="ascii") as file:
        file.write(
            f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: {address!r}}}\n"
            f"storage: {{filesystem: {{rootdirectory: {place.storage}}}}}\n"
        )
    with open(f"{folder}/registry.log", "wb") as log:
        registry = subprocess.Popen(
            ("docker-registry", "serve", f"{folder}/config.yml"),
            stdout=log,
            stderr=log,
            env={**os.environ, "PATH": search_path(os.environ)},
        )
    try:
        _wait_for(f"http://{address}/v2/")
        yield place
    finally:
        registry.terminate()
        registry.wait()
        _unmount(folder)


def _unmount(folder: str) -> None:
    """Undo the mount that podman leaves on its storage."""
    with open("/proc/mounts", encoding="utf-8") as mounts:
        points = [line.split()[1] for line in mounts]
    for point in reversed(points):
        if point.startswith(f"{folder}/"):
            subprocess.run(("umount", point), check=True)


def _wait_for(url: str) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), urllib.request.urlopen(url):
            return
        time.sleep(0.05)
    raise Skip(f"{url}: no registry answers")


SECTION: Final = Section(
    name="transfer",
    title="Push and pull",
    programs=("docker-registry", "skopeo", "podman"),
    measure=section,
    needs=("docker-registry",),
)
