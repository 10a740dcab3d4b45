"""Each rule on real files: in a closure image of a Debian root the program works, and without the rule it does not."""

from __future__ import annotations

import json
import subprocess
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import pytest

from assembler.base.content import Bytes
from assembler.graph.build import build_graph
from assembler.graph.request import Request
from assembler.graph.rules import RULES
from assembler.graph.rules.openssl import active_providers, read_configuration
from assembler.graph.rules.pam import read_service
from assembler.tree import Regular, Tree
from tests.elf.build import elf, note
from tests.tools import BRASM, SEARCH_PATH, attempt, need, need_root, pack, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LIBRARIES = "usr/lib/x86_64-linux-gnu"
MADE = "/usr/bin/made"


class Case(NamedTuple):
    """A program that a rule is for.

    Attributes:
        rule: its name.
        command: what is run in the image's root.
        says: what is in its output; and is not, without the rule.
        code: of the program, if the test makes it.
        links: libraries of the root that it is linked with.
        files: that the recipe adds: content by path.
        settings: of the recipe, besides.
    """

    rule: str
    command: Sequence[str]
    says: str
    code: str = ""
    links: Sequence[str] = ()
    files: Mapping[str, str] = MappingProxyType({})
    settings: Sequence[str] = ()


CANCEL = r"""
#include <pthread.h>
#include <stdio.h>
static void *end(void *x) { pthread_exit(x); }
int main(void) { pthread_t t; pthread_create(&t, 0, end, 0); pthread_join(t, 0); puts("joined"); return 0; }
"""
PAM = r"""
#include <stdio.h>
struct pam_conv { int (*conv)(int, const void **, void **, void *); void *data; };
int pam_start(const char *, const char *, const struct pam_conv *, void **);
int pam_authenticate(void *, int);
int main(void) {
    struct pam_conv conv = {0};
    void *handle = 0;
    int started = pam_start("trusting", "root", &conv, &handle);
    printf("authenticated: %d\n", started ? -1 : pam_authenticate(handle, 0));
    return 0;
}
"""
TRUST = r"""
#include <stdio.h>
int gnutls_certificate_allocate_credentials(void **);
int gnutls_certificate_set_x509_system_trust(void *);
int main(void) {
    void *one = 0;
    gnutls_certificate_allocate_credentials(&one);
    puts(gnutls_certificate_set_x509_system_trust(one) > 100 ? "trusts many" : "trusts nobody");
    return 0;
}
"""
TLS = r"""
#include <stdio.h>
void *g_tls_backend_get_default(void);
int g_tls_backend_supports_tls(void *);
int main(void) { puts(g_tls_backend_supports_tls(g_tls_backend_get_default()) ? "has TLS" : "no TLS"); return 0; }
"""
PROVIDERS = """openssl_conf = start
[start]
providers = all
[all]
default = here
legacy = here
[here]
activate = 1
"""
STORES = "import ssl; print('roots', ssl.create_default_context().cert_store_stats()['x509_ca'] > 100)"

CASES = [
    Case("libgcc", [MADE], "joined", CANCEL),
    Case("nss", ["/usr/bin/getent", "ahostsv4", "some.localhost"], "127.0.0.1",
         files={"/etc/nsswitch.conf": "hosts: myhostname\n"}),
    Case("gconv", ["/usr/bin/iconv", "-f", "LATIN1", "-t", "UTF-8", "/etc/latin"], "caf\u00e9",
         files={"/etc/latin": "caf\udce9"}, settings=["select.charsets=['LATIN1']"]),
    Case("pam", [MADE], "authenticated: 0", PAM, ["libpam.so.0"],
         {"/etc/pam.d/trusting": "auth required pam_permit.so\n@include more\n",
          "/etc/pam.d/more": "account [success=1 default=ignore] pam_permit.so\n"}),
    Case("openssl", ["/usr/bin/openssl", "list", "-providers"], "OpenSSL Legacy Provider",
         files={"/etc/ssl/openssl.cnf": PROVIDERS}),
    Case("openssl_modules", ["/usr/bin/openssl", "list", "-providers", "-provider", "legacy"],
         "OpenSSL Legacy Provider"),
    Case("p11_kit", ["/usr/bin/p11-kit", "list-modules"], "PKCS#11 Kit Trust Module"),
    Case("ca_bundle", [MADE], "trusts many", TRUST, ["libgnutls.so.30"]),
    Case("ca_bundle", ["/usr/bin/python3", "-c", STORES], "roots True"),
    Case("gio", [MADE], "has TLS", TLS, ["libgio-2.0.so.0"]),
    Case("python", ["/usr/bin/python3", "-c", "import json, ssl, _decimal; print(json.dumps('works'))"], "works"),
    Case("terminfo", ["/usr/bin/tput", "-T", "xterm", "longname"], "X Window System"),
    Case("zoneinfo", ["/usr/bin/date", "-d", "@0", "+%Z"], "CET", settings=["image.env.TZ=Europe/Berlin"]),
    Case("zoneinfo_all", ["/usr/bin/env", "TZ=Asia/Tokyo", "/usr/bin/date", "-d", "@0", "+%Z"], "JST",
         settings=["select.roots=['/usr/bin/date']"]),
]  # fmt: skip


@pytest.fixture(params=CASES, ids=[f"{case.rule} {case.command[0].rpartition('/')[2]}" for case in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def test_the_program_works_with_the_rule_and_not_without(case: Case, big_debian: Path, tmp_path: Path) -> None:
    need("gcc")
    need_root()
    recipe = make_recipe(case, big_debian, tmp_path)
    works = start(case, build(case, recipe, tmp_path / "with", wanted=True))
    assert case.says in works, works
    assert case.says not in start(case, build(case, recipe, tmp_path / "without", wanted=False))


def test_the_plan_and_why_name_the_rule(case: Case, big_debian: Path, tmp_path: Path) -> None:
    need("gcc")
    recipe = make_recipe(case, big_debian, tmp_path)
    arguments = (*setting(case, wanted=True), str(recipe))
    entries = json.loads(run(*BRASM, "plan", "--json", *arguments))["entries"]
    by_rule = [row["path"] for row in entries if f"rule {case.rule}: " in row["rule"]]
    assert by_rule
    chains = [json.loads(run(*BRASM, "why", "--json", *arguments, path))["chain"] for path in by_rule[:3]]
    hops = [hop for chain in chains for hop in chain if hop["kind"] == "dlopen-rule"]
    assert any(hop["found"].startswith(f"rule {case.rule}: ") for hop in hops)


def make_recipe(case: Case, root: Path, folder: Path) -> Path:
    """Write a recipe for the program, with what is added to the root as its overlay."""
    overlay = folder / "overlay"
    for path, text in case.files.items():
        (overlay / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (overlay / path[1:]).write_text(text, encoding="utf-8", errors="surrogateescape")
    if case.code:
        (overlay / "usr/bin").mkdir(parents=True, exist_ok=True)
        libraries = [f"-L{root}/{LIBRARIES}", *(f"-l:{name}" for name in case.links), "-Wl,--allow-shlib-undefined"]
        command = ["gcc", "-x", "c", "-", "-o", f"{overlay}{MADE}", "-Wl,--as-needed", *libraries]
        subprocess.run(command, input=case.code.encode(), check=True)
    overlay.mkdir(exist_ok=True)
    recipe = folder / "recipe.toml"
    recipe.write_text(
        f'name = "x"\noverlay = "overlay"\n[source]\ndirectory = {json.dumps(str(root))}\n'
        f"[image]\nentrypoint = {json.dumps([case.command[0]])}\n"
    )
    return recipe


def setting(case: Case, *, wanted: bool) -> list[str]:
    settings = [*case.settings, f"select.rules.{case.rule}={str(wanted).lower()}"]
    return [part for one in settings for part in ("--set", one)]


def build(case: Case, recipe: Path, out: Path, *, wanted: bool) -> Path:
    pack(recipe, *setting(case, wanted=wanted), "-o", f"dir:{out}")
    return out


def start(case: Case, root: Path) -> str:
    """Run the program in its image's root, with its image's environment."""
    env = dict(one.removeprefix("image.env.").split("=", 1) for one in case.settings if one.startswith("image.env."))
    done = subprocess.run(
        ["chroot", root, *case.command], env={"PATH": SEARCH_PATH, **env}, capture_output=True, check=False
    )
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def test_an_unknown_rule_is_met_with_the_nearest(tmp_path: Path) -> None:
    done = attempt(*BRASM, "plan", "-s", "/", "-e", "/bin/sh", "--set", "select.rules.ncs=true", cwd=tmp_path)
    assert done.returncode == 3
    assert "no rule is called 'ncs'" in done.stderr
    assert "did you mean 'nss'?" in done.stderr


def test_rules_have_names_of_their_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.summary for rule in RULES)


# Parts that Debian has no file for


def file(path: str, data: bytes, mode: int = 0o755) -> Regular:
    return Regular(path, mode, 0, 0, 0, (), 0, Bytes(data))


LD = "/lib/ld-linux-x86-64.so.2"
BASE = (file(LD, elf(soname="ld-linux-x86-64.so.2")), file("/lib/libc.so.6", elf(soname="libc.so.6")))


def reach(*entries: Regular, **rest: object) -> dict[str, str]:
    """Return what /bin/x reaches, and how it was found."""
    request = Request(programs=(("x", "/bin/x"),), **rest)  # type: ignore[arg-type]
    graph = build_graph(Tree([*BASE, *entries]), request)
    return {path: edge.found for path, edge in graph.reached.items()}


def test_qt_plugins_by_the_libraries_that_are_loaded() -> None:
    program = elf(interp=LD, needed=("libQt6Gui.so.6", "libQt6Core.so.6"))
    libraries = [file(f"/usr/lib/libQt6{one}.so.6", elf(soname=f"libQt6{one}.so.6")) for one in ("Gui", "Core", "Sql")]
    plugins = [
        file(f"/usr/lib/qt6/plugins/{path}", elf())
        for path in ("platforms/libqxcb.so", "sqldrivers/libqsqlite.so", "platforms/readme")
    ]
    found = reach(file("/bin/x", program), *libraries, *plugins)
    assert found["/usr/lib/qt6/plugins/platforms/libqxcb.so"] == "rule qt: libQt6Gui opens plugins of platforms"
    assert not any("sql" in path.lower() or "readme" in path for path in found)


def test_pam_services() -> None:
    text = (
        "#%PAM-1.0\nauth [success=1 \\\n default=ignore] pam_unix.so nullok # x\n"
        "-session optional pam_systemd.so\naccount include system-account\nauth substack other\n@include common\n"
    )
    assert read_service(text) == (["pam_unix.so", "pam_systemd.so"], ["system-account", "other", "common"])


def test_openssl_providers() -> None:
    sections = read_configuration(
        "openssl_conf = a # x\n.include /etc/more.cnf\n[ a ]\nproviders = b\n[b]\none = c\ntwo = d\nfips = e\n"
        "default = c\n[c]\nactivate = 1\n[d]\nactivate = no\n[e]\nidentity = f\nmodule = /x/f.so\nactivate = yes\n"
    )
    assert list(active_providers(sections)) == [("one", None), ("f", "/x/f.so")]
    assert list(sections[".include"]) == ["/etc/more.cnf"]


def noted(priority: str, *sonames: str) -> bytes:
    entry = [{"soname": list(sonames), "feature": "more", "priority": priority}]
    return elf(interp=LD, needed=("libc.so.6",), notes=note(b"FDO", 0x407C0C0A, json.dumps(entry).encode()))


def test_the_dlopen_note_brings_the_first_alternative_that_is_there() -> None:
    program = file("/bin/x", noted("recommended", "libnew.so.2", "libold.so.1"))
    old, new = file("/lib/libold.so.1", elf(needed=("libd.so",))), file("/lib/libnew.so.2", elf())
    deep = file("/lib/libd.so", elf())
    assert reach(program, old, deep)["/lib/libold.so.1"] == "note: recommended, for more; system dir /lib"
    assert "/lib/libd.so" in reach(program, old, deep)
    assert "/lib/libold.so.1" not in reach(program, old, new)


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        ("required", ["required"]),
        ("recommended", ["required", "recommended"]),
        ("suggested", ["required", "recommended", "suggested"]),
        ("strings", ["required", "recommended", "suggested"]),
    ],
)
def test_the_policy_decides_about_notes(policy: str, kept: list[str]) -> None:
    for priority in ("required", "recommended", "suggested"):
        found = reach(file("/bin/x", noted(priority, "liba.so")), file("/lib/liba.so", elf()), dlopen=policy)
        assert ("/lib/liba.so" in found) == (priority in kept)


def test_what_a_note_requires_must_be_there() -> None:
    request = Request(programs=(("x", "/bin/x"),))
    graph = build_graph(Tree([*BASE, file("/bin/x", noted("required", "liba.so", "libb.so"))]), request)
    assert [(one.kind, one.name) for one in graph.unresolved] == [("dlopen-note", "liba.so or libb.so")]
    graph = build_graph(Tree([*BASE, file("/bin/x", noted("recommended", "liba.so"))]), request)
    assert graph.unresolved == ()
    assert ("/bin/x", "would open liba.so (note: recommended, for more), which the root does not have") in graph.hazards


def test_a_program_built_with_the_note(tmp_path: Path) -> None:
    """As systemd's macros write it: a note section of the assembler's."""
    need("gcc")
    text = r"[{\"soname\":[\"libgoner.so.9\",\"libz.so.1\"],\"feature\":\"zip\",\"priority\":\"suggested\"}]"
    code = f"""
    __asm__(".pushsection .note.dlopen, \\"a\\"\\n.balign 4\\n.long 4, 2f-1f, 0x407c0c0a\\n.asciz \\"FDO\\"\\n"
            "1: .asciz \\"{text.replace(chr(92), chr(92) * 3)}\\"\\n2: .balign 4\\n.popsection");
    int main(void) {{ return 0; }}
    """
    subprocess.run(["gcc", "-s", "-x", "c", "-", "-o", tmp_path / "x"], input=code.encode(), check=True)
    (found,) = json.loads(run(*BRASM, "deps", "--json", tmp_path / "x"))
    (entry,) = found["dlopens"]
    assert (entry["soname"], entry["priority"], entry["feature"]) == (
        ["libgoner.so.9", "libz.so.1"],
        "suggested",
        "zip",
    )


LIBSYSTEMD = f"/{LIBRARIES}/libsystemd.so.0"


def test_a_note_of_debian_s(noted_debian: Path) -> None:
    """readelf knows the note's owner and type; what is in it is for us to read."""
    need("readelf")
    (found,) = json.loads(run(*BRASM, "deps", "--json", "--root", noted_debian, LIBSYSTEMD))
    text = attempt("readelf", "-n", f"{noted_debian}{LIBSYSTEMD}").stdout  # exit 1: a type that it does not know
    assert len(found["dlopens"]) == text.count("(0x407c0c0a)") > 2
    assert {"zstd", "lz4", "lzma"} <= {one["feature"] for one in found["dlopens"]}
    assert {one["priority"] for one in found["dlopens"]} == {"recommended", "suggested"}


@pytest.mark.parametrize(("policy", "compressors"), [("required", 0), ("recommended", 1), ("suggested", 3)])
def test_the_policy_decides_about_debian_s_note(
    noted_debian: Path, policy: str, compressors: int, tmp_path: Path
) -> None:
    settings = (f"select.keep=['{LIBSYSTEMD}']", f"select.dlopen={policy}")
    options = [part for one in settings for part in ("--set", one)]
    pack("-s", noted_debian, *options, "-o", f"dir:{tmp_path}/root")
    names = {path.name.partition(".so")[0] for path in (tmp_path / "root" / LIBRARIES).iterdir()}
    assert len(names & {"libzstd", "liblz4", "liblzma"}) == compressors


def test_strings_are_offered_and_kept_only_by_policy() -> None:
    program = (
        elf(interp=LD, needed=("libc.so.6",), calls=("dlopen",)) + b"\0libplug.so.1\0/opt/data\0/opt/%s.so\0libno.so\0"
    )
    entries = [file("/bin/x", program), file("/lib/libplug.so.1", elf()), file("/opt/data", b"x")]
    request = Request(programs=(("x", "/bin/x"),), guesses=True)
    graph = build_graph(Tree([*BASE, *entries]), request)
    assert {edge.target for edge in graph.offers} == {"/lib/libplug.so.1", "/opt/data"}
    assert "/opt/data" not in graph.reached
    assert reach(*entries, guesses=True, dlopen="strings")["/lib/libplug.so.1"] == "a string in it; system dir /lib"
    silent = elf(interp=LD, needed=("libc.so.6",)) + b"\0libplug.so.1\0"
    assert "/lib/libplug.so.1" not in reach(file("/bin/x", silent), *entries[1:], guesses=True, dlopen="strings")
