"""Step 0: what the time since the last block adds to averaging windows, premia and funding.

Rule: the index agreed in the last block stood until this one, but counts no longer than a price may be old, so that a
network that stood still averages nothing and owes no funding for it. Without an open price nothing accrues. Runs
before prices change. It pays nobody.
"""

import msgspec

from clearing.base.codec import u256
from clearing.instruments import Instrument
from clearing.prices.receipts import FeedStatus
from clearing.run import Run
from clearing.settling.funding import next_premium_ppb
from clearing.settling.settlement import TimeAverage, extend_average
from clearing.state.records import Averaged
from clearing.state.state import State


def accrue(run: Run) -> None:
    """Account for the time from the last block to this one."""
    for instrument in run.terms.instruments.values():
        feed, mark = run.state.feeds.get(instrument.feed), run.state.marks.get(instrument.id)
        if feed is None or feed.status != FeedStatus.OPEN or mark is None or mark.settled:
            continue
        if instrument.averaging_ms:
            _extend(run, instrument, feed.ticks)
        elif instrument.funding.interval_ms or instrument.funding.premium_cap_ppm:
            _accrue_premium(run, instrument)


def average_of(state: State, instrument: Instrument) -> TimeAverage:
    """What agreed prices cover of an instrument's window so far."""
    held = state.averages.get(instrument.id)
    return TimeAverage(int.from_bytes(held.weighted, "big"), held.covered_ms) if held else TimeAverage()


def _extend(run: Run, instrument: Instrument, ticks: int) -> None:
    """After expiry the window goes on for as long as it is not covered well enough: see `clearing.settling.expiry`."""
    before = average_of(run.state, instrument)
    after = extend_average(
        before,
        ticks,
        run.previous_ms,
        run.time_ms if run.previous_ms >= instrument.expiry_ms else min(run.time_ms, instrument.expiry_ms),
        instrument.expiry_ms - instrument.averaging_ms,
        run.terms.market.report_age_ms_max,
    )
    if after != before:
        run.state.averages.put(instrument.id, Averaged(u256(after.weighted), after.covered_ms))


def _accrue_premium(run: Run, instrument: Instrument) -> None:
    """Move the premium towards what was traded, and add the premium that stood meanwhile to the funding."""
    held, terms = run.state.premia.get(instrument.id), instrument.funding
    elapsed_ms = min(run.time_ms - run.previous_ms, run.terms.market.report_age_ms_max)
    if held is None or elapsed_ms == 0:
        return
    premium, counted_ms = held.premium_ppb, elapsed_ms if terms.interval_ms else 0
    if terms.premium_cap_ppm:
        premium = next_premium_ppb(premium, held.weighted, held.volume, terms.depth_lots, elapsed_ms, terms.window_ms)
    run.state.premia.put(
        instrument.id,
        msgspec.structs.replace(
            held,
            premium_ppb=premium,
            weighted=0,
            volume=0,
            funding_weighted=held.funding_weighted + held.premium_ppb * counted_ms,
            funding_ms=held.funding_ms + counted_ms,
        ),
    )
