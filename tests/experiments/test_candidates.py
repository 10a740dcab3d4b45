"""What may be tried to be left out, in which groups, and how it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.base.globs import compile_glob
from assembler.base.paths import ancestors, join, normalize
from assembler.experiments.drops.candidates import Candidate, candidates
from assembler.experiments.drops.droppable import exact_glob
from assembler.tree import Regular, Tree
from tests.elf.build import elf
from tests.experiments.hunting import Judge
from tests.plan.making import loaded_recipe, plan_of
from tests.plan.test_planner import LD, file, link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.experiments.drops.candidates import Candidates

DATA = """
/usr/bin/app        file 0755 0:0 app
/usr/share/a/1      file 0644 0:0 11111
/usr/share/a/2      file 0644 0:0 22
/usr/share/a/sub/3  file 0644 0:0 333
/usr/share/b/one    file 0644 0:0 x
/etc/app.conf       file 0644 0:0 conf
/etc/alias          link app.conf
/var/empty          dir
"""


def of(tree: str | Tree, packages: dict[str, str] | None = None, **tables: Any) -> Candidates:
    judge = Judge(tree, **tables)
    judge.packages = packages or {}
    return judge.candidates()


def lines(groups: tuple[Candidate, ...], depth: int = 0) -> Iterator[str]:
    for group in groups:
        yield f"{'  ' * depth}{group.kind} {group.name} {group.files} {group.size}"
        yield from lines(group.parts, depth + 1)


def test_directories_fall_apart_into_directories_and_files() -> None:
    assert list(lines(of(DATA).groups)) == [
        "directory /etc 2 4",
        "  file /etc/alias 1 0",
        "  file /etc/app.conf 1 4",
        "directory /usr 5 14",
        "  file /usr/bin/app 1 3",
        "  directory /usr/share 4 11",
        "    directory /usr/share/a 3 10",
        "      file /usr/share/a/1 1 5",
        "      file /usr/share/a/2 1 2",
        "      file /usr/share/a/sub/3 1 3",
        "    file /usr/share/b/one 1 1",
    ]


def test_what_the_recipe_wants_is_no_candidate() -> None:
    found = of(
        DATA,
        select={"mode": "prune", "keep": ["/etc/app.conf", "/usr/share/a/**", "!/usr/share/a/1"]},
        files=[{"path": "/usr/share/b/one", "content": "y"}],
    )
    assert list(found.droppable.files) == ["/etc/alias", "/usr/bin/app", "/usr/share/a/1"]
    assert found.droppable.complete(found.droppable.files) == {*found.droppable.files, "/usr/bin"}


ROOT = Tree(
    [
        file(LD, elf(soname="ld-linux-x86-64.so.2")),
        *(file(f"/lib/lib{name}.so.{at}", elf(soname=f"lib{name}.so.{at}")) for name, at in (("c", 6), ("z", 1))),
        file("/lib/libonly.so.1", elf(soname="libonly.so.1")),
        file("/lib/libboth.so.1", elf(soname="libboth.so.1")),
        file("/lib/libplug.so.1.2", elf(soname="libplug.so.1", needed=("libonly.so.1", "libboth.so.1", "libz.so.1"))),
        link("/lib/libplug.so.1", "libplug.so.1.2"),
        file("/lib/libother.so.1", elf(soname="libother.so.1", needed=("libboth.so.1",))),
        file(
            "/usr/bin/app",
            elf(interp=LD, needed=("libz.so.1", "libc.so.6"), calls=("dlopen",))
            + b"\0libplug.so.1\0libother.so.1\0/etc/app.conf\0",
        ),
        file("/etc/app.conf", b"conf", 0o644),
    ]
)
APP: dict[str, Any] = {"image": {"entrypoint": ["/usr/bin/app"]}}


def test_what_is_needed_to_start_is_no_candidate_and_guesses_are_a_group() -> None:
    found = of(ROOT, **APP, select={"dlopen": "strings"})
    assert [line.rsplit(" ", 1)[0] for line in lines(found.groups)] == [
        "guesses guessed libraries 5",
        "  file /lib/libboth.so.1 1",
        "  file /lib/libother.so.1 1",
        "  library /lib/libplug.so.1.2 3",
        "    file /lib/libonly.so.1 1",
        "    file /lib/libplug.so.1 1",
        "    file /lib/libplug.so.1.2 1",
        "file /etc/app.conf 1",
    ]


def test_what_kept_programs_need_is_no_candidate() -> None:
    found = of(ROOT, image={"entrypoint": [LD]}, select={"keep": ["/usr/bin/app"]})
    assert list(found.droppable.files) == []


def test_packages_come_before_directories() -> None:
    packages = {"/usr/share/a/1": "one", "/usr/share/b/one": "one", "/usr/bin/app": "app"}
    found = of(DATA, packages)
    assert [(group.kind, group.name, group.files) for group in found.groups] == [
        ("package", "app", 1),
        ("package", "one", 2),
        ("directory", "/etc", 2),
        ("directory", "/usr/share/a", 2),
    ]


def test_groups_share_no_file_and_parts_are_all_of_a_group() -> None:
    found = of(DATA, {"/usr/share/a/1": "one", "/usr/share/b/one": "one"})
    pending, seen = list(found.groups), [path for group in found.groups for path in group.items]
    assert len(seen) == len(set(seen))
    while pending:
        group = pending.pop()
        parts = group.split(found.droppable)
        assert not parts or set().union(*(part.items for part in parts)) & found.droppable.files.keys() == (
            group.items & found.droppable.files.keys()
        )
        pending += parts


def test_halves_have_about_as_many_files() -> None:
    found = of("".join(f"/data/{number:02} file\n" for number in range(16)))
    sizes = [[part.files for part in one.split(found.droppable)] for one in found.groups]
    assert sizes == [[8, 8]]
    half = found.groups[0].split(found.droppable)[0]
    assert (half.kind, half.name) == ("several", "8 of /data")
    assert half.split(found.droppable)[0].name == "4 of /data"


@pytest.mark.parametrize(
    ("line", "table"),
    [
        ("/a/b dir 1777", {}),
        ("/a/b dir 0755 7:7", {}),
        ("/a/b dir", {"image": {"volumes": ["/a/b"]}}),
        ("/a/b dir", {"image": {"workdir": "/a/b/"}}),
        ("/a/b dir", {"run": {"tmpfs": ["/a/b"]}}),
        ("/a/b/empty dir", {}),
        ("/a/b/\\xff file", {}),
        ("/a/b/kept file", {"select": {"mode": "prune", "keep": ["/a/b/kept"]}}),
    ],
)
def test_directories_that_stay_though_their_files_go(line: str, table: dict[str, Any]) -> None:
    plain = of("/a/b/1 file\n/a/b/2 file").droppable
    assert list(plain.rules(plain.complete(["/a/b/1", "/a/b/2"]))) == ["/a"]
    found = of(f"{line}\n/a/b/1 file\n/a/b/2 file", **table).droppable
    assert list(found.rules(found.complete(["/a/b/1", "/a/b/2"]))) == ["/a/b/1", "/a/b/2"]


def test_a_runtimes_mounts_stay() -> None:
    found = of("/tmp/1 file\n/tmp/2 file\n/run/3 file").droppable
    assert list(found.rules(found.complete(found.files))) == ["/run/3", "/tmp/1", "/tmp/2"]


def test_hard_links_count_once_the_last_is_gone() -> None:
    found = of("/a/1 file 0644 0:0 12345\n/b/2 hard /a/1\n/b/3 file 0644 0:0 123").droppable
    assert [found.size(paths) for paths in (["/a/1"], ["/b/2", "/b/3"], ["/a/1", "/b/2"])] == [0, 3, 5]


PLUGINS = ("libplug.so.1", "libq.so.1")


def with_plugins(*more: Regular, lazy: bool) -> Tree:
    """An app that opens two libraries of /usr/lib/p, in a root that is listed at once or where it is looked at."""
    app = file("/usr/bin/app", elf(interp=LD, calls=("dlopen",)) + b"\0/usr/lib/p/libplug.so.1\0/usr/lib/p/libq.so.1\0")
    plugins = [file(f"/usr/lib/p/{name}", elf(soname=name)) for name in PLUGINS]
    whole = ROOT.with_entries([app, *plugins, file("/usr/lib/other"), *more])
    if not lazy:
        return whole
    return Tree([whole["/"]], lambda folder: [whole[join(folder, child)] for child in whole.children(folder)])


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("more", "rules"),
    [
        ((), ["/usr/lib/p"]),
        ((file("/usr/lib/p/libz.a", b"!<arch>\n"),), ["/usr/lib/p"]),
        ((file("/usr/lib/p/unreached"),), [f"/usr/lib/p/{name}" for name in PLUGINS]),
    ],
    ids=["nothing else", "what a pass drops", "what another recipe might want"],
)
def test_in_a_closure_a_directory_is_named_where_all_in_it_is_known(
    more: tuple[Regular, ...], rules: list[str], lazy: bool
) -> None:
    found = of(with_plugins(*more, lazy=lazy), **APP, select={"dlopen": "strings"}).droppable
    assert list(found.files) == [f"/usr/lib/p/{name}" for name in PLUGINS]
    assert list(found.rules(frozenset(found.files))) == rules, "never /usr/lib: it holds another file"
    assert list(found.rules(frozenset(["/usr/lib/p/libq.so.1"]))) == ["/usr/lib/p/libq.so.1"]


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1), st.text(max_size=8))
def test_an_exact_glob_matches_its_path_alone(name: str, other: str) -> None:
    path = normalize(f"/usr/{name}")
    glob = compile_glob(exact_glob(path))
    assert glob.matches(path)
    assert glob.matches(f"{path}/below" if path != "/" else path)
    another = normalize(f"/usr/{other}")
    assert glob.matches(another) is (another == path or path in ancestors(another))


NAMES = st.sampled_from(["a", "b", "c", "x[1]", "{y}", "z*"])
PATHS = st.lists(NAMES, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))


@given(
    st.sets(PATHS, min_size=1, max_size=12), st.sets(PATHS, max_size=3), st.data(), st.sampled_from(["prune", "all"])
)
def test_rules_drop_what_they_stand_for_and_nothing_else(
    paths: set[str], empty: set[str], data: st.DataObject, mode: str
) -> None:
    leaves = sorted(path for path in paths if not any(path in ancestors(other) for other in paths | empty))
    folders = [path for path in empty if not {path, *ancestors(path)} & set(leaves)]
    tree = "".join(f"{path} file\n" for path in leaves) + "".join(f"{path} dir\n" for path in folders)
    judge = Judge(tree, select={"mode": mode})
    droppable = judge.candidates().droppable
    chosen = data.draw(st.sets(st.sampled_from(sorted(droppable.files)))) if droppable.files else set()
    dropped = droppable.complete(chosen) if data.draw(st.booleans()) else frozenset(chosen)
    rules = droppable.rules(dropped)
    before, after = judge.plan().decisions, judge.plan(tuple(rules)).decisions
    gone = {path for path in before if before[path].result is not None and after[path].result is None}
    assert gone == dropped
    assert frozenset().union(*rules.values()) == dropped
    assert len(rules) <= len(dropped)


def test_a_candidate_tree_of_a_closure_of_nothing() -> None:
    loaded = loaded_recipe(**APP)
    plan = plan_of(
        Tree([Regular("/usr/bin/app", 0o755, 0, 0, 0, (), 0, file("/x", elf(static=True, kind=2)).content)]), loaded
    )
    assert candidates(plan, loaded.recipe).groups == ()
