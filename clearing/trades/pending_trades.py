"""Pending trades: binding trades not yet novated, which may still be corrected, cancelled or given up.

Rule: a change names the revision that it changes, so changes are applied once and in order. Margin, price and price
band are checked at novation. A trade that fails is retried for a bounded time and then dropped, each time with a
receipt. The number of pending trades is bounded per account and in total, and so is the number of attempts in one
block.

Terms change, or the trade is cancelled, when both sides present agree, or when the venue acts for sides that gave it a
mandate. A give-up needs the executing and the receiving member. The other side is not asked, because both sides face
the house. The venue's statement is compared with the original parties, regardless of later give-ups.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.context.block_context import BlockContext
from clearing.context.request_checks import check_account, check_expiry, check_signer
from clearing.schema.blocks.receipt import refused_receipt
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.trades import (
    PENDING_INDEX,
    PendingTradeCancelled,
    PendingTradeCorrected,
    PendingTradeRefused,
    TradeGivenUp,
    TradePending,
)
from clearing.schema.records.trades import PendingTradeRecord, TradeKey
from clearing.schema.requests.trades import TradeCancellation, TradeCorrection, TradeGiveUp
from clearing.settlement.mark_to_market import traded_notional
from clearing.state.indexes import index_pending
from clearing.trades.consent import check_consent, use_consent
from clearing.trades.novation import TradeTerms, check_instrument_price, check_trade_terms, clear_trade
from clearing.trades.reconciliation import record_day_trade
from clearing.trades.trade_ids import use_bilateral

NOVATED_PER_BLOCK = 256
AT = "held_trade"


def check_can_pend(
    context: BlockContext, at: str, instrument: int, due_ms: int, new_accounts: tuple[int, ...], *, more: int = 1
) -> Rejected | None:
    """Whether a trade may be pending until `due_ms` for accounts that are not part of it yet. `more`: trades added."""
    market = context.terms.market
    latest = context.time_ms + market.hold_ms_max
    if due_ms > latest:
        return reject(ClearingCode.HOLD_TOO_LONG, at, not_before_ms=due_ms, latest_ms=latest)
    terms = context.terms.instruments[instrument]
    if terms.expired(due_ms):
        return reject(ClearingCode.INSTRUMENT_EXPIRED, at, instrument=instrument, expiry_ms=terms.expiry_ms)
    for account in new_accounts:
        count = context.state.pending_counts.get(account) or 0
        if count >= market.held_per_account_max:
            return reject(ClearingCode.HELD_TRADES_FULL, at, account=account, held=count)
    pending = len(context.state.pending_by_due_time.get(0) or ())
    if pending + more > market.held_max:
        return reject(ClearingCode.HELD_TRADES_FULL, at, held=pending, limit=market.held_max)
    return None


def add_pending_trade(context: BlockContext, index: int, key: TradeKey, trade: PendingTradeRecord) -> None:
    """Add a pending trade that passed `check_can_pend`."""
    _write_pending_trade(context, key, trade)
    context.receipts.append(
        TradePending(
            index=index,
            venue=key[0],
            venue_trade_id=key[1],
            buyer=trade.buyer,
            seller=trade.seller,
            low=key[2],
            high=key[3],
            instrument=trade.instrument,
            lots=trade.lots,
            ticks=trade.ticks,
            due_ms=trade.due_ms,
        )
    )


def _write_pending_trade(context: BlockContext, key: TradeKey, trade: PendingTradeRecord | None) -> None:
    """Write a pending trade; None removes it.

    A pair can reuse the id of a removed trade only when no change signed for it can be submitted any more.
    """
    index_pending(context.state, key, context.state.pending_trades.get(key), trade)
    if trade is None:
        context.state.pending_trades.remove(key)
        if key[0] not in context.terms.venues:
            use_bilateral(context, key, context.time_ms + context.terms.market.request_ms_max)
    else:
        context.state.pending_trades.put(key, trade)


def novate_pending(context: BlockContext) -> None:
    """Novate due pending trades, earliest due time first, then by key."""
    for trade in (context.state.pending_by_due_time.get(0) or ())[:NOVATED_PER_BLOCK]:
        if trade.due_ms > context.time_ms:
            return
        _try_novation(context, trade.key)


def _try_novation(context: BlockContext, key: TradeKey) -> None:
    pending = context.state.pending_trades[key]
    venue = context.terms.venues.get(key[0])
    terms = TradeTerms(key[0], key[1], pending.buyer, pending.seller, pending.instrument, pending.lots, pending.ticks)
    invalid = check_trade_terms(context, AT, terms)
    refusal = (
        invalid
        or check_instrument_price(context, AT, pending.instrument)
        or clear_trade(context, PENDING_INDEX, terms, venue)
    )
    if refusal is None:
        _write_pending_trade(context, key, None)
        if venue is not None:
            traded = TradeTerms(
                key[0],
                key[1],
                pending.executing_buyer,
                pending.executing_seller,
                pending.instrument,
                pending.lots,
                pending.ticks,
            )
            record_day_trade(context, traded, pending.traded_ms)
        return
    next_ms = context.time_ms + context.terms.market.hold_retry_ms
    last = invalid is not None or next_ms > pending.last_attempt_ms
    receipt = refused_receipt(PENDING_INDEX, refusal)
    context.receipts.append(
        PendingTradeRefused(
            venue=key[0],
            venue_trade_id=key[1],
            buyer=pending.buyer,
            seller=pending.seller,
            code=receipt.code,
            at=receipt.at,
            values=receipt.values,
            next_ms=0 if last else next_ms,
        )
    )
    _write_pending_trade(context, key, None if last else msgspec.structs.replace(pending, due_ms=next_ms))


def correct_trade(context: BlockContext, index: int, request: TradeCorrection) -> Rejected | None:
    """Change lots, price or time of a pending trade."""
    at = "trade_correction"
    pending = _pending_trade(context, at, request, (request.buyer, request.seller))
    if isinstance(pending, Rejected):
        return pending
    key = _pending_key(request)
    changed = TradeTerms(*key[:2], pending.buyer, pending.seller, pending.instrument, request.lots, request.ticks)
    due_ms = max(request.not_before_ms, context.time_ms)
    refusal = check_trade_terms(context, at, changed) or check_can_pend(
        context, at, pending.instrument, due_ms, (), more=0
    )
    if refusal is not None:
        return refusal
    instrument = context.terms.instruments[pending.instrument]
    micros = traded_notional(instrument, request.lots, request.ticks)
    more = max(micros - traded_notional(instrument, pending.lots, pending.ticks), 0)
    consent = check_consent(context, at, request, request.lots, micros, more)
    if isinstance(consent, Rejected):
        return consent
    use_consent(context, request.venue, consent)
    after = msgspec.structs.replace(
        pending,
        lots=request.lots,
        ticks=request.ticks,
        due_ms=due_ms,
        last_attempt_ms=due_ms + context.terms.market.hold_valid_ms,
        revision=pending.revision + 1,
    )
    _write_pending_trade(context, key, after)
    context.receipts.append(
        PendingTradeCorrected(
            index=index,
            venue=request.venue,
            venue_trade_id=request.venue_trade_id,
            buyer=pending.buyer,
            seller=pending.seller,
            revision=after.revision,
            lots=after.lots,
            ticks=after.ticks,
            due_ms=after.due_ms,
        )
    )
    return None


def cancel_trade(context: BlockContext, index: int, request: TradeCancellation) -> Rejected | None:
    """Cancel a pending trade. Its id stays used."""
    at = "trade_cancellation"
    pending = _pending_trade(context, at, request, (request.buyer, request.seller))
    if isinstance(pending, Rejected):
        return pending
    consent = check_consent(context, at, request, 0, 0)
    if isinstance(consent, Rejected):
        return consent
    _write_pending_trade(context, _pending_key(request), None)
    context.receipts.append(
        PendingTradeCancelled(index, request.venue, request.venue_trade_id, pending.buyer, pending.seller)
    )
    return None


def give_up_trade(context: BlockContext, index: int, request: TradeGiveUp) -> Rejected | None:
    """Replace the executing account by `recipient`."""
    at = "trade_give_up"
    pending = _pending_trade(context, at, request, None)
    if isinstance(pending, Rejected):
        return pending
    if request.account not in (pending.buyer, pending.seller):
        return reject(ClearingCode.NO_SUCH_HELD_TRADE, at, account=request.account)
    if request.recipient in (pending.buyer, pending.seller):
        return reject(ClearingCode.SAME_ACCOUNT, at, account=request.recipient)
    digest = request.digest(context.terms.network)
    refusal = (
        check_account(context, at, request.recipient)
        or check_signer(context, at, request.account, digest, request.signature)
        or check_signer(context, at, request.recipient, digest, request.recipient_signature)
        or check_can_pend(context, at, pending.instrument, pending.due_ms, (request.recipient,), more=0)
    )
    if refusal is not None:
        return refusal
    side = "buyer" if request.account == pending.buyer else "seller"
    after = msgspec.structs.replace(pending, **{side: request.recipient, "revision": pending.revision + 1})
    _write_pending_trade(context, _pending_key(request), after)
    context.receipts.append(
        TradeGivenUp(index, request.venue, request.venue_trade_id, request.account, request.recipient, after.revision)
    )
    return None


def _pending_key(request: TradeCorrection | TradeCancellation | TradeGiveUp) -> TradeKey:
    return (request.venue, request.venue_trade_id, request.low, request.high)


def _pending_trade(
    context: BlockContext,
    at: str,
    request: TradeCorrection | TradeCancellation | TradeGiveUp,
    sides: tuple[int, int] | None,
) -> PendingTradeRecord | Rejected:
    """The pending trade that an unexpired request names, at the revision that it names, with those sides if given."""
    refusal = check_expiry(context, at, request.not_after_ms)
    if refusal is not None:
        return refusal
    pending = context.state.pending_trades.get(_pending_key(request))
    if pending is None or (sides is not None and sides != (pending.buyer, pending.seller)):
        return reject(ClearingCode.NO_SUCH_HELD_TRADE, at, venue=request.venue, venue_trade_id=request.venue_trade_id)
    if pending.revision != request.revision:
        return reject(ClearingCode.WRONG_REVISION, at, revision=request.revision, present=pending.revision)
    return pending
