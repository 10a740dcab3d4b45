"""What the types of a recipe cannot say: values that exclude or need each other, and the form of texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from assembler.base.capabilities import CapabilityError, capability_xattr
from assembler.base.errors import RecipeError
from assembler.base.globs import GlobError, compile_glob
from assembler.base.paths import normalize
from assembler.base.units import parse_size

if TYPE_CHECKING:
    from assembler.recipe.types import FileSpec, Recipe, RunSpec, ServeSpec, TestSpec, TuneSpec

_PORT: Final = re.compile(r"(\d+)(?:/(?:tcp|udp|sctp))?")
_USER: Final = re.compile(r"(?:\d+|[A-Za-z_][A-Za-z0-9_.-]*\$?)(?::(?:\d+|[A-Za-z_][A-Za-z0-9_.-]*\$?))?")
_SIGNAL: Final = re.compile(r"SIG[A-Z]+[0-9]*(?:[+-]\d+)?|\d+")
_PLATFORM: Final = re.compile(r"[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9]+)?")
_RFC3339: Final = re.compile(r"\d+|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)")
_TOOLCHAIN: Final = re.compile(r"[a-z0-9][a-z0-9.-]*(?:\+[a-z0-9][a-z0-9.-]*)*")
_VARIANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NEEDS: Final = {"file": ("content", "source"), "directory": (), "symlink": ("target",)}


def check_recipe(recipe: Recipe) -> None:
    """Check a recipe whose types are right.

    Raises:
        RecipeError: with the key at fault.
    """
    _check_source(recipe)
    _check_buildroot(recipe)
    _check_globs(recipe)
    _check_files(recipe)
    _check_image(recipe)
    _check_layers(recipe)
    for key in ("compressed", "uncompressed"):
        _check_size(getattr(recipe.budget, key), f"budget.{key}")
    _check_run(recipe.run)
    for number, test in enumerate(recipe.test):
        _check_test(test, f"test[{number}]")
    _check_tune(recipe.tune)


def _check_source(recipe: Recipe) -> None:
    source = recipe.source
    given = [key for key in ("buildroot", "directory", "archive", "image") if getattr(source, key) is not None]
    if len(given) != 1:
        found = f"{' and '.join(given)} are given" if given else "none is given"
        raise RecipeError(f"source: exactly one of buildroot, directory, archive, image: {found}", key="source")
    if source.mounts and source.directory is None:
        raise RecipeError("source.mounts: only a source.directory has mounts", key="source.mounts")
    for number, path in enumerate(source.mounts):
        _check_absolute(path, f"source.mounts[{number}]")


def _check_buildroot(recipe: Recipe) -> None:
    spec = recipe.buildroot
    if spec.commit is not None and spec.version is None:
        raise RecipeError("buildroot.commit: which release has it? Give buildroot.version", key="buildroot.commit")
    if spec.internal_toolchain and spec.toolchain is None:
        raise RecipeError(
            "buildroot.internal_toolchain: there is no buildroot.toolchain to build",
            key="buildroot.internal_toolchain",
            hint="without buildroot.toolchain the defconfig says which toolchain it has",
        )
    if spec.toolchain is not None and not _TOOLCHAIN.fullmatch(spec.toolchain):
        raise RecipeError(
            f"buildroot.toolchain: {spec.toolchain!r} is not of the form FRAGMENT+OPTION+OPTION",
            key="buildroot.toolchain",
            hint="'x86-64-glibc+cxx'; brasm toolchain list --all names them",
        )
    for name in recipe.variant:
        if not _VARIANT.fullmatch(name):
            raise RecipeError(f"variant.{name}: {name!r} cannot be part of a tag", key="variant", hint="'musl-static'")


def _check_globs(recipe: Recipe) -> None:
    for key in ("keep", "drop"):
        for number, pattern in enumerate(getattr(recipe.select, key)):
            try:
                compile_glob(pattern)
            except GlobError as error:
                raise RecipeError(f"select.{key}[{number}]: {error}", key=f"select.{key}") from error
    both = [pattern for pattern in recipe.select.keep if pattern in recipe.select.drop]
    if both:
        raise RecipeError(
            f"select.keep and select.drop contradict each other: both have {both[0]!r}", key="select.keep"
        )
    for number, path in enumerate(recipe.select.roots):
        _check_absolute(path, f"select.roots[{number}]")


def _check_files(recipe: Recipe) -> None:
    seen: dict[str, int] = {}
    for number, spec in enumerate(recipe.files):
        key = f"files[{number}]"
        _check_absolute(spec.path, f"{key}.path")
        path = normalize(spec.path)
        if path in seen:
            raise RecipeError(f"{key}.path: {path} stands at files[{seen[path]}] already", key=key)
        seen[path] = number
        _check_file(spec, key)


def _check_file(spec: FileSpec, key: str) -> None:
    wanted = _NEEDS[spec.type]
    given = [name for name in ("content", "source", "target") if getattr(spec, name) is not None]
    if foreign := [name for name in given if name not in wanted]:
        raise RecipeError(f"{key}.{foreign[0]}: a {spec.type} has none", key=f"{key}.{foreign[0]}")
    if wanted and len(given) != 1:
        raise RecipeError(f"{key}: a {spec.type} needs {' or '.join(wanted)}", key=key)
    if spec.type == "symlink" and spec.mode is not None:
        raise RecipeError(f"{key}.mode: a symlink has none", key=f"{key}.mode")


def _check_image(recipe: Recipe) -> None:
    image = recipe.image
    for number, port in enumerate(image.expose):
        match = _PORT.fullmatch(port)
        if match is None or not 1 <= int(match[1]) <= 65535:
            raise RecipeError(
                f"image.expose[{number}]: {port!r} is not a port", key="image.expose", hint="'80', '53/udp'"
            )
    for number, path in enumerate(image.volumes):
        _check_absolute(path, f"image.volumes[{number}]")
    if image.workdir is not None:
        _check_absolute(image.workdir, "image.workdir")
    _check_form(image.user, _USER, "image.user", "'user', '1000', '1000:1000'")
    _check_form(image.stop_signal, _SIGNAL, "image.stop_signal", "'SIGTERM', 'SIGRTMIN+3', '15'")
    _check_form(image.platform, _PLATFORM, "image.platform", "'linux/amd64', 'linux/arm/v7'")
    _check_form(image.created, _RFC3339, "image.created", "'2025-01-31T12:00:00Z' or seconds since the epoch")
    for name in image.env:
        if not name or "=" in name or "\0" in name:
            raise RecipeError(f"image.env: {name!r} is not the name of a variable", key="image.env")


def _check_layers(recipe: Recipe) -> None:
    most = {"gzip": 12, "zstd": 22, "none": 0}[recipe.layers.compression]
    level = recipe.layers.level
    if level is not None and level > most:
        what = "has no levels" if most == 0 else f"goes to {most}"
        raise RecipeError(f"layers.level: {level}: {recipe.layers.compression} {what}", key="layers.level")


def _check_run(run: RunSpec) -> None:
    for number, name in enumerate(run.capabilities):
        key = f"run.capabilities[{number}]"
        if not is_capability(name):
            raise RecipeError(f"{key}: {name!r} is no capability", key=key, hint="'CAP_NET_BIND_SERVICE'")
    for number, path in enumerate(run.tmpfs):
        _check_absolute(path, f"run.tmpfs[{number}]")
    _check_size(run.memory, "run.memory")


def is_capability(name: str) -> bool:
    """Say whether Linux knows a capability by this name: `CAP_NET_RAW`."""
    try:
        capability_xattr((f"{name}+ep",))
    except CapabilityError:
        return False
    return re.fullmatch(r"CAP_[A-Z_]+", name) is not None


def _check_test(test: TestSpec, key: str) -> None:
    if test.run and test.client:
        raise RecipeError(f"{key}.client: run is given too: one program a test", key=f"{key}.client")
    if test.client and test.serve is None:
        raise RecipeError(
            f"{key}.client: a program of this machine talks to a server, and serve is not given",
            key=f"{key}.client",
            hint="what is to run in the image is run",
        )
    if not (test.run or test.serve or test.files):
        raise RecipeError(f"{key}: nothing is tested: give run, serve or files", key=key)
    program = test.run or test.client
    for name in ("stdin", "exit", "stdout", "stderr", "timeout"):
        if not program and getattr(test, name) not in {None, 0}:
            needed = "run" if test.serve is None else "run or client"
            raise RecipeError(f"{key}.{name}: whose? Give {needed} as well", key=f"{key}.{name}")
    for name in ("stdout", "stderr"):
        _check_regex(getattr(test, name), f"{key}.{name}")
    for number, path in enumerate(test.files):
        _check_absolute(path.removeprefix("!"), f"{key}.files[{number}]")
    if test.serve is not None:
        _check_serve(test.serve, f"{key}.serve")


def _check_serve(serve: ServeSpec, key: str) -> None:
    if serve.port is None and serve.ready is None:
        raise RecipeError(f"{key}: how is it known that it is ready? Give port or ready", key=key)
    _check_regex(serve.ready, f"{key}.ready")
    if serve.port is not None and not 1 <= int(serve.port.partition("/")[0]) <= 65535:
        raise RecipeError(f"{key}.port: {serve.port!r} is not a port", key=f"{key}.port", hint="'80', '53/udp'")


def _check_tune(tune: TuneSpec) -> None:
    if tune.trials is not None and tune.strategy != "random":
        raise RecipeError(
            f"tune.trials: strategy {tune.strategy} has as many as there are",
            key="tune.trials",
            hint="strategy = 'random' takes some of them",
        )
    for key, values in tune.vary.items():
        if not values:
            raise RecipeError(f"tune.vary.{key}: no value is given", key=f"tune.vary.{key}")


def _check_absolute(path: str, key: str) -> None:
    if not path.startswith("/") or "\0" in path:
        raise RecipeError(f"{key}: {path!r} is not an absolute path", key=key, hint=f"write {'/' + path!r}")


def _check_form(value: str | None, form: re.Pattern[str], key: str, hint: str) -> None:
    if value is not None and not form.fullmatch(value):
        raise RecipeError(f"{key}: {value!r} is not of the form that the image-spec knows", key=key, hint=hint)


def _check_size(value: str | None, key: str) -> None:
    try:
        if value is not None:
            parse_size(value)
    except ValueError as error:
        raise RecipeError(f"{key}: {error}", key=key) from error


def _check_regex(value: str | None, key: str) -> None:
    try:
        re.compile(value or "")
    except re.error as error:
        raise RecipeError(f"{key}: not a regular expression: {error}", key=key) from error
