"""The image of recipes/taskd works: Taskwarrior's own client synchronises with it over TLS, both ways.

Debian's taskd stands for Buildroot's. `BRASM_TASKD_IMAGE` names an image, oci-archive or docker-archive, that is put to
the same test.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.taskd import (
    TLS_1_2,
    TLS_1_3,
    Site,
    TaskdImage,
    both_ways,
    refuse_clients,
    refuse_servers,
    skopeo_name,
)
from tests.tools import need, need_root, pack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GIVEN = os.environ.get("BRASM_TASKD_IMAGE")


@pytest.fixture(scope="module", params=["debian", *([GIVEN] if GIVEN else [])])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server running: Debian's taskd as the recipe packs it, and the image that the environment names."""
    need("task", "certtool", "runc", "skopeo")
    need_root()
    folder: Path = tmp_path_factory.mktemp("taskd")
    archive = request.param
    if archive == "debian":
        need("taskd")
        archive = str(folder / "taskd.tar")
        pack("taskd", "--source", "/", "--set", "budget={}", "-o", archive)  # the budget is for what Buildroot makes
    image = TaskdImage(skopeo_name(archive), folder)
    made = Site(image, folder)
    with image.served(made.port):
        yield made


def test_the_data_folder_is_the_user_s(site: Site) -> None:
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in site.image.data.rglob("*")}
    assert owners == {(1000, 1000)}


def test_tasks_go_both_ways(site: Site, tmp_path: Path) -> None:
    both_ways(site, tmp_path / "one", ("ed25519", TLS_1_3), ("rsa", TLS_1_2))


def test_tasks_go_both_ways_the_other_way_round(site: Site, tmp_path: Path) -> None:
    both_ways(site, tmp_path / "other", ("ecdsa", TLS_1_2), ("rsa", TLS_1_3))


def test_clients_that_are_refused(site: Site, tmp_path: Path) -> None:
    refuse_clients(site, tmp_path)


def test_servers_that_are_refused(site: Site, tmp_path: Path) -> None:
    refuse_servers(site, tmp_path)
