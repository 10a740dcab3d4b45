"""A program in place of a runtime: it starts a container's program as it is, in no box at all.

It takes the command line of runc, reads `config.json`, and executes the file of the root filesystem on this machine:
what it needs of libraries is the machine's. Tests that measure need nothing more.
"""

from __future__ import annotations

import os
import sys

_PROGRAM = f"""#!{sys.executable} -IS
import json, os, sys, time
words = sys.argv[1:]
if "run" not in words:
    sys.exit(0)
bundle, pid_file = words[words.index("--bundle") + 1], words[words.index("--pid-file") + 1]
with open(os.path.join(bundle, "config.json")) as file:
    spec = json.load(file)
root, process = spec["root"]["path"], spec["process"]
path = os.path.join(bundle, root, process["args"][0].lstrip("/"))
pid = os.fork()
if pid == 0:
    time.sleep(0.1)  # as long as it takes to make a box
    os.execve(path, process["args"], dict(item.split("=", 1) for item in process["env"]))
with open(pid_file, "w") as file:
    file.write(str(pid))
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(code if code >= 0 else 128 - code)
"""


def make_runtime(path: str | os.PathLike[str]) -> str:
    """Write the program; its name has to say which runtime it stands for. Returns its path."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(_PROGRAM)
    os.chmod(path, 0o755)
    return os.fspath(path)
