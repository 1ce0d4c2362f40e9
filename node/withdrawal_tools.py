"""Withdrawals on their way in lines for a terminal, and a signed request to cancel one."""

from clearing.base import secp256k1
from clearing.base.ids import NetworkId
from clearing.gates.requests import WithdrawalCancellation
from node.api.withdrawal_shapes import LimitView, ReleasedView, WithdrawalsView


def signed_cancellation(
    network: NetworkId, secret: bytes, account: int, number: int, nonce: int, not_after_ms: int
) -> WithdrawalCancellation:
    """Take back the withdrawal that waits under `number`. `secret`: of whoever signs for the account's money."""
    bare = WithdrawalCancellation(account, number, nonce, not_after_ms, bytes(65))
    signature = secp256k1.sign_digest(secret, bare.digest(network))
    return WithdrawalCancellation(account, number, nonce, not_after_ms, signature)


def in_lines(view: WithdrawalsView) -> str:
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
