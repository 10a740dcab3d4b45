"""A bounded run of a coverage-guided fuzzer over the readers: whatever they are given, only our error comes out."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from tests.elf.build import elf, note
from tests.tools import ROOT, attempt, lack

RUNS = 40_000

HARNESS = """
import sys
import atheris
with atheris.instrument_imports(include=["assembler.elf"]):
    from assembler.elf.read import read_elf
    from assembler.elf.relocations import count_relocations
    from assembler.elf.symbols import read_symbols
from assembler.base.content import Bytes
from assembler.base.errors import ElfError

def one(data):
    for reader in (read_elf, read_symbols, count_relocations):
        try:
            reader(Bytes(data), "/file")
        except ElfError as error:
            assert "\\n" not in error.message

atheris.Setup(sys.argv, one)
atheris.Fuzz()
"""


def test_only_our_error_comes_out(tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        lack("atheris is not installed: pip install 'brasm[fuzz]', on x86-64 with glibc")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "dynamic").write_bytes(elf(interp="/lib/ld.so", needed=("libc.so.6",), runpath="/x", soname="s"))
    (corpus / "notes").write_bytes(elf(notes=note(b"FDO", 0x407C0C0A, b'[{"soname": ["libx.so"]}]')))
    (corpus / "static").write_bytes(elf(static=True))
    real = Path(sys.executable).resolve().read_bytes()
    (corpus / "real").write_bytes(real[: 1 << 14])
    (tmp_path / "harness.py").write_text(HARNESS)
    bounds = (f"-runs={RUNS}", "-max_len=20000", "-timeout=5", "-rss_limit_mb=1024", "-max_total_time=60")
    done = attempt(sys.executable, "harness.py", *bounds, corpus, cwd=tmp_path, timeout=180, env={"PYTHONPATH": ROOT})
    assert done.returncode == 0, done.stderr[-3000:]
    assert "DONE" in done.stderr or "Done" in done.stderr, done.stderr[-500:]
