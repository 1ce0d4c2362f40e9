"""The sale of collateral after a cash call lapsed: a Dutch auction, slice by slice, for cash among members.

Rule: the price of a token falls block by block from its value without haircut to its value after haircut, which the
house pays in the end; a bid is filled at once at the block's price when its limit is not below it. Nobody buys on
credit, nobody buys more than what settles the debt. It must not know why the account owes.
"""

import msgspec

from clearing.assets import Asset
from clearing.base.errors import Rejected
from clearing.base.units import MONEY_MAX, PPM, mul_div_up
from clearing.codes import ClearingCode, reject
from clearing.collateral.haircuts import effective_asset
from clearing.collateral.listing import asset_now, is_suspended
from clearing.collateral.receipts import CollateralSold
from clearing.collateral.requests import CollateralBid
from clearing.default.status import check_member
from clearing.gates.deficits import check_bound
from clearing.ledger import balance, cash_currency, token_currency
from clearing.prices.receipts import FeedStatus
from clearing.requests import check_account, check_nonce, check_signer, check_time, use_nonce
from clearing.run import Run
from clearing.state.records import CashCall
from clearing.state.state import State
from clearing.transfers import TransferCode
from clearing.withdrawals import check_leaving

AT = "collateral_bid"


def bid(run: Run, index: int, request: CollateralBid) -> Rejected | None:
    """Fill the bid at `index` of the block at the auction's price, or refuse it and change nothing."""
    refusal = _check_form(run, request)
    if refusal is not None:
        return refusal
    call = run.state.cash_calls.get(request.seller)
    owed = -balance(run.state, request.seller, cash_currency(request.cash_group))
    if call is None or not is_open(run.state, call, request.cash_group, run.block.height) or owed <= 0:
        return reject(ClearingCode.NO_SUCH_AUCTION, AT, seller=request.seller, cash_group=request.cash_group)
    token = asset_now(run.state, run.terms.assets[request.asset])
    price = auction_price(run.state, call, request.cash_group, token, run.block.height)
    has = balance(run.state, request.seller, token_currency(token.id))
    if not price or not has:
        return reject(ClearingCode.NOTHING_FOR_SALE, AT, seller=request.seller, asset=token.id)
    if request.micros_per_unit < price:
        return reject(ClearingCode.BID_BELOW_PRICE, AT, micros_per_unit=request.micros_per_unit, price=price)
    units = min(request.units, for_sale(run.state, call, request.seller, request.cash_group, token, price))
    paid = units * price
    gains = (token_currency(token.id), units)
    leaves = (cash_currency(request.cash_group), paid)
    refusal = check_leaving(run, AT, request.account, *leaves, gains) or check_bound(
        run, AT, request.account, leaves, (gains[0], -units)
    )
    if refusal is not None:
        return refusal
    use_nonce(run, request.account, request.nonce)
    _sell(run, index, request, units, price)
    return None


def _check_form(run: Run, request: CollateralBid) -> Rejected | None:
    if request.asset not in run.terms.assets or asset_now(run.state, run.terms.assets[request.asset]).is_cash:
        return reject(ClearingCode.UNKNOWN_ASSET, AT, asset=request.asset)
    if request.cash_group not in run.terms.cash_groups:
        return reject(ClearingCode.UNKNOWN_CASH_GROUP, AT, cash_group=request.cash_group)
    if not 0 < request.units <= MONEY_MAX:
        return reject(ClearingCode.BAD_SIZE, AT, units=request.units)
    if is_suspended(run.state, request.cash_group):
        return reject(ClearingCode.CASH_GROUP_SUSPENDED, AT, cash_group=request.cash_group)
    if request.account == request.seller:
        return reject(ClearingCode.SAME_ACCOUNT, AT, account=request.account)
    return (
        check_time(run, AT, request.not_after_ms)
        or check_account(run, AT, request.account)
        or check_nonce(run, AT, request.account, request.nonce)
        or check_signer(run, AT, request.account, request.digest(run.terms.network), request.signature)
        or check_member(run, AT, request.account)
    )


def is_open(state: State, call: CashCall, group: int, height: int) -> bool:
    """Whether the account's collateral is for sale in the block at `height`."""
    blocks = state.terms.cash_terms[group].call.auction_blocks
    return call.auction_height != 0 and call.auction_height <= height < call.auction_height + blocks


def auction_price(state: State, call: CashCall, group: int, token: Asset, height: int) -> int:
    """Micros a unit in that block, rounded down but never below the value after haircut; 0 without open prices."""
    feeds = [state.feeds.get(feed) for feed in token.feeds]
    if any(feed is None or feed.status != FeedStatus.OPEN for feed in feeds):
        return 0
    index = state.feeds[token.feed].ticks
    counted = effective_asset(state, token)
    whole = msgspec.structs.replace(counted.at_best, rate_ticks=counted.rate_ticks)
    first, last = whole.unit_value(index), counted.unit_value(index)
    elapsed = height - call.auction_height
    return first - -(-(first - last) * elapsed // state.terms.cash_terms[group].call.auction_blocks)


def for_sale(state: State, call: CashCall, seller: int, group: int, token: Asset, price: int) -> int:
    """The most units that one bid may buy at a price: a slice, what is there, what settles the debt."""
    owed = max(-balance(state, seller, cash_currency(group)), 0)
    slice_units = mul_div_up(-(-call.auction_owed // price), state.terms.cash_terms[group].call.slice_ppm, PPM)
    return min(balance(state, seller, token_currency(token.id)), -(-owed // price), slice_units)


def _sell(run: Run, index: int, request: CollateralBid, units: int, price: int) -> None:
    seller, buyer = request.seller, request.account
    paid, currency = units * price, cash_currency(request.cash_group)
    token = token_currency(request.asset)
    run.journal.transfer(seller, buyer, token, units, TransferCode.COLLATERAL_AUCTIONED, seller)
    run.journal.transfer(buyer, seller, currency, paid, TransferCode.AUCTION_PAID, seller)
    run.touched.update((seller, buyer))
    run.receipts.append(CollateralSold(index, seller, buyer, request.asset, request.cash_group, units, price, paid))
