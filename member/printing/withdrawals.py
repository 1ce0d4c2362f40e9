"""Withdrawals as text: those of one account with their limits, and one at its vault; amounts in units."""

from member.api.types import octets
from member.api.withdrawals import EndedView, LimitView, ReleasedView, WaitingView, WithdrawalProofView, WithdrawalsView
from member.client.vault_claims import AtVault
from member.notation.amounts import in_units
from member.notation.listing import Listing
from member.notation.times import time_text_of_seconds
from member.printing.account import table


def withdrawal_lines(view: WithdrawalsView, listing: Listing) -> str:
    """The whole view as text."""
    lines = [f"withdrawals of {listing.account_text(view.account)} after height {view.height}"]
    states: list[tuple[str, WaitingView | ReleasedView | EndedView, str]] = [
        *((f"delayed {each.number}", each, f"delayed until height {each.due_height}") for each in view.waiting),
        *((str(each.nonce), each, _released(each)) for each in view.released),
        *((str(each.nonce), each, _ENDS[each.status]) for each in view.ended),
    ]
    rows = [(name, listing.units_text(each.asset, each.amount_units), each.to, state) for name, each, state in states]
    lines += table(("number", "amount", "to", "state"), rows) if rows else ["  none"]
    lines += [line for limit in view.limits for line in _limit_lines(limit, listing)]
    if view.deficit_micros != "0":
        lines.append(
            f"{in_units(view.deficit_micros)} of deficits are unallocated: every withdrawal leaves its part until"
            f" height {view.deficit_until_height}"
        )
    lines += [
        f"{in_units(part.micros)} of large inflow may leave from height {part.until_height} on" for part in view.inflow
    ]
    return "\n".join(lines)


_ENDS = {"paid": "paid", "refunded": "not paid in time, and refunded"}


def _released(released: ReleasedView) -> str:
    if released.not_paid_height:
        return f"not paid, by block {released.not_paid_height}: it is refunded"
    if released.overdue:
        return "overdue: it is refunded once the network agrees that it was not paid"
    return f"can be claimed until {time_text_of_seconds(released.not_after_s)}"


def _limit_lines(limit: LimitView, listing: Listing) -> list[str]:
    def units(amount: str) -> str:
        return listing.units_text(limit.asset, amount)

    head = f"until height {limit.opens_height - 1}"
    lines = []
    if limit.owner_units_max != "0":
        used, most = units(limit.owner_used_units), units(limit.owner_units_max)
        lines.append(f"{head}: {used} of {most} used by this owner")
    if limit.window_units_max != "0":
        lines.append(f"{head}: {units(limit.all_used_units)} of {units(limit.window_units_max)} used by all")
    if limit.delay_blocks:
        used, most = units(limit.prompt_used_units), units(limit.delay_above_units)
        lines.append(f"{head}: {used} of {most} used without delay; more is delayed by {limit.delay_blocks} blocks")
    return lines


def withdrawal_text(view: WithdrawalProofView, listing: Listing) -> str:
    """A released withdrawal as the network knows it."""
    ends = {
        "open": f"can be claimed until {time_text_of_seconds(view.not_after_s)}",
        "paid": "paid",
        "expired": "not paid in time: it is refunded",
        "refunded": "not paid in time, and refunded",
    }
    asset = listing.asset_at(view.chain_id, octets(view.token))
    amount = f"{view.amount} of {view.token}" if asset is None else listing.amount_text(asset, view.amount)
    return (
        f"withdrawal {view.nonce}: {amount} on {listing.chain_text(view.chain_id)}, vault {view.vault}, to"
        f" {view.to}\n  the network at height {view.height}: {ends[view.status]}"
    )


def at_vault_text(found: AtVault, listing: Listing) -> str:
    """The same, and what its vault knows."""
    if found.paid:
        there = "paid"
    elif found.is_known:
        there = "can be claimed"
    else:
        there = f"not known yet: its newest checkpoint has {found.vault_count} withdrawals"
    return f"{withdrawal_text(found.withdrawal, listing)}\n  its vault at height {found.vault_height}: {there}"
