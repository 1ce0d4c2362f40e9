"""`crossclear withdrawals show|cancel`: what is on its way out of an own account, and taking back what waits."""

from typing import TYPE_CHECKING, Any

import click

from cli.options import account_options, ask
from cli.output import ExitCode, output_option, say, show
from member.api.accounts import LimitView, ReleasedView, WithdrawalsView

if TYPE_CHECKING:
    from member.api.submit import SubmitResults
    from member.client.node_client import NodeClient

VALID_MS = 60_000

_ACCOUNT = click.IntRange(0, 2**63 - 1)


@click.group()
def withdrawals() -> None:
    """Withdrawals of an own account: delayed, released and not seen paid, and what the limits leave."""


@withdrawals.command("show")
@click.argument("account", type=_ACCOUNT)
@account_options
@output_option
def withdrawals_show(account: int, output: str, **key: Any) -> None:
    """Print delayed and released withdrawals, the used part of each limit, and what deficits retain."""
    from cli.member.withdrawals import withdrawal_lines

    view = ask(lambda client: client.withdrawals(account), **key)
    show(view, withdrawal_lines(view), output)


@withdrawals.command("cancel")
@click.argument("account", type=_ACCOUNT)
@click.argument("number", type=click.IntRange(0, 2**63 - 1))
@click.option(
    "--nonce", type=_ACCOUNT, help="Of the request; by default the node is asked, which only a member's key can do."
)
@account_options
def withdrawals_cancel(account: int, number: int, nonce: int | None, **key: Any) -> None:
    """Cancel the delayed withdrawal NUMBER, as `withdrawals show` lists it.

    The key is the one that signs for the account's money: its member's trade key, or the client's own where it has one.
    The request is valid for a minute.
    """
    import time

    async def cancel(client: "NodeClient") -> "SubmitResults":
        used = nonce if nonce is not None else (await client.account(account)).next_nonce
        return await client.cancel_withdrawal(account, number, used, time.time_ns() // 1_000_000 + VALID_MS)

    (result,) = ask(cancel, **key).results
    say(f"withdrawal {number} of account {account}: {result.status}")
    if result.status not in ("accepted", "known"):
        raise SystemExit(ExitCode.VERIFICATION)


def withdrawal_lines(view: WithdrawalsView) -> str:
    """All that the view says."""
    lines = [f"withdrawals of account {view.account} after height {view.height}"]
    lines += [
        f"  {each.number} waits until height {each.due_height}: {each.amount_units} units of asset {each.asset}"
        f" to {each.to}"
        for each in view.waiting
    ]
    lines += [
        f"  leaf {each.nonce}: {each.amount_units} units of asset {each.asset} on chain {each.chain_id} to {each.to};"
        f" {_end(each)}"
        for each in view.released
    ]
    if not view.waiting and not view.released:
        lines.append("  none")
    lines += [line for limit in view.limits for line in _limit(limit)]
    if view.deficit_micros != "0":
        lines.append(
            f"{view.deficit_micros} micros are owed that nobody has borne: everybody leaves its part until height"
            f" {view.deficit_until_height}"
        )
    return "\n".join(lines)


def _end(released: ReleasedView) -> str:
    if released.not_paid_height:
        return f"not paid, by block {released.not_paid_height}: it comes back"
    if released.overdue:
        return "overdue: it comes back once the network agrees that it was not paid"
    return f"can be claimed until {released.not_after_s} s"


def _limit(limit: LimitView) -> list[str]:
    head = f"asset {limit.asset}, window until height {limit.opens_height - 1}"
    lines = []
    if limit.owner_units_max != "0":
        lines.append(f"{head}: {limit.owner_used_units} of {limit.owner_units_max} units used by this owner")
    if limit.window_units_max != "0":
        lines.append(f"{head}: {limit.all_used_units} of {limit.window_units_max} units used by all")
    if limit.delay_blocks:
        lines.append(
            f"{head}: {limit.prompt_used_units} of {limit.delay_above_units} units used without delay; more waits"
            f" {limit.delay_blocks} blocks"
        )
    return lines
