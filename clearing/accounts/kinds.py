"""`AccountKind`: whose money an account holds. A word of genesis, of requests and of the state alike.

Rule: data only.
"""

from enum import IntEnum


class AccountKind(IntEnum):
    """Whose money it is."""

    HOUSE = 1
    """The member's own."""
    CLIENT = 2
