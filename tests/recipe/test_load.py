"""Recipes: strict, and every error names the key and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from assembler.base.errors import RecipeError
from assembler.recipe import load_recipe, recipe_from_mapping
from assembler.recipe.find import find_recipe, shipped_recipes

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.recipe import Recipe

BASE: dict[str, Any] = {"name": "app", "source": {"directory": "/"}}


def load(overrides: tuple[str, ...] = (), /, **values: object) -> Recipe:
    return recipe_from_mapping({**BASE, **values}, "/folder", overrides).recipe


def test_the_least_recipe_has_every_default() -> None:
    recipe = load()
    assert (recipe.version, recipe.select.mode, recipe.layers.split) == ("latest", "closure", "single")
    assert recipe.strip.mode is None


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({"selct": {}}, "unknown key 'selct'", "did you mean 'select'?"),
        ({"layers": {"levle": 9}}, "unknown key 'layers.levle'", "did you mean 'layers.level'?"),
        ({"files": [{"path": "/x", "owener": "0"}]}, "unknown key 'files[0].owener'", "did you mean 'files[0].owner'?"),
        ({"image": {"zzz": 1}}, "unknown key 'image.zzz'", "known: entrypoint, cmd"),
        ({"layers": {"split": "packages"}}, "layers.split: invalid enum value 'packages'", "did you mean 'package'?"),
        ({"layers": {"level": "9"}}, "layers.level: expected `int | null`, got `str`", None),
        ({"layers": {"level": 99}}, "layers.level: expected `int` <= 22", None),
        ({"layers": {"level": 15}}, "layers.level: 15: gzip goes to 12", None),
        ({"layers": {"compression": "none", "level": 1}}, "layers.level: 1: none has no levels", None),
        ({"name": "App"}, "name: expected `str` matching regex", None),
        ({"source": {}}, "exactly one of buildroot, directory, archive, image: none is given", None),
        ({"source": {"directory": "/", "image": "oci:x"}}, "directory and image are given", None),
        ({"source": {"image": "oci:x", "mounts": ["/usr"]}}, "only a source.directory has mounts", None),
        ({"select": {"keep": ["etc"]}}, "select.keep[0]: glob 'etc' is not absolute", None),
        ({"select": {"drop": ["/a[b"]}}, "select.drop[0]: glob '/a[b' has an unclosed '['", None),
        ({"select": {"keep": ["/a"], "drop": ["/a"]}}, "contradict each other: both have '/a'", None),
        ({"select": {"roots": ["bin/sh"]}}, "select.roots[0]: 'bin/sh' is not an absolute path", "write '/bin/sh'"),
        ({"files": [{"path": "/x"}]}, "files[0]: a file needs content or source", None),
        (
            {"files": [{"path": "/x", "type": "directory", "content": ""}]},
            "files[0].content: a directory has none",
            None,
        ),
        ({"files": [{"path": "/x", "type": "symlink", "target": "y", "mode": "0777"}]}, "a symlink has none", None),
        ({"files": [{"path": "/x", "content": "", "mode": "0999"}]}, "files[0].mode: expected `str` matching", None),
        ({"files": [{"path": "/x", "content": "", "owner": "root"}]}, "files[0].owner: expected `str` matching", None),
        (
            {"files": [{"path": "/x", "content": ""}, {"path": "//x/", "content": ""}]},
            "files[1].path: /x stands at files[0] already",
            None,
        ),
        ({"image": {"user": "a b"}}, "image.user: 'a b' is not of the form", "'user'"),
        ({"image": {"expose": ["0/tcp"]}}, "image.expose[0]: '0/tcp' is not a port", "'80'"),
        ({"image": {"workdir": "x"}}, "image.workdir: 'x' is not an absolute path", "write '/x'"),
        ({"image": {"stop_signal": "TERM"}}, "image.stop_signal: 'TERM' is not of the form", "'SIGTERM'"),
        ({"image": {"created": "yesterday"}}, "image.created: 'yesterday' is not of the form", "seconds"),
        ({"image": {"env": {"A=B": "c"}}}, "image.env: 'A=B' is not the name of a variable", None),
        ({"image": {"platform": "amd64"}}, "image.platform: 'amd64' is not of the form", "'linux/amd64'"),
        ({"budget": {"compressed": "2 XB"}}, "budget.compressed: '2 XB' is not a size", None),
        ({"test": [{"run": []}]}, "test[0]: nothing is tested: give run, serve or files", None),
        ({"test": [{"name": "x"}]}, "test[0]: nothing is tested", None),
        ({"test": [{"files": ["bin/sh"]}]}, "test[0].files[0]: 'bin/sh' is not an absolute path", "write '/bin/sh'"),
        ({"test": [{"files": ["/a", "!b"]}]}, "test[0].files[1]: 'b' is not an absolute path", None),
        ({"test": [{"files": ["/a"], "exit": 1}]}, "test[0].exit: whose? Give run as well", None),
        ({"test": [{"files": ["/a"], "stdin": ""}]}, "test[0].stdin: whose? Give run as well", None),
        ({"test": [{"files": ["/a"], "timeout": "1s"}]}, "test[0].timeout: whose?", None),
        (
            {"test": [{"serve": {"port": "80"}, "stdout": "x"}]},
            "test[0].stdout: whose? Give run or client as well",
            None,
        ),
        ({"test": [{"client": ["curl"]}]}, "test[0].client: a program of this machine talks to a server", "run"),
        (
            {"test": [{"client": ["a"], "run": ["b"], "serve": {"port": "80"}}]},
            "test[0].client: run is given too: one program a test",
            None,
        ),
        ({"test": [{"serve": {}}]}, "test[0].serve: how is it known that it is ready? Give port or ready", None),
        ({"test": [{"serve": {"ready": "("}}]}, "test[0].serve.ready: not a regular expression", None),
        ({"test": [{"serve": {"port": "0"}}]}, "test[0].serve.port: '0' is not a port", "'80', '53/udp'"),
        ({"test": [{"serve": {"port": "1/sctp"}}]}, "test[0].serve.port: expected `str` matching", None),
        (
            {"test": [{"serve": {"prot": "80"}}]},
            "unknown key 'test[0].serve.prot'",
            "did you mean 'test[0].serve.port'?",
        ),
        ({"test": [{"run": ["a"], "timeout": "soon"}]}, "test[0].timeout: expected `str` matching", None),
        ({"run": {"capabilities": ["NET_RAW"]}}, "run.capabilities[0]: 'NET_RAW' is no capability", "'CAP_NET_BIND"),
        ({"run": {"capabilities": ["CAP_ALL"]}}, "run.capabilities[0]: 'CAP_ALL' is no capability", None),
        ({"run": {"memory": "much"}}, "run.memory: 'much' is not a size", None),
        ({"run": {"tmpfs": ["run"]}}, "run.tmpfs[0]: 'run' is not an absolute path", "write '/run'"),
        ({"run": {"network": "bridge"}}, "run.network: invalid enum value 'bridge'", "one of host, none"),
        ({"run": {"readonly": True}}, "unknown key 'run.readonly'", "did you mean 'run.read_only'?"),
        ({"test": [{"run": ["a"], "stdout": "("}]}, "test[0].stdout: not a regular expression", None),
        ({"image": {"healthcheck": {"test": ["x"], "interval": "1 h"}}}, "image.healthcheck.interval", None),
    ],
)
def test_errors_name_the_key(values: dict[str, object], message: str, hint: str | None) -> None:
    with pytest.raises(RecipeError) as caught:
        load(**values)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert (hint or "") in (caught.value.hint or "")


def test_missing_keys_are_named() -> None:
    with pytest.raises(RecipeError, match="'source' is missing"):
        recipe_from_mapping({"name": "x"}, "/")


def test_overrides_take_toml_or_bare_text() -> None:
    recipe = load(("layers.level=12", "select.mode=prune", 'select.keep=["/a"]', "version=2.0-rc.1", "image.user=7:8"))
    assert (recipe.layers.level, recipe.select.mode, recipe.select.keep) == (12, "prune", ("/a",))
    assert (recipe.version, recipe.image.user) == ("2.0-rc.1", "7:8")


def test_overrides_are_text_where_only_text_can_stand() -> None:
    settings = (
        "image.kernel=4.4",
        "version=1.0",
        "image.env.N=1",
        "image.user=0",
        "image.created=1979-05-27T07:32:00Z",
    )
    recipe = load((*settings, "layers.level=9", "ldconfig=true", "select.rules.nss=false"))
    assert (recipe.image.kernel, recipe.version, recipe.image.env, recipe.image.user) == ("4.4", "1.0", {"N": "1"}, "0")
    assert recipe.image.created == "1979-05-27T07:32:00Z"
    assert (recipe.layers.level, recipe.ldconfig, recipe.select.rules) == (9, True, {"nss": False})


def test_overrides_leave_the_mapping_alone() -> None:
    mapping: dict[str, Any] = {**BASE, "layers": {"level": 1}}
    recipe_from_mapping(mapping, "/", ("layers.level=2",))
    assert mapping["layers"] == {"level": 1}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("layers.level", "not of the form key=value"),
        ("=x", "not of the form key=value"),
        ("name.x=3", "name is not a table"),
        ("layers.levle=3", "unknown key 'layers.levle'"),
    ],
)
def test_bad_overrides(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load((override,))


def test_files_that_are_no_recipes(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("name = ")
    with pytest.raises(RecipeError, match=r"recipe\.toml: not TOML"):
        load_recipe(str(tmp_path / "recipe.toml"))
    (tmp_path / "recipe.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(RecipeError, match=r"recipe\.toml: not TOML"):
        load_recipe(str(tmp_path / "recipe.toml"))
    with pytest.raises(RecipeError, match="cannot be read: No such file"):
        load_recipe(str(tmp_path / "nope.toml"))


def test_find_by_folder_file_or_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "shell"
    folder.mkdir()
    (folder / "recipe.toml").write_text("")
    assert find_recipe(str(folder)) == str(folder / "recipe.toml")
    assert find_recipe(str(folder / "recipe.toml")) == str(folder / "recipe.toml")
    assert find_recipe("shell").endswith("/recipes/shell/recipe.toml")
    monkeypatch.chdir(tmp_path)
    assert find_recipe("shell") == "shell/recipe.toml", "a path wins over a name"


def test_find_says_what_is_near(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        find_recipe("shel")
    assert caught.value.hint == "did you mean 'shell'?"
    with pytest.raises(RecipeError) as caught:
        find_recipe(str(tmp_path))
    assert "--source" in str(caught.value.hint)


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_load_and_have_tests(name: str) -> None:
    recipe = load_recipe(find_recipe(name)).recipe
    assert recipe.name == name
    assert recipe.description
    assert recipe.test
