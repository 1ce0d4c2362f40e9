"""When a halted feed reopens: by blocks of consistent medians, or earlier by an auction that confirms the median.

Rule: reads only. Whichever way, the index is the stake's median.
"""

from clearing.base.units import PPM
from clearing.holdings import arrays_of, holdings_of, margin_of
from clearing.instruments import Instrument, InstrumentKind
from clearing.prices.receipts import Rung
from clearing.prices.uncrossing import Order, uncross
from clearing.run import Run
from clearing.state.records import FeedState
from clearing.state.state import State

SCALE_FACTOR = 1_000
"""A quorum that reads a source which counts in another unit agrees on a price so many times the last good one."""


def is_out_of_scale(held: FeedState, median_ticks: int) -> bool:
    """Whether a halted feed's median is in another unit rather than another price.

    Carried positions are not marked at it, which could be more money than the ledger counts to: the feed stays halted
    until they are settled at the last good price. Without positions it opens at any price. A fall is believed.
    """
    return held.rung != Rung.SETTLED and median_ticks > SCALE_FACTOR * held.ticks


def orders_of(state: State, instrument: Instrument) -> list[Order]:
    """All orders in a perpetual, by account."""
    return [
        Order(account, order.lots, order.ticks, order.height)
        for (listed, account), order in state.auction_orders.ordered()
        if listed == instrument.id
    ]


def is_carried(run: Run, instrument: Instrument, account: int, lots: int) -> bool:
    """Whether an account covers the initial margin of its positions and all of its order, or has less at risk by it.

    At the marks as they are: before a reopening the last good ones, afterwards the new ones.
    """
    arrays, held = arrays_of(run.state), holdings_of(run.state, account)
    before = margin_of(arrays, held)
    held.lots[run.terms.position_of[instrument.id]] += lots
    after = margin_of(arrays, held)
    return after.initial_ok or after.initial < before.initial


def carried_orders(run: Run, instrument: Instrument) -> list[Order]:
    """The orders in a perpetual that their accounts can carry; the others count for nothing."""
    listed = orders_of(run.state, instrument)
    return [each for each in listed if is_carried(run, instrument, each.account, each.lots)]


def within_band(run: Run, ticks: int, median_ticks: int) -> bool:
    """Whether an auction's price confirms a median; exactly at the band it does."""
    return abs(ticks - median_ticks) * PPM <= median_ticks * run.terms.market.prices.auction_band_ppm


def is_confirmed(run: Run, feed: int, held: FeedState, median_ticks: int) -> bool:
    """Whether the auction in one of a halted feed's perpetuals has run long enough and confirms the median."""
    terms = run.terms.market.prices
    if not terms.auction_blocks or run.block.height - held.halted_height < terms.auction_blocks:
        return False
    for instrument in run.terms.instruments_of_feed[feed]:
        if instrument.kind is not InstrumentKind.PERPETUAL:
            continue
        uncrossed = uncross(carried_orders(run, instrument), median_ticks)
        enough = uncrossed is not None and uncrossed.lots >= terms.auction_lots_min
        if uncrossed is not None and enough and within_band(run, uncrossed.ticks, median_ticks):
            return True
    return False
