"""What the state remembers about margin calls: when an account was called, and by when that has to be mended.

Rule: data only.
"""

from enum import IntEnum

from clearing.base.codec import U63, Wire


class CallKind(IntEnum):
    """Why an account was called."""

    EARLY = 1
    """A breach of maintenance margin is likely within the horizon."""
    MARGIN = 2
    """Equity is below the trigger."""


class MarginDeadline(Wire, frozen=True):
    """A call under way, by account."""

    kind: CallKind
    opened_height: U63
    """Of the first call of this run: an early call that became a margin call keeps it."""
    deadline_height: U63
    """The first block in which there is no more time."""
    lapsed: bool = False
