"""Expiry: when an instrument is settled, at which price, and what happens when prices are missing.

Rule: the settlement price is the first that applies:

1. With a window: the time average, as soon as agreed prices cover enough of the window. While they cover too little,
   the window continues after expiry.
2. Without a window: the first open index from expiry on.
3. When the feed is settled before that: the last good price.

An instrument that has not expired on a settled feed is closed at its last mark. There is one price for all, so what the
longs receive is what the shorts pay.
"""

from dataclasses import dataclass

from clearing.context.block_context import BlockContext
from clearing.schema.receipts.settlement import Settled, SettlementBasis, SettlementDeferred
from clearing.schema.records.prices import FeedState, FeedStatus, Mark, PriceStatus
from clearing.schema.terms.instruments import Instrument
from clearing.schema.transfers import TransferCode
from clearing.settlement.accrual import settlement_average
from clearing.settlement.delivery import deliver_forward
from clearing.settlement.settlement_prices import TimeAverage, needed_ms, settlement_payments, settlement_value_ticks
from clearing.state.ledger import cash_currency


@dataclass(frozen=True, slots=True)
class SettlementPrice:
    """The price that an instrument settles at."""

    ticks: int
    worth_ticks: int
    basis: SettlementBasis


def settle_when_due(context: BlockContext, instrument: Instrument, mark: Mark | None, feed: FeedState) -> bool:
    """Settle an instrument if it is due and has a price. Returns whether it is settled now."""
    price = settlement_price(context, instrument, mark, feed)
    if price is None:
        _defer_settlement(context, instrument)
        return False
    _settle_instrument(context, instrument, mark, price)
    return True


def settlement_price(
    context: BlockContext, instrument: Instrument, mark: Mark | None, feed: FeedState
) -> SettlementPrice | None:
    """The settlement price now; None while the instrument continues or waits."""
    if not instrument.expired(context.time_ms):
        if feed.price_status != PriceStatus.SETTLED or mark is None:
            return None
        return SettlementPrice(mark.ticks, mark.ticks, SettlementBasis.LAST_GOOD)
    average = settlement_average(context.state, instrument)
    if instrument.averaging_ms and average.covered_ms >= _needed_ms(context, instrument):
        return _as_settlement_price(instrument, average.ticks, SettlementBasis.AVERAGE)
    if feed.price_status == PriceStatus.SETTLED:
        return _as_settlement_price(instrument, feed.ticks, SettlementBasis.LAST_GOOD)
    if instrument.averaging_ms or feed.status != FeedStatus.OPEN:
        return None
    return _as_settlement_price(instrument, feed.ticks, SettlementBasis.INDEX)


def _as_settlement_price(instrument: Instrument, ticks: int, basis: SettlementBasis) -> SettlementPrice:
    return SettlementPrice(ticks, settlement_value_ticks(instrument.kind, ticks, instrument.strike_ticks), basis)


def _needed_ms(context: BlockContext, instrument: Instrument) -> int:
    return needed_ms(instrument.averaging_ms, context.terms.market.prices.coverage_ppm)


def _defer_settlement(context: BlockContext, instrument: Instrument) -> None:
    """Report the deferral once, in the block of the expiry."""
    if instrument.averaging_ms and context.previous_time_ms < instrument.expiry_ms <= context.time_ms:
        covered = settlement_average(context.state, instrument).covered_ms
        context.receipts.append(
            SettlementDeferred(instrument.id, covered, _needed_ms(context, instrument), instrument.averaging_ms)
        )


def _settle_instrument(
    context: BlockContext, instrument: Instrument, mark: Mark | None, price: SettlementPrice
) -> None:
    """Pay every long lot from the short ones, deliver where agreed, and close the positions."""
    positions = context.positions.holders(instrument.id)
    paid_ticks = mark.ticks if instrument.is_marked and mark is not None else 0
    micros_per_lot = (price.worth_ticks - paid_ticks) * instrument.micros_per_tick if mark is not None else 0
    paid = 0
    if mark is not None:
        amounts = settlement_payments(
            [lots for _, lots in positions], price.worth_ticks, paid_ticks, instrument.micros_per_tick
        )
        listed = [(account, amount) for (account, _), amount in zip(positions, amounts, strict=True)]
        currency = cash_currency(instrument.cash_group)
        paid = context.journal.settle_amounts(listed, currency, TransferCode.SETTLEMENT, instrument.id)
    if instrument.delivery_asset and instrument.expired(context.time_ms):
        deliver_forward(context, instrument, price.ticks, positions)
    for account, lots in positions:
        context.positions.add(account, instrument.id, -lots)
        context.touched_accounts.add(account)
    average = settlement_average(context.state, instrument)
    context.state.settlement_averages.remove(instrument.id)
    context.state.marks.put(instrument.id, Mark(price.worth_ticks, settled=True))
    context.receipts.append(_settled_receipt(instrument, price, micros_per_lot, len(positions), paid, average))
    context.rebuild_arrays()


def _settled_receipt(
    instrument: Instrument, price: SettlementPrice, micros_per_lot: int, holders: int, paid: int, average: TimeAverage
) -> Settled:
    return Settled(
        instrument=instrument.id,
        index_ticks=price.ticks,
        micros_per_lot=micros_per_lot,
        holders=holders,
        paid=paid,
        basis=price.basis,
        covered_ms=average.covered_ms,
        window_ms=instrument.averaging_ms,
        worth_ticks=price.worth_ticks,
    )
