"""`crossclear deposits status`."""

import click

from cli.options import NUMBER, hex_option, url_option
from cli.output import output_option, show


@click.group()
def deposits() -> None:
    """See what became of a deposit."""


@deposits.command("status")
@click.argument("chain", type=NUMBER)
@click.argument("vault")
@click.argument("nonce", type=NUMBER)
@url_option
@output_option
def deposits_status(chain: int, vault: str, nonce: int, url: str, output: str) -> None:
    """Print what became of deposit NONCE at the VAULT of a CHAIN (its id), and what happens next.

    NONCE is the vault's number of the deposit, in its event `Deposited`. Where the deposit was not credited, it says
    why, and when it is credited or refunded.

    Example: crossclear deposits status 31337 VAULT 7
    """
    from member.client.ask import ask_node
    from member.printing.deposits import deposit_text

    address = hex_option("VAULT", vault, 20) or b""
    view = ask_node(url, lambda client: client.deposit(chain, address, nonce))
    show(view, deposit_text(view), output)
