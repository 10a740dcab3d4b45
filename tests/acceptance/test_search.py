"""`brasm tune --subject-to tests` on a root of this machine's shell: what nothing uses is found, what is used stays."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.acceptance.running import Brasm, brasm_with, left_behind
from tests.tools import attempt, need, pack, run
from tests.trees import make_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MODES = ("closure", "prune", "all")

APP: Final = r"""
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *never[] = {"libguess.so.1", "/usr/libexec/app/unused-helper", "/usr/share/app/unused.dat"};

static int show(const char *path) {
  char text[64] = "";
  FILE *file = fopen(path, "r");
  if (!file || !fgets(text, sizeof text, file)) return printf("no %s\n", path), 1;
  return printf("%s: %s", path, text), 0;
}

static int plugin(void) {
  void *library = dlopen("/usr/lib/app/plugin.so", RTLD_NOW);
  int (*answer)(void) = library ? (int (*)(void))dlsym(library, "answer") : 0;
  return answer ? (printf("plugin %d\n", answer()), 0) : (puts(dlerror()), 1);
}

static int list(void) {
  int count = 0;
  DIR *directory = opendir("/etc/app.d");
  for (struct dirent *entry; directory && (entry = readdir(directory));) count += strstr(entry->d_name, ".conf") != 0;
  return printf("%d in /etc/app.d\n", count), 0;
}

int main(int count, char **words) {
  const char *what = count > 1 ? words[1] : "";
  if (!strcmp(what, "helper")) execl("/usr/libexec/app/helper", "helper", NULL);
  if (!strcmp(what, "script")) execl("/usr/libexec/app/script", "script", NULL);
  if (!strcmp(what, "plugin")) return plugin();
  if (!strcmp(what, "list")) return list();
  if (!strcmp(what, "config")) return show("/etc/app.conf") || show("/usr/share/app/table.dat");
  return never[count % 3] == 0;
}
"""

FILES: Final = r"""
/etc/app.conf                file 0644 0:0 configured\n
/etc/unused.conf             file 0644 0:0 never read\n
/etc/app.d/1.conf            file 0644 0:0 first\n
/etc/app.d/2.conf            file 0644 0:0 second\n
/etc/app.d/README            file 0644 0:0 not counted\n
/usr/share/app/table.dat     file 0644 0:0 a table\n
/usr/share/app/unused.dat    file 0644 0:0 another\n
/usr/share/extra/a/1         file 0644 0:0 one\n
/usr/share/extra/a/2         file 0644 0:0 two\n
/usr/share/extra/b           file 0644 0:0 three\n
/usr/share/odd/[1]{2}*.dat   file 0644 0:0 odd\n
/usr/libexec/app/script      file 0755 0:0 #!/bin/sh\necho script from "$0"\n
/usr/libexec/app/unused.sh   file 0755 0:0 #!/bin/sh\necho never\n
/var/lib/app                 dir 0750 7:7
/var/lib/dpkg/info/extra.list file 0644 0:0 /usr/share/extra/a/1\n/usr/share/extra/a/2\n/usr/share/extra/b\n
"""

NEEDED: Final = (
    *("/etc/app.conf", "/etc/app.d/1.conf", "/etc/app.d/2.conf", "/usr/share/app/table.dat"),
    *("/usr/bin/app", "/usr/lib/app/plugin.so", "/usr/lib/app/libpart.so.1"),
    *("/usr/libexec/app/helper", "/usr/libexec/app/script", "/usr/bin/dash"),
)
UNUSED: Final = (
    *("/etc/unused.conf", "/etc/app.d/README", "/usr/share/app/unused.dat", "/usr/share/extra", "/usr/share/odd"),
    *("/usr/lib/libguess.so.1", "/usr/lib/libguess-part.so.1", "/usr/bin/unused"),
    *("/usr/libexec/app/unused.sh", "/usr/libexec/app/unused-helper", "/var/lib/dpkg"),
)

RECIPE: Final = """\
#:schema recipe.schema.json
# An app that opens what no ELF file needs.
name = "app"
version = "1"

[source]
directory = {root}

[select]
mode = {mode}          # as wide as it gets
dlopen = "strings"
keep = [{keep}]

# The app itself.
[image]
entrypoint = ["/usr/bin/app"]

[[test]]
name = "config and data are read"
run = ["/usr/bin/app", "config"]
stdout = "^/etc/app.conf: configured\\n/usr/share/app/table.dat: a table\\n$"

[[test]]
name = "a plugin is loaded"
run = ["/usr/bin/app", "plugin"]
stdout = "^plugin 42$"

[[test]]
name = "programs are started"
run = ["/usr/bin/app", "helper"]
stdout = "^helper$"

[[test]]
name = "scripts are started"
run = ["/usr/bin/app", "script"]
stdout = "^script from /usr/libexec/app/script$"

[[test]]
name = "a directory is listed"
run = ["/usr/bin/app", "list"]
stdout = "^2 in /etc/app.d$"
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This machine's shell and its libraries, an app, and beside what it uses all kinds of things that it does not."""
    need("gcc")
    made = tmp_path_factory.mktemp("search") / "root"
    pack("--source", "/", "--entrypoint", "/bin/sh", "-o", f"dir:{made}")
    make_folder(FILES, made)
    for name in ("usr/lib/app", "usr/bin", "usr/libexec/app"):
        (made / name).mkdir(parents=True, exist_ok=True)
    _compile(made, "usr/bin/app", APP, "-ldl")
    _compile(made, "usr/libexec/app/helper", '#include <stdio.h>\nint main(void) { return puts("helper") < 0; }')
    for name in ("usr/bin/unused", "usr/libexec/app/unused-helper"):
        _compile(made, name, "int main(void) { return 1; }")
    part = "int part(void) { return 42; }"
    whole = "int part(void); int answer(void) { return part(); }"
    _library(made, "usr/lib/app/libpart.so.1", part)
    _library(made, "usr/lib/app/plugin.so", whole, str(made / "usr/lib/app/libpart.so.1"), "-Wl,-rpath,/usr/lib/app")
    _library(made, "usr/lib/libguess-part.so.1", part)
    _library(made, "usr/lib/libguess.so.1", whole, str(made / "usr/lib/libguess-part.so.1"))
    return made


def _compile(root: Path, name: str, source: str, *words: str) -> None:
    run("gcc", "-O1", "-x", "c", "-", "-o", root / name, "-x", "none", *words, stdin=source)


def _library(root: Path, name: str, source: str, *words: str) -> None:
    soname = name.rpartition("/")[2]
    _compile(root, name, source, "-shared", "-fPIC", f"-Wl,-soname,{soname}", *words)


@pytest.fixture
def runc(request: pytest.FixtureRequest, tmp_path: Path) -> Brasm:
    return brasm_with("runc", request, tmp_path / "tmp")


def recipe(root: Path, folder: Path, mode: str) -> Path:
    # What is found by listing a directory no closure reaches: there it is kept by name, for once with what goes beside.
    keep = '"/etc/app.d/*.conf"' if mode == "closure" else ""
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(root=json.dumps(str(root)), mode=json.dumps(mode), keep=keep))
    return path


def tune(brasm: Brasm, path: Path, *words: str) -> dict[str, Any]:
    """Run a search, and return its JSON."""
    search = ("tune", path, "--subject-to", "tests", "--runtime", brasm.runtime, "--json", "--quiet")
    done = attempt(*brasm.command, *search, *words, timeout=600, env=brasm.env, cwd=path.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert left_behind(brasm.folder) == []
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def contents(path: Path, folder: Path) -> set[str]:
    """Pack a recipe, and return what is in its image, without directories."""
    shutil.rmtree(folder, ignore_errors=True)
    pack(path, "-o", f"dir:{folder}")
    return {f"/{one.relative_to(folder)}" for one in folder.rglob("*") if one.is_symlink() or not one.is_dir()}


def _of(paths: set[str], tops: tuple[str, ...]) -> set[str]:
    return {path for path in paths if any(path == top or path.startswith(f"{top}/") for top in tops)}


@pytest.mark.parametrize("mode", MODES)
def test_all_that_is_unused_is_found_and_nothing_that_is_needed(
    mode: str, runc: Brasm, root: Path, tmp_path: Path
) -> None:
    need("patch")
    path, text = recipe(root, tmp_path, mode), recipe(root, tmp_path, mode).read_text()
    before = contents(path, tmp_path / "before")
    assert _of(before, NEEDED) == set(NEEDED)
    assert {"/usr/lib/libguess.so.1", "/usr/libexec/app/unused-helper"} <= before, "a string names them"
    found = tune(runc, path)
    assert found["stopped"] is None
    assert found["untried"] == []
    assert found["after"]["compressed"] < found["before"]["compressed"]
    assert path.read_text() == text, "nothing is written unless it is asked for"

    (tmp_path / "patch").write_text(found["patch"])
    run("patch", "-p1", "--input=patch", cwd=tmp_path)
    after = contents(path, tmp_path / "after")
    assert _of(after, NEEDED) == set(NEEDED)
    assert _of(after, UNUSED) == set()
    done = runc("test", path)
    assert done.returncode == 0, done.stdout + done.stderr
    needed = {one["path"]: one for one in found["needed"]}
    assert needed["/etc/app.conf"]["test"] == "config and data are read"
    assert needed["/usr/lib/app/libpart.so.1"]["test"] == "a plugin is loaded"
    assert len(before) - len(after) == sum(one["files"] for one in found["drops"])
    _check_patch(path.read_text(), text, len(found["drops"]))


def _check_patch(new: str, old: str, rules: int) -> None:
    """See that all lines of the old recipe are there, in their order, and that what is new has its evidence."""
    lines = iter(new.splitlines())
    assert all(line in lines for line in old.splitlines())
    assert new.count("    # unused: ") == rules


def test_a_search_that_was_cut_short_goes_on(runc: Brasm, root: Path, tmp_path: Path) -> None:
    path = recipe(root, tmp_path, "closure")
    first = tune(runc, path, "--budget", "3s")
    again = tune(runc, path)
    whole = tune(runc, path, "-o", "fresh.jsonl")
    assert again["stopped"] is None
    assert [one["globs"] for one in again["drops"]] == [one["globs"] for one in whole["drops"]]
    assert first["attempts"] <= whole["attempts"]


def results(path: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_last_trial_is_the_patched_recipe(runc: Brasm, root: Path, tmp_path: Path) -> None:
    path = recipe(root, tmp_path, "closure")
    found = tune(runc, path, "--apply", "-o", "results.jsonl")
    trials = [one for one in results(tmp_path / "results.jsonl") if one["kind"] == "trial"]
    digest = pack(path, "-o", f"oci:{tmp_path}/layout:1")
    last = max((one for one in trials if one["outcome"] == "passed"), key=lambda one: one["number"])
    assert found["after"] == last["measures"]
    assert last["image"] == digest
    assert len({one["id"] for one in trials}) == len(trials) == found["attempts"]
    again = tune(runc, path, "-o", "again.jsonl")
    assert again["drops"] == []
    assert {one["path"] for one in again["needed"]} == {one["path"] for one in found["needed"]}


def test_a_recipe_without_tests_or_with_failing_ones(runc: Brasm, root: Path, tmp_path: Path) -> None:
    path = recipe(root, tmp_path, "closure")
    whole = path.read_text()
    for text, code, message in (
        (whole.partition("[[test]]")[0], 2, "error: the recipe has no tests"),
        (whole.replace("plugin 42", "plugin 43"), 1, "error: the recipe's own tests fail: 'a plugin is loaded': "),
    ):
        path.write_text(text)
        done = attempt(*runc.command, "tune", path, "--subject-to", "tests", env=runc.env, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        assert message in done.stderr
