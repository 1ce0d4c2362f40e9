"""Reopening of a halted feed: by consistent medians, or earlier by a call auction that confirms the median.

Rule: reads only. The index is the stake-weighted median either way. The call auction chooses the price with the most
lots, then the smallest imbalance, then the nearest to the reference, then the lowest. Better prices trade first, then
earlier orders, then lower accounts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from clearing.base.units import PPM
from clearing.context.block_context import BlockContext
from clearing.prices.stale_options import is_covered_at_floor
from clearing.schema.records.prices import FeedState, PriceStatus
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.state.state import State


@dataclass(frozen=True, slots=True)
class LimitOrder:
    """One account's order: positive lots buy, negative sell, at `ticks` or better."""

    account: int
    lots: int
    ticks: int
    height: int
    """Height at which it was accepted."""


@dataclass(frozen=True, slots=True)
class UncrossingResult:
    """The auction's price. `imbalance`: lots left over at it, positive on the buying side."""

    ticks: int
    lots: int
    imbalance: int


def uncross(orders: Iterable[LimitOrder], reference_ticks: int) -> UncrossingResult | None:
    """The price, one of the orders' own; None when no orders cross. Quadratic: callers bound the number of orders."""
    listed, best = tuple(orders), None
    for ticks in sorted({order.ticks for order in listed}):
        demand = sum(order.lots for order in listed if order.lots > 0 and order.ticks >= ticks)
        supply = -sum(order.lots for order in listed if order.lots < 0 and order.ticks <= ticks)
        lots = min(demand, supply)
        rank = (-lots, abs(demand - supply), abs(ticks - reference_ticks), ticks)
        if lots > 0 and (best is None or rank < best[0]):
            best = rank, UncrossingResult(ticks, lots, demand - supply)
    return best[1] if best else None


class MatchedPair(NamedTuple):
    """Two accounts that trade at the auction's price."""

    buyer: int
    seller: int
    lots: int


def matched_pairs(orders: Sequence[LimitOrder], uncrossed: UncrossingResult) -> list[MatchedPair]:
    """All matches, in order of priority; the lots sum to those of the auction."""
    buys = sorted(
        (order for order in orders if order.lots > 0 and order.ticks >= uncrossed.ticks),
        key=lambda order: (-order.ticks, order.height, order.account),
    )
    sells = sorted(
        (order for order in orders if order.lots < 0 and order.ticks <= uncrossed.ticks),
        key=lambda order: (order.ticks, order.height, order.account),
    )
    left = uncrossed.lots
    matched: list[MatchedPair] = []
    open_buys, open_sells = [order.lots for order in buys], [-order.lots for order in sells]
    buy = sell = 0
    while left:
        lots = min(left, open_buys[buy], open_sells[sell])
        matched.append(MatchedPair(buys[buy].account, sells[sell].account, lots))
        left -= lots
        open_buys[buy] -= lots
        open_sells[sell] -= lots
        buy += open_buys[buy] == 0
        sell += open_sells[sell] == 0
    return matched


SCALE_FACTOR = 1_000
"""A quorum that reads a source in another unit agrees on a price this many times the last good one."""


def is_out_of_scale(feed_state: FeedState, median_ticks: int) -> bool:
    """Whether a halted feed's median appears to be in another unit rather than a real price.

    Carried positions are not marked at it, because the payments could exceed the ledger's range. The feed stays halted
    until they settle at the last good price. Without positions it opens at any price. A fall is accepted.
    """
    return feed_state.price_status != PriceStatus.SETTLED and median_ticks > SCALE_FACTOR * feed_state.ticks


def auction_orders_of(state: State, instrument: Instrument) -> list[LimitOrder]:
    """All orders in a perpetual, by account."""
    return [
        LimitOrder(account, order.lots, order.ticks, order.height)
        for (listed, account), order in state.auction_orders.ordered()
        if listed == instrument.id
    ]


def is_order_margined(context: BlockContext, instrument: Instrument, account: int, lots: int) -> bool:
    """Whether an account covers the initial margin of its positions plus its whole order, or has less risk with it.

    At the present marks: before a reopening the last good ones, afterwards the new ones.
    """
    arrays, holdings = current_arrays(context.state), current_holdings(context.state, account)
    before = holdings_margin(arrays, holdings)
    holdings.lots[context.terms.array_index[instrument.id]] += lots
    after = holdings_margin(arrays, holdings)
    return (after.initial_ok and is_covered_at_floor(context, holdings)) or after.initial < before.initial


def margined_orders(context: BlockContext, instrument: Instrument) -> list[LimitOrder]:
    """The orders in a perpetual that their accounts can margin; the others are ignored."""
    listed = auction_orders_of(context.state, instrument)
    return [order for order in listed if is_order_margined(context, instrument, order.account, order.lots)]


def is_within_band(context: BlockContext, ticks: int, median_ticks: int) -> bool:
    """Whether an auction's price confirms a median, limits of the band included."""
    return abs(ticks - median_ticks) * PPM <= median_ticks * context.terms.market.prices.auction_band_ppm


def is_confirmed(context: BlockContext, feed: int, feed_state: FeedState, median_ticks: int) -> bool:
    """Whether the auction in one of a halted feed's perpetuals has run long enough and confirms the median."""
    terms = context.terms.market.prices
    if not terms.auction_blocks or context.block.height - feed_state.halted_height < terms.auction_blocks:
        return False
    for instrument in context.terms.instruments_of_feed[feed]:
        if instrument.kind is not InstrumentKind.PERPETUAL:
            continue
        uncrossed = uncross(margined_orders(context, instrument), median_ticks)
        enough = uncrossed is not None and uncrossed.lots >= terms.auction_lots_min
        if uncrossed is not None and enough and is_within_band(context, uncrossed.ticks, median_ticks):
            return True
    return False
