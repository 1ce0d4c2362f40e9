"""Records of margin calls and liquidations: when an account was called, its deadline, and the sale of its portfolio.

Rule: data only.
"""

from enum import IntEnum

from clearing.base.codec import U32, U63, Wire


class CallKind(IntEnum):
    """Why an account was called."""

    EARLY = 1
    """A breach of maintenance margin is likely within the horizon."""
    MARGIN = 2
    """Equity is below the trigger."""


class MarginCallRecord(Wire, frozen=True):
    """A call under way, by account."""

    kind: CallKind
    opened_height: U63
    """Of the first call of this run: an early call that became a margin call keeps it."""
    deadline_height: U63
    """The first block in which there is no more time."""
    lapsed: bool = False


class LiquidationRecord(Wire, frozen=True):
    """A liquidation under way, by account. It ends when the account is at initial margin, or has failed."""

    opened_height: U63
    """Of the block that opened it; names it, together with the account."""
    first_height: U63
    """The first block in which slices are for sale."""
    last_height: U63
    """The last one; below `first_height` where there is no auction."""
    next_height: U63
    """No step by backstop or house before this block."""
    steps: U32 = 0
    """Taken by backstop and house so far."""
    fills: U32 = 0
    """Bids filled so far."""
