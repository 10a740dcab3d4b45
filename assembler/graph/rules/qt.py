"""Qt: plugins, by the Qt libraries that are loaded. Source: Qt `corelib/plugin/qfactoryloader.cpp`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assembler.base.paths import join
from assembler.graph.rules.common import Rule, Scene, all_in, is_library, user_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.graph.types import Edge

_PLUGINS: Final = {
    "Core": ("codecs",),
    "Gui": (
        *(
            "platforms",
            "platforminputcontexts",
            "platformthemes",
            "imageformats",
            "iconengines",
            "egldeviceintegrations",
        ),
        *("generic", "xcbglintegrations", "wayland-shell-integration", "wayland-graphics-integration-client"),
    ),
    "Widgets": ("styles",),
    "Network": ("tls", "bearer", "networkinformation"),
    "PrintSupport": ("printsupport",),
    "Sql": ("sqldrivers",),
    "Svg": ("imageformats", "iconengines"),
    "Multimedia": ("mediaservice", "multimedia", "audio"),
    "Qml": ("qmltooling",),
    "WaylandClient": ("wayland-shell-integration", "wayland-decoration-client"),
}


def find(scene: Scene) -> Iterator[Edge]:
    """Keep the plugins of those kinds that the loaded libraries open."""
    for version in ("5", "6"):
        core = user_of(scene, f"libQt{version}Core.so.{version}")
        if core is None:
            continue
        for folder in _folders(scene, version):
            for library, kinds in _PLUGINS.items():
                user = user_of(scene, f"libQt{version}{library}.so.{version}")
                for kind in kinds if user is not None else ():
                    why = f"libQt{version}{library} opens plugins of {kind}"
                    yield from all_in(scene, (user or core).path, join(folder, kind), why, is_library)


def _folders(scene: Scene, version: str) -> list[str]:
    """Return where plugins are: where the environment says, else where distributions and Buildroot put them."""
    own = scene.env.get("QT_PLUGIN_PATH", "").split(":")
    usual = [join(at, f"{qt}/plugins") for at in scene.loader.directories for qt in (f"qt{version}", "qt")]
    return [folder for folder in (*own, *usual, "/usr/plugins") if folder]


RULE = Rule("qt", "recommended", "Qt plugins of the kinds that the loaded Qt libraries open", find)
