"""JUnit's XML, held to the schema that Jenkins publishes (xunit-plugin, jenkins-junit.xsd), written down here."""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from assembler.runtime.junit import junit_xml
from assembler.runtime.setting import Result

# element -> (required attributes, further attributes, children in their order)
SCHEMA: Final[dict[str, tuple[set[str], set[str], list[str]]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "disabled", "errors"}, ["testsuite"]),
    "testsuite": (
        {"name", "tests"},
        {"failures", "errors", "time", "disabled", "skipped", "timestamp", "hostname", "id", "package"},
        ["properties", "testcase", "system-out", "system-err"],
    ),
    "testcase": (
        {"name"},
        {"assertions", "time", "classname", "status"},
        ["skipped", "error", "failure", "system-out", "system-err"],
    ),
    "failure": (set(), {"type", "message"}, []),
    "system-out": (set(), set(), []),
    "system-err": (set(), set(), []),
}


def validate(element: ET.Element) -> None:
    """Hold an element, and all in it, to the schema."""
    required, further, order = SCHEMA[element.tag]
    assert required <= element.attrib.keys() <= required | further, element.tag
    tags = [child.tag for child in element]
    assert tags == sorted(tags, key=order.index)
    if element.tag == "testcase":
        assert len(set(tags)) == len(tags)
    for name in {"tests", "failures", "errors", "skipped"} & element.attrib.keys():
        assert int(element.attrib[name]) >= 0
    if "time" in element.attrib:
        assert float(element.attrib["time"]) >= 0
    for child in element:
        validate(child)


def test_a_document() -> None:
    results = (
        Result("good", (), 0.25, "out", ""),
        Result("bad", ("it is <wrong>", "and worse"), 1, "", "err", "log"),
    )
    top = ET.fromstring(junit_xml({"web:1": results, "empty": ()}))
    validate(top)
    assert (top.get("tests"), top.get("failures"), top.get("time")) == ("2", "1", "1.250")
    web, empty = top
    assert (web.get("name"), web.get("tests"), empty.get("tests")) == ("web:1", "2", "0")
    good, bad = web
    assert (good.get("classname"), good.get("name"), good.findtext("system-out")) == ("web:1", "good", "out")
    failure = bad.find("failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == ("it is <wrong>", "it is <wrong>\nand worse")
    assert bad.findtext("system-err") == "err"
    assert "log" in (bad.findtext("system-out") or "")


@given(st.text(), st.lists(st.text(min_size=1)), st.text())
def test_whatever_a_program_writes_is_xml(name: str, found: list[str], output: str) -> None:
    document = junit_xml({name: (Result(name, tuple(found), 0, output, output, output),)})
    validate(ET.fromstring(document))
