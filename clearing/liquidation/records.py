"""What the state remembers about liquidations: the sale of an account's portfolio, and when its next step may come.

Rule: data only.
"""

from clearing.base.codec import U32, U63, Wire


class Liquidation(Wire, frozen=True):
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
