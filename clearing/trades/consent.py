"""Consent to a trade: required signatures, and the mandates that let a venue trade for an account.

Rule: a trade in a venue's name needs the venue's signature. Each side must sign too, or have given the venue a mandate
that covers the trade. A signature must be valid even where none is needed. A session key may sign a new trade, but no
change of a pending one. The account's member signs mandates, one per account and venue. The newest counts, and does not
reset the used part of the day's limit.
"""

from dataclasses import dataclass

import msgspec

from clearing.base.errors import Rejected
from clearing.base.units import DAY_MS
from clearing.context.block_context import BlockContext
from clearing.context.request_checks import check_request, check_signature_by, check_signer, use_nonce
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.trades import MandateChanged
from clearing.schema.records.trades import MandateRecord
from clearing.schema.requests.trades import TradeCancellation, TradeCorrection, TradeReport, VenueMandate
from clearing.trades.session_keys import SessionUse, check_session, check_trader, end_session_keys, use_session
from clearing.trades.trade_ids import current_venue_state

AT = "mandate"


def set_mandate(context: BlockContext, index: int, request: VenueMandate) -> Rejected | None:
    """Give, change or revoke (`expires_ms` 0) a mandate."""
    if request.venue not in context.terms.venues:
        return reject(ClearingCode.UNKNOWN_VENUE, AT, venue=request.venue)
    refusal = check_request(context, AT, request)
    if refusal is not None:
        return refusal
    use_nonce(context, request.account, request.nonce)
    key = (request.account, request.venue)
    before = context.state.mandates.get(key)
    day, used = (before.day, before.used_notional) if before else (0, 0)
    limits = (request.lots_max, request.notional_max, request.day_notional_max)
    context.state.mandates.put(key, MandateRecord(*limits, request.expires_ms, day, used))
    context.receipts.append(
        MandateChanged(index, request.account, request.venue, *limits, request.expires_ms, request.nonce)
    )
    return None


def check_mandate(
    context: BlockContext, at: str, account: int, venue: int, lots: int, micros: int, counted: int
) -> Rejected | None:
    """Whether the venue may make such a trade for the account now. `counted` micros are new to the day's limit."""
    mandate = context.state.mandates.get((account, venue))
    if mandate is None or context.time_ms > mandate.expires_ms:
        return reject(ClearingCode.MANDATE_NEEDED, at, account=account, venue=venue)
    if lots > mandate.lots_max:
        return reject(ClearingCode.MANDATE_EXCEEDED, at, account=account, lots=lots, lots_max=mandate.lots_max)
    if micros > mandate.notional_max:
        return reject(
            ClearingCode.MANDATE_EXCEEDED, at, account=account, notional=micros, notional_max=mandate.notional_max
        )
    used = mandate.used_notional if mandate.day == context.time_ms // DAY_MS else 0
    if counted and used + counted > mandate.day_notional_max:
        left = max(mandate.day_notional_max - used, 0)
        return reject(ClearingCode.MANDATE_EXCEEDED, at, account=account, notional=counted, left_today=left)
    return None


def _use_mandate(context: BlockContext, account: int, venue: int, micros: int) -> None:
    """Count a trade that passed `check_mandate`."""
    mandate, today = context.state.mandates[(account, venue)], context.time_ms // DAY_MS
    used = (mandate.used_notional if mandate.day == today else 0) + micros
    context.state.mandates.put((account, venue), msgspec.structs.replace(mandate, day=today, used_notional=used))


def end_delegations(context: BlockContext, account: int) -> None:
    """Delete all mandates and session keys of an account that is closed, defaulted or has moved to another member."""
    end_session_keys(context, account)
    for venue in context.terms.venues:
        if (account, venue) in context.state.mandates:
            context.state.mandates.remove((account, venue))


@dataclass(frozen=True, slots=True)
class Consent:
    """The result of a passed check: the accounts that the venue acted for, the session keys that signed, and the
    notional that counts against their limits."""

    mandated_accounts: tuple[int, ...]
    sessions: tuple[SessionUse, ...]
    counted_notional: int


def check_consent(
    context: BlockContext,
    at: str,
    request: TradeReport | TradeCorrection | TradeCancellation,
    lots: int,
    micros: int,
    counted: int | None = None,
) -> Rejected | Consent:
    """Check all signatures of a request about a trade of `lots` and `micros`; `use_consent` counts what it used.

    `counted`: the part that is new to the day's limits, by default all. Accounts must be known.
    """
    counted = micros if counted is None else counted
    digest = request.digest(context.terms.network)
    venue = context.terms.venues.get(request.venue)
    venue_signed = venue is not None and bool(request.venue_signature)
    if venue is None and request.venue_signature:
        return reject(ClearingCode.UNKNOWN_VENUE, at, venue=request.venue)
    if venue is not None and request.venue_signature:
        if current_venue_state(context, venue.id).suspended:
            return reject(ClearingCode.VENUE_SUSPENDED, at, venue=venue.id)
        refusal = check_signature_by(at, venue.signer, digest, request.venue_signature, venue=venue.id)
        if refusal is not None:
            return refusal
    mandated, sessions = [], []
    for account, signature in ((request.buyer, request.buyer_signature), (request.seller, request.seller_signature)):
        answer: Rejected | SessionUse | None
        if not signature and venue_signed:
            answer = check_mandate(context, at, account, request.venue, lots, micros, counted)
            mandated.append(account)
        elif isinstance(request, TradeReport):
            answer = check_trader(context, at, account, digest, signature)
        else:
            answer = check_signer(context, at, account, digest, signature)
        if isinstance(answer, SessionUse):
            sessions.append(answer)
            answer = check_session(context, at, answer, lots, micros)
        if answer is not None:
            return answer
    return Consent(tuple(mandated), tuple(sessions), counted)


def use_consent(context: BlockContext, venue: int, consent: Consent) -> None:
    """Count the trade against the mandates of the accounts that the venue acted for, and the session keys that signed.

    `venue`: without mandated accounts it may be a label.
    """
    for account in consent.mandated_accounts:
        _use_mandate(context, account, venue, consent.counted_notional)
    for session in consent.sessions:
        use_session(context, session, consent.counted_notional)
