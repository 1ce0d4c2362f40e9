"""`crossclear withdrawals show|cancel`: what is on its way out of an own account, and taking back what waits."""

from typing import TYPE_CHECKING, Any

import click

from node.cli.exits import Exit
from node.cli.margin_of_account import account_options, ask
from node.cli.output import output_option, say, show

if TYPE_CHECKING:
    from node.api.shapes import SubmitResults
    from node.client import NodeClient

VALID_MS = 60_000
_ACCOUNT = click.IntRange(0, 2**63 - 1)


@click.group()
def withdrawals() -> None:
    """Withdrawals of an own account: what waits, what was not seen paid, what may follow."""


@withdrawals.command("show")
@click.argument("account", type=_ACCOUNT)
@account_options
@output_option
def withdrawals_show(account: int, output: str, **key: Any) -> None:
    """Print what waits and until when, what is out, how much of each limit is used, and what deficits hold back."""
    from node.withdrawal_tools import in_lines

    view = ask(lambda client: client.withdrawals(account), **key)
    show(view, in_lines(view), output)


@withdrawals.command("cancel")
@click.argument("account", type=_ACCOUNT)
@click.argument("number", type=click.IntRange(0, 2**63 - 1))
@click.option("--nonce", type=_ACCOUNT, help="Of the request; by default asked for, which only a member's key can.")
@account_options
def withdrawals_cancel(account: int, number: int, nonce: int | None, **key: Any) -> None:
    """Take back the withdrawal that waits under NUMBER, as `withdrawals show` lists it.

    The key is that which signs for the account's money: its member's trade key, or the client's own where it has one.
    The request is good for a minute.
    """
    import time

    async def cancel(client: "NodeClient") -> "SubmitResults":
        used = nonce if nonce is not None else (await client.account(account)).next_nonce
        return await client.cancel_withdrawal(account, number, used, time.time_ns() // 1_000_000 + VALID_MS)

    (result,) = ask(cancel, **key).results
    say(f"withdrawal {number} of account {account}: {result.status}")
    if result.status not in ("accepted", "known"):
        raise SystemExit(Exit.VERIFICATION)
