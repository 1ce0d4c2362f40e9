"""`crossclear vault status|rotate`: what a vault says of itself, and what it lacks."""

from pathlib import Path

import click

from cli.operator.vaults.options import address_option, gas_option, vault_rpc_option
from cli.options import read_hex_secret, url_option
from cli.output import output_option, say, show

token_option = click.option("--token", "tokens", metavar="ADDRESS", multiple=True, help="Show its counters. Repeat.")


@click.command()
@click.argument("address")
@vault_rpc_option
@token_option
@output_option
def status(address: str, rpc: str, tokens: tuple[str, ...], output: str) -> None:
    """Print what the vault at ADDRESS says of itself: checkpoint, set, pause, silence, and what it owes and has.

    Example: crossclear vault status VAULT --rpc URL
    """
    import trio

    from member.printing.vaults import standing_text
    from member.vaults.standing import vault_standing

    listed = [address_option("--token", token) for token in tokens]
    found = trio.run(vault_standing, rpc, address_option("ADDRESS", address), listed)
    show(found, standing_text(found), output)


@click.command()
@click.argument("address")
@vault_rpc_option
@gas_option
@url_option
@click.option(
    "--from-height",
    type=click.IntRange(1, 2**63 - 1),
    default=1,
    show_default=True,
    help="Where the set that the vault follows was in force; only for a vault without a checkpoint.",
)
@output_option
def rotate(address: str, rpc: str, payer_file: Path, url: str, from_height: int, output: str) -> None:
    """Post what the vault at ADDRESS lacks: each change of validators, their keys, and a node's newest header.

    For when no relayer runs. The node is trusted with nothing: the vault checks every certificate. Repeat it at will.

    Example: crossclear vault rotate VAULT --rpc URL --payer-file payer.key --url http://127.0.0.1:26680
    """
    import trio

    from member.light.source import http_sources
    from member.printing.vaults import standing_text
    from member.vaults.rotation import rotate_vault

    secret = read_hex_secret(payer_file)
    with http_sources([url]) as (source,):
        found = trio.run(rotate_vault, rpc, address_option("ADDRESS", address), source, secret, from_height, say)
    show(found, standing_text(found), output)
