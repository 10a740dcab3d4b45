"""Facts of the machine."""

from __future__ import annotations

import platform

import pytest

from assembler import __version__
from assembler.experiments.facts.machine import cpu_model, machine_facts


def test_all_facts_are_there_and_say_something() -> None:
    facts = machine_facts()
    assert list(facts) == ["cpu", "cores", "memory", "kernel", "python", "brasm", "deflate", "zstd"]
    assert all(facts.values())
    assert facts["brasm"] == __version__
    assert platform.release() in facts["kernel"]
    assert int(facts["cores"]) >= 1
    assert facts == machine_facts()


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("processor\t: 0\nmodel\t\t: 85\nmodel name\t: AMD  EPYC 7B13\n\nmodel name\t: other\n", "AMD EPYC 7B13"),
        ("system type\t: MIPS Malta\ncpu model\t\t: MIPS 24Kc V0.0\n", "MIPS 24Kc V0.0"),
        ("processor\t: 0\ncpu\t\t: POWER9, altivec supported\nclock\t\t: 3800MHz\n", "POWER9, altivec supported"),
        ("processor\t: 0\nBogoMIPS\t: 50.00\nCPU part\t: 0xd0c\n", None),
        ("", None),
    ],
)
def test_models(text: str, model: str | None) -> None:
    assert cpu_model(text) == model
