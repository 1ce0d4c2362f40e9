"""Mark to market: carried lots are settled in cash against the new mark.

Rule: the payment is lots x (mark - previous mark) x tick value, in integers. Positions net to zero, so the payments net
to zero without remainder. The mark of a perpetual is the index plus its premium. The mark of a future inside its
averaging window is the average that results if the price does not change. Premium-paid options are marked for margin
and price bands, but pay nothing until expiry.

A mark is always of the surface and the terms in force: where a quote passes, or a vote changes a rate, a surface or a
cap, it is made anew, also while its feed is not open, at the last price.
"""

from collections.abc import Mapping

from clearing.context.block_context import BlockContext
from clearing.pricing.marks import mark_ticks, option_marks
from clearing.schema.receipts.settlement import Marked
from clearing.schema.records.prices import FeedState, FeedStatus, Mark
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.schema.transfers import TransferCode
from clearing.settlement.accrual import settlement_average
from clearing.settlement.expiry import settle_when_due
from clearing.settlement.funding import mark_with_premium, pay_funding
from clearing.settlement.settlement_prices import expected_average_ticks
from clearing.state.effective_parameters import effective_risk_group, known_averages
from clearing.state.indexes import CURRENCY_HOLDERS, INSTRUMENT_HOLDERS, holders
from clearing.state.ledger import cash_currency, token_currency


def mark_to_market(context: BlockContext) -> None:
    """Phase 6: mark what moved, settle what expired or lost its price permanently, pay funding, drop
    outdated arrays."""
    moved, options = set(context.moved_feeds), _moved_option_marks(context)
    for instrument in context.terms.instruments.values():
        mark = context.state.marks.get(instrument.id)
        feed = context.state.feeds.get(instrument.feed)
        if feed is None or (mark is not None and mark.settled):
            continue
        if settle_when_due(context, instrument, mark, feed):
            continue
        if feed.status != FeedStatus.OPEN:
            _mark_at_last_price(context, instrument, mark, options, feed)
            continue
        if instrument.kind is InstrumentKind.PERPETUAL:
            _mark_instrument(
                context,
                instrument,
                mark,
                instrument_mark_at(context, instrument, feed.ticks),
                moved=instrument.feed in moved,
            )
            pay_funding(context, instrument, feed.ticks)
        elif mark is None or instrument.feed in moved or instrument.id in options or _is_turned(context, instrument):
            option_mark = options.get(instrument.id)
            ticks = option_mark if option_mark is not None else instrument_mark_at(context, instrument, feed.ticks)
            _mark_instrument(context, instrument, mark, ticks, moved=True)
    for feed_id in context.moved_feeds:
        for token in context.terms.tokens_of_feed[feed_id]:
            context.touched_accounts.update(holders(context.state, CURRENCY_HOLDERS, token_currency(token.id)))
    if context.moved_feeds or context.moved_surfaces or context.moved_averages:
        context.rebuild_arrays()
    if context.arrays_rebuilt:
        _touch_dated_holders(context)


def _mark_at_last_price(
    context: BlockContext, instrument: Instrument, mark: Mark | None, options: Mapping[int, int], feed: FeedState
) -> None:
    """Mark what does not move with its price alone, while its feed is not open. What has expired waits for its
    price."""
    if mark is None or instrument.expired(context.time_ms):
        return
    if instrument.id in options:
        _mark_instrument(context, instrument, mark, options[instrument.id], moved=True)
    elif _is_turned(context, instrument) or (context.marks_amended and not instrument.is_option):
        _mark_instrument(context, instrument, mark, instrument_mark_at(context, instrument, feed.ticks), moved=True)


def _is_turned(context: BlockContext, instrument: Instrument) -> bool:
    """Whether a future's or forward's mark follows a rate that was amended, or a curve that moved."""
    on_curve = context.terms.risk.futures_on_curve and instrument.group in context.moved_surfaces
    return instrument.carries and (context.marks_amended or on_curve)


def instrument_mark_at(context: BlockContext, instrument: Instrument, index_ticks: int) -> int:
    """The present mark of an instrument at an index."""
    if instrument.kind is InstrumentKind.PERPETUAL:
        return mark_with_premium(context.state, instrument, index_ticks)
    group = effective_risk_group(context.state, context.terms.groups[instrument.group])
    known = known_averages(context.state).get(instrument.id) if instrument.is_option else None
    risk = context.terms.risk
    curve = risk.mark_curve(group)
    ticks = mark_ticks(instrument, index_ticks, group, risk.rate_ppm, context.time_ms, known, curve)
    if instrument.carries and instrument.averaging_ms:
        return expected_average_ticks(settlement_average(context.state, instrument), instrument.averaging_ms, ticks)
    return ticks


def _moved_option_marks(context: BlockContext) -> dict[int, int]:
    """Marks of all options whose feed, surface or average moved, by id: those of `instrument_mark_at`, computed by
    group at a fraction of the cost."""
    listed: dict[tuple[int, int], list[Instrument]] = {}
    turned = {context.terms.groups[group].feed for group in context.moved_surfaces}
    turned |= {context.terms.instruments[option].feed for option in context.moved_averages}
    for feed_id in (*context.moved_feeds, *sorted(turned - set(context.moved_feeds))):
        for instrument in context.terms.instruments_of_feed[feed_id]:
            mark = context.state.marks.get(instrument.id) if instrument.is_option else None
            moved = feed_id in context.moved_feeds or instrument.group in context.moved_surfaces
            moved = moved or instrument.id in context.moved_averages
            if moved and instrument.is_option and (mark is None or not mark.settled):
                listed.setdefault((instrument.group, feed_id), []).append(instrument)
    marks: dict[int, int] = {}
    for (group_id, feed_id), options in listed.items():
        group = effective_risk_group(context.state, context.terms.groups[group_id])
        index_ticks = context.state.feeds[feed_id].ticks
        rate, known = context.terms.risk.rate_ppm, known_averages(context.state)
        ticks = option_marks(options, index_ticks, group, rate, context.time_ms, known)
        marks.update(zip((option.id for option in options), ticks, strict=True))
    return marks


def _mark_instrument(
    context: BlockContext, instrument: Instrument, before: Mark | None, ticks: int, *, moved: bool
) -> None:
    unchanged = before is not None and before.ticks == ticks
    if unchanged and not moved:
        return
    context.touched_accounts.update(holders(context.state, INSTRUMENT_HOLDERS, instrument.id))
    if unchanged:
        return
    context.state.marks.put(instrument.id, Mark(ticks, settled=False))
    if not moved:
        context.rebuild_arrays()
    previous = before.ticks if before is not None else ticks
    count, paid = 0, 0
    if instrument.is_marked:
        value = (ticks - previous) * instrument.micros_per_tick
        positions = context.positions.holders(instrument.id)
        amounts = [(account, lots * value) for account, lots in positions]
        currency = cash_currency(instrument.cash_group)
        count = len(positions)
        paid = context.journal.settle_amounts(amounts, currency, TransferCode.VARIATION_MARGIN, instrument.id)
    context.receipts.append(Marked(instrument.id, ticks, previous, count, paid))


def _touch_dated_holders(context: BlockContext) -> None:
    """Arrays built as of a later time change the requirement of dated instruments, even where the index
    did not move."""
    for instrument in context.terms.instruments.values():
        if instrument.kind is not InstrumentKind.PERPETUAL:
            context.touched_accounts.update(holders(context.state, INSTRUMENT_HOLDERS, instrument.id))


def notional_micros(instrument: Instrument, lots: int, ticks: int) -> int:
    """Micros of the absolute value of lots at a price."""
    return abs(lots) * ticks * instrument.micros_per_tick


def traded_notional(instrument: Instrument, lots: int, ticks: int) -> int:
    """The micros that a trade counts against the limits of a mandate or a session key.

    An option counts by its strike where that is above its price.
    """
    return notional_micros(instrument, lots, max(ticks, instrument.strike_ticks))
