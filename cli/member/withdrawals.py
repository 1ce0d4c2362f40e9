"""`crossclear withdrawals show|request|cancel|status|claim`."""

from pathlib import Path

import click

from cli.member.submitted import print_result
from cli.options import NEW_FILE, NUMBER, MemberKey, account_options, hex_option, read_hex_secret, url_option
from cli.output import ExitCode, output_option, show


@click.group()
def withdrawals() -> None:
    """Take money out: request, follow, cancel, and claim at the vault what no relayer claimed."""


@withdrawals.command("show")
@click.argument("account", type=NUMBER)
@account_options
@output_option
def withdrawals_show(account: int, key: MemberKey, output: str) -> None:
    """Print delayed, released, paid and refunded withdrawals, the use of each limit, and what deficits hold back.

    Example: crossclear withdrawals show 1 --key trade --home HOME
    """
    from member.printing.withdrawals import withdrawal_lines

    view = key.ask(lambda client: client.withdrawals(account))
    show(view, withdrawal_lines(view), output)


@withdrawals.command("cancel")
@click.argument("account", type=NUMBER)
@click.argument("number", type=NUMBER)
@click.option("--nonce", type=NUMBER, help="Of the request. Default: ask the node, which needs the member's key.")
@account_options
@output_option
def withdrawals_cancel(account: int, number: int, nonce: int | None, key: MemberKey, output: str) -> int:
    """Cancel the delayed withdrawal NUMBER, as `withdrawals show` lists it.

    The key is the one that signs for the account's money: its member's trade key, or the client's own key where the
    client has one. The request is valid for a minute. Exits with 6 when the node refuses it.

    Example: crossclear withdrawals cancel 1 7 --key trade --home HOME
    """
    (result,) = key.ask(lambda client: client.cancel_withdrawal(account, number, nonce)).results
    return print_result(f"withdrawal {number} of account {account}", result, output)


@withdrawals.command("request")
@click.argument("account", type=NUMBER)
@click.argument("asset")
@click.argument("units", type=click.IntRange(1, 2**63 - 1))
@click.argument("to", metavar="ADDRESS")
@account_options
@output_option
def withdrawals_request(account: int, asset: str, units: int, to: str, key: MemberKey, output: str) -> int:
    """Request UNITS clearing units of ASSET (its name or number) for ADDRESS on the asset's chain.

    A clearing unit of cash is a millionth of its currency. The key is the one that signs for the account's money. The
    request is valid for a minute; `transactions show` with the printed hash says what became of it, and `withdrawals
    show` lists what is delayed or released. Exits with 6 when the node refuses it.

    Example: crossclear withdrawals request 1 USDC 25000000 ADDRESS --key trade --home HOME
    """
    address = hex_option("ADDRESS", to, 20) or b""
    nonce, result = key.ask(lambda client: client.withdraw(account, asset, units, address))
    return print_result(f"request {nonce} of account {account}", result, output, nonce=nonce)


rpc_option = click.option("--rpc", metavar="URL", help="An endpoint of the withdrawal's chain.")


@withdrawals.command("status")
@click.argument("nonce", type=NUMBER)
@url_option
@rpc_option
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
        show(view, withdrawal_text(view), output)
    else:
        found = ask_node(url, lambda client: find_at_vault(client, rpc, nonce))
        show(found, at_vault_text(found), output)


@withdrawals.command("claim")
@click.argument("nonce", type=NUMBER)
@url_option
@click.option("--rpc", metavar="URL", required=True, help="An endpoint of the withdrawal's chain.")
@click.option("--payer-file", type=NEW_FILE, required=True, help="The key that pays for gas: 64 hex digits, mode 0600.")
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
    text, data = at_vault_text(found), None
    if mined is not None:
        data = {"transaction": f"0x{mined.hash.hex()}", "block": mined.block_number, "gas": mined.gas_used}
        text += f"\npaid in block {mined.block_number} by transaction {data['transaction']}, {mined.gas_used} gas"
    show({"withdrawal": found, "paid_by": data}, text, output)
    return ExitCode.OK if mined is not None or found.paid else ExitCode.VERIFICATION
