"""Results as JUnit's XML, of the form that Jenkins, GitLab and GitHub's actions read (jenkins-junit.xsd).

In: results by image. Out: bytes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.runtime.setting import Result

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold (2.2, Char)."""


def junit_xml(suites: Mapping[str, Sequence[Result]]) -> bytes:
    """Return the document: a suite for each image, a case for each test.

    Args:
        suites: results by what was tested.
    """
    every = [result for results in suites.values() for result in results]
    top = ET.Element("testsuites", {"name": "brasm test", **_counts(every)})
    for name, results in suites.items():
        suite = ET.SubElement(top, "testsuite", {"name": _text(name), "skipped": "0", **_counts(results)})
        for result in results:
            _add_case(suite, name, result)
    ET.indent(top)
    data: bytes = ET.tostring(top, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _add_case(suite: ET.Element, image: str, result: Result) -> None:
    case = ET.SubElement(
        suite, "testcase", name=_text(result.name), classname=_text(image), time=f"{result.seconds:.3f}"
    )
    if result.problems:
        failure = ET.SubElement(case, "failure", message=_text(result.problems[0]), type="failure")
        failure.text = _text("\n".join(result.problems))
    output = result.stdout + (f"\n--- server ---\n{result.server}" if result.server else "")
    for tag, text in (("system-out", output), ("system-err", result.stderr)):
        if text:
            ET.SubElement(case, tag).text = _text(text)


def _counts(results: Sequence[Result]) -> dict[str, str]:
    return {
        "tests": str(len(results)),
        "failures": str(sum(bool(one.problems) for one in results)),
        "errors": "0",
        "time": f"{sum(one.seconds for one in results):.3f}",
    }


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
