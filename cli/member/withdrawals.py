"""`crossclear withdrawals show|cancel`: withdrawals of an own account under way, and cancelling a delayed one."""

import click

from cli.options import NUMBER, MemberKey, account_options
from cli.output import ExitCode, output_option, say, show


@click.group()
def withdrawals() -> None:
    """Show the withdrawals of an own account, and cancel a delayed one."""


@withdrawals.command("show")
@click.argument("account", type=NUMBER)
@account_options
@output_option
def withdrawals_show(account: int, key: MemberKey, output: str) -> None:
    """Print delayed and released withdrawals, the use of each limit, and what deficits hold back."""
    from member.printing.withdrawals import withdrawal_lines

    view = key.ask(lambda client: client.withdrawals(account))
    show(view, withdrawal_lines(view), output)


@withdrawals.command("cancel")
@click.argument("account", type=NUMBER)
@click.argument("number", type=NUMBER)
@click.option("--nonce", type=NUMBER, help="Of the request. Default: ask the node, which needs the member's key.")
@account_options
def withdrawals_cancel(account: int, number: int, nonce: int | None, key: MemberKey) -> None:
    """Cancel the delayed withdrawal NUMBER, as `withdrawals show` lists it.

    The key is the one that signs for the account's money: its member's trade key, or the client's own key where the
    client has one. The request is valid for a minute.
    """
    (result,) = key.ask(lambda client: client.cancel_withdrawal(account, number, nonce)).results
    say(f"withdrawal {number} of account {account}: {result.status}")
    if result.status not in ("accepted", "known"):
        raise SystemExit(ExitCode.VERIFICATION)
