"""Mark to market: carried lots are settled in cash against the new mark, and expired instruments for good.

Rule: lots x (mark - previous mark) x value of a tick, in integers; positions net to zero, so the payments do too, with
no remainder to place. Premium-paid options are marked for margin and bands, but nothing is paid until expiry.
"""

from clearing.instruments import Instrument, InstrumentKind
from clearing.ledger import cash_currency, token_currency
from clearing.pricing.mark import mark_ticks
from clearing.ranges.effective import effective_group
from clearing.receipts import FeedStatus, Marked, Settled, TransferCode
from clearing.run import Run
from clearing.state.indexes import CURRENCY, INSTRUMENT, holders
from clearing.state.records import Mark


def mark_to_market(run: Run) -> None:
    """Step 3: mark the instruments of every feed that moved, settle what expired, and drop outdated risk arrays."""
    moved = set(run.moved_feeds)
    for instrument in run.terms.instruments.values():
        mark = run.state.marks.get(instrument.id)
        feed = run.state.feeds.get(instrument.feed)
        if feed is None or feed.status != FeedStatus.OPEN or (mark is not None and mark.settled):
            continue
        if instrument.expired(run.time_ms):
            _settle(run, instrument, mark, feed.ticks)
        elif instrument.feed in moved:
            _mark(run, instrument, mark, feed.ticks)
    for feed_id in run.moved_feeds:
        for token in run.terms.tokens_of_feed[feed_id]:
            run.touched.update(holders(run.state, CURRENCY, token_currency(token.id)))
    if run.moved_feeds:
        run.rebuild_arrays()
    if run.arrays_rebuilt:
        _touch_dated(run)


def _mark(run: Run, instrument: Instrument, before: Mark | None, index_ticks: int) -> None:
    group = effective_group(run.state, run.terms.groups[instrument.group])
    ticks = mark_ticks(instrument, index_ticks, group, run.terms.risk.rate_ppm, run.time_ms)
    run.touched.update(holders(run.state, INSTRUMENT, instrument.id))
    if before is not None and before.ticks == ticks:
        return
    run.state.marks.put(instrument.id, Mark(ticks, settled=False))
    previous = before.ticks if before is not None else ticks
    count, paid = 0, 0
    if instrument.is_marked:
        value = (ticks - previous) * instrument.micros_per_tick
        count, paid = _pay(run, instrument, value, TransferCode.VARIATION_MARGIN)
    run.receipts.append(Marked(instrument.id, ticks, previous, count, paid))


def _touch_dated(run: Run) -> None:
    """Arrays built as of a later time change what dated instruments require, also where the index stood still."""
    for instrument in run.terms.instruments.values():
        if instrument.kind is not InstrumentKind.PERPETUAL:
            run.touched.update(holders(run.state, INSTRUMENT, instrument.id))


def _pay(run: Run, instrument: Instrument, micros_per_lot: int, code: TransferCode) -> tuple[int, int]:
    """Pay every long lot, out of the short ones. Returns (holders, micros paid)."""
    held = run.positions.holders(instrument.id)
    amounts = [(account, lots * micros_per_lot) for account, lots in held]
    return len(held), run.journal.settle(amounts, cash_currency(instrument.cash_group), code, instrument.id)


def _settle(run: Run, instrument: Instrument, mark: Mark | None, index_ticks: int) -> None:
    """Cash settlement at the last index; the positions are gone afterwards."""
    ticks = settlement_ticks(instrument, index_ticks)
    paid_before = mark.ticks if instrument.is_marked and mark is not None else 0
    micros_per_lot = (ticks - paid_before) * instrument.micros_per_tick if mark is not None else 0
    count, paid = _pay(run, instrument, micros_per_lot, TransferCode.SETTLEMENT)
    for account, lots in run.positions.holders(instrument.id):
        run.positions.add(account, instrument.id, -lots)
        run.touched.add(account)
    run.state.marks.put(instrument.id, Mark(ticks, settled=True))
    run.receipts.append(Settled(instrument.id, index_ticks, micros_per_lot, count, paid))
    run.rebuild_arrays()


def settlement_ticks(instrument: Instrument, index_ticks: int) -> int:
    """What a lot is worth at expiry, in ticks: a future the index, an option its intrinsic value."""
    if instrument.kind is InstrumentKind.CALL:
        return max(index_ticks - instrument.strike_ticks, 0)
    if instrument.kind is InstrumentKind.PUT:
        return max(instrument.strike_ticks - index_ticks, 0)
    return index_ticks


def notional(instrument: Instrument, lots: int, ticks: int) -> int:
    """Micros of the absolute value of lots at a price."""
    return abs(lots) * ticks * instrument.micros_per_tick
