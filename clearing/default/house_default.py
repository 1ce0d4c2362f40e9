"""The house's own default: below its own maintenance margin it is in default like any member.

Rule: its positions are auctioned and closed, and its loss goes down the same waterfall; its own money has paid first,
because the loss is what it has less than nothing of. Meanwhile it takes nothing over. What a default of the house left
unpaid does not cause another one, so defaults of the house do not follow each other for the same loss. This module must
not know how a loss is allocated.
"""

from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.context.block_context import BlockContext, Failure, FailureReason
from clearing.context.house_limits import is_house_in_default
from clearing.context.unresolved_losses import account_deficits, left_unpaid_by_house
from clearing.default.declaration import open_default
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, positions_of


def declare_house_default(context: BlockContext) -> None:
    """Declare the house in default where it is below its own maintenance margin."""
    state = context.state
    if not context.terms.crisis.house.own_default or is_house_in_default(state):
        return
    holdings = current_holdings(state, HOUSE_ACCOUNT)
    owed = sum(deficit.micros for deficit in account_deficits(state, (HOUSE_ACCOUNT,)))
    if positions_of(state, HOUSE_ACCOUNT).lots:
        failed = not holdings_margin(current_arrays(state), holdings).maintenance_ok
    else:
        failed = owed > left_unpaid_by_house(state)
    if failed:
        reason = FailureReason.DEFICIT if owed else FailureReason.CALL_LAPSED
        state.inventory_sales.remove(0)
        open_default(context, HOUSE_MEMBER, Failure(HOUSE_ACCOUNT, reason), (HOUSE_ACCOUNT,), ())
