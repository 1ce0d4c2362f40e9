"""The backstop: an account of genesis that takes over at the mark what no bid took, before the house.

Rule: it takes as much as leaves it at initial margin and within its limits, and covers the growth of its member's
stress exposure; it gets the whole penalty. Once it is full it takes nothing more in the block. It must not know how
much is wanted, or why.
"""

from clearing.context.block_context import DENOMINATOR, BlockContext
from clearing.context.member_status import status_of_account
from clearing.context.stress_exposure import check_stress_growth
from clearing.liquidation.slices import (
    LiquidationSlice,
    can_take_slice,
    cut_slice,
    receipt_micros,
    taker_holdings_after,
    transfer_slice,
)
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.schema.receipts.liquidation import BackstopTakeover
from clearing.schema.records.default import MemberStatus
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import Holdings, current_arrays, current_holdings, holdings_margin

AT = "backstop"
HALVINGS = 10
"""A share is found to a thousandth of what is wanted."""


def backstop_takeover(
    context: BlockContext, account: int, holdings: Holdings, margin: AccountMargin, wanted: int, step: int
) -> Holdings:
    """Let the backstop take up to `wanted` of the account. Returns the account's holdings afterwards."""
    backstop = context.terms.crisis.liquidation.backstop_account
    if not backstop or context.liquidation_budget.backstop_full or not _is_backstop_able(context, backstop, account):
        return holdings
    before = current_holdings(context.state, backstop)
    part = _largest_share(context, holdings, margin, wanted, backstop, before)
    context.liquidation_budget.backstop_full = part is None or part.fraction < wanted
    if part is None:
        return holdings
    transfer_slice(context, account, backstop, part, TransferCode.BACKSTOP_OPTION_VALUE)
    left = holdings_margin(current_arrays(context.state), part.holdings_after)
    context.receipts.append(
        BackstopTakeover(
            account=account,
            backstop=backstop,
            bidder_share_ppm=context.terms.crisis.liquidation.bidder_share_ppm,
            step=step,
            wanted=wanted,
            fraction=part.fraction,
            denominator=DENOMINATOR,
            positions=tuple(part.positions),
            notional=receipt_micros(part.notional),
            paid=part.paid(context),
            equity=margin.equity,
            initial=margin.initial,
            equity_after=left.equity,
            initial_after=left.initial,
        )
    )
    return part.holdings_after


def _is_backstop_able(context: BlockContext, backstop: int, account: int) -> bool:
    """Whether the backstop may take anything: its member is active and another than the account's, and it is not
    called.

    A called backstop could itself be due in this block, with what it held before.
    """
    accounts = context.state.accounts
    own = accounts[backstop].member == accounts[account].member
    active = status_of_account(context.state, backstop) is MemberStatus.ACTIVE
    return active and not own and not accounts[backstop].called_height and backstop not in context.state.restrictions


def _largest_share(
    context: BlockContext, holdings: Holdings, margin: AccountMargin, wanted: int, backstop: int, before: Holdings
) -> LiquidationSlice | None:
    """The largest share, in thousandths of `wanted`, that the backstop can take; None: not even one of them."""
    part = _slice_if_fitting(context, holdings, margin, wanted, backstop, before)
    if part is not None:
        return part
    low, high, found = 0, 2**HALVINGS, None
    while high - low > 1:
        middle = (low + high) // 2
        part = _slice_if_fitting(context, holdings, margin, wanted * middle // 2**HALVINGS, backstop, before)
        low, high, found = (middle, high, part) if part is not None else (low, middle, found)
    return found


def _slice_if_fitting(
    context: BlockContext, holdings: Holdings, margin: AccountMargin, fraction: int, backstop: int, before: Holdings
) -> LiquidationSlice | None:
    part = cut_slice(context, holdings, margin, fraction, backstop)
    after = taker_holdings_after(context, before, part, fund=True)
    if not part.positions or not can_take_slice(context, before, after, part):
        return None
    return part if check_stress_growth(context, AT, backstop, lambda: after) is None else None
