"""Grouping: layers partition the plan, parents are explicit, hard links stay together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from assembler.base.content import Bytes
from assembler.base.paths import ancestors, to_bytes
from assembler.graph.types import Edge, Graph
from assembler.layers.group import MAX_LAYERS, LayerSpec, group
from assembler.plan.types import Decision, Plan
from assembler.tree import Directory, Entry, Regular, Symlink, Tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.recipe.types import Split


def file(path: str, inode: int = 0, size: int = 1) -> Regular:
    return Regular(path, 0o755, 0, 0, 0, (), inode, Bytes(b"x" * size))


def plan(entries: Sequence[Entry], edges: Sequence[Edge] = (), packages: Mapping[str, str] | None = None) -> Plan:
    tree = Tree(entries)
    graph = Graph((), {edge.source: (edge,) for edge in edges}, {}, (), None)
    decisions = {entry.path: Decision(entry, "keep", "", "", entry) for entry in tree}
    return Plan(tree, graph, decisions, packages=packages or {})


def paths(spec: LayerSpec) -> list[str]:
    return [entry.path for entry in spec.entries]


def test_runtime_below_app() -> None:
    link = Symlink("/lib/libc.so", 0o777, 0, 0, 0, (), 0, "libc.so.6")
    edge = Edge("/bin/x", "/lib/libc.so.6", "needed", "libc.so", "system dir /lib", ("/lib/libc.so",))
    runtime, app = group(plan([file("/bin/x"), file("/lib/libc.so.6"), file("/lib/data"), link], [edge]), "runtime+app")
    assert (runtime.title, app.title) == ("runtime", "app")
    assert paths(runtime) == ["/", "/lib", "/lib/libc.so", "/lib/libc.so.6"]
    assert paths(app) == ["/", "/bin", "/bin/x", "/lib", "/lib/data"]


def test_a_static_program_has_no_runtime_layer() -> None:
    assert [spec.title for spec in group(plan([file("/bin/x")]), "runtime+app")] == ["app"]


def test_packages_by_name_and_the_rest_on_top() -> None:
    specs = group(plan([file("/a"), file("/b"), file("/c")], packages={"/a": "zlib", "/b": "acl"}), "package")
    assert [(spec.title, paths(spec)) for spec in specs] == [
        ("acl", ["/", "/b"]),
        ("zlib", ["/", "/a"]),
        ("other", ["/", "/c"]),
    ]


def test_too_many_packages_share_the_last_layer() -> None:
    entries = [file(f"/f{number:03}", size=number) for number in range(1, 151)]
    specs = group(plan(entries, packages={entry.path: f"p{entry.path[2:]}" for entry in entries}), "package")
    assert len(specs) == MAX_LAYERS
    assert specs[-1].title == "other"
    assert "/f001" in paths(specs[-1])
    assert specs[0].title == "p052"


def test_an_empty_plan_is_one_layer() -> None:
    assert [paths(spec) for spec in group(plan([]), "package")] == [["/"]]


NAMES = st.sampled_from(["a", "b", "c"])
FILES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "/d" + "/d".join(parts)),
    st.tuples(st.integers(0, 2), st.sampled_from(["p", "q", "r", None])),
    max_size=10,
)


@given(FILES, st.sampled_from(["single", "runtime+app", "package"]))
def test_layers_partition_the_plan(files: dict[str, tuple[int, str | None]], split: Split) -> None:
    leaves = [path for path in files if not any(other.startswith(path + "/") for other in files)]
    entries = [file(path, files[path][0]) for path in leaves]
    packages = {path: package for path, (_, package) in files.items() if package}
    edges = [Edge("/x", path, "needed", "n", "f") for path in leaves[::2]]
    made = plan(entries, edges, packages)
    specs = group(made, split)
    placed = [entry.path for spec in specs for entry in spec.entries if not isinstance(entry, Directory)]
    assert sorted(placed) == sorted(leaves)
    assert {entry.path for spec in specs for entry in spec.entries} == {entry.path for entry in made.entries}
    for spec in specs:
        names = paths(spec)
        assert names == sorted(set(names), key=to_bytes)
        assert all(above in names for name in names for above in ancestors(name))
    for inode in (1, 2):
        assert len({spec.title for spec in specs for entry in spec.entries if entry.inode == inode}) <= 1
