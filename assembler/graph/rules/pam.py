"""PAM: the modules that the services of a program name, and what those modules name in turn.

A program gives `pam_start` the name of its service, a constant or its own name; where no service is found among its
strings, all are kept. Sources: Linux-PAM `libpam/pam_handlers.c`, pam.conf(5).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from assembler.base.paths import name
from assembler.graph.rules.common import Rule, Scene, opened, user_of
from assembler.tree import Found, Regular

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Edge

FOLDER: Final = "/etc/pam.d"

_INCLUDES: Final = ("include", "substack")
_CONTROL: Final = re.compile(r"\[[^]]*\]")
_DEFAULT_FOLDERS: Final = ("/lib/security", "/usr/lib/security", "/lib64/security", "/usr/lib64/security")


def find(scene: Scene) -> Iterator[Edge]:
    """Keep the services' files, their modules, and the files that modules name."""
    user = user_of(scene, "libpam.so.0")
    if user is None:
        return
    program = scene.load.objects[0].path
    folders = [path for path in scene.facts.strings(user.path).paths if name(path) == "security"]
    pending, seen = _services(scene, program), set[str]()
    while pending:
        service = pending.pop(0)
        if service not in seen:
            seen.add(service)
            for edge in opened(scene, program, f"{FOLDER}/{service}", f"libpam reads it for the service {service}"):
                yield edge
                modules, included = read_service(scene.text(edge.target))
                pending += included
                for module in modules:
                    yield from _module(scene, edge.target, module, [*folders, *_DEFAULT_FOLDERS])


def _services(scene: Scene, program: str) -> list[str]:
    """Return the services that a program asks for, `other` always: what is not configured falls back to it."""
    known = list(scene.names(FOLDER))
    data = scene.facts.whole(program)
    asked = [one for one in known if one == name(program) or b"\0" + one.encode("utf-8", "replace") + b"\0" in data]
    return [*(asked or known), *(["other"] if "other" in known else [])]


def read_service(text: str) -> tuple[list[str], list[str]]:
    """Return the modules and the other services that a service's file names."""
    modules: list[str] = []
    included: list[str] = []
    for line in text.replace("\\\n", " ").splitlines():
        words = _CONTROL.sub("[]", line.partition("#")[0]).split()
        match words:
            case ["@include", service, *_]:
                included.append(service)
            case [_, control, service, *_] if control in _INCLUDES:
                included.append(service)
            case [_, _, module, *_]:
                modules.append(module)
    return modules, included


def _module(scene: Scene, service: str, module: str, folders: list[str]) -> Iterator[Edge]:
    paths = [module] if module.startswith("/") else [f"{folder}/{module}" for folder in folders]
    for path in paths:
        found = list(opened(scene, service, path, f"a PAM module of {service}"))
        if found:
            yield from found
            yield from _named_by(scene, found[0].target)
            return


def _named_by(scene: Scene, module: str) -> Iterator[Edge]:
    """Yield the files that a module holds the paths of: its configuration, its helper."""
    for path in scene.facts.strings(module).paths:
        at = scene.tree.walk(path)
        if isinstance(at, Found) and isinstance(at.entry, Regular):
            yield from opened(scene, module, path, f"{name(module)} holds its path")


RULE = Rule("pam", "recommended", "the PAM services of a program, their modules, and what those name", find)
