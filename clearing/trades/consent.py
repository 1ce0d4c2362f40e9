"""Consent to a trade: who must have signed a report, a correction or a cancellation.

Rule: a trade in a venue's name needs the venue's signature. Each side must have signed too, or have given the venue a
mandate that covers the trade. What is already agreed can be changed by both sides alone, or by the venue for those who
gave it a mandate. A signature that is given must be right, also where it is not needed.
"""

from dataclasses import dataclass

from clearing.base.errors import Rejected
from clearing.codes import ClearingCode, reject
from clearing.requests import check_key, check_signer
from clearing.run import Run
from clearing.trades.ids import venue_state
from clearing.trades.mandates import check_mandate, use_mandate
from clearing.trades.requests import TradeCancellation, TradeCorrection, TradeReport


@dataclass(frozen=True, slots=True)
class Consent:
    """What a passed check found: for whom the venue spoke, and how much of their mandates that uses."""

    by_mandate: tuple[int, ...]
    counted: int


def check_consent(
    run: Run,
    at: str,
    request: TradeReport | TradeCorrection | TradeCancellation,
    lots: int,
    micros: int,
    counted: int | None = None,
) -> Rejected | Consent:
    """Check all signatures of a request about a trade of `lots` and `micros`; `use_consent` counts what it used.

    `counted`: how much of it is new for the day's limits, by default all. Accounts must be known.
    """
    counted = micros if counted is None else counted
    digest = request.digest(run.terms.network)
    venue = run.terms.venues.get(request.venue)
    speaks = venue is not None and bool(request.venue_signature)
    if venue is None and request.venue_signature:
        return reject(ClearingCode.UNKNOWN_VENUE, at, venue=request.venue)
    if venue is not None and request.venue_signature:
        if venue_state(run, venue.id).suspended:
            return reject(ClearingCode.VENUE_SUSPENDED, at, venue=venue.id)
        refusal = check_key(at, venue.signer, digest, request.venue_signature, venue=venue.id)
        if refusal is not None:
            return refusal
    spoken_for = []
    for account, signature in ((request.buyer, request.buyer_signature), (request.seller, request.seller_signature)):
        if signature or not speaks:
            refusal = check_signer(run, at, account, digest, signature)
        else:
            refusal = check_mandate(run, at, account, request.venue, lots, micros, counted)
            spoken_for.append(account)
        if refusal is not None:
            return refusal
    return Consent(tuple(spoken_for), counted)


def use_consent(run: Run, venue: int, consent: Consent) -> None:
    """Count what the venue did for those whom it spoke for."""
    for account in consent.by_mandate:
        use_mandate(run, account, venue, consent.counted)
