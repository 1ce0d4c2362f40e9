"""Reopening auctions: orders in the perpetuals of a halted feed, cleared at one price and novated.

Rule: while a feed is halted, members place orders that they can margin, both when they sign and when they trade. When
the feed reopens, crossing orders trade at one price and the others are void. The index is never the auction's price:
the auction confirms the median, it does not replace it. This module must not know how a median is computed.
"""

from clearing.base.errors import Rejected
from clearing.base.units import POSITION_MAX
from clearing.context.block_context import BlockContext
from clearing.context.member_status import check_member_active
from clearing.context.request_checks import check_request, use_nonce
from clearing.prices.reopening import (
    auction_orders_of,
    is_order_margined,
    is_within_band,
    margined_orders,
    matched_pairs,
    uncross,
)
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.prices import AuctionCleared, AuctionOrderTaken
from clearing.schema.records.prices import AuctionOrder, FeedStatus, PriceStatus
from clearing.schema.requests.auctions import ReopeningOrder
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.trades.novation import TRADE_TICKS_MAX, TradeTerms, clear_trade

AT = "reopening_order"
ORDERS_MAX = 256
"""Limit of orders in one perpetual; uncrossing is quadratic in them."""
AUCTION_VENUE = 0
"""The venue of auction trades. Their trade id is height x 2^20 + number in the block."""
NO_TRADE_INDEX = 2**32 - 1
"""In place of a transaction's index: an auction trade follows from many."""


def place_order(context: BlockContext, index: int, request: ReopeningOrder) -> Rejected | None:
    """Place, replace or withdraw an order, or refuse it and change nothing."""
    instrument = context.terms.instruments.get(request.instrument)
    refusal = _check_order(context, request, instrument) or _check_auction_open(context, request, instrument)
    if refusal is not None:
        return refusal
    use_nonce(context, request.account, request.nonce)
    key = (request.instrument, request.account)
    if request.lots:
        context.state.auction_orders.put(key, AuctionOrder(request.lots, request.ticks, context.block.height))
    else:
        context.state.auction_orders.remove(key)
    context.receipts.append(
        AuctionOrderTaken(index, request.account, request.instrument, request.lots, request.ticks, request.nonce)
    )
    return None


def _check_order(context: BlockContext, request: ReopeningOrder, instrument: Instrument | None) -> Rejected | None:
    if instrument is None:
        return reject(ClearingCode.UNKNOWN_INSTRUMENT, AT, instrument=request.instrument)
    if abs(request.lots) > POSITION_MAX:
        return reject(ClearingCode.BAD_SIZE, AT, lots=request.lots)
    if not 0 < request.ticks <= TRADE_TICKS_MAX:
        return reject(ClearingCode.BAD_SIZE, AT, ticks=request.ticks)
    return check_request(context, AT, request) or check_member_active(context, AT, request.account)


def _check_auction_open(
    context: BlockContext, request: ReopeningOrder, instrument: Instrument | None
) -> Rejected | None:
    if instrument is None or instrument.kind is not InstrumentKind.PERPETUAL:
        return reject(ClearingCode.NO_AUCTION, AT, instrument=request.instrument)
    feed, mark = context.state.feeds[instrument.feed], context.state.marks.get(instrument.id)
    halted = feed.status == FeedStatus.HALTED and mark is not None and not mark.settled
    if not context.terms.market.prices.auction_blocks or not halted:
        return reject(ClearingCode.NO_AUCTION, AT, instrument=instrument.id, status=feed.status.name)
    orders = auction_orders_of(context.state, instrument)
    if len(orders) >= ORDERS_MAX and all(order.account != request.account for order in orders):
        return reject(ClearingCode.AUCTION_FULL, AT, instrument=instrument.id, orders=len(orders))
    if request.lots and not is_order_margined(context, instrument, request.account, request.lots):
        return reject(ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN, AT, account=request.account, lots=request.lots)
    return None


def clear_auctions(context: BlockContext) -> None:
    """Phase 6: match the orders of every perpetual whose feed reopened; delete those that can no longer trade."""
    if not context.terms.market.prices.auction_blocks:
        return
    number = context.block.height << 20
    for instrument in context.terms.instruments.values():
        feed = context.state.feeds.get(instrument.feed)
        if instrument.kind is not InstrumentKind.PERPETUAL or feed is None or feed.status == FeedStatus.UNOPENED:
            continue
        if feed.status == FeedStatus.OPEN:
            number = _match_orders(context, instrument, feed.ticks, number)
        if feed.status != FeedStatus.HALTED or feed.price_status == PriceStatus.SETTLED:
            for order in auction_orders_of(context.state, instrument):
                context.state.auction_orders.remove((instrument.id, order.account))


def _match_orders(context: BlockContext, instrument: Instrument, index_ticks: int, number: int) -> int:
    """Novate all pairs at the auction's price, each by the rules of any trade. Returns the last trade's id."""
    orders = margined_orders(context, instrument)
    uncrossed = uncross(orders, index_ticks)
    if uncrossed is None or not is_within_band(context, uncrossed.ticks, index_ticks):
        return number
    traded = 0
    for buyer, seller, lots in matched_pairs(orders, uncrossed):
        number += 1
        terms = TradeTerms(AUCTION_VENUE, number, buyer, seller, instrument.id, lots, uncrossed.ticks)
        if clear_trade(context, NO_TRADE_INDEX, terms) is None:
            traded += lots
    context.receipts.append(
        AuctionCleared(
            instrument.id, uncrossed.ticks, index_ticks, uncrossed.lots, traded, uncrossed.imbalance, len(orders)
        )
    )
    return number
