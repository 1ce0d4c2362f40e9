"""The margin that a defaulter's client must cover to be ported, and the call for what it lacks.

Rule: initial margin, or maintenance margin where genesis says so (`porting_at_maintenance`); never a debt in cash. A
client below initial margin is called in the block of the porting, for the new member to see. Porting grants no time:
the deadline of an earlier call stays, and a client whose positions are for sale is ported at initial margin only. It
must not know who signs.
"""

import msgspec

from clearing.context.block_context import BlockContext
from clearing.margin_calls.margin_calls import call_margin
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.state.state import State


def covers_porting_margin(state: State, account: int) -> bool:
    """Whether an account covers the margin that porting needs, at the state's prices, and owes no cash."""
    holdings = current_holdings(state, account)
    if any(claim < 0 for claim in holdings.cash):
        return False
    margin = holdings_margin(current_arrays(state), holdings)
    if margin.initial_ok or not state.terms.crisis.default.porting_at_maintenance:
        return margin.initial_ok
    return margin.maintenance_ok and account not in state.liquidations and account not in state.cash_calls


def call_ported(context: BlockContext, accounts: tuple[int, ...]) -> None:
    """Call ported accounts below initial margin, also those that their old member was called for."""
    for account in accounts:
        margin = holdings_margin(current_arrays(context.state), current_holdings(context.state, account))
        if margin.initial_ok:
            continue
        record = context.state.accounts[account]
        context.state.accounts.put(account, msgspec.structs.replace(record, called_height=0))
        call_margin(context, account, margin)
