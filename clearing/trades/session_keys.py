"""Session keys: further keys that sign trades for an account, within limits and until a time.

Rule: the account's trade key names them, at most `SESSION_KEYS_MAX` at a time, each for at most `SESSION_MS_MAX`. They
sign trades only: no change of a pending trade, nothing that moves money, no further key. They are good only while the
trade key that named them is the account's: not for another member after a porting, nor after the key was replaced.
The newest limits of a key count, and do not reset the used part of its day's limit.
"""

from dataclasses import dataclass

import msgspec

from clearing.base.errors import Rejected
from clearing.base.units import DAY_MS
from clearing.context.block_context import BlockContext
from clearing.context.request_checks import check_request, signer_of, trade_key, use_nonce
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.trades import SessionKeyChanged
from clearing.schema.records.trades import SessionKeyLimits, SessionKeysRecord
from clearing.schema.requests.trades import SessionKey
from clearing.state.state import State

AT = "session_key"
SESSION_KEYS_MAX = 4
SESSION_MS_MAX = 30 * DAY_MS


def name_session_key(context: BlockContext, index: int, request: SessionKey) -> Rejected | None:
    """Add a session key, change its limits, or revoke it (`expires_ms` 0)."""
    refusal = check_request(context, AT, request)
    if refusal is not None:
        return refusal
    latest = context.time_ms + SESSION_MS_MAX
    if request.expires_ms > latest:
        return reject(ClearingCode.SESSION_TOO_LONG, AT, expires_ms=request.expires_ms, latest_ms=latest)
    known = session_keys(context.state, request.account)
    before = next((each for each in known if each.key == request.key), None)
    kept = [each for each in known if each.key != request.key and each.expires_ms >= context.time_ms]
    limits = (request.lots_max, request.notional_max, request.day_notional_max)
    if request.expires_ms:
        if len(kept) == SESSION_KEYS_MAX:
            return reject(ClearingCode.SESSION_KEYS_FULL, AT, account=request.account, limit=SESSION_KEYS_MAX)
        used = (before.day, before.used_notional) if before else (0, 0)
        kept.append(SessionKeyLimits(request.key, *limits, request.expires_ms, *used))
    use_nonce(context, request.account, request.nonce)
    _put(context.state, request.account, kept)
    context.receipts.append(
        SessionKeyChanged(index, request.account, request.key, *limits, request.expires_ms, request.nonce)
    )
    return None


def session_keys(state: State, account: int) -> tuple[SessionKeyLimits, ...]:
    """The session keys of a known account, also expired ones; none where another trade key named them."""
    record = state.session_keys.get(account)
    return record.keys if record is not None and record.named_by == trade_key(state, account) else ()


def end_session_keys(context: BlockContext, account: int) -> None:
    """Delete all session keys of an account that is closed, defaulted or has moved to another member."""
    if account in context.state.session_keys:
        context.state.session_keys.remove(account)


def _put(state: State, account: int, keys: list[SessionKeyLimits]) -> None:
    if keys:
        ordered = tuple(sorted(keys, key=lambda each: each.key))
        state.session_keys.put(account, SessionKeysRecord(trade_key(state, account), ordered))
    else:
        state.session_keys.remove(account)


@dataclass(frozen=True, slots=True)
class SessionUse:
    """A session key in force that signed for an account."""

    account: int
    key: bytes


def check_trader(
    context: BlockContext, at: str, account: int, digest: bytes, signature: bytes
) -> Rejected | SessionUse | None:
    """Check who signed a trade for a (known) account: its trade key (None), or a session key in force."""
    signer = signer_of(at, digest, signature, account=account)
    if isinstance(signer, Rejected):
        return signer
    wanted = trade_key(context.state, account)
    if signer == wanted:
        return None
    limits = _limits(context.state, account, signer)
    if limits is None:
        return reject(ClearingCode.WRONG_SIGNER, at, account=account, signer=signer, wanted=wanted)
    if context.time_ms > limits.expires_ms:
        return reject(
            ClearingCode.SESSION_EXPIRED,
            at,
            account=account,
            key=signer,
            expires_ms=limits.expires_ms,
            time_ms=context.time_ms,
        )
    return SessionUse(account, signer)


def check_session(context: BlockContext, at: str, use: SessionUse, lots: int, micros: int) -> Rejected | None:
    """Whether the session key may sign a trade of so many lots and micros now."""
    limits = _limits(context.state, use.account, use.key)
    if limits is None:
        return reject(ClearingCode.WRONG_SIGNER, at, account=use.account, signer=use.key)
    left = max(limits.day_notional_max - _used_today(context, limits), 0)
    if lots > limits.lots_max:
        values = {"lots": lots, "lots_max": limits.lots_max}
    elif micros > limits.notional_max:
        values = {"notional": micros, "notional_max": limits.notional_max}
    elif micros > left:
        values = {"notional": micros, "left_today": left}
    else:
        return None
    return reject(ClearingCode.SESSION_EXCEEDED, at, account=use.account, key=use.key, **values)


def use_session(context: BlockContext, use: SessionUse, micros: int) -> None:
    """Count a trade that passed `check_session`."""
    today = context.time_ms // DAY_MS
    counted = [
        msgspec.structs.replace(each, day=today, used_notional=_used_today(context, each) + micros)
        if each.key == use.key
        else each
        for each in session_keys(context.state, use.account)
    ]
    _put(context.state, use.account, counted)


def _limits(state: State, account: int, key: bytes) -> SessionKeyLimits | None:
    return next((each for each in session_keys(state, account) if each.key == key), None)


def _used_today(context: BlockContext, limits: SessionKeyLimits) -> int:
    return limits.used_notional if limits.day == context.time_ms // DAY_MS else 0
