"""`crossclear rollback`: one height back."""

from pathlib import Path

import click

from node.cli.output import output_option, show
from node.cli.settings import config_option, effective_config, set_option


@click.command()
@config_option
@set_option
@output_option
def rollback(config_path: Path, assignments: tuple[str, ...], output: str) -> None:
    """Remove the newest block of a stopped node; it executes from below and gets the same block again.

    What was signed stays signed: sign state and log are not touched. Exits with 7 while the node runs.
    """
    from clearing.genesis import check_genesis, genesis_from_json
    from node.durability.rollback import roll_back

    config = effective_config(config_path, assignments).config
    genesis = genesis_from_json(config.path(config.node.genesis).read_bytes())
    check_genesis(genesis)
    done = roll_back(config, genesis)
    data = {
        "height": done.height,
        "state_root": done.state_root.hex(),
        "removed": done.removed,
        "removed_hash": done.removed_hash.hex(),
        "saved_at": done.saved_at,
    }
    show(data, "\n".join(f"{name:<14} {value}" for name, value in data.items()), output)
