"""Programs and libraries among files that differ."""

from __future__ import annotations

from assembler.base.content import Bytes
from assembler.base.progress import Silent
from assembler.graph.objects import Delta, ObjectChange, compare_objects
from assembler.tree import Regular, Tree
from assembler.tree.compare import compare
from tests.elf.build import ARM, Target, elf


def tree(**files: bytes) -> Tree:
    """Make a tree of files in /lib; of a name, `_` stands for a point."""
    return Tree(
        Regular(f"/lib/{name.replace('_', '.')}", 0o755, 0, 0, 0, (), 0, Bytes(data)) for name, data in files.items()
    )


def objects(before: Tree, after: Tree) -> tuple[ObjectChange, ...]:
    return compare_objects(before, after, compare(before, after, Silent()).changes)


def test_what_came_and_went() -> None:
    program = elf(interp="/lib/ld.so", needed=("libz.so.1", "libc.so.6"))
    library = elf(soname="libz.so.1", needed=("libc.so.6",))
    found = objects(tree(text=b"text"), tree(text=b"other", app=program, libz=library))
    assert [(one.kind, one.state, one.path_before, one.path_after) for one in found] == [
        ("program", "added", None, "/lib/app"),
        ("library", "added", None, "/lib/libz"),
    ]
    assert found[0].needed == Delta(added=("libz.so.1", "libc.so.6"))
    assert found[0].size_after == len(program) > found[1].size_after == len(library)
    (gone,) = objects(tree(libz=library), tree())
    assert (gone.state, gone.path, gone.needed) == ("removed", "/lib/libz", Delta(removed=("libc.so.6",)))


def test_what_a_library_asks_for() -> None:
    before = elf(soname="libz.so.1", needed=("libm.so.6", "libc.so.6"))
    after = elf(soname="libz.so.2", needed=("libc.so.6", "libpthread.so.0"), runpath="/opt")
    (found,) = objects(tree(libz=before), tree(libz=after))
    assert found.state == "changed"
    assert found.what == ("soname", "needed", "runpath")
    assert found.needed == Delta(("libpthread.so.0",), ("libm.so.6",))


def test_code_alone() -> None:
    before = elf(soname="libz.so.1")
    (found,) = objects(tree(libz=before), tree(libz=before + b"\0"))
    assert (found.what, found.needed, found.delta) == ((), Delta(), 1)


def test_a_soname_that_moved() -> None:
    old, new = elf(soname="libz.so.1"), elf(soname="libz.so.1", needed=("libc.so.6",))
    (found,) = objects(tree(libz_so_1_2=old), tree(libz_so_1_3=new))
    assert (found.state, found.path_before, found.path_after) == ("changed", "/lib/libz.so.1.2", "/lib/libz.so.1.3")
    assert found.what == ("needed",)


def test_a_soname_of_several_is_no_move() -> None:
    old, new = elf(soname="libz.so.1"), elf(soname="libz.so.1", needed=("libc.so.6",))
    found = objects(tree(a=old), tree(b=new, c=new))
    assert sorted((one.state, one.path) for one in found) == [
        ("added", "/lib/b"),
        ("added", "/lib/c"),
        ("removed", "/lib/a"),
    ]
    other = elf(soname="libz.so.1", target=Target(ARM, 32))
    assert sorted(one.state for one in objects(tree(a=old), tree(b=other))) == ["added", "removed"]


def test_what_is_none() -> None:
    broken = elf(soname="libz.so.1")[:100]
    relocatable = elf(kind=1, static=True)
    assert objects(tree(a=b"", b=b"x"), tree(a=broken, b=relocatable)) == ()
    static = elf(kind=2, static=True)
    (found,) = objects(tree(a=broken), tree(a=static))
    assert (found.kind, found.state) == ("program", "added")


def test_a_mode_changes_no_library() -> None:
    library = elf(soname="libz.so.1")
    other = Tree([Regular("/lib/libz", 0o644, 0, 0, 0, (), 0, Bytes(library))])
    assert objects(tree(libz=library), other) == ()
