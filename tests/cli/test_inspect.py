"""`brasm inspect`: nothing that an image says moves the cursor of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from assembler.base.errors import UsageError
from assembler.cli.inspect import command
from tests.sources.archives import Blobs, image, layout, tagged, tar

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_control_characters_are_shown(tmp_path: Path) -> None:
    def hostile(document: dict[str, Any]) -> None:
        document["config"] = {
            "Entrypoint": ["/bin/app", "\x1b[2J"],
            "Env": ["A=\x1b[31m", "B=1\n2"],
            "Labels": {"key\x07": "\x1b]0;title\x07"},
            "WorkingDir": "/\x1b",
            "User": "[bold]0",
        }
        document["history"] = [{"created_by": "RUN \x1b[1m"}]

    blobs: Blobs = {}
    layout(tmp_path / "one", blobs, tagged(image(blobs, [tar("etc dir")], config=hostile), "x"))
    result = CliRunner().invoke(command, [f"oci:{tmp_path}/one:x"], standalone_mode=False)
    assert result.exception is None
    assert not {"\x1b", "\x07"} & {*result.stdout}
    for text in ("/bin/app '\\x1b[2J'", "A=\\x1b[31m", "B=1\\x0a2", "key\\x07=\\x1b]0;title\\x07", "[bold]0"):
        assert text in result.stdout


def test_a_page_is_no_standard_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blobs: Blobs = {}
    layout(tmp_path / "one", blobs, tagged(image(blobs, [tar("etc dir")]), "x"))
    result = CliRunner().invoke(command, ["oci:one:x", "--html", "-"], standalone_mode=False)
    assert isinstance(result.exception, UsageError)
    assert not (tmp_path / "-").exists()
