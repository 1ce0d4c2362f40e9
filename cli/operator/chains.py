"""`crossclear chains`: which watched chains are halted, and their release with a recorded reason."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from cli.options import config_option, effective_config, set_option
from cli.output import output_option, show

if TYPE_CHECKING:
    from node.offline.chain_releases import ChainStanding


@click.group()
def chains() -> None:
    """Show halted chains, and release one."""


@chains.command()
@config_option
@set_option
@output_option
def halts(config_path: Path, assignments: tuple[str, ...], output: str) -> None:
    """Show how far each chain was scanned, why it is halted, and every release so far. The node may run.

    Example: crossclear chains halts --config HOME/node.toml
    """
    from node.offline.chain_releases import chain_standings

    found = chain_standings(effective_config(config_path, assignments).config)
    lines = [line for standing in found for line in _standing_lines(standing)]
    show([_standing_data(standing) for standing in found], "\n".join(lines), output)


@chains.command()
@click.argument("chain_id", type=click.IntRange(1, 2**63 - 1))
@click.option("--halt", "code", required=True, help="The code of the halt, such as R0645, as `halts` shows it.")
@click.option("--reason", required=True, help="What was found and decided; it is recorded for good.")
@click.option("--rescan", is_flag=True, help="Read the chain again from the vault's deployment on (R0622 always does).")
@config_option
@set_option
@output_option
def release(
    chain_id: int,
    code: str,
    reason: str,
    rescan: bool,
    config_path: Path,
    assignments: tuple[str, ...],
    output: str,
) -> None:
    """Release a halted chain of a stopped node. Exits with 7 while the node runs.

    Example: crossclear chains release 1 --halt R0645 --reason "the endpoint was repaired" --config HOME/node.toml
    """
    from node.offline.chain_releases import release_chain

    digits = code.upper().removeprefix("R")
    if not digits.isdecimal() or len(digits) > 4:
        raise click.BadParameter(f"expected a code such as R0645, got {code!r}", param_hint="--halt")
    config = effective_config(config_path, assignments).config
    made = release_chain(config, chain_id, int(digits), reason, time.time_ns() // 1_000_000, rescan=rescan)
    again = "from the vault's deployment on" if made.is_rescanned else f"after block {made.scanned_number}"
    show(msgspec.to_builtins(made), f"chain {chain_id} is released from R{made.code:04d}; it is read {again}", output)


def _standing_data(standing: "ChainStanding") -> dict[str, Any]:
    halt = standing.halt
    return {
        "chain_id": standing.chain_id,
        "name": standing.name,
        "scanned_number": standing.scanned_number,
        "halt": f"R{halt.code:04d}" if halt is not None else "",
        "reason": halt.reason if halt is not None else "",
        "releases": msgspec.to_builtins(standing.releases),
    }


def _standing_lines(standing: "ChainStanding") -> list[str]:
    halt = standing.halt
    state = f"HALTED {halt.reason}" if halt is not None else "not halted"
    return [
        f"chain {standing.chain_id} {standing.name}: scanned {standing.scanned_number}, {state}",
        *(f"  released from R{each.code:04d} at {each.released_ms} ms: {each.reason}" for each in standing.releases),
    ]
