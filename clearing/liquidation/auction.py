"""Bids for slices of a portfolio in liquidation: a Dutch auction, filled at once in the order of the block.

Rule: a bid is filled at the block's discount when it asks for no more, with the smallest of the slice it names, the
largest slice that genesis allows, and what brings the account back to initial margin. Whoever takes it covers initial
margin afterwards. The house and accounts of the same member take nothing. It must not know who bids next.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import PPM
from clearing.codes import ClearingCode, reject
from clearing.collateral.restrictions import check_restricted
from clearing.default.status import check_member, is_in_default
from clearing.holdings import arrays_of, holdings_of, margin_of
from clearing.liquidation.path import discount_ppm
from clearing.liquidation.receipts import Sizing, SliceSold
from clearing.liquidation.records import Liquidation
from clearing.liquidation.requests import LiquidationBid
from clearing.liquidation.sizing import DENOMINATOR, told_micros
from clearing.liquidation.slices import Slice, can_take, cut, fund_account, hand_over, taker_after
from clearing.liquidation.stages import size_up
from clearing.liquidation.takeover import may_liquidate
from clearing.margin.requirement import AccountMargin
from clearing.requests import check_account, check_nonce, check_signer, check_time, use_nonce
from clearing.run import Run
from clearing.transfers import TransferCode

AT = "liquidation_bid"


def bid(run: Run, index: int, request: LiquidationBid) -> Rejected | None:
    """Fill the bid at `index` of the block at the block's discount, or refuse it and change nothing."""
    refusal = _check_form(run, request) or _check_bidder(run, request) or _check_sale(run, request)
    if refusal is not None:
        return refusal
    record = run.state.liquidations[request.liquidated]
    discount = discount_now(run, record)
    if discount < request.discount_ppm:
        return reject(ClearingCode.DISCOUNT_TOO_SMALL, AT, discount_ppm=request.discount_ppm, discount=discount)
    held = holdings_of(run.state, request.liquidated)
    if not may_liquidate(run, held):
        return reject(ClearingCode.PRICE_NOT_OPEN, AT, liquidated=request.liquidated)
    margin = margin_of(arrays_of(run.state), held)
    sizing = size_up(run, held, margin, discount)
    allowed = allowed_share(run, sizing)
    if not allowed and not margin.initial_ok:
        most = run.terms.crisis.liquidation.block_notional_max
        return reject(ClearingCode.LIQUIDATED_ENOUGH, AT, notional=run.liquidated.notional, limit=most)
    part = cut(run, held, margin, min(request.slice_ppb, allowed), request.account, discount)
    after = margin_of(arrays_of(run.state), part.after)
    worse = after.initial - after.equity > margin.initial - margin.equity
    if margin.initial_ok or not part.positions or worse:
        return reject(ClearingCode.NOTHING_TO_TAKE, AT, liquidated=request.liquidated, slice_ppb=request.slice_ppb)
    refusal = _check_taker(run, request, part)
    if refusal is not None:
        return refusal
    use_nonce(run, request.account, request.nonce)
    hand_over(run, request.liquidated, request.account, part, TransferCode.SLICE_OPTION_VALUE)
    run.state.liquidations.put(request.liquidated, msgspec.structs.replace(record, fills=record.fills + 1))
    _tell(run, index, request, discount, sizing, allowed, part, after)
    return None


def discount_now(run: Run, record: Liquidation) -> int:
    """The discount at which slices are sold in this block, of the notional."""
    terms = run.terms.crisis.liquidation
    span = (record.first_height, record.last_height)
    return discount_ppm(terms.start_ppm, terms.end_ppm, *span, run.block.height)


def allowed_share(run: Run, sizing: Sizing) -> int:
    """The largest share that a bid may take: 0 when the block has liquidated as much as it may."""
    terms = run.terms.crisis.liquidation
    most = min(terms.slice_max_ppm * (DENOMINATOR // PPM), sizing.share)
    return run.liquidated.share_within(most, sizing.notional, terms.block_notional_max)


def _check_form(run: Run, request: LiquidationBid) -> Rejected | None:
    if not 0 < request.slice_ppb <= DENOMINATOR:
        return reject(ClearingCode.BAD_SIZE, AT, slice_ppb=request.slice_ppb)
    if request.discount_ppm > PPM:
        return reject(ClearingCode.BAD_SIZE, AT, discount_ppm=request.discount_ppm)
    return (
        check_time(run, AT, request.not_after_ms)
        or check_account(run, AT, request.account)
        or check_account(run, AT, request.liquidated)
        or check_nonce(run, AT, request.account, request.nonce)
        or check_signer(run, AT, request.account, request.digest(run.terms.network), request.signature)
    )


def _check_bidder(run: Run, request: LiquidationBid) -> Rejected | None:
    """Nobody who may not grow, nor whoever stands on the account's side; the house takes over in the end anyway."""
    accounts = run.state.accounts
    if request.account == HOUSE_ACCOUNT:
        return reject(ClearingCode.MAY_NOT_TAKE_SLICES, AT, account=request.account)
    if accounts[request.account].member == accounts[request.liquidated].member:
        return reject(ClearingCode.OWN_LIQUIDATION, AT, account=request.account, liquidated=request.liquidated)
    return check_member(run, AT, request.account) or check_restricted(run, AT, request.account)


def _check_sale(run: Run, request: LiquidationBid) -> Rejected | None:
    """Slices of the account are for sale in this block, by the liquidation that the bid names."""
    record, height = run.state.liquidations.get(request.liquidated), run.block.height
    on_sale = record is not None and record.opened_height == request.opened_height
    on_sale = on_sale and record is not None and record.first_height <= height <= record.last_height
    if on_sale and not is_in_default(run.state, request.liquidated):
        return None
    return reject(
        ClearingCode.NO_SUCH_LIQUIDATION, AT, liquidated=request.liquidated, opened_height=request.opened_height
    )


def _check_taker(run: Run, request: LiquidationBid, part: Slice) -> Rejected | None:
    """The bidder is at initial margin afterwards, within its cash and position limits."""
    before = holdings_of(run.state, request.account)
    after = taker_after(run, before, part, fund=request.account == fund_account(run))
    if can_take(run, before, after, part):
        return None
    margin = margin_of(arrays_of(run.state), after)
    told = {"equity": margin.equity, "initial": margin.initial, "notional": told_micros(part.notional)}
    return reject(ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN, AT, account=request.account, **told)


def _tell(
    run: Run,
    index: int,
    request: LiquidationBid,
    discount: int,
    sizing: Sizing,
    allowed: int,
    part: Slice,
    after: AccountMargin,
) -> None:
    run.receipts.append(
        SliceSold(
            index=index,
            account=request.liquidated,
            bidder=request.account,
            fund=fund_account(run, request.liquidated),
            bidder_share_ppm=run.terms.crisis.liquidation.bidder_share_ppm,
            opened_height=request.opened_height,
            discount_ppm=discount,
            asked=request.slice_ppb,
            allowed=allowed,
            fraction=part.fraction,
            sizing=sizing,
            denominator=DENOMINATOR,
            positions=tuple(part.positions),
            notional=told_micros(part.notional),
            paid=part.paid(run),
            equity=sizing.equity,
            initial=sizing.initial,
            equity_after=after.equity,
            initial_after=after.initial,
        )
    )
