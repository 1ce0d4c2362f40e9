"""Mandates: an account lets a venue trade for it, within limits and until a time, and may take that back.

Rule: a mandate is signed by the account's member and is one per account and venue; the newest counts. What was used of
the day's limit is not given back by a new mandate. A trade that a side signed itself uses no mandate.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.base.units import DAY_MS
from clearing.codes import ClearingCode, reject
from clearing.instruments import Instrument
from clearing.requests import check_account, check_nonce, check_signer, check_time, use_nonce
from clearing.run import Run
from clearing.settling.mark_to_market import notional
from clearing.state.records import MandateHeld
from clearing.trades.receipts import MandateChanged
from clearing.trades.requests import VenueMandate

AT = "mandate"


def set_mandate(run: Run, index: int, request: VenueMandate) -> Rejected | None:
    """Give, change or (`expires_ms` 0) revoke a mandate."""
    if request.venue not in run.terms.venues:
        return reject(ClearingCode.UNKNOWN_VENUE, AT, venue=request.venue)
    refusal = (
        check_time(run, AT, request.not_after_ms)
        or check_account(run, AT, request.account)
        or check_nonce(run, AT, request.account, request.nonce)
        or check_signer(run, AT, request.account, request.digest(run.terms.network), request.signature)
    )
    if refusal is not None:
        return refusal
    use_nonce(run, request.account, request.nonce)
    key = (request.account, request.venue)
    before = run.state.mandates.get(key)
    day, used = (before.day, before.used) if before else (0, 0)
    limits = (request.lots_max, request.notional_max, request.day_notional_max)
    run.state.mandates.put(key, MandateHeld(*limits, request.expires_ms, day, used))
    run.receipts.append(
        MandateChanged(index, request.account, request.venue, *limits, request.expires_ms, request.nonce)
    )
    return None


def exposure(instrument: Instrument, lots: int, ticks: int) -> int:
    """What a trade counts for, in micros: options by their strike where that is higher than their price."""
    return notional(instrument, lots, max(ticks, instrument.strike_ticks))


def check_mandate(run: Run, at: str, account: int, venue: int, lots: int, micros: int, counted: int) -> Rejected | None:
    """Whether the venue may do such a trade for the account now; `counted` micros are new for the day's limit."""
    held = run.state.mandates.get((account, venue))
    if held is None or run.time_ms > held.expires_ms:
        return reject(ClearingCode.MANDATE_NEEDED, at, account=account, venue=venue)
    if lots > held.lots_max:
        return reject(ClearingCode.MANDATE_EXCEEDED, at, account=account, lots=lots, lots_max=held.lots_max)
    if micros > held.notional_max:
        return reject(
            ClearingCode.MANDATE_EXCEEDED, at, account=account, notional=micros, notional_max=held.notional_max
        )
    used = held.used if held.day == run.time_ms // DAY_MS else 0
    if counted and used + counted > held.day_notional_max:
        left = max(held.day_notional_max - used, 0)
        return reject(ClearingCode.MANDATE_EXCEEDED, at, account=account, notional=counted, left_today=left)
    return None


def use_mandate(run: Run, account: int, venue: int, micros: int) -> None:
    """Count a trade that `check_mandate` passed."""
    held, today = run.state.mandates[(account, venue)], run.time_ms // DAY_MS
    used = (held.used if held.day == today else 0) + micros
    run.state.mandates.put((account, venue), msgspec.structs.replace(held, day=today, used=used))


def end_mandates(run: Run, account: int) -> None:
    """Forget all mandates of an account that is closed or has another member."""
    for venue in run.terms.venues:
        if (account, venue) in run.state.mandates:
            run.state.mandates.remove((account, venue))
