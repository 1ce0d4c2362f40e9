"""`crossclear config show|validate`."""

from pathlib import Path

import click
import msgspec

from cli.options import config_option, effective_config, set_option
from cli.output import output_option, say, show


@click.group()
def config() -> None:
    """Check and show settings."""


@config.command()
@config_option
@set_option
def validate(config_path: Path, assignments: tuple[str, ...]) -> None:
    """Exit with 0 when the settings are good, with 3 and the key's path when not."""
    effective_config(config_path, assignments)
    say("settings are valid")


@config.command("show")
@config_option
@set_option
@click.option("--origin", is_flag=True, help="Who set each key, instead of the settings.")
@output_option
def show_config(config_path: Path, assignments: tuple[str, ...], origin: bool, output: str) -> None:
    """Print the settings in force, defaults included, as TOML or JSON."""
    from node.config_sources import dump_config

    effective = effective_config(config_path, assignments)
    if origin:
        show(effective.origin, "\n".join(f"{key:<32} {who}" for key, who in sorted(effective.origin.items())), output)
    else:
        show(msgspec.to_builtins(effective.config), dump_config(effective.config).rstrip("\n"), output)
