"""Whether a root is closed: what must be there, and what a plugin may miss."""

from __future__ import annotations

from assembler.base.content import Bytes
from assembler.graph.closed import RootReport, check_root
from assembler.oci.types import ContainerConfig, ImageConfig
from assembler.tree import Regular, Tree
from tests.elf.build import elf

LD = "/lib/ld-linux-x86-64.so.2"


def file(path: str, data: bytes) -> Regular:
    return Regular(path, 0o755, 0, 0, 0, (), 0, Bytes(data))


def check(*files: Regular, program: str = "/bin/x") -> RootReport:
    base = (file(LD, elf(soname="ld-linux-x86-64.so.2")), file("/lib/libc.so.6", elf(soname="libc.so.6")))
    config = ImageConfig("amd64", "linux", config=ContainerConfig(entrypoint=(program,)))
    return check_root(Tree([*base, *files]), config)


def test_what_a_program_needs_must_be_there() -> None:
    report = check(file("/bin/x", elf(interp=LD, needed=("libc.so.6", "libnope.so"))))
    assert [(one.rule, one.path) for one in report.violations] == [("needed", "/bin/x")]


def test_what_a_plugin_misses_is_a_finding() -> None:
    """A name service that a distribution ships without its library is no reason not to start."""
    program = file("/bin/x", elf(interp=LD, needed=("libc.so.6",), calls=("getpwnam",)))
    plugin = file("/lib/libnss_files.so.2", elf(needed=("libnope.so",)))
    report = check(program, plugin)
    assert report.violations == ()
    assert ("needed", "/lib/libnss_files.so.2") in [(one.rule, one.path) for one in report.findings]
