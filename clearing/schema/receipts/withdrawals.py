"""Receipts about withdrawals: delayed, released, confirmed, given back and unpaid ones.

Rule: a receipt states, it never decides. Units are those of the time of the receipt.
"""

from enum import IntEnum

from clearing.base.codec import U32, U63, Bytes20, Bytes32, Wire


class RefundReason(IntEnum):
    """Why the money of a withdrawal came back to its account."""

    CANCELLED = 1
    """Its owner asked."""
    MARGIN = 2
    """The account fell below its initial margin while it waited."""
    LAPSED = 3
    """It did not pass its gates in the time that genesis gives."""
    NOT_PAID = 4
    """It was released, and its vault did not pay it in time."""
    DEFAULT = 5
    """An own account of its member failed: what waited pays before anybody else does."""


class WithdrawalDelayed(Wire, frozen=True, tag=135):
    """A withdrawal was accepted and waits: it would lift what its owner withdrew without delay above the threshold."""

    number: U63
    account: U63
    asset: U32
    units: U63
    to: Bytes20
    nonce: U63
    due_height: U63
    window: U63
    undelayed_units: U63
    """What the owner withdrew in this window without delay."""
    threshold: U63


class WithdrawalRefunded(Wire, frozen=True, tag=136):
    """A withdrawal's money is the account's again, less the skew fee of its way back, which has its own receipt.

    `number` is that of a withdrawal that waited, for NOT_PAID the nonce of its leaf. `credited` is `account`, or the
    account for deposits that nobody can be credited with where it was closed meanwhile. `rest`: token base units below
    one clearing unit where the token's units became coarser; the vault keeps them.
    """

    number: U63
    account: U63
    credited: U63
    asset: U32
    units: U63
    remainder: U63
    reason: RefundReason
    code: U32 = 0
    """LAPSED: the refusal that it met last."""


class WithdrawalExpired(Wire, frozen=True, tag=137):
    """More than two thirds of the power saw that the vault had not paid withdrawal `nonce` when it no longer could."""

    nonce: U63
    chain_id: U63
    vault: Bytes20
    not_after_s: U63
    block_number: U63
    block_hash: Bytes32
    block_time_s: U63


class WithdrawalReleased(Wire, frozen=True, tag=14):
    """A withdrawal entered the withdrawals tree as leaf `nonce`; its vault pays it on a certified checkpoint."""

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
    """A released withdrawal was seen executed by its vault."""

    nonce: U63
    chain_id: U63
    vault: Bytes20
    block_number: U63
    source: Bytes32
