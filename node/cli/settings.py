"""Options that every verb with a node shares: where node.toml is, and settings over it."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from node.config_sources import Effective, load_config

F = TypeVar("F", bound=Callable[..., Any])

config_option: Callable[[F], F] = click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("node.toml"),
    show_default=True,
    envvar="CROSSCLEAR_CONFIG",
    help="The node's settings.",
)
set_option: Callable[[F], F] = click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Over file and environment: --set p2p.port=26610."
)


def effective_config(config_path: Path, assignments: Sequence[str]) -> Effective:
    """File < environment < `--set`. Raises LocalFault CONFIG_*."""
    flags = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise click.BadParameter(f"expected KEY=VALUE, got {assignment!r}", param_hint="--set")
        flags[key.strip()] = value
    return load_config(config_path, os.environ, flags)
