"""`crossclear deposits make|status`."""

from pathlib import Path

import click

from cli.options import NEW_FILE, NUMBER, hex_option, read_hex_secret, url_option
from cli.output import output_option, say, show


@click.group()
def deposits() -> None:
    """Pay tokens into a vault, and see what became of a deposit."""


@deposits.command("make")
@click.argument("vault")
@click.argument("token")
@click.argument("account", type=NUMBER)
@click.argument("amount", type=click.IntRange(1, 2**256 - 1))
@click.option("--rpc", metavar="URL", required=True, help="An endpoint of the vault's chain.")
@click.option(
    "--payer-file", type=NEW_FILE, required=True, help="The wallet's key, which pays for gas: 64 hex digits, mode 0600."
)
@output_option
def deposits_make(vault: str, token: str, account: int, amount: int, rpc: str, payer_file: Path, output: str) -> None:
    """Pay AMOUNT base units of the TOKEN at this address into the VAULT for an ACCOUNT of the ledger.

    Asks the vault for its terms first, allows it to take the amount, and deposits. Anybody may pay in for any account.

    Example: crossclear deposits make VAULT TOKEN 7 5000000 --rpc URL --payer-file wallet.key
    """
    import trio

    from member.vaults.deposit import deposit_tokens

    at, of = hex_option("VAULT", vault, 20) or b"", hex_option("TOKEN", token, 20) or b""
    secret = read_hex_secret(payer_file)
    made = trio.run(deposit_tokens, rpc, at, of, account, amount, secret, say)
    text = f"{amount} base units paid in for account {account} in block {made.block}, transaction {made.transaction}"
    show(made, text, output)
    say(
        f"Next: crossclear collateral submit {made.chain_id} {made.transaction} --secret-file TRADE-KEY, "
        f"then crossclear collateral status {made.chain_id} {made.transaction} --wait"
    )


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
