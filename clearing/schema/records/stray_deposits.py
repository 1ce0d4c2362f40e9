"""Records of stray deposits: those that wait to be credited, those that are refunded, and the queues of refunds.

Rule: data only. A deposit is never both in the table of strays and in that of refunded deposits. One that arrived
and is in neither was credited.
"""

from enum import IntEnum

from clearing.base.codec import U32, U63, Bytes20, U256Bytes, Wire
from clearing.schema.facts import DepositSeen


class StrayDepositRecord(Wire, frozen=True):
    """A deposit that could not be credited when it arrived, and may be credited below `due_height`."""

    reason_code: U32
    deposit: DepositSeen
    due_height: U63
    """From this block on it is refunded."""


class RefundedDepositRecord(Wire, frozen=True):
    """A deposit that is part of refund `refund` of its vault."""

    reason_code: U32
    account: U63
    """The account that the deposit names."""
    amount: U256Bytes
    refund: U63


class RefundStage(IntEnum):
    """How far a refund has come."""

    BELOW_MINIMUM = 1
    """It waits for more deposits of the same depositor: it is below the asset's smallest refund."""
    QUEUED = 2
    """It waits for its turn, and takes in more deposits of the same depositor."""
    RELEASED = 3
    """It is a withdrawal that the vault can pay."""
    PAID = 4


class DepositRefundRecord(Wire, frozen=True):
    """What one depositor is refunded in one payment: its deposits of one token at one vault."""

    asset: U32
    """0: the token is not listed."""
    token: Bytes20
    depositor: Bytes20
    amount: U256Bytes
    """Token base units."""
    deposits: U63
    """How many deposits it is the sum of."""
    stage: RefundStage
    place: U63 = 0
    """Its place in the vault's queue, from 1; 0: none yet."""
    withdrawal: U63 = 0
    """The withdrawal that it was last released as, where the stage is RELEASED or PAID."""


class OpenRefundRecord(Wire, frozen=True):
    """The refund that takes in further deposits of one token by one depositor."""

    refund: U63


class RefundQueueRecord(Wire, frozen=True):
    """A vault's refunds and its queue: the next place to be released and the next to be given."""

    refunds: U63 = 0
    """How many refunds there have been: the number of the newest."""
    first_place: U63 = 1
    next_place: U63 = 1


class QueuedRefundRecord(Wire, frozen=True):
    """The refund at one place of a vault's queue."""

    refund: U63
