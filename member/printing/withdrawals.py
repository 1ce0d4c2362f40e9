"""What leaves an account, as text: withdrawals under way with their limits, and the leaves of an exit tree."""

from member.api.accounts import LimitView, ReleasedView, WithdrawalsView
from member.api.proofs import ExitView


def withdrawal_lines(view: WithdrawalsView) -> str:
    """The whole view as text."""
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


def exit_lines(exit_: ExitView) -> str:
    """The leaves for a terminal, without their salts."""
    lines = [f"account {exit_.account} at epoch {exit_.epoch}, height {exit_.height}, root {exit_.exit_root}"]
    for leaf in exit_.leaves:
        place = f"leaf {leaf.index} of {exit_.leaf_count}"
        lines.append(
            f"{place}: {leaf.amount} of {leaf.token} on chain {leaf.chain_id}, vault {leaf.vault}, to {leaf.to}"
        )
    return "\n".join(lines if exit_.leaves else [*lines, "nothing to take out"])
