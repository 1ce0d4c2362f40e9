"""What the API shows of feeds and marks: rung, confidence, premium, funding and averages, out of the decided state.

Rule: reads only, and computes nothing that the rulebook does not compute the same way.
"""

from clearing.instruments import Instrument
from clearing.prices.receipts import Rung
from clearing.settling.accrual import average_of
from clearing.settling.funding import average_premium_ppb, funding_rate_ppb
from clearing.state.records import FeedState, Mark
from clearing.state.state import State
from node.api.shapes import FeedPrice, InstrumentMark


def feed_price(state: State, feed: int, name: str) -> FeedPrice:
    """A feed's last good price, and what it may be used for."""
    held = state.feeds[feed]
    return FeedPrice(
        feed=feed,
        name=name,
        index_ticks=str(held.ticks),
        status=held.status.name.lower(),
        rung=held.rung.name.lower(),
        confidence_ticks=str(held.confidence_ticks),
        since_height=held.since_height,
        settles_at_height=_settles_at(state, held),
    )


def instrument_mark(state: State, instrument: Instrument, mark: Mark) -> InstrumentMark:
    """An instrument's mark, and what is accruing."""
    average, premium = average_of(state, instrument), state.premia.get(instrument.id)
    terms, rate = instrument.funding, 0
    if premium is not None and terms.interval_ms:
        accrued = average_premium_ppb(premium.funding_weighted, premium.funding_ms)
        rate = funding_rate_ppb(accrued, terms.interest_ppm, terms.dampener_ppm, terms.rate_cap_ppm)
    return InstrumentMark(
        instrument=instrument.id,
        name=instrument.name,
        mark_ticks=str(mark.ticks),
        settled=mark.settled,
        premium_ppb=str(premium.premium_ppb if premium else 0),
        funding_rate_ppb=str(rate),
        averaged_ticks=str(average.ticks if average.covered_ms else 0),
        averaged_ms=average.covered_ms,
    )


def _settles_at(state: State, held: FeedState) -> int:
    blocks = state.terms.market.prices.settle_blocks
    return held.since_height + blocks if blocks and held.since_height and held.rung != Rung.SETTLED else 0
