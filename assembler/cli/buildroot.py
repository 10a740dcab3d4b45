"""Options of the verbs that run Buildroot."""

from __future__ import annotations

from typing import Final

import click

buildroot_option: Final = click.option(
    "--buildroot",
    metavar="DIR",
    envvar="BRASM_BUILDROOT",
    help="Buildroot's tree. Default: the release that the recipe pins, cloned into the cache. [BRASM_BUILDROOT]",
)
machine_option: Final = click.option(
    "--config",
    "machine",
    metavar="FILE",
    envvar="BRASM_CONFIG",
    help="Symbols of this machine: BR2_DL_DIR, BR2_PRIMARY_SITE, BR2_CCACHE_DIR, … [BRASM_CONFIG]",
)
