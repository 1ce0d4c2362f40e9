"""Withdrawals as text: those of one account with their limits, and one at its vault."""

from member.api.withdrawals import LimitView, ReleasedView, WithdrawalProofView, WithdrawalsView
from member.client.vault_claims import AtVault


def withdrawal_lines(view: WithdrawalsView) -> str:
    """The whole view as text."""
    lines = [f"withdrawals of account {view.account} after height {view.height}"]
    lines += [
        f"  {waiting.number} is delayed until height {waiting.due_height}: {waiting.amount_units} units"
        f" of asset {waiting.asset} to {waiting.to}"
        for waiting in view.waiting
    ]
    lines += [
        f"  leaf {released.nonce}: {released.amount_units} units of asset {released.asset}"
        f" on chain {released.chain_id} to {released.to}; {_withdrawal_end(released)}"
        for released in view.released
    ]
    lines += [
        f"  leaf {ended.nonce}: {ended.amount_units} units of asset {ended.asset}"
        f" on chain {ended.chain_id} to {ended.to}; {_ENDS[ended.status]}"
        for ended in view.ended
    ]
    if not view.waiting and not view.released and not view.ended:
        lines.append("  none")
    lines += [line for limit in view.limits for line in _limit_lines(limit)]
    if view.deficit_micros != "0":
        lines.append(
            f"{view.deficit_micros} micros of deficits are unallocated: every withdrawal leaves its part until height"
            f" {view.deficit_until_height}"
        )
    lines += [
        f"{part.micros} micros of large inflow may leave from height {part.until_height} on" for part in view.inflow
    ]
    return "\n".join(lines)


_ENDS = {"paid": "paid", "refunded": "not paid in time, and refunded"}


def _withdrawal_end(released: ReleasedView) -> str:
    if released.not_paid_height:
        return f"not paid, by block {released.not_paid_height}: it is refunded"
    if released.overdue:
        return "overdue: it is refunded once the network agrees that it was not paid"
    return f"can be claimed until {released.not_after_s} s"


def _limit_lines(limit: LimitView) -> list[str]:
    head = f"asset {limit.asset}, window until height {limit.opens_height - 1}"
    lines = []
    if limit.owner_units_max != "0":
        lines.append(f"{head}: {limit.owner_used_units} of {limit.owner_units_max} units used by this owner")
    if limit.window_units_max != "0":
        lines.append(f"{head}: {limit.all_used_units} of {limit.window_units_max} units used by all")
    if limit.delay_blocks:
        lines.append(
            f"{head}: {limit.prompt_used_units} of {limit.delay_above_units} units used without delay;"
            f" more is delayed by {limit.delay_blocks} blocks"
        )
    return lines


def withdrawal_text(view: WithdrawalProofView) -> str:
    """A released withdrawal as the network knows it."""
    ends = {
        "open": f"can be claimed until {view.not_after_s} s",
        "paid": "paid",
        "expired": "not paid in time: it is refunded",
        "refunded": "not paid in time, and refunded",
    }
    return (
        f"withdrawal {view.nonce}: {view.amount} of {view.token} on chain {view.chain_id}, vault {view.vault}, to"
        f" {view.to}\n  the network at height {view.height}: {ends[view.status]}"
    )


def at_vault_text(found: AtVault) -> str:
    """The same, and what its vault knows."""
    if found.paid:
        there = "paid"
    elif found.is_known:
        there = "can be claimed"
    else:
        there = f"not known yet: its newest checkpoint has {found.vault_count} withdrawals"
    return f"{withdrawal_text(found.withdrawal)}\n  its vault at height {found.vault_height}: {there}"
