from __future__ import annotations

import re

import pytest

from benches import machine, packing, resolving, running, transfers, tuning
from benches.__main__ import SECTIONS, beside, chosen, given_inputs
from benches.inputs import INPUTS, bootstrap, mirror_in, tar_name
from benches.programs import PACKAGES, Program, look, search_path, version_in
from benches.record import Refused
from benches.section import Bench, Measured, Section, Skip, obstacle


def test_a_program_is_here_with_its_version() -> None:
    found = look("umoci", lambda _: "/usr/bin/umoci", lambda _: (0, "umoci version 0.4.7+ds-3+b7\n"))
    assert found == Program("0.4.7")


def test_a_program_that_does_not_tell_its_version_is_asked_for_by_its_package() -> None:
    def ask(command: tuple[str, ...]) -> tuple[int, str]:
        return (0, "1.3.7-1") if command[0] == "dpkg-query" else (0, "lddtree by a person\n")

    assert look("lddtree", lambda _: "/usr/bin/lddtree", ask) == Program("1.3.7-1")
    assert look("lddtree", lambda _: "x", lambda command: (int(command[0] != "lddtree"), "")).version is not None


def test_a_missing_program_says_what_to_install() -> None:
    found = look("lddtree", lambda _: None, lambda _: (0, ""))
    assert found == Program(None, "lddtree is not installed: apt install pax-utils")


def test_a_program_that_does_not_start_is_missing() -> None:
    said = "Traceback (most recent call last):\n  …\nModuleNotFoundError: No module named 'elftools'\n"
    found = look("lddtree", lambda _: "/usr/bin/lddtree", lambda _: (1, said))
    assert found == Program(None, "lddtree does not start: ModuleNotFoundError: No module named 'elftools'")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("umoci version 0.4.7+ds-3+b7", "0.4.7"),
        ("ldd (Debian GLIBC 2.36-9+deb12u14) 2.36", "2.36"),
        ("docker-registry github.com/docker/distribution 2.8.2+ds1", "2.8.2"),
        ("lddtree by a person", ""),
    ],
)
def test_versions_are_found_in_what_programs_say(text: str, version: str) -> None:
    assert version_in(text) == version


def test_the_distribution_is_looked_at_first() -> None:
    path = search_path({"PATH": "/home/me/bin:/usr/bin"}).split(":")
    assert path.index("/usr/bin") < path.index("/home/me/bin")


def test_sections_have_one_shape_and_names_of_their_own() -> None:
    modules = (packing, resolving, transfers, running, tuning)
    assert [module.SECTION for module in modules] == list(SECTIONS)
    assert [one.name for one in SECTIONS] == ["pack", "resolve", "transfer", "run", "tune"]
    for one in SECTIONS:
        assert set(one.needs) <= set(one.programs) <= PACKAGES.keys()


def nothing(bench: Bench) -> Measured:
    raise AssertionError(bench)


@pytest.mark.parametrize(
    ("needs", "root", "as_root", "reason"),
    [
        ((), False, False, None),
        (("umoci",), True, True, None),
        (("umoci",), True, False, "only root can measure this"),
        (("umoci", "runc"), True, True, "runc is not installed: apt install runc"),
    ],
)
def test_a_section_says_why_it_is_skipped(
    needs: tuple[str, ...], root: bool, as_root: bool, reason: str | None
) -> None:
    here = {"umoci": Program("0.4.7"), "runc": Program(None, "runc is not installed: apt install runc")}
    assert obstacle(Section("x", "X", needs, nothing, needs, root), here, root=as_root) == reason


def test_without_a_peer_there_is_no_ratio() -> None:
    lacking = {name: Program(None, f"{name} is not installed") for name in PACKAGES}
    bench = Bench(1, "/nowhere", None, lacking, True, lambda _: None)  # type: ignore[arg-type]
    with pytest.raises(Skip, match="umoci insert: umoci is not installed"):
        bench.able([packing.umoci("/root")])


def test_sections_are_chosen_by_name_and_run_in_their_own_order() -> None:
    assert [one.name for one in chosen(None)] == [one.name for one in SECTIONS]
    assert [one.name for one in chosen("tune, pack")] == ["pack", "tune"]
    with pytest.raises(Refused, match="no section pull: there are pack, resolve, transfer, run, tune"):
        chosen("pack,pull")


@pytest.mark.parametrize("word", ["debian", "debian=", "other=/etc/passwd", "debian=/no/such/file"])
def test_inputs_that_are_given_must_be_there(word: str) -> None:
    with pytest.raises(Refused, match=re.escape(word)):
        given_inputs([word])


def test_inputs_that_are_given_have_a_name() -> None:
    assert given_inputs([f"debian={__file__}"]) == {"debian": __file__}


def test_the_json_stands_beside_the_record() -> None:
    assert beside("benches/RESULTS.md") == "benches/results.json"
    assert beside("mine.md") == "mine.json"


def test_a_root_is_made_of_one_component_alone() -> None:
    command = bootstrap("python", "x.tar", "http://mirror/debian/")
    assert command[:2] == ("env", "SOURCE_DATE_EPOCH=1735689600")
    assert command[-3:] == ("bookworm", "x.tar", "deb http://mirror/debian/ bookworm main")
    assert "--include=python3-minimal" in command


def test_without_a_mirror_mmdebstrap_knows_one() -> None:
    assert bootstrap("python", "x.tar", None)[-2:] == ("bookworm", "x.tar")


def test_what_is_made_of_other_packages_has_another_name() -> None:
    names = {tar_name(name, mirror) for name in INPUTS for mirror in (None, "http://mirror/debian/")}
    assert len(names) == 2 * len(INPUTS)


@pytest.mark.parametrize(
    ("listed", "mirror"),
    [
        ("", None),
        ("http://near/debian/ trixie main\n", None),
        ("http://near/sec/ bookworm-security main\nhttp://near/debian/ bookworm main\n", "http://near/debian/"),
    ],
)
def test_the_mirror_is_the_machines_own(listed: str, mirror: str | None) -> None:
    assert mirror_in(listed) == mirror


def test_the_kernels_ticks_are_told_apart() -> None:
    busy, total = machine.jiffies("cpu  100 1 20 1000 50 2 3 4 99 99\n")
    assert (busy, total) == (130, 1180)


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ((10, 100, 5), (30, 200, 15), 0.1),
        ((10, 100, 5), (30, 200, 25), 0),
        ((10, 100, 5), (10, 100, 5), 0),
        ((10, 100, 5), (11, 110, 20), 0),  # ours is counted when it ends, and so may be late
    ],
)
def test_what_others_used_is_what_is_not_ours(
    before: tuple[float, float, float], after: tuple[float, float, float], share: float
) -> None:
    assert machine.others(machine.Clock(*before), machine.Clock(*after)) == pytest.approx(share)


@pytest.mark.parametrize(("load", "share", "count"), [(0.1, 0.01, 0), (0.5, 0.01, 1), (0.1, 0.2, 1), (2, 1, 2)])
def test_a_machine_that_is_not_ours_alone_is_told(load: float, share: float, count: int) -> None:
    assert len(machine.warnings(load, share)) == count


def test_a_folder_is_on_the_nearest_mount() -> None:
    mounts = [["/", "ext4"], ["/dev/shm", "tmpfs"], ["/dev/shmother", "xfs"], ["/mnt", "nfs"], ["/mnt", "btrfs"]]
    found = [machine.filesystem_of(folder, mounts) for folder in ("/dev/shm/x", "/dev/shmother", "/home", "/mnt/y")]
    assert found == ["tmpfs", "xfs", "ext4", "btrfs"]
    assert machine.filesystem_of("/x", []) == "unknown"
