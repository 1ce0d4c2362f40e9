"""The liquidation auction: bids for slices of a portfolio, filled at once along a Dutch discount path.

Rule: the discount rises linearly from the first block to the last, rounded down in favour of the account. A bid is
filled at the block's discount, with the smallest of its size, the largest allowed slice, and the share that restores
initial margin. The buyer covers initial margin afterwards. The house and accounts of the same member cannot buy.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import PPM
from clearing.context.block_context import DENOMINATOR, BlockContext
from clearing.context.member_status import check_member_active, check_restriction, is_in_default
from clearing.context.request_checks import check_request, for_sale, use_nonce
from clearing.context.stress_exposure import check_stress_growth
from clearing.liquidation.slices import (
    LiquidationSlice,
    can_take_slice,
    cut_slice,
    penalty_fund_account,
    receipt_micros,
    taker_holdings_after,
    transfer_slice,
)
from clearing.liquidation.stages import size_liquidation
from clearing.liquidation.takeover import may_liquidate
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.liquidation import SliceSizing, SliceSold
from clearing.schema.records.margin_calls import LiquidationRecord
from clearing.schema.requests.auctions import LiquidationBid
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin

AT = "liquidation_bid"


def bid_for_slice(context: BlockContext, index: int, request: LiquidationBid) -> Rejected | None:
    """Fill the bid at `index` of the block at the block's discount, or refuse it and change nothing.

    The bid may name the account by its mask; a refusal repeats the name that it gave, never the other.
    """
    liquidated = for_sale(context, request.liquidated)
    refusal = _check_bid(context, request) or _check_bidder(context, request, liquidated)
    refusal = refusal or _check_sale(context, request, liquidated)
    if refusal is not None:
        return refusal
    record = context.state.liquidations[liquidated]
    discount = _current_discount_ppm(context, record)
    if discount < request.discount_ppm:
        return reject(ClearingCode.DISCOUNT_TOO_SMALL, AT, discount_ppm=request.discount_ppm, discount=discount)
    holdings = current_holdings(context.state, liquidated)
    if not may_liquidate(context, holdings):
        return reject(ClearingCode.PRICE_NOT_OPEN, AT, liquidated=request.liquidated)
    margin = holdings_margin(current_arrays(context.state), holdings)
    sizing = size_liquidation(context, holdings, margin, discount)
    allowed = allowed_share(context, sizing)
    if not allowed and not margin.initial_ok:
        limit = context.terms.crisis.liquidation.block_notional_max
        return reject(ClearingCode.LIQUIDATED_ENOUGH, AT, notional=context.liquidation_budget.notional, limit=limit)
    part = cut_slice(context, holdings, margin, min(request.slice_ppb, allowed), request.account, discount)
    after = holdings_margin(current_arrays(context.state), part.holdings_after)
    worse = after.initial - after.equity > margin.initial - margin.equity
    if margin.initial_ok or not part.positions or worse:
        return reject(ClearingCode.NOTHING_TO_TAKE, AT, liquidated=request.liquidated, slice_ppb=request.slice_ppb)
    refusal = _check_taker_margin(context, request, part)
    if refusal is not None:
        return refusal
    use_nonce(context, request.account, request.nonce)
    transfer_slice(context, liquidated, request.account, part, TransferCode.SLICE_OPTION_VALUE)
    context.state.liquidations.put(liquidated, msgspec.structs.replace(record, fills=record.fills + 1))
    _sold_receipt(context, index, request, liquidated, discount, sizing, allowed, part, after)
    return None


def _current_discount_ppm(context: BlockContext, liquidation: LiquidationRecord) -> int:
    """The discount at which slices are sold in this block, of the notional."""
    terms = context.terms.crisis.liquidation
    span = (liquidation.first_height, liquidation.last_height)
    return auction_discount_ppm(terms.start_ppm, terms.end_ppm, *span, context.block.height)


def allowed_share(context: BlockContext, sizing: SliceSizing) -> int:
    """The largest share that a bid may take; 0 when the block's liquidation cap is reached."""
    terms = context.terms.crisis.liquidation
    share = min(terms.slice_max_ppm * (DENOMINATOR // PPM), sizing.share)
    return context.liquidation_budget.share_within(share, sizing.notional, terms.block_notional_max)


def _check_bid(context: BlockContext, request: LiquidationBid) -> Rejected | None:
    if not 0 < request.slice_ppb <= DENOMINATOR:
        return reject(ClearingCode.BAD_SIZE, AT, slice_ppb=request.slice_ppb)
    if request.discount_ppm > PPM:
        return reject(ClearingCode.BAD_SIZE, AT, discount_ppm=request.discount_ppm)
    return check_request(context, AT, request)


def _check_bidder(context: BlockContext, request: LiquidationBid, liquidated: int) -> Rejected | None:
    """The bidder is not the house, is of another member, and is active and unrestricted."""
    accounts = context.state.accounts
    if request.account == HOUSE_ACCOUNT:
        return reject(ClearingCode.MAY_NOT_TAKE_SLICES, AT, account=request.account)
    if accounts[request.account].member == accounts[liquidated].member:
        return reject(ClearingCode.OWN_LIQUIDATION, AT, account=request.account, liquidated=request.liquidated)
    return check_member_active(context, AT, request.account) or check_restriction(context, AT, request.account)


def _check_sale(context: BlockContext, request: LiquidationBid, liquidated: int) -> Rejected | None:
    """Slices of the account are for sale in this block, in the liquidation that the bid names."""
    record, height = context.state.liquidations.get(liquidated), context.block.height
    on_sale = record is not None and record.opened_height == request.opened_height
    on_sale = on_sale and record is not None and record.first_height <= height <= record.last_height
    if on_sale and not is_in_default(context.state, liquidated):
        return None
    return reject(
        ClearingCode.NO_SUCH_LIQUIDATION, AT, liquidated=request.liquidated, opened_height=request.opened_height
    )


def _check_taker_margin(
    context: BlockContext, request: LiquidationBid, liquidation_slice: LiquidationSlice
) -> Rejected | None:
    """The bidder is at initial margin afterwards, within its cash and position limits, and its member lacks no more
    under stress than the fund was sized for."""
    before = current_holdings(context.state, request.account)
    after = taker_holdings_after(
        context, before, liquidation_slice, fund=request.account == penalty_fund_account(context)
    )
    if can_take_slice(context, before, after, liquidation_slice):
        return check_stress_growth(context, AT, request.account, lambda: after)
    margin = holdings_margin(current_arrays(context.state), after)
    details = {
        "equity": margin.equity,
        "initial": margin.initial,
        "notional": receipt_micros(liquidation_slice.notional),
    }
    return reject(ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN, AT, account=request.account, **details)


def _sold_receipt(
    context: BlockContext,
    index: int,
    request: LiquidationBid,
    liquidated: int,
    discount: int,
    sizing: SliceSizing,
    allowed: int,
    liquidation_slice: LiquidationSlice,
    after: AccountMargin,
) -> None:
    context.receipts.append(
        SliceSold(
            index=index,
            account=liquidated,
            bidder=request.account,
            fund=penalty_fund_account(context, liquidated),
            bidder_share_ppm=context.terms.crisis.liquidation.bidder_share_ppm,
            opened_height=request.opened_height,
            discount_ppm=discount,
            requested_share=request.slice_ppb,
            allowed_share=allowed,
            fraction=liquidation_slice.fraction,
            sizing=sizing,
            denominator=DENOMINATOR,
            positions=tuple(liquidation_slice.positions),
            notional=receipt_micros(liquidation_slice.notional),
            paid=liquidation_slice.paid(context),
            equity=sizing.equity,
            initial=sizing.initial,
            equity_after=after.equity,
            initial_after=after.initial,
        )
    )


def auction_discount_ppm(start_ppm: int, end_ppm: int, first_height: int, last_height: int, height: int) -> int:
    """The discount in the block at `height`, of the notional; 0 <= start <= end, first <= height <= last."""
    span = last_height - first_height
    if span == 0:
        return start_ppm
    return start_ppm + (end_ppm - start_ppm) * (height - first_height) // span
