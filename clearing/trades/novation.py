"""Novation: a trade agreed outside becomes two trades with the house, netted into the positions of both accounts.

Rule: a trade is novated once, whole, and only when both sides signed it and each afterwards covers its initial margin
or has strictly less risk than before. The house's own book stays matched: what the buyer receives, the seller gave.
"""

from dataclasses import dataclass

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import POSITION_MAX, PPM, mul_div_up
from clearing.context.block_context import BlockContext, ValueMoved
from clearing.context.member_status import (
    check_member_active,
    check_member_reducing,
    check_restriction,
    is_restricted,
    is_restricted_to_reducing,
)
from clearing.context.request_checks import check_account
from clearing.context.stress_exposure import check_stress_growth
from clearing.deposits.soft_credit import transfers_soft_credit
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.prices.price_status import check_reducing, check_tradable
from clearing.prices.stale_options import is_covered_at_floor, stale_options
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.terms.genesis import VenueTerms
from clearing.schema.terms.instruments import Instrument
from clearing.schema.transfers import TransferCode
from clearing.settlement.funding import record_trade_premium
from clearing.settlement.mark_to_market import notional_micros
from clearing.settlement.premium_depth import sets_price
from clearing.state.holdings import Holdings, current_arrays, current_holdings, holdings_margin, is_still_margined
from clearing.state.ledger import CLEARING_ACCOUNT, cash_currency, soft_credit_total
from clearing.trades.balance_limits import check_balances
from clearing.withdrawals.deficit_reserve import committed_micros, gains_reserve, keeps_committed
from clearing.withdrawals.inflow_delay import carry_inflow, equities_before

AT = "trade"
TRADE_TICKS_MAX = 2**40
NOTIONAL_MAX = 2**58
"""Upper bound of the notional of an account's positions together in micros, each at the index or its strike.
Instruments without margin (options far from the money) have no other bound, and payments must stay far from 2^62. Where
the default fund is tested, it bounds all positions of a member together: the shortfall under stress must fit the 64
bits of a proof."""


@dataclass(frozen=True, slots=True)
class TradeTerms:
    """The terms of a trade, whatever request they come from."""

    venue: int
    venue_trade_id: int
    buyer: int
    seller: int
    instrument: int
    lots: int
    ticks: int


def clear_trade(
    context: BlockContext, index: int, trade: TradeTerms, venue: VenueTerms | None = None
) -> Rejected | None:
    """Novate a trade whose id, terms, price and parties have been checked, or refuse it and change nothing.

    Checks the price band and the initial margin of both sides. `index`: of the transaction, for the receipt.
    """
    instrument = context.terms.instruments[trade.instrument]
    mark = context.state.marks.get(trade.instrument)
    if mark is None:
        return reject(ClearingCode.PRICE_MISSING, AT, instrument=trade.instrument)
    band_ppm = min(instrument.band_ppm, venue.band_ppm) if venue and venue.band_ppm else instrument.band_ppm
    refusal = (
        check_member_reducing(context, AT, trade.buyer)
        or check_member_reducing(context, AT, trade.seller)
        or _check_price_band(trade, mark.ticks, band_ppm)
        or check_reducing(context, AT, instrument, trade.buyer, trade.seller, trade.lots)
    )
    if refusal is not None:
        return refusal
    value = (mark.ticks - trade.ticks) if instrument.is_marked else -trade.ticks
    received = value * trade.lots * instrument.micros_per_tick
    notional = notional_micros(instrument, trade.lots, trade.ticks)
    fee = mul_div_up(notional, context.terms.market.trade_fee_ppm, PPM)
    venue_fee = mul_div_up(notional, venue.fee_ppm, PPM) if venue else 0
    charged = fee + venue_fee
    refusal = _check_side(context, instrument, trade.buyer, trade.lots, received - charged) or _check_side(
        context, instrument, trade.seller, -trade.lots, -received - charged
    )
    if refusal is not None:
        return refusal
    before = equities_before(context, trade.buyer, trade.seller)
    _book_trade(context, instrument, trade, received, fee)
    carry_inflow(context, trade.buyer, trade.seller, before)
    if venue:
        _pay_venue(context, instrument, trade, venue, venue_fee)
    context.receipts.append(
        TradeNovated(
            index=index,
            venue=trade.venue,
            venue_trade_id=trade.venue_trade_id,
            instrument=trade.instrument,
            buyer=trade.buyer,
            seller=trade.seller,
            lots=trade.lots,
            ticks=trade.ticks,
            mark_ticks=mark.ticks,
            buyer_received=received,
            fee_each=fee,
            venue_fee_each=venue_fee,
        )
    )
    return None


def check_trade_terms(context: BlockContext, at: str, trade: TradeTerms) -> Rejected | None:
    """Check instrument and size of a trade, without reading accounts or prices."""
    instrument = context.terms.instruments.get(trade.instrument)
    if instrument is None:
        return reject(ClearingCode.UNKNOWN_INSTRUMENT, at, instrument=trade.instrument)
    if not 0 < trade.lots <= POSITION_MAX:
        return reject(ClearingCode.BAD_SIZE, at, lots=trade.lots)
    if trade.ticks > TRADE_TICKS_MAX:
        return reject(ClearingCode.BAD_SIZE, at, ticks=trade.ticks)
    if instrument.expired(context.time_ms):
        return reject(ClearingCode.INSTRUMENT_EXPIRED, at, instrument=trade.instrument, expiry_ms=instrument.expiry_ms)
    return None


def check_instrument_price(context: BlockContext, at: str, instrument: int) -> Rejected | None:
    """The instrument's feed is open, or stale within its grace period, when `clear_trade` only lets
    positions shrink."""
    return check_tradable(context, at, context.terms.instruments[instrument])


def check_sides(context: BlockContext, at: str, buyer: int, seller: int) -> Rejected | None:
    """Both accounts exist and differ."""
    if buyer == seller:
        return reject(ClearingCode.SAME_ACCOUNT, at, account=buyer)
    return check_account(context, at, buyer) or check_account(context, at, seller)


def _check_price_band(trade: TradeTerms, mark_ticks: int, band_ppm: int) -> Rejected | None:
    """The price is within the band around the mark, or within one tick of it."""
    distance = abs(trade.ticks - mark_ticks)
    if distance > 1 and distance * PPM > mark_ticks * band_ppm:
        return reject(ClearingCode.PRICE_OUTSIDE_BAND, AT, ticks=trade.ticks, mark_ticks=mark_ticks, band_ppm=band_ppm)
    return None


def _check_side(context: BlockContext, instrument: Instrument, account: int, lots: int, cash: int) -> Rejected | None:
    """Check one side: position limit, cash limit, and initial margin afterwards or strictly less risk."""
    before = current_holdings(context.state, account)
    after = before.copy()
    group = context.terms.cash_groups.index(instrument.cash_group)
    position = context.terms.array_index[instrument.id]
    after.lots[position] += lots
    after.cash[group] += cash
    if abs(after.lots[position]) > POSITION_MAX:
        return reject(ClearingCode.POSITION_LIMIT, AT, account=account, lots=after.lots[position])
    grows = abs(after.lots[position]) > abs(before.lots[position])
    if grows and is_position_too_large(context, instrument, after):
        return reject(ClearingCode.POSITION_LIMIT, AT, account=account, lots=after.lots[position])
    limit = context.terms.risk.cash_limit_micros
    if after.cash[group] < min(-limit, before.cash[group]):
        return reject(ClearingCode.CASH_LIMIT, AT, account=account, cash=after.cash[group], limit=limit)
    return (
        check_balances(AT, account, before.cash, after.cash)
        or _check_margin(context, account, before, after)
        or check_stress_growth(context, AT, account, lambda: after)
    )


def is_position_too_large(context: BlockContext, instrument: Instrument, after: Holdings) -> bool:
    """Whether an account's positions, one of which grew, together exceed the notional limit; where the fund is tested,
    its part of the member's limit."""
    largest = max(context.state.feeds[instrument.feed].ticks, instrument.strike_ticks)
    gross = notional_micros(instrument, after.lots[context.terms.array_index[instrument.id]], largest)
    limit = NOTIONAL_MAX // _accounts_max(context) if context.terms.risk.stress else NOTIONAL_MAX
    return gross > limit or _gross_notional(context, after) > limit


def _gross_notional(context: BlockContext, holdings: Holdings) -> int:
    """Gross notional of an account's positions in micros, without netting, each at the index or its strike."""
    feeds: dict[int, int] = {}
    gross = 0
    for instrument, lots in zip(context.terms.instruments.values(), holdings.lots, strict=True):
        if lots:
            ticks = feeds.get(instrument.feed)
            if ticks is None:
                ticks = feeds[instrument.feed] = context.state.feeds[instrument.feed].ticks
            gross += notional_micros(instrument, lots, max(ticks, instrument.strike_ticks))
    return gross


def _accounts_max(context: BlockContext) -> int:
    """The largest number of accounts of one member, by genesis."""
    return max(context.terms.market.member_accounts_max, context.terms.genesis_accounts_max)


def _check_margin(context: BlockContext, account: int, before: Holdings, after: Holdings) -> Rejected | None:
    loans = soft_credit_total(context.state, account)
    reducing_only = is_restricted(context.state, account) or is_restricted_to_reducing(context.state, account)
    committed, reserve = committed_micros(context, account), gains_reserve(context, account)
    free = not loans and not reducing_only and not stale_options(context, after)
    if free and not committed and not reserve and is_still_margined(context.state, account, after):
        return None
    arrays = current_arrays(context.state)
    margin = holdings_margin(arrays, after)
    if reserve and margin.equity < min(reserve, holdings_margin(arrays, before).equity):
        # Gains that may have to bear a default's loss don't go to a friend by a trade away from the mark.
        details = {"equity": margin.equity, "reserve": reserve}
        return reject(ClearingCode.GAINS_RESERVED, AT, account=account, **details)
    kept = not committed or keeps_committed(context, after, loans, committed)
    covered = margin.initial_ok and kept and is_covered_at_floor(context, after)
    if covered and free:
        return None
    earlier = holdings_margin(arrays, before)
    if transfers_soft_credit(loans, earlier.equity, margin.equity):
        return reject(ClearingCode.SOFT_CREDIT_IS_LENT, AT, account=account, equity=margin.equity, lent=loans)
    if covered and not reducing_only:
        return None
    if _is_risk_reduced(earlier, margin):
        return None
    return (
        check_restriction(context, AT, account)
        or check_member_active(context, AT, account)
        or reject(
            ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN, AT, account=account, equity=margin.equity, initial=margin.initial
        )
    )


def _is_risk_reduced(before: AccountMargin, after: AccountMargin) -> bool:
    """Whether an account that is called or restricted needs less margin afterwards and has no less of it.

    In the price it may give up a part of what the reduction frees. It may give neither money that is not its own, which
    the house would pay, nor more than its share: otherwise it could pass everything to a friend and leave the rest of
    its positions uncovered.
    """
    own = after.equity >= min(before.equity, 0)
    share = after.equity * before.initial >= max(before.equity, 0) * after.initial
    spare = after.equity - after.initial >= before.equity - before.initial
    return after.initial < before.initial and own and spare and (share or before.equity <= 0)


def _book_trade(context: BlockContext, instrument: Instrument, trade: TradeTerms, received: int, fee: int) -> None:
    """Move cash and lots of both sides against the house."""
    code = TransferCode.TRADE_VARIATION if instrument.is_marked else TransferCode.PREMIUM
    payer, payee = (trade.seller, trade.buyer) if received >= 0 else (trade.buyer, trade.seller)
    currency = cash_currency(instrument.cash_group)
    # What the buyer gains at the mark, the seller gives up: an option's premium against its value, too.
    gained = (context.state.marks[instrument.id].ticks - trade.ticks) * trade.lots * instrument.micros_per_tick
    context.values_moved.append(ValueMoved(trade.seller, trade.buyer, gained, own=False))
    context.journal.transfer(payer, CLEARING_ACCOUNT, currency, abs(received), code, trade.venue_trade_id)
    context.journal.transfer(CLEARING_ACCOUNT, payee, currency, abs(received), code, trade.venue_trade_id)
    for side in (trade.buyer, trade.seller):
        if side != HOUSE_ACCOUNT:
            context.journal.transfer(side, HOUSE_ACCOUNT, currency, fee, TransferCode.TRADE_FEE, trade.venue_trade_id)
    context.positions.add(trade.buyer, instrument.id, trade.lots)
    context.positions.add(trade.seller, instrument.id, -trade.lots)
    if sets_price(context.state, trade.buyer, trade.seller):
        record_trade_premium(context, instrument, trade.lots, trade.ticks)
    context.touched_accounts.update((trade.buyer, trade.seller))


def _pay_venue(context: BlockContext, instrument: Instrument, trade: TradeTerms, venue: VenueTerms, fee: int) -> None:
    currency = cash_currency(instrument.cash_group)
    for side in (trade.buyer, trade.seller):
        if side != venue.fee_account:
            code = TransferCode.VENUE_FEE
            context.journal.transfer(side, venue.fee_account, currency, fee, code, trade.venue_trade_id)
            context.touched_accounts.add(venue.fee_account)
