"""Measuring images, with a program in place of a runtime: what is measured how often, and what is not."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from assembler.base.errors import ImageError, ProgramError
from assembler.base.progress import Silent
from assembler.experiments.bench import turns
from assembler.experiments.bench.rounds import Benched, Extent, Subject, bench
from assembler.oci.reference import parse
from assembler.pipeline.test import Target, Terms
from assembler.recipe import load_recipe
from tests.acceptance.running import with_config
from tests.runtime.unboxed import make_runtime
from tests.tools import need, pack

if TYPE_CHECKING:
    from pathlib import Path

STARTING = ("start_cold", "start_warm", "tests_cold", "tests_warm", "memory")
PACKING = ("pack", "pack_cpu", "pack_memory")

GOOD = """
[[test]]
name = "files"
files = ["/bin/sh"]
[[test]]
name = "first"
run = ["/bin/sh", "-c", "cat"]
stdin = "in"
stdout = "^in$"
[[test]]
name = "second"
run = ["/bin/sh", "-c", "exit 3"]
exit = 3
"""
SERVER = """
[[test]]
name = "served"
serve = { args = ["-c", "echo up; sleep 100"], ready = "^up" }
client = ["true"]
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root filesystem of one static program, which starts without any box too."""
    need("busybox")
    folder = tmp_path_factory.mktemp("root")
    (folder / "bin").mkdir()
    busybox = shutil.which("busybox")
    assert busybox is not None
    shutil.copy(busybox, folder / "bin/busybox")
    (folder / "bin/sh").symlink_to("busybox")
    return folder


def written(root: Path, folder: Path, tests: str = GOOD, cmd: str = '["/bin/sh"]', more: str = "") -> Path:
    path = folder / "recipe.toml"
    path.write_text(
        f'name = "box"\nversion = "1"\n[source]\ndirectory = "{root}"\n[select]\nmode = "all"\n'
        f"[image]\nentrypoint = {cmd}\nstop_signal = 'SIGKILL'\n{more}\n{tests}\n"
    )
    return path


@pytest.fixture
def subject(root: Path, tmp_path: Path) -> Subject:
    return made(written(root, tmp_path))


def made(recipe: Path) -> Subject:
    output = recipe.with_name("box.tar")
    pack(recipe, "-o", output)
    return Subject(Target("box:1", parse(str(output)), load_recipe(str(recipe))), (str(recipe),))


@pytest.fixture
def terms(tmp_path: Path) -> Terms:
    runtime = make_runtime(tmp_path / "unboxed-runc")
    return Terms(runtime, None, None, keep=False, tell=lambda _: None, change=lambda box: box)


def measured(terms: Terms, extent: Extent, *subjects: Subject) -> tuple[Benched, ...]:
    return bench(subjects, terms, extent, Silent())


def test_all_is_measured_in_each_round(subject: Subject, terms: Terms) -> None:
    (found,) = measured(terms, Extent(3), subject)
    assert (found.failures, found.notes, found.runtime) == ((), (), "runc")
    assert found.runs.keys() == {*PACKING, "unpack", *STARTING}
    for name, values in found.runs.items():
        assert values is not None, name
        assert len(values) == 3
        assert all(value > 0 for value in values), name


def test_what_is_known_without_running(subject: Subject, terms: Terms, root: Path) -> None:
    (found,) = measured(replace(terms, runtime="no-such-runtime"), Extent(0), subject)
    assert found.runs == {}
    assert found.runtime is None
    assert (found.image, found.files, found.layers) == ("box:1", 1, 1)
    assert found.unpacked == (root / "bin/busybox").stat().st_size
    assert found.unpacked < found.on_disk
    assert 0 < found.stored < found.unpacked
    assert found.libraries == 0


def test_of_images_side_by_side_each_has_its_own(root: Path, terms: Terms, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    tested = made(written(root, tmp_path / "a"))
    plain = Subject(replace(made(written(root, tmp_path / "b")).target, name="plain", recipe=None))
    first, second, again = measured(terms, Extent(2), tested, plain, tested)
    assert [one.image for one in (first, second, again)] == ["box:1", "plain", "box:1"]
    assert second.runs.keys() == {"unpack", "start_cold", "start_warm", "memory"}
    assert first.runs.keys() == again.runs.keys() == {*PACKING, "unpack", *STARTING}
    assert all(
        values is not None and len(values) == 2 for one in (first, second, again) for values in one.runs.values()
    )


@pytest.mark.parametrize(
    ("extent", "names"),
    [
        (Extent(1, packs=False), {"unpack", *STARTING}),
        (Extent(1, starts=False), {*PACKING, "unpack"}),
        (Extent(1, packs=False, starts=False), {"unpack"}),
    ],
)
def test_less_is_measured_where_asked(subject: Subject, terms: Terms, extent: Extent, names: set[str]) -> None:
    (found,) = measured(terms, extent, subject)
    assert found.runs.keys() == names


def test_a_test_that_fails_is_told_and_the_others_are_measured(root: Path, terms: Terms, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    bad = made(written(root, tmp_path / "bad", GOOD + '[[test]]\nname = "last"\nrun = ["/bin/sh", "-c", "exit 1"]\n'))
    good = made(written(root, tmp_path))
    failed, passed = measured(terms, Extent(2), bad, good)
    assert failed.failures == ("last: exit code 1, not 0",)
    assert failed.runs.keys() == {*PACKING, "unpack"}
    assert all(values is not None and len(values) == 2 for values in failed.runs.values())
    assert passed.failures == ()
    assert passed.runs.keys() == {*PACKING, "unpack", *STARTING}


@pytest.mark.parametrize(
    ("tests", "cmd", "failure"),
    [
        ("", '["/bin/sh", "-c", "echo gone >&2; exit 127"]', "starts: exit code 127: gone"),
        ("", '["/bin/sh", "-c", "kill -9 $$"]', "starts: killed by SIGKILL (exit code 137)"),
        (
            '[[test]]\nserve = { args = ["-c", "exit 4"], ready = "x" }\n',
            '["/bin/sh"]',
            "serve: the server ended before it was ready: exit code 4: (it wrote nothing)",
        ),
    ],
)
def test_what_does_not_start(root: Path, terms: Terms, tmp_path: Path, tests: str, cmd: str, failure: str) -> None:
    (found,) = measured(terms, Extent(2, packs=False), made(written(root, tmp_path, tests, cmd)))
    assert found.failures == (failure,)
    assert found.runs.keys() == {"unpack"}


def test_a_server_is_up_when_its_test_says_so(root: Path, terms: Terms, tmp_path: Path) -> None:
    more = "[run]\nnetwork = 'host'"
    subject = made(written(root, tmp_path, SERVER, more=more))
    (found,) = measured(terms, Extent(1, packs=False), subject)
    assert found.failures == ()
    assert found.runs.keys() == {"unpack", *STARTING}
    assert found.runs["memory"] is not None


def test_what_goes_on_running_and_says_nothing(root: Path, terms: Terms, tmp_path: Path) -> None:
    subject = made(written(root, tmp_path, "", '["/bin/sh", "-c", "sleep 100"]'))
    (found,) = measured(replace(terms, seconds=0.5), Extent(1, packs=False), subject)
    assert found.failures == ()
    assert found.runs["start_cold"] is found.runs["start_warm"] is None
    assert found.runs["memory"] is not None
    assert found.notes == ("nothing tells when it is up: it goes on running and exposes no port; --recipe can tell",)


def test_ports_that_nobody_listens_on(root: Path, terms: Terms, tmp_path: Path) -> None:
    subject = made(written(root, tmp_path, "", '["/bin/sh", "-c", "sleep 100"]', "expose = ['1/tcp']"))
    (found,) = measured(replace(terms, seconds=0.5), Extent(1, packs=False), subject)
    assert found.failures == ("starts: nothing listens on port 1/tcp within 0.5 s",)


def test_nothing_is_started_of_what_starts_nothing(root: Path, terms: Terms, tmp_path: Path) -> None:
    pack("-s", root, "--mode", "all", "-o", tmp_path / "box.tar")
    (found,) = measured(terms, Extent(1), Subject(Target("x", parse(str(tmp_path / "box.tar")))))
    assert found.notes == ("it starts nothing",)
    assert found.runs.keys() == {"unpack"}


def test_a_root_that_may_be_written_to_is_new_for_each_test(root: Path, terms: Terms, tmp_path: Path) -> None:
    subject = made(written(root, tmp_path, more="[run]\nread_only = false"))
    (found,) = measured(terms, Extent(1, packs=False), subject)
    assert found.failures == ()
    assert found.runs.keys() == {"unpack", *STARTING}


def test_no_start_is_cold_where_files_stay(subject: Subject, terms: Terms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "drop_from_memory", lambda _: 0.5)
    (found,) = measured(terms, Extent(1, packs=False), subject)
    assert found.runs["start_cold"] is found.runs["tests_cold"] is None
    assert found.runs["start_warm"] is not None
    assert found.notes == ("cold: the files stay in memory: set TMPDIR to a folder on a disk",)


def test_what_is_stored_plain_is_noted(root: Path, terms: Terms, tmp_path: Path) -> None:
    recipe = written(root, tmp_path)
    output = f"docker-archive:{tmp_path}/x.tar:x:1"
    pack(recipe, "-o", output, "--set", "layers.compression=none")
    (found,) = measured(terms, Extent(0), Subject(Target("x", parse(output))))
    assert found.notes == ("stored without compression: 1 of 1 layers, as archives of docker have them",)
    assert found.stored > found.unpacked


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        ({"User": "nobody-knows"}, "user 'nobody-knows' is not in /etc/passwd of the image"),
        ({"Cmd": ["/bin/nope"]}, "starts: /bin/nope: the image has no such program"),
        ({"Cmd": ["/broken"]}, "/broken: truncated: a segment ends beyond the end of the file"),
    ],
)
def test_what_a_config_has_wrong(
    root: Path, terms: Terms, tmp_path: Path, changes: dict[str, object], failure: str
) -> None:
    shutil.copytree(root, tmp_path / "root", symlinks=True)
    (tmp_path / "root/broken").write_bytes((root / "bin/busybox").read_bytes()[:10000])
    (tmp_path / "root/broken").chmod(0o755)
    words = ("--set", 'image.cmd=["/bin/sh"]')
    pack("-s", tmp_path / "root", "--mode", "all", *words, "-o", f"oci:{tmp_path}/layout:1")
    with_config(tmp_path / "layout", "1", **changes)
    (found,) = measured(terms, Extent(1), Subject(Target("x", parse(f"oci:{tmp_path}/layout:1"))))
    assert found.failures == (failure,)
    assert found.runs.keys() == {"unpack"}


def test_without_a_runtime_there_is_a_way(subject: Subject, terms: Terms) -> None:
    with pytest.raises(ProgramError, match="no-such-runtime: not installed") as caught:
        measured(replace(terms, runtime="no-such-runtime"), Extent(1), subject)
    assert caught.value.hint is not None
    assert caught.value.hint.endswith("or --no-run, to start nothing")


def test_an_image_over_its_budget_is_measured(root: Path, terms: Terms, tmp_path: Path) -> None:
    subject = made(written(root, tmp_path))
    written(root, tmp_path, more='[budget]\ncompressed = "1 KB"')
    (found,) = measured(terms, Extent(1, starts=False), subject)
    assert found.runs.keys() == {*PACKING, "unpack"}


def test_a_recipe_that_cannot_be_packed_any_more(subject: Subject, terms: Terms) -> None:
    with pytest.raises(ProgramError, match=r"pack nowhere .*: exit code 3: "):
        measured(terms, Extent(1), replace(subject, pack=("nowhere",)))


def test_nothing_is_left(subject: Subject, terms: Terms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    measured(terms, Extent(1), subject)
    with pytest.raises(ImageError):
        measured(terms, Extent(1), subject, replace(subject, target=replace(subject.target, platform="linux/s390x")))
    assert list(folder.iterdir()) == []
