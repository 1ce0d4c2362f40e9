"""`crossclear doctor`: whether machine, settings, peers and endpoints are what the node needs."""

import time
from functools import partial
from pathlib import Path

import click

from cli.options import config_option, read_settings, set_option
from cli.output import ExitCode, output_option, show


@click.command()
@config_option
@set_option
@click.option("--chain", "name", default="", help="Only the chain of this name in the settings.")
@click.option("--only", type=click.Choice(["node", "chains"]), help="Examine one half: the node, or the chains.")
@output_option
def doctor(config_path: Path, assignments: tuple[str, ...], name: str, only: str | None, output: str) -> int:
    """Examine machine, settings, peers, and every endpoint of every chain, and say what to do about what is wrong.

    Of the machine: room, disk, open files, memory, clock. Of the settings: what `config validate` finds. Of the peers:
    whether they can be reached. Of the endpoints: chain id, latency, head and clock, finality, log range, EIP-2537,
    states, receipts; then whether they agree. Where genesis is at hand: which certificates the chain's vault takes.
    Exits with 0 when all is well, with 5 when there are warnings only, with 6 when there is a fault. The node may run.

    Example: crossclear doctor --config HOME/node.toml
    """
    import trio

    from node.offline.doctor import Examination, as_json, as_text, examine_chains, examine_node

    config = read_settings(config_path, assignments).config
    node = trio.run(partial(examine_node, config)) if only != "chains" and not name else ()
    chains = trio.run(partial(examine_chains, config, time.time, name)) if only != "node" else ()
    found = Examination(node, chains)
    show(as_json(found), as_text(found), output)
    return (ExitCode.OK, ExitCode.NOT_READY, ExitCode.VERIFICATION)[found.gravity]
