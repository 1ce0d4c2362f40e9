"""`crossclear doctor`: whether the endpoints of every configured chain serve what the node needs."""

import time
from functools import partial
from pathlib import Path

import click

from cli.options import config_option, effective_config, set_option
from cli.output import ExitCode, output_option, show


@click.command()
@config_option
@set_option
@click.option("--chain", "name", default="", help="Only the chain of this name in the settings.")
@output_option
def doctor(config_path: Path, assignments: tuple[str, ...], name: str, output: str) -> int:
    """Examine every endpoint of every chain in the settings, and say what to do about what is wrong.

    Chain id, latency, head and clock, finality, log range, EIP-2537, states, receipts; then whether they agree. Where
    genesis is at hand: which certificates the chain's vault takes.
    Exits with 0 when all is well, with 5 when there are warnings only, with 6 when there is a fault. The node may run.
    """
    import trio

    from node.offline.doctor import as_json, as_text, examine_chains

    config = effective_config(config_path, assignments).config
    chains = trio.run(partial(examine_chains, config, time.time, name))
    show(as_json(chains), as_text(chains), output)
    return (ExitCode.OK, ExitCode.NOT_READY, ExitCode.VERIFICATION)[max((each.gravity for each in chains), default=0)]
