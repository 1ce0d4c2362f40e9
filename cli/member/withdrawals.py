"""`crossclear withdrawals show|request|cancel|status|claim`."""

from pathlib import Path

import click

from cli.chain_options import payer_option, rpc_option
from cli.member.submitted import print_result, wait_and_print
from cli.options import (
    NUMBER,
    MemberKey,
    account_options,
    hex_option,
    listing_at,
    parsed,
    read_hex_secret,
    url_option,
)
from cli.output import ExitCode, output_option, show


@click.group()
def withdrawals() -> None:
    """Take money out: request, follow, cancel, and claim at the vault what no relayer claimed."""


@withdrawals.command("show")
@click.argument("account")
@account_options
@output_option
def withdrawals_show(account: str, key: MemberKey, output: str) -> None:
    """Print delayed, released, paid and refunded withdrawals, the use of each limit, and what deficits hold back.

    ACCOUNT is its id, or the name of a member with one own account.

    Example: crossclear withdrawals show alice --key trade --home HOME
    """
    from member.printing.withdrawals import withdrawal_lines

    listing = listing_at(key.url)
    own = parsed("ACCOUNT", lambda: listing.account(account))
    view = key.ask(lambda client: client.withdrawals(own))
    show(view, withdrawal_lines(view, listing), output)


nonce_option = click.option(
    "--nonce", type=NUMBER, help="Of the request. Default: ask the node, which needs the member's key."
)
wait_option = click.option("--wait", is_flag=True, help="Return when a block has taken or refused the request.")


@withdrawals.command("cancel")
@click.argument("account")
@click.argument("number", type=NUMBER)
@nonce_option
@wait_option
@account_options
@output_option
def withdrawals_cancel(account: str, number: int, nonce: int | None, key: MemberKey, output: str, *, wait: bool) -> int:
    """Cancel the delayed withdrawal NUMBER, as `withdrawals show` lists it.

    ACCOUNT is its id, or the name of a member with one own account. The key is the one that signs for the account's
    money: its member's trade key, or the client's own key where the client has one, which needs --nonce. The request is
    valid for a minute. Exits with 6 when the node refuses it, or with --wait a block.

    Example: crossclear withdrawals cancel alice 7 --wait --key trade --home HOME
    """
    listing = listing_at(key.url)
    own = parsed("ACCOUNT", lambda: listing.account(account))
    (result,) = key.ask(lambda client: client.cancel_withdrawal(own, number, nonce)).results
    what = f"withdrawal {number} of {listing.account_text(own)}"
    return wait_and_print(key, what, result, output) if wait else print_result(what, result, output)


@withdrawals.command("request")
@click.argument("account")
@click.argument("amount", metavar='"AMOUNT TOKEN"')
@click.argument("to", metavar="ADDRESS")
@click.option("--chain", help="Name or id, where the token is on several chains.")
@wait_option
@nonce_option
@account_options
@output_option
def withdrawals_request(
    account: str,
    amount: str,
    to: str,
    chain: str | None,
    nonce: int | None,
    key: MemberKey,
    output: str,
    *,
    wait: bool,
) -> int:
    """Request "AMOUNT TOKEN", such as "250.5 USDC", for ADDRESS on the token's chain.

    TOKEN is a name, an id, or with --chain a symbol; more decimals than the ledger counts are refused. Names and
    decimals are as the asked node lists them; units of an asset's number are what is signed, and both are printed. The
    key is the one that signs for the account's money: its member's trade key, or the client's own key where the client
    has one, which needs --nonce. The request is valid for a minute; `withdrawals show` lists what is delayed or
    released. Exits with 6 when the node refuses it, or with --wait a block.

    Example: crossclear withdrawals request alice "250.5 USDC" ADDRESS --chain base --key trade --home HOME
    """
    listing, address = listing_at(key.url), hex_option("ADDRESS", to, 20) or b""
    own = parsed("ACCOUNT", lambda: listing.account(account))
    asset, units = parsed("AMOUNT", lambda: listing.ledger_amount(amount, chain))
    request, result = key.ask(lambda client: client.withdraw(own, asset.id, units, address, nonce))
    more = {"nonce": request.nonce, "asset": asset.id, "amount_units": str(units)}
    amount_text, own_text = listing.signed_units_text(asset, units), listing.account_text(own)
    what = f"withdrawal of {amount_text} of {own_text} to 0x{address.hex()}"
    if wait:
        return wait_and_print(key, what, result, output, **more)
    return print_result(what, result, output, **more)


@withdrawals.command("status")
@click.argument("nonce", type=NUMBER)
@url_option
@rpc_option("the withdrawal's chain", required=False)
@output_option
def withdrawals_status(nonce: int, url: str, rpc: str | None, output: str) -> None:
    """Print what became of released withdrawal NONCE: by the network, and with --rpc at its vault.

    Example: crossclear withdrawals status 7 --rpc URL
    """
    from member.client.ask import ask_node
    from member.client.vault_claims import find_at_vault
    from member.printing.withdrawals import at_vault_text, withdrawal_text

    if rpc is None:
        view = ask_node(url, lambda client: client.withdrawal_proof(nonce))
        show(view, withdrawal_text(view, listing_at(url)), output)
    else:
        found = ask_node(url, lambda client: find_at_vault(client, rpc, nonce))
        show(found, at_vault_text(found, listing_at(url)), output)


@withdrawals.command("claim")
@click.argument("nonce", type=NUMBER)
@url_option
@rpc_option("the withdrawal's chain")
@payer_option()
@output_option
def withdrawals_claim(nonce: int, url: str, rpc: str, payer_file: Path, output: str) -> int:
    """Claim released withdrawal NONCE at its vault. The money always goes to the withdrawal's address.

    Relayers do this by themselves; the command is for what none of them claimed. Exits with 6 while the vault does not
    know the withdrawal.

    Example: crossclear withdrawals claim 7 --rpc URL --payer-file payer.key
    """
    from member.client.ask import ask_node
    from member.client.vault_claims import claim_at_vault
    from member.printing.withdrawals import at_vault_text

    secret = read_hex_secret(payer_file)
    found, mined = ask_node(url, lambda client: claim_at_vault(client, rpc, nonce, secret))
    text, data = at_vault_text(found, listing_at(url)), None
    if mined is not None:
        data = {"transaction": f"0x{mined.hash.hex()}", "block": mined.block_number, "gas": mined.gas_used}
        text += f"\npaid in block {mined.block_number} by transaction {data['transaction']}, {mined.gas_used} gas"
    show({"withdrawal": found, "paid_by": data}, text, output)
    return ExitCode.OK if mined is not None or found.paid else ExitCode.VERIFICATION
