"""`crossclear vault escape|refund`: what anybody may do for the members of a network that is silent."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.operator.vaults.options import address_option, gas_option, vault_rpc_option
from cli.options import FILE, NEW_FILE, NUMBER, read_hex_secret, together
from cli.output import output_option, say, show

if TYPE_CHECKING:
    from member.vaults.escaping import EscapeRun

_escape_options = together(
    vault_rpc_option,
    gas_option,
    click.option("--dry-run", is_flag=True, help="Estimate the gas of what is possible now, send nothing."),
    click.option("--out", type=NEW_FILE, help="Write the receipt to a new file."),
    output_option,
)


@click.command("escape")
@click.argument("address")
@_escape_options
def escape_(address: str, rpc: str, payer_file: Path, dry_run: bool, out: Path | None, output: str) -> None:
    """State that the network of the vault at ADDRESS is silent, which triggers its escape. Anybody may.

    Prints the stage, until when it lasts, and what to do next. Where the escape was triggered already it sends nothing.

    Example: crossclear vault escape VAULT --rpc URL --payer-file payer.key --dry-run
    """
    import trio

    from member.printing.vaults import escape_text
    from member.vaults.escaping import trigger_escape

    run = _escape_run(dry_run, out)
    receipt = trio.run(trigger_escape, rpc, address_option("ADDRESS", address), read_hex_secret(payer_file), run)
    show(receipt, escape_text(receipt), output)


@click.command()
@click.argument("address")
@click.option("--token", "tokens", metavar="ADDRESS", multiple=True, required=True, help="Of the deposits. Repeat.")
@click.option("--from-block", type=NUMBER, default=0, help="Look for deposits from this block on.")
@click.option("--deposit", type=NUMBER, help="While the network lives: say where the refund of this deposit stands.")
@click.option("--url", help="With --deposit: a node of the network.")
@click.option("--exit-file", type=FILE, help="Anybody's exit file of the vault's tree: opens tokens nobody has opened.")
@_escape_options
def refund(
    address: str,
    tokens: tuple[str, ...],
    from_block: int,
    deposit: int | None,
    url: str | None,
    exit_file: Path | None,
    rpc: str,
    payer_file: Path,
    dry_run: bool,
    out: Path | None,
    output: str,
) -> None:
    """Refund what was deposited at ADDRESS after the snapshot of its escape, to those who made the deposits.

    Run it while the vault is shown its records, and again when it pays. While the network lives it sends nothing,
    because the network itself refunds what it does not credit: --deposit says how far that is.

    Example: crossclear vault refund VAULT --token ADDRESS --rpc URL --payer-file payer.key --dry-run
    """
    import trio

    from member.printing.vaults import escape_text
    from member.vaults.escaping import refund_deposits
    from member.verifying.exits import FILE_BYTES_MAX, read_exit_file
    from member.verifying.package import read_limited

    if (deposit is None) is not (url is None):
        raise click.UsageError("--deposit and --url go together")
    run, secret = _escape_run(dry_run, out), read_hex_secret(payer_file)
    at, listed = address_option("ADDRESS", address), [address_option("--token", token) for token in tokens]
    totals = None if exit_file is None else read_exit_file(read_limited(exit_file, FILE_BYTES_MAX)).exit
    receipt = trio.run(refund_deposits, rpc, at, listed, secret, from_block, run, totals)
    show(receipt, escape_text(receipt), output)
    if url is not None and deposit is not None and not receipt.escape_from:
        say(_deposit_text(url, receipt.chain_id, at, deposit))


def _deposit_text(url: str, chain_id: int, at: bytes, nonce: int) -> str:
    from member.client.ask import ask_node
    from member.printing.deposits import deposit_text

    return deposit_text(ask_node(url, lambda client: client.deposit(chain_id, at, nonce)))


def _escape_run(dry_run: bool, out: Path | None) -> "EscapeRun":
    from member.client.downloads import refuse_existing
    from member.vaults.escaping import EscapeRun
    from member.vaults.receipt import ReceiptFile

    if out is None:
        return EscapeRun(dry_run)
    refuse_existing(out)
    return EscapeRun(dry_run, ReceiptFile(out).keep)
