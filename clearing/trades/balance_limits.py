"""Balance limits: how far one trade may bring the cash of an account.

Rule: the ledger counts below 2^62. A trade, a sale or a swap that brings an account's cash beyond half of that is
refused, whatever margin says: spreads of options have no risk and need no margin, but move any amount. The other half
is for what marks, settlements and fees move until the next trade. Cash that is beyond already may come back. It must
not know who trades.
"""

from collections.abc import Sequence

from clearing.base.errors import Rejected
from clearing.context.block_context import BlockContext
from clearing.schema.codes import ClearingCode, reject
from clearing.state.ledger import balance, cash_currency

BALANCE_MAX = 2**61
"""Micros of an account in a cash group, owed to it or by it, after a trade."""


def beyond_balance_limit(before: Sequence[int], after: Sequence[int]) -> int | None:
    """The first claim, in micros, that grew beyond the limit on either side; None without one."""
    pairs = zip(before, after, strict=True)
    return next((claim for was, claim in pairs if abs(claim) > BALANCE_MAX and abs(claim) > abs(was)), None)


def check_balances(at: str, account: int, before: Sequence[int], after: Sequence[int]) -> Rejected | None:
    """Refuse what brings the cash of an account, by group before and after, beyond the limit."""
    claim = beyond_balance_limit(before, after)
    if claim is None:
        return None
    return reject(ClearingCode.BALANCE_LIMIT, at, account=account, cash=claim, limit=BALANCE_MAX)


def check_received(context: BlockContext, at: str, account: int, currency: int, units: int) -> Rejected | None:
    """The same for an account that receives `units` of a currency. Tokens are bounded by their caps."""
    if currency not in context.terms.cash_groups:
        return None
    claim = balance(context.state, account, cash_currency(currency))
    return check_balances(at, account, (claim,), (claim + units,))
