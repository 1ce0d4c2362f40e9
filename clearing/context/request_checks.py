"""Request checks: time, nonce, account and signature, before a request's own rules.

Rule: a request is applied at most once and only by the member whose account it concerns. Checks run in a fixed order,
cheap ones first, so that a refusal has the same code in every replica.
"""

from enum import Enum
from typing import Any, NamedTuple

from clearing.base.errors import Detail, Rejected, RemoteFault
from clearing.base.secp256k1 import recover
from clearing.base.units import MONEY_MAX
from clearing.context.block_context import BlockContext
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.records.accounts import NonceRecord
from clearing.schema.requests.accounts import (
    AccountClosing,
    AccountOpening,
    AccountPorting,
    AffiliationDeclaration,
    CashTransfer,
    ClaimSwap,
    SeedRotation,
    StandbyDeclaration,
    TokenTransfer,
)
from clearing.schema.requests.auctions import (
    CollateralBid,
    DefaultBid,
    DefaultBidCommitment,
    DefaultBidReveal,
    InventoryBid,
    LiquidationBid,
    ReopeningOrder,
)
from clearing.schema.requests.default import ClientRescue, FundContribution, MemberExit, MemberReadmission
from clearing.schema.requests.trades import SessionKey, VenueMandate
from clearing.schema.requests.withdrawals import LimitedWithdrawal, Withdrawal, WithdrawalCancellation
from clearing.state.account_masks import MASKED, accounts_by_mask
from clearing.state.ledger import can_hold
from clearing.state.state import State

NONCE_STEP_MAX = 2**32
"""Largest step of a nonce above the last one, or above the time in nanoseconds, so that nonces cannot be used up."""


class SigningKey(Enum):
    """Whose key signs for an account."""

    MEMBER = "member"
    """The trade key of the member that the account belongs to."""
    OWNER = "owner"
    """The client's own key where it has one, else the member's: for money that leaves the account."""
    LATER = "later"
    """The handler checks the signatures itself, after checks that cost less."""


class RequestChecks(NamedTuple):
    """What `check_request` checks of one kind of request. Strings are names of its fields."""

    key: SigningKey
    accounts: tuple[str, ...] = ("account",)
    """Accounts that have to exist."""
    signatures: tuple[tuple[str, str], ...] = (("account", "signature"),)
    """(account, signature), in the order in which they are checked."""
    nonce: bool = True
    """Whether the request uses a nonce of `account`."""
    masked: tuple[str, ...] = ()
    """Accounts that the request may name by their masks, because their slices are for sale."""


BETWEEN_ACCOUNTS = RequestChecks(SigningKey.OWNER, ("account", "recipient"))
REQUEST_CHECKS: dict[type, RequestChecks] = {
    AccountOpening: RequestChecks(SigningKey.MEMBER),
    AccountClosing: RequestChecks(SigningKey.MEMBER),
    AccountPorting: RequestChecks(SigningKey.LATER),
    CashTransfer: BETWEEN_ACCOUNTS,
    TokenTransfer: BETWEEN_ACCOUNTS,
    ClaimSwap: BETWEEN_ACCOUNTS._replace(signatures=(("account", "signature"), ("recipient", "recipient_signature"))),
    VenueMandate: RequestChecks(SigningKey.MEMBER),
    SessionKey: RequestChecks(SigningKey.MEMBER),
    ReopeningOrder: RequestChecks(SigningKey.MEMBER),
    CollateralBid: RequestChecks(SigningKey.MEMBER),
    LiquidationBid: RequestChecks(SigningKey.MEMBER, ("account", "liquidated"), masked=("liquidated",)),
    DefaultBid: RequestChecks(SigningKey.MEMBER),
    ClientRescue: RequestChecks(SigningKey.LATER),
    MemberReadmission: RequestChecks(SigningKey.MEMBER, nonce=False),
    MemberExit: RequestChecks(SigningKey.MEMBER),
    FundContribution: RequestChecks(SigningKey.OWNER),
    Withdrawal: RequestChecks(SigningKey.OWNER),
    LimitedWithdrawal: RequestChecks(SigningKey.OWNER),
    WithdrawalCancellation: RequestChecks(SigningKey.OWNER),
    AffiliationDeclaration: RequestChecks(SigningKey.LATER, ("account", "affiliate")),
    DefaultBidCommitment: RequestChecks(SigningKey.MEMBER),
    DefaultBidReveal: RequestChecks(SigningKey.MEMBER),
    InventoryBid: RequestChecks(SigningKey.MEMBER),
    StandbyDeclaration: RequestChecks(SigningKey.LATER),
    SeedRotation: RequestChecks(SigningKey.OWNER),
}
"""Requests in the name of an account. Trades, venues' and validators' requests have checks of their own."""


def check_request(context: BlockContext, at: str, request: Any) -> Rejected | None:
    """Check a request of a kind in `REQUEST_CHECKS`: expiry, accounts, nonce, signatures, in this order."""
    checks = REQUEST_CHECKS[type(request)]
    refusal = check_expiry(context, at, request.not_after_ms)
    for account in checks.accounts:
        named = getattr(request, account)
        known = for_sale(context, named) if account in checks.masked else named
        refusal = refusal or check_account(context, at, known)
    if refusal is None and checks.nonce:
        refusal = _check_nonce(context, at, request.account, request.nonce)
    if refusal is not None or checks.key is SigningKey.LATER:
        return refusal
    digest = request.digest(context.terms.network)
    for field, signature in checks.signatures:
        account = getattr(request, field)
        key = owner_key(context.state, account) if checks.key is SigningKey.OWNER else trade_key(context.state, account)
        refusal = refusal or check_signature_by(at, key, digest, getattr(request, signature), account=account)
    return refusal


def for_sale(context: BlockContext, named: int) -> int:
    """The account in liquidation that a bid names by its mask; any other id as it is."""
    if named < MASKED:
        return named
    if context.accounts_in_liquidation is None:
        in_liquidation = (account for account, _ in context.state.liquidations.ordered())
        context.accounts_in_liquidation = accounts_by_mask(context.state, in_liquidation)
    return context.accounts_in_liquidation.get(named, named)


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


def _check_nonce(context: BlockContext, at: str, account: int, nonce: int) -> Rejected | None:
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


def trade_key(state: State, account: int) -> bytes:
    """The address that signs for trades of a known account."""
    return state.members[state.accounts[account].member].trade_address


def owner_key(state: State, account: int) -> bytes:
    """The address that signs for money leaving a known account."""
    own = state.accounts[account].key
    return own if any(own) else trade_key(state, account)


def check_signature_by(at: str, wanted: bytes, digest: bytes, signature: bytes, **who: Detail) -> Rejected | None:
    """The signature must be by the key of this address."""
    signer = signer_of(at, digest, signature, **who)
    if isinstance(signer, Rejected) or signer == wanted:
        return signer if isinstance(signer, Rejected) else None
    return reject(ClearingCode.WRONG_SIGNER, at, **who, signer=signer, wanted=wanted)


def signer_of(at: str, digest: bytes, signature: bytes, **who: Detail) -> Rejected | bytes:
    """The address whose key signed."""
    try:
        return recover(digest, signature)
    except RemoteFault:
        return reject(ClearingCode.WRONG_SIGNER, at, **who, signature=signature)
