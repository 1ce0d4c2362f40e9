"""The step `block_gate` of a run file: what one block liquidates of many accounts within its limits.

Rule: the state machine's own budget. Accounts are in the order of their shortfall to maintenance margin, the largest
first, then as listed. An account that does not fit waits, and the limit is named.
"""

from fractions import Fraction
from typing import Any

from clearing.base.codec import U32, Wire
from clearing.base.units import mul_div_up
from clearing.context.block_context import DENOMINATOR, LiquidationBudget
from clearing.liquidation.slices import share_rounded_up
from lab.models.numbers import Number
from lab.models.portfolio import Name
from lab.runs.units import micros, money, require

ACCOUNTS_MAX = 1024


class DueAccount(Wire, frozen=True):
    """An account whose call has lapsed."""

    of: Name
    notional: Number
    """Of all its positions with an open price."""
    shortfall: Number
    """To maintenance margin."""
    needed: Number | None = None
    """Notional to be closed; default: all of it."""
    deficit: Number = 0
    """What it will owe when all of it is closed."""


class BlockGate(Wire, frozen=True, tag_field="kind", tag="block_gate"):
    """What a block closes of the accounts that are due, and which of them wait."""

    name: Name
    accounts: tuple[DueAccount, ...]
    accounts_max: U32
    notional_max: Number = 0
    """Of all that is closed in the block; 0: any."""
    loss_max: Number = 0
    """Of all deficits of the block, except the first; 0: any."""


def block_gate(step: BlockGate, at: str) -> dict[str, Any]:
    """For each account in its turn: the share and notional that is closed, or why it waits."""
    require(len(step.accounts) <= ACCOUNTS_MAX, f"{at}.accounts", str(len(step.accounts)))
    notional_max = micros(step.notional_max, f"{at}.notional_max", 0)
    loss_max = micros(step.loss_max, f"{at}.loss_max", 0)
    due = []
    for place, account in enumerate(step.accounts):
        path = f"{at}.accounts[{place}]"
        whole = micros(account.notional, f"{path}.notional", 0)
        needed = whole if account.needed is None else micros(account.needed, f"{path}.needed", 0)
        require(needed <= whole, f"{path}.needed", str(account.needed))
        deficit = micros(account.deficit, f"{path}.deficit", 0)
        due.append((-micros(account.shortfall, f"{path}.shortfall", 0), place, account.of, whole, needed, deficit))
    budget, results = LiquidationBudget(), []
    for _, _, name, whole, needed, deficit in sorted(due):
        share = budget.share_within(share_rounded_up(needed, whole), whole, notional_max)
        loss, limit = deficit if share == DENOMINATOR else 0, None
        if budget.accounts >= step.accounts_max:
            limit = "block accounts"
        elif not share and needed:
            limit = "block notional"
        elif not budget.allows_loss(loss, loss_max):
            limit = "block loss"
        closed = 0 if limit else mul_div_up(whole, share, DENOMINATOR)
        if not limit:
            budget.accounts += 1
            budget.loss += loss
            budget.notional += closed
        results.append(
            {
                "of": name,
                "share": Fraction(0 if limit else share, DENOMINATOR),
                "closed": money(closed),
                "loss": money(0 if limit else loss),
                "waits_for": limit,
            }
        )
    return {"accounts": results, "closed": money(budget.notional), "loss": money(budget.loss)}
