"""When a halted feed reopens: by blocks of consistent medians, or earlier by an auction that confirms the median.

Rule: reads only. Whichever way, the index is the stake's median.
"""

from clearing.assets import PPM
from clearing.instruments import Instrument, InstrumentKind
from clearing.run import Run
from clearing.state.records import FeedState
from clearing.state.state import State
from clearing.uncrossing import Order, uncross


def orders_of(state: State, instrument: Instrument) -> list[Order]:
    """All orders in a perpetual, by account."""
    return [
        Order(account, order.lots, order.ticks, order.height)
        for (listed, account), order in state.auction_orders.ordered()
        if listed == instrument.id
    ]


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
        uncrossed = uncross(orders_of(run.state, instrument), median_ticks)
        enough = uncrossed is not None and uncrossed.lots >= terms.auction_lots_min
        if uncrossed is not None and enough and within_band(run, uncrossed.ticks, median_ticks):
            return True
    return False
