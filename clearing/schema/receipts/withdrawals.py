"""Receipts about withdrawals: delayed, released, confirmed, refunded and expired ones.

Rule: a receipt reports; it never decides. Units are those at the time of the receipt.
"""

from enum import IntEnum

from clearing.base.codec import U32, U63, Bytes20, Bytes32, Wire


class RefundReason(IntEnum):
    """Why a withdrawal was refunded to its account."""

    CANCELLED = 1
    """The owner cancelled it."""
    MARGIN = 2
    """The account fell below initial margin while it was delayed."""
    LAPSED = 3
    """It did not pass the withdrawal controls within the grace period."""
    NOT_PAID = 4
    """It was released, and its vault did not pay it in time."""
    DEFAULT = 5
    """An own account of its member failed: delayed withdrawals pay before anybody else does."""


class WithdrawalDelayed(Wire, frozen=True, tag=135):
    """A withdrawal was accepted and delayed: it exceeds what its owner may withdraw without delay in this window."""

    number: U63
    account: U63
    asset: U32
    units: U63
    to: Bytes20
    nonce: U63
    due_height: U63
    window: U63
    undelayed_units: U63
    """What the owner has withdrawn in this window without delay."""
    threshold: U63


class WithdrawalRefunded(Wire, frozen=True, tag=136):
    """A withdrawal was refunded to its account, less the skew fee of the return, which has its own receipt.

    `number` is that of a delayed withdrawal, for NOT_PAID the nonce of its leaf. `credited` is `account`, or the
    suspense account where `account` was closed meanwhile. `remainder`: token base units below one clearing unit where
    the token's units became coarser; the vault keeps them.
    """

    number: U63
    account: U63
    credited: U63
    asset: U32
    units: U63
    remainder: U63
    reason: RefundReason
    code: U32 = 0
    """LAPSED: the last refusal."""


class WithdrawalExpired(Wire, frozen=True, tag=137):
    """More than two thirds of the power attested that the vault did not pay withdrawal `nonce` before its deadline."""

    nonce: U63
    chain_id: U63
    vault: Bytes20
    not_after_s: U63
    block_number: U63
    block_hash: Bytes32
    block_time_s: U63


class WithdrawalReleased(Wire, frozen=True, tag=14):
    """A withdrawal entered the withdrawals tree as leaf `nonce`. Its vault pays it against a certified checkpoint."""

    nonce: U63
    account: U63
    asset: U32
    units: U63
    chain_id: U63
    vault: Bytes20
    token: Bytes20
    to: Bytes20
    amount: Bytes32
    not_after_s: U63


class WithdrawalConfirmed(Wire, frozen=True, tag=15):
    """A vault was observed to have executed a released withdrawal."""

    nonce: U63
    chain_id: U63
    vault: Bytes20
    block_number: U63
    source: Bytes32


class InflowWaits(Wire, frozen=True, tag=157):
    """A deposit was credited, and as much value may not leave the account before `until_height`."""

    account: U63
    chain_id: U63
    asset: U32
    micros: U63
    """Value after haircut."""
    until_height: U63
