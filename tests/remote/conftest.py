"""Fixtures of the tests of the registry client: nothing of whoever runs them has a say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.remote.certificates import make_certificates
from tests.remote.standin import Standin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.remote.certificates import Certificates


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without credentials, an empty cache, and no proxy."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in {"REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME"}:
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    return home


@pytest.fixture
def standin(alone: Path) -> Iterator[Standin]:
    """A registry without whims, that must not be left with a tag that lacks something."""
    del alone
    with Standin() as registry:
        yield registry
        assert registry.dangling() == []
        assert registry.premature == []


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority, a server's certificate and a client's."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))
