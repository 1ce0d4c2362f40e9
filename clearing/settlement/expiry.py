"""Expiry: when an instrument is settled, at which price, without prices too, and the physical delivery of forwards.

Rule: the settlement price is the first that applies:

1. With a window: the time average, as soon as agreed prices cover enough of the window. While they cover too little,
   the window continues after expiry.
2. Without a window: the first open index from expiry on.
3. When the feed is settled before that: the last good price.

An instrument that has not expired on a settled feed is closed at its last mark. There is one price for all, so what the
longs receive is what the shorts pay.

Delivery is against payment, from existing balances only:

1. A short delivers at most its own free tokens; a long pays from its own positive cash.
2. What one side fails to do settles in cash at the same price, up to which every position has been paid already.
3. The failing account pays a penalty from its own equity. Ready accounts of the other side share it, or the house gets
   it when none was ready.
4. Whole lots are allocated pro rata, largest fraction first, then the lowest account.

It must not know the margin requirement: accounts are checked afterwards, as after any trade.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import MICROS_PER_TICK, PPM, allocate, mul_div_up
from clearing.context.block_context import BlockContext
from clearing.context.house_limits import recoverable_units
from clearing.schema.receipts.settlement import Delivered, DeliveryFailed, Settled, SettlementBasis, SettlementDeferred
from clearing.schema.records.prices import FeedState, FeedStatus, Mark, PriceStatus
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.instruments import Instrument
from clearing.schema.transfers import TransferCode
from clearing.settlement.accrual import settlement_average
from clearing.settlement.settlement_prices import TimeAverage, needed_ms, settlement_payments, settlement_value_ticks
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.state.ledger import (
    CLEARING_ACCOUNT,
    balance,
    cash_currency,
    soft_credit_of,
    soft_credit_total,
    token_currency,
)


@dataclass(frozen=True, slots=True)
class SettlementPrice:
    """The price that an instrument settles at."""

    ticks: int
    worth_ticks: int
    basis: SettlementBasis


def settle_when_due(context: BlockContext, instrument: Instrument, mark: Mark | None, feed: FeedState) -> bool:
    """Settle an instrument if it is due and has a price. Returns whether it is settled now."""
    price = _settlement_price(context, instrument, mark, feed)
    if price is None:
        _defer_settlement(context, instrument)
        return False
    _settle_instrument(context, instrument, mark, price)
    return True


def _settlement_price(
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
        _deliver_forward(context, instrument, price.ticks, positions)
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


@dataclass(frozen=True, slots=True)
class DeliverySide:
    """One side's accounts in order, their lots, and how many of these each can exchange."""

    accounts: tuple[int, ...]
    lots: tuple[int, ...]
    deliverable_lots: tuple[int, ...]

    def share(self, total: int) -> list[int]:
        """How many lots of `total`, at most the sum of `deliverable_lots`, each account exchanges."""
        return allocate(total, self.deliverable_lots)

    @property
    def undeliverable(self) -> list[int]:
        """Lots that each account cannot exchange."""
        return [lots - able for lots, able in zip(self.lots, self.deliverable_lots, strict=True)]


def _units_per_lot(instrument: Instrument, token: Asset) -> int:
    """Clearing units of the token that one lot delivers: the value of a lot at the feed's price; exact by genesis."""
    scale: int = 10**token.unit_decimals
    return instrument.micros_per_tick * scale // MICROS_PER_TICK


def _deliver_forward(
    context: BlockContext, instrument: Instrument, ticks: int, positions: Sequence[tuple[int, int]]
) -> None:
    """Exchange as many lots as both sides can, and penalise failures. The caller closes the positions."""
    if not positions:
        return
    token = context.terms.assets[instrument.delivery_asset]
    lot_units, price = _units_per_lot(instrument, token), ticks * instrument.micros_per_tick
    cash, tokens = cash_currency(instrument.cash_group), token_currency(token.id)
    shorts = _delivery_side(positions, -1, lambda account: max(_own_tokens(context, account, tokens), 0) // lot_units)
    longs = _delivery_side(
        positions, 1, lambda account: max(_own_cash(context, account, instrument.cash_group), 0) // price
    )
    matched = min(sum(shorts.deliverable_lots), sum(longs.deliverable_lots))
    given, taken = shorts.share(matched), longs.share(matched)
    for account, lots in zip(shorts.accounts, given, strict=True):
        context.journal.transfer(
            account, CLEARING_ACCOUNT, tokens, lots * lot_units, TransferCode.DELIVERY, instrument.id
        )
    for account, lots in zip(longs.accounts, taken, strict=True):
        context.journal.transfer(
            CLEARING_ACCOUNT, account, tokens, lots * lot_units, TransferCode.DELIVERY, instrument.id
        )
        context.journal.transfer(
            account, CLEARING_ACCOUNT, cash, lots * price, TransferCode.DELIVERY_PAYMENT, instrument.id
        )
    for account, lots in zip(shorts.accounts, given, strict=True):
        context.journal.transfer(
            CLEARING_ACCOUNT, account, cash, lots * price, TransferCode.DELIVERY_PAYMENT, instrument.id
        )
    _penalise_failures(context, instrument, ticks, -1, shorts, longs, taken)
    _penalise_failures(context, instrument, ticks, 1, longs, shorts, given)
    context.receipts.append(
        Delivered(instrument.id, token.id, ticks, matched, sum(longs.lots), matched * lot_units, matched * price)
    )


def _own_tokens(context: BlockContext, account: int, currency: int) -> int:
    """Units without those that the house has for the payers of a default."""
    owed = recoverable_units(context.state, currency) if account == HOUSE_ACCOUNT else 0
    return balance(context.state, account, currency) - owed


def _own_cash(context: BlockContext, account: int, group: int) -> int:
    """Cash without soft credit, which is lent for margin and not for payments."""
    loan = 0 if account == HOUSE_ACCOUNT else soft_credit_of(context.state, account, group)
    return balance(context.state, account, cash_currency(group)) - loan


def _own_equity(context: BlockContext, account: int) -> int:
    """Equity of an account without soft credit, at least 0.

    A higher penalty would be paid by the house to the other side, which may have the same owner: a forward hedged in
    its risk group needs almost no margin.
    """
    equity = holdings_margin(current_arrays(context.state), current_holdings(context.state, account)).equity
    return max(equity - soft_credit_total(context.state, account), 0)


def _delivery_side(positions: Sequence[tuple[int, int]], sign: int, deliverable: Callable[[int], int]) -> DeliverySide:
    own = [(account, lots * sign) for account, lots in positions if lots * sign > 0]
    return DeliverySide(
        tuple(account for account, _ in own),
        tuple(lots for _, lots in own),
        tuple(min(lots, deliverable(account)) for account, lots in own),
    )


def _penalise_failures(
    context: BlockContext,
    instrument: Instrument,
    ticks: int,
    sign: int,
    failed: DeliverySide,
    ready: DeliverySide,
    exchanged: Sequence[int],
) -> None:
    """Debit the penalty from failing accounts, and share it over the lots of ready accounts that were not exchanged."""
    currency, cause = cash_currency(instrument.cash_group), instrument.id
    price, collected = ticks * instrument.micros_per_tick, 0
    if any(failed.undeliverable):
        context.rebuild_arrays()  # at the prices of this block
    for account, lots in zip(failed.accounts, failed.undeliverable, strict=True):
        if not lots:
            continue
        whole = mul_div_up(lots * price, context.terms.market.prices.delivery_fail_ppm, PPM)
        penalty = min(whole, _own_equity(context, account))
        context.journal.transfer(account, CLEARING_ACCOUNT, currency, penalty, TransferCode.DELIVERY_FAILED, cause)
        context.receipts.append(DeliveryFailed(instrument.id, account, sign * lots, ticks, penalty))
        collected += penalty
    unexchanged = [able - done for able, done in zip(ready.deliverable_lots, exchanged, strict=True)]
    accounts, weights = (ready.accounts, unexchanged) if any(unexchanged) else ((HOUSE_ACCOUNT,), [1])
    for account, share in zip(accounts, allocate(collected, weights), strict=True):
        context.journal.transfer(CLEARING_ACCOUNT, account, currency, share, TransferCode.DELIVERY_FAILED, cause)
