"""Each pass as a table: what it drops and what it leaves, in mode `prune`."""

from __future__ import annotations

from typing import Any

import pytest

from assembler.plan.passes.locales import parse_locale
from tests.plan.making import dropped, kept, loaded_recipe, plan_of

DROPS = [
    ("documentation", "/usr/share/man/man1/ls.1.gz"),
    ("documentation", "/usr/share/man/de/man1/ls.1.gz"),
    ("documentation", "/usr/share/info/dir"),
    ("documentation", "/usr/share/doc/bash/README"),
    ("documentation", "/usr/share/doc/bash/copyright"),
    ("documentation", "/usr/local/share/man/man1/x.1"),
    ("documentation", "/usr/share/gtk-doc/html/x.html"),
    ("documentation", "/usr/share/lintian/overrides/bash"),
    ("licenses", "/usr/share/licenses/zlib/LICENSE"),
    ("licenses", "/usr/share/common-licenses/GPL-3"),
    (None, "/usr/share/documents/x"),
    (None, "/usr/share/manager"),
    ("locales", "/usr/share/locale/de/LC_MESSAGES/bash.mo"),
    ("locales", "/usr/share/locale/pt_BR/LC_MESSAGES/bash.mo"),
    ("locales", "/usr/lib/locale/locale-archive"),
    ("locales", "/usr/lib/locale/de_DE.utf8/LC_CTYPE"),
    ("locales", "/usr/share/i18n/locales/de_DE"),
    (None, "/usr/lib/locale/C.utf8/LC_CTYPE"),
    (None, "/usr/share/locale/locale.alias"),
    ("gconv", "/usr/lib/x86_64-linux-gnu/gconv/ISO8859-1.so"),
    ("gconv", "/usr/lib/gconv/gconv-modules"),
    ("development", "/usr/include/stdio.h"),
    ("development", "/usr/lib/x86_64-linux-gnu/libz.a"),
    ("development", "/usr/lib/libz.la"),
    ("development", "/usr/lib/pkgconfig/zlib.pc"),
    ("development", "/usr/share/pkgconfig/x.pc"),
    ("development", "/usr/lib/cmake/x/x.cmake"),
    ("development", "/usr/share/aclocal/x.m4"),
    ("development", "/usr/lib/crt1.o"),
    (None, "/opt/x/data.a"),
    (None, "/usr/share/games/map.a"),
    ("completions", "/usr/share/bash-completion/completions/git"),
    ("completions", "/etc/bash_completion.d/git"),
    ("completions", "/usr/share/zsh/vendor-completions/_git"),
    ("completions", "/usr/share/fish/vendor_completions.d/git.fish"),
    (None, "/usr/share/zsh/functions/x"),
    ("python", "/usr/lib/python3.11/test/test_json.py"),
    ("python", "/usr/lib/python3/dist-packages/numpy/tests/test_x.py"),
    (None, "/usr/lib/python3.11/contest/x.py"),
    (None, "/srv/python/test/x.py"),
    ("package managers", "/var/lib/dpkg/status"),
    ("package managers", "/var/lib/apt/lists/x"),
    ("package managers", "/lib/apk/db/installed"),
    ("package managers", "/usr/lib/opkg/status"),
    ("package managers", "/var/cache/debconf/config.dat"),
    ("package managers", "/var/log/dpkg.log"),
    (None, "/var/lib/misc/x"),
    ("buildroot", "/THIS_IS_NOT_YOUR_ROOT_FILESYSTEM"),
]


@pytest.mark.parametrize(("reason", "path"), DROPS, ids=[path for _, path in DROPS])
def test_what_goes_by_default(reason: str | None, path: str) -> None:
    plan = plan_of(f"{path} file 0644 0:0 x")
    assert dropped(plan).get(path) == reason


def test_nothing_goes_in_mode_all() -> None:
    tree = "\n".join(f"{path} file 0644 0:0 x" for _, path in DROPS)
    assert dropped(plan_of(tree, mode="all")) == {}


def test_a_folder_that_a_pass_empties_goes_with_it() -> None:
    plan = plan_of("/usr/share/man/man1/ls.1 file\n/usr/share/x file")
    assert {"/usr/share/man", "/usr/share/man/man1"} <= set(dropped(plan))
    assert kept(plan) == ["/usr/share/x"]


def test_a_folder_that_a_pass_drops_stays_for_what_is_kept_in_it() -> None:
    plan = plan_of("/usr/share/doc/a/x file\n/usr/share/doc/b/y file", keep=["/usr/share/doc/a/x"])
    assert kept(plan) == ["/usr/share/doc/a/x"]
    assert plan.decisions["/usr/share/doc/a"].reason == "directory"


LOCALES = """
/usr/share/locale/de/LC_MESSAGES/x.mo file
/usr/share/locale/de_AT/LC_MESSAGES/x.mo file
/usr/share/locale/de_DE/LC_MESSAGES/x.mo file
/usr/share/locale/sr/LC_MESSAGES/x.mo file
/usr/share/locale/sr@latin/LC_MESSAGES/x.mo file
/usr/lib/locale/de_DE.utf8/LC_CTYPE file
"""


@pytest.mark.parametrize(
    ("locales", "expected"),
    [
        (["C"], []),
        (["de"], ["de", "de_AT", "de_DE", "de_DE.utf8"]),
        (["de_DE.UTF-8"], ["de", "de_DE", "de_DE.utf8"]),
        (["de_CH"], ["de"]),
        (["sr@latin"], ["sr", "sr@latin"]),
        (["sr"], ["sr"]),
    ],
)
def test_locales_that_are_listed_stay(locales: list[str], expected: list[str]) -> None:
    assert {path.split("/")[4] for path in kept(plan_of(LOCALES, locales=locales))} == set(expected)


def test_a_listed_locale_is_kept_in_mode_closure_too() -> None:
    plan = plan_of(LOCALES + "/data file", mode="closure", keep=["/data"], locales=["de_CH"])
    assert kept(plan) == ["/data", "/usr/share/locale/de/LC_MESSAGES/x.mo"]


@pytest.mark.parametrize("name", ["", "x-y", "toolongname", "12"])
def test_what_is_no_locale(name: str) -> None:
    assert parse_locale(name) is None


def test_licences_stay_where_asked_for() -> None:
    tree = """
    /usr/share/doc/bash/copyright file
    /usr/share/doc/bash/README file
    /usr/share/doc/zlib/LICENSE.txt file
    /usr/share/licenses/x/COPYING file
    """
    for mode in ("prune", "closure"):
        assert kept(plan_of(tree + "/data file", mode=mode, keep=["/data"], licenses=True)) == [
            "/data",
            "/usr/share/doc/bash/copyright",
            "/usr/share/doc/zlib/LICENSE.txt",
            "/usr/share/licenses/x/COPYING",
        ]


GCONV = r"""
/usr/lib/gconv/gconv-modules file 0644 0:0 alias LATIN1// ISO-8859-1//\nmodule ISO-8859-1// INTERNAL ISO8859-1 1\n
/usr/lib/gconv/gconv-modules.d/extra.conf file 0644 0:0 module INTERNAL KOI8-R// KOI8-R 1\n
/usr/lib/gconv/gconv-modules.cache file 0644 0:0 cache
/usr/lib/gconv/ISO8859-1.so file 0644 0:0 x
/usr/lib/gconv/KOI8-R.so file 0644 0:0 x
/usr/lib/gconv/EUC-JP.so file 0644 0:0 x
"""


@pytest.mark.parametrize(("charsets", "modules"), [(["latin1"], ["ISO8859-1"]), (["KOI8-R", "UTF-8"], ["KOI8-R"])])
def test_listed_character_sets_stay_with_their_configuration(charsets: list[str], modules: list[str]) -> None:
    files = {path.rpartition("/")[2] for path in kept(plan_of(GCONV, charsets=charsets))}
    assert files == {"gconv-modules", "extra.conf", *(f"{module}.so" for module in modules)}


PYTHON = """
/usr/lib/python3.11/json/__init__.py file
/usr/lib/python3.11/json/__pycache__/__init__.cpython-311.pyc file
/usr/lib/python3.11/json/__pycache__/__init__.cpython-311.opt-1.pyc file
/opt/python-app/__pycache__/only.cpython-311.pyc file
/opt/python-app/legacy.py file
/opt/python-app/legacy.pyc file
/opt/python-app/sourceless.pyc file
"""


def test_byte_code_goes_where_its_source_stays() -> None:
    assert kept(plan_of(PYTHON)) == [
        "/opt/python-app/__pycache__/only.cpython-311.pyc",
        "/opt/python-app/legacy.py",
        "/opt/python-app/sourceless.pyc",
        "/usr/lib/python3.11/json/__init__.py",
    ]


def test_no_two_passes_contradict_each_other_whatever_is_asked_for() -> None:
    tree = LOCALES + GCONV + PYTHON + "\n".join(f"{path} file" for _, path in DROPS)
    asked: dict[str, Any] = {"locales": ["de", "sr@latin"], "charsets": ["KOI8-R"], "licenses": True}
    assert kept(plan_of(tree, **asked))


SKELETON = """
/etc/resolv.conf link ../tmp/resolv.conf
/etc/mtab        link /proc/mounts
/etc/hosts       file x
/etc/hostname    file x
/etc/fstab       file x
/etc/inittab     file x
/etc/init.d/S01x file x
/etc/securetty   file x
/etc/network/interfaces file x
/etc/passwd      file x
/dev/console     char 0666 0:0 5,1
/dev/log         link /tmp/log
/linuxrc         link bin/busybox
"""


def test_the_skeleton_of_a_device_goes_only_from_a_buildroot_source() -> None:
    prune = {"mode": "prune"}
    plan = plan_of(SKELETON, loaded_recipe(source={"buildroot": "x"}, select=prune))
    assert kept(plan) == ["/etc/passwd"]
    assert set(dropped(plan).values()) == {"skeleton"}
    assert "skeleton" not in dropped(plan_of(SKELETON)).values()
    everything = plan_of(SKELETON, loaded_recipe(source={"buildroot": "x"}, select={"mode": "all"}))
    assert not dropped(everything)


def test_a_resolv_conf_that_is_a_file_is_somebodys_own() -> None:
    recipe = loaded_recipe(source={"buildroot": "x"}, select={"mode": "prune"})
    assert kept(plan_of("/etc/resolv.conf file nameserver", recipe)) == ["/etc/resolv.conf"]
