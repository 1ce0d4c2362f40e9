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
    """Height of the first call of this series: an early call that became a margin call keeps it."""
    deadline_height: U63
    """The first block after the deadline."""
    lapsed: bool = False


class LiquidationRecord(Wire, frozen=True):
    """A liquidation under way, by account. It ends when the account is at initial margin, or has failed."""

    opened_height: U63
    """Height of the block that opened it. With the account, it identifies the liquidation."""
    first_height: U63
    """The first block in which slices are for sale."""
    last_height: U63
    """The last such block; below `first_height` where there is no auction."""
    next_height: U63
    """Backstop and house take no step before this block."""
    steps: U32 = 0
    """Steps taken by backstop and house so far."""
    fills: U32 = 0
    """Bids filled so far."""
