"""Trade changes: correction, cancellation and give-up of a pending trade.

Rule: terms change, or the trade ends, when both present sides agree, or the venue acts for sides that gave it a
mandate. A give-up needs the executing and the receiving member; the other side is not asked, because both face the
house. The venue's statement is compared with the original parties, whatever was given up since.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.context.block_context import BlockContext
from clearing.context.request_checks import check_account, check_expiry, check_signer
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.trades import PendingTradeCancelled, PendingTradeCorrected, TradeGivenUp
from clearing.schema.records.trades import PendingTradeRecord, TradeKey
from clearing.schema.requests.trades import TradeCancellation, TradeCorrection, TradeGiveUp
from clearing.trades.consent import check_consent, mandate_exposure, use_consent
from clearing.trades.novation import TradeTerms, check_trade_terms
from clearing.trades.pending_trades import check_can_pend, write_pending_trade


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
    micros = mandate_exposure(instrument, request.lots, request.ticks)
    more = max(micros - mandate_exposure(instrument, pending.lots, pending.ticks), 0)
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
    write_pending_trade(context, key, after)
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
    write_pending_trade(context, _pending_key(request), None)
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
    write_pending_trade(context, _pending_key(request), after)
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
