"""Request checks: time, nonce, account and signature, before a request's own rules.

Rule: a request is applied at most once and only by the member whose account it concerns. Checks run in a fixed order,
cheap ones first, so that a refusal has the same code in every replica.
"""

from clearing.base.errors import Detail, Rejected, RemoteFault
from clearing.base.secp256k1 import recover
from clearing.base.units import MONEY_MAX
from clearing.context.block_context import BlockContext
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.records.accounts import NonceRecord
from clearing.state.ledger import can_hold
from clearing.state.state import State

NONCE_STEP_MAX = 2**32
"""Largest step of a nonce above the last one, or above the time in nanoseconds, so that nonces cannot be used up."""


def check_expiry(context: BlockContext, at: str, not_after_ms: int) -> Rejected | None:
    """A request is valid up to and including its not-after, which must be within the horizon."""
    if context.time_ms > not_after_ms:
        return reject(ClearingCode.REQUEST_EXPIRED, at, not_after_ms=not_after_ms, time_ms=context.time_ms)
    if not_after_ms > context.time_ms + context.terms.market.request_ms_max:
        return reject(
            ClearingCode.REQUEST_TOO_FAR_AHEAD,
            at,
            not_after_ms=not_after_ms,
            latest_ms=context.time_ms + context.terms.market.request_ms_max,
        )
    return None


def check_account(context: BlockContext, at: str, account: int) -> Rejected | None:
    """The account must be a known member account."""
    return None if can_hold(context.state, account) else reject(ClearingCode.UNKNOWN_ACCOUNT, at, account=account)


def check_nonce(context: BlockContext, at: str, account: int, nonce: int) -> Rejected | None:
    """Nonces of an account rise; gaps are allowed, within `NONCE_STEP_MAX`.

    A member signs some requests that name its client's account: with a maximal nonce it could lock the client out
    forever.
    """
    last = context.state.nonces.get(account)
    if last is not None and nonce <= last.nonce:
        return reject(ClearingCode.NONCE_USED, at, account=account, nonce=nonce, last=last.nonce)
    limit = max(last.nonce if last is not None else 0, context.time_ms * 1_000_000) + NONCE_STEP_MAX
    if nonce > limit:
        return reject(ClearingCode.NONCE_TOO_FAR, at, account=account, nonce=nonce, limit=min(limit, MONEY_MAX))
    return None


def use_nonce(context: BlockContext, account: int, nonce: int) -> None:
    """Record the nonce of an applied request."""
    context.state.nonces.put(account, NonceRecord(nonce))


def check_signer(context: BlockContext, at: str, account: int, digest: bytes, signature: bytes) -> Rejected | None:
    """The signature must be by the trade key of the member that owns the (known) account."""
    return check_signature_by(at, trade_key(context.state, account), digest, signature, account=account)


def check_owner(context: BlockContext, at: str, account: int, digest: bytes, signature: bytes) -> Rejected | None:
    """For money that leaves the (known) account: the client's own key signs where it has one, otherwise
    the member's."""
    return check_signature_by(at, owner_key(context.state, account), digest, signature, account=account)


def trade_key(state: State, account: int) -> bytes:
    """The address that signs for trades of a known account."""
    return state.members[state.accounts[account].member].trade_address


def owner_key(state: State, account: int) -> bytes:
    """The address that signs for money leaving a known account."""
    own = state.accounts[account].key
    return own if any(own) else trade_key(state, account)


def check_signature_by(at: str, wanted: bytes, digest: bytes, signature: bytes, **who: Detail) -> Rejected | None:
    """The signature must be by the key of this address."""
    try:
        signer = recover(digest, signature)
    except RemoteFault:
        return reject(ClearingCode.WRONG_SIGNER, at, **who, signature=signature)
    if signer != wanted:
        return reject(ClearingCode.WRONG_SIGNER, at, **who, signer=signer, wanted=wanted)
    return None
