"""Push and pull: brasm beside skopeo and podman, from and to one registry, in the same run.

docker's registry listens on a loopback port; it, the layouts and podman's storage are in memory (/dev/shm) where the
machine has that, so that no disk is measured. What was pushed is removed before every push, what brasm remembers of
registries too. podman pushes from its own storage, and pulls into it.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from benches import report
from benches.contenders import BRASM, PLATFORM, fresh
from benches.measure import Sample, measure, median
from benches.report import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_MOST_FOR_PODMAN = 10
"""Blobs of an image that podman takes part with: it writes every layer's files, and compresses them again to push."""


class Job(NamedTuple):
    """What is measured: its name, what makes it ready (not counted), the command."""

    name: str
    prepare: Callable[[], object]
    command: tuple[str, ...]


class Place(NamedTuple):
    """Where a comparison takes place: a folder, the registry's address and its storage."""

    folder: str
    address: str
    storage: str

    def forget(self) -> None:
        """Empty the registry, and what brasm remembers of it."""
        shutil.rmtree(f"{self.storage}/docker", ignore_errors=True)
        shutil.rmtree(f"{self.folder}/cache", ignore_errors=True)

    def podman(self, *words: str) -> tuple[str, ...]:
        """Return podman's command with storage of its own."""
        store = (f"--root={self.folder}/podman", f"--runroot={self.folder}/podman-run", "--storage-driver=overlay")
        return ("podman", *store, "--events-backend=none", "--log-level=error", *words)


def section(root: str, rounds: int) -> tuple[str, list[Target]]:
    """Measure, and return a section of the record with its targets.

    Args:
        root: a root filesystem, packed whole.
        rounds: runs of each contender, which alternate.
    """
    with _place() as place:
        many, one = _layout(root, place, "package"), _layout(root, place, "single")
        rows: list[list[str]] = []
        targets: list[Target] = []
        for title, layout in (("a layer a package", many), ("one layer", one)):
            size, blobs = _weight(layout)
            what = f"{title}: {blobs} blobs, {size / 1e6:.0f} MB"
            for verb, jobs in (("push", _pushes), ("pull", _pulls)):
                samples = _compete(jobs(layout, place), rounds, place)
                best = min((each for name, each in samples.items() if name != "brasm"), key=lambda each: each.wall)
                rows += [_row(f"{verb}, {what}: {name}", each, best) for name, each in samples.items()]
                own = samples["brasm"]
                targets.append(_target(f"wall time of the faster peer, {verb}, {title}", own.wall / best.wall))
                targets.append(_target(f"peak memory of that peer, {verb}, {title}", own.peak / best.peak))
        alone = statistics.median(_alone(one, place) for _ in range(rounds))
    text = (
        "## Push and pull\n\n"
        "The Debian root as an image, from a layout to docker's registry and back to a layout (podman: from and to "
        f"its storage). Registry, layouts and storage in memory. Medians of {rounds} runs, which alternate.\n\n"
        + report.table(["", "wall, s", "CPU, s", "peak, MB", "wall / faster peer", "peak / its peak"], rows)
        + f"\nThe one layer takes docker's registry itself {alone:.3f} s, from a client that does nothing but "
        "sendfile(2): no push of it can be faster.\n"
        + "\nOf brasm's time 0.1 s is the start of Python; its memory is Python's own: one that has imported an "
        "HTTP client and nothing else has 17 MB, and skopeo, a static program, has 20 MB in all.\n"
    )
    return text, targets


def _target(what: str, measured: float) -> Target:
    return Target(what, 0.9, measured)


def _row(name: str, sample: Sample, best: Sample) -> list[str]:
    return [
        name,
        f"{sample.wall:.3f}",
        f"{sample.cpu:.3f}",
        f"{sample.peak / 1e6:.0f}",
        f"{sample.wall / best.wall:.2f}",
        f"{sample.peak / best.peak:.2f}",
    ]


def _compete(jobs: list[Job], rounds: int, place: Place) -> dict[str, Sample]:
    samples: dict[str, list[Sample]] = {job.name: [] for job in jobs}
    for number in range(rounds):
        for job in jobs:
            job.prepare()
            samples[job.name].append(measure(job.command, place.folder))
            print(
                f"round {number + 1}: {' '.join(job.command[:3])}: {samples[job.name][-1].wall:.2f} s", file=sys.stderr
            )
    return {name: median(runs) for name, runs in samples.items()}


def _pushes(layout: str, place: Place) -> list[Job]:
    target = f"docker://{place.address}/image:x"
    skopeo = ("skopeo", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false", f"oci:{layout}:x", target)
    jobs = [
        Job("brasm", place.forget, (BRASM, "copy", "-q", f"oci:{layout}:x", target)),
        Job("skopeo", place.forget, skopeo),
    ]
    if _weight(layout)[1] > _MOST_FOR_PODMAN:
        return jobs
    measure(place.podman("pull", f"oci:{layout}:x"), place.folder)
    stored = subprocess.run(place.podman("images", "-q"), capture_output=True, text=True, check=True).stdout.split()[0]
    return [*jobs, Job("podman", place.forget, place.podman("push", "-q", "--tls-verify=false", stored, target))]


def _pulls(layout: str, place: Place) -> list[Job]:
    source, back = f"docker://{place.address}/image:x", f"{place.folder}/back"
    place.forget()
    measure((BRASM, "copy", "-q", f"oci:{layout}:x", source), place.folder)

    def none_there() -> None:
        shutil.rmtree(back, ignore_errors=True)

    def none_stored() -> None:
        measure(place.podman("rmi", "--all", "--force"), place.folder)

    skopeo = ("skopeo", "copy", "-q", "--preserve-digests", "--src-tls-verify=false", source, f"oci:{back}:x")
    jobs = [
        Job("brasm", none_there, (BRASM, "copy", "-q", source, f"oci:{back}:x")),
        Job("skopeo", none_there, skopeo),
    ]
    if _weight(layout)[1] > _MOST_FOR_PODMAN:
        return jobs
    return [*jobs, Job("podman", none_stored, place.podman("pull", "-q", "--tls-verify=false", source))]


def _layout(root: str, place: Place, split: str) -> str:
    layout = f"{place.folder}/{split}"
    how = ("--set", f"layers.split={split}", *PLATFORM)
    measure((BRASM, "pack", "-q", "-s", root, "--mode", "all", *how, "-o", f"oci:{layout}:x"), place.folder)
    return layout


def _weight(layout: str) -> tuple[int, int]:
    """Return the bytes and the number of an image's blobs."""
    sizes = [entry.stat().st_size for entry in os.scandir(f"{layout}/blobs/sha256")]
    return sum(sizes), len(sizes)


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
            raise RuntimeError(f"the registry answers {answer.status}")
        return time.perf_counter() - began


@contextlib.contextmanager
def _place() -> Iterator[Place]:
    folder = tempfile.mkdtemp(prefix="brasm-transfers-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    place = Place(folder, address, fresh(f"{folder}/registry"))
    os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
    with open(f"{folder}/config.yml", "w", encoding="ascii") as file:
        file.write(
            f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: {address!r}}}\n"
            f"storage: {{filesystem: {{rootdirectory: {place.storage}}}}}\n"
        )
    with open(f"{folder}/registry.log", "wb") as log:
        registry = subprocess.Popen(("docker-registry", "serve", f"{folder}/config.yml"), stdout=log, stderr=log)
    try:
        _wait_for(f"http://{address}/v2/")
        yield place
    finally:
        registry.terminate()
        registry.wait()
        del os.environ["XDG_CACHE_HOME"]
        _unmount(folder)
        shutil.rmtree(folder, ignore_errors=True)


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
    raise RuntimeError(f"{url}: no registry answers")
