"""`crossclear deposit`, by names and in units, and `crossclear deposits make|status`, by addresses."""

from pathlib import Path

import click

from cli.chain_options import payer_option, rpc_option
from cli.options import (
    FILE,
    NUMBER,
    MemberKey,
    account_options,
    hex_option,
    listing_at,
    parsed,
    read_hex_secret,
    url_option,
)
from cli.output import ExitCode, output_option, say, show

wallet_option = payer_option("The wallet's key, which pays for gas: 64 hex digits, mode 0600.")
vault_rpc_option = rpc_option("the vault's chain")


@click.command("deposit")
@click.argument("amount", metavar='"AMOUNT TOKEN"')
@click.argument("account")
@click.option("--chain", help="Name or id, where the token is on several chains.")
@vault_rpc_option
@wallet_option
@click.option("--genesis", type=FILE, help="A genesis.json that you trust: its vault and token, or nothing is paid.")
@click.option("--wait", is_flag=True, help="Submit it to the node with your trade key, and return when it is credited.")
@account_options
@output_option
def deposit(
    amount: str,
    account: str,
    chain: str | None,
    rpc: str,
    payer_file: Path,
    genesis: Path | None,
    key: MemberKey,
    output: str,
    *,
    wait: bool,
) -> int:
    """Pay "AMOUNT TOKEN", such as "250.5 USDC", out of your wallet into the token's vault, for an ACCOUNT.

    ACCOUNT is an id, or the name of a member with one own account; TOKEN a name, an id, or with --chain a symbol. More
    decimals than the token has are refused. Vault and token are those that the node names: give --genesis where it is
    not your own node. With --wait it exits with 6 when the deposit is refused.

    Example: crossclear deposit "250.5 USDC" alice --chain base --rpc URL --payer-file wallet.key --wait --key trade
    """
    import trio

    from member.api.types import octets
    from member.client.collateral_events import follow_event, submit_transaction
    from member.printing.collateral_events import collateral_event_text
    from member.vaults.deposit import check_listed, deposit_tokens

    listing = listing_at(key.url)
    own = parsed("ACCOUNT", lambda: listing.account(account))
    asset, units = parsed("AMOUNT", lambda: listing.token_amount(amount, chain))
    if genesis is not None:
        check_listed(asset, genesis.read_bytes())
    if wait:
        key.secret()  # a key that cannot be read ends it before anything is paid
    secret = read_hex_secret(payer_file)
    made = trio.run(deposit_tokens, rpc, asset.vault, asset.token, own, units, secret, say, asset.chain_id)
    what = f"{listing.amount_text(asset, units)} paid in on {listing.chain_text(asset.chain_id)} for"
    text = f"{what} {listing.account_text(own)} in block {made.block}, transaction {made.transaction}"
    if not wait:
        show(made, text, output)
        say(f"Next: crossclear collateral status {made.chain_id} {made.transaction}, once it was submitted")
        return ExitCode.OK
    say(text)
    key.ask(lambda client: submit_transaction(client, made.chain_id, octets(made.transaction)))
    view = key.ask(lambda client: follow_event(client, made.chain_id, made.transaction))
    show({"deposit": made, "progress": view}, collateral_event_text(view, listing), output)
    return ExitCode.VERIFICATION if view.progress == "refused" else ExitCode.OK


@click.group()
def deposits() -> None:
    """Pay tokens into a vault, and see what became of a deposit."""


@deposits.command("make")
@click.argument("vault")
@click.argument("token")
@click.argument("account", type=NUMBER)
@click.argument("amount", type=click.IntRange(1, 2**256 - 1))
@vault_rpc_option
@wallet_option
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
