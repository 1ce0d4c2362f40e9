"""`Failure`: an account that could not pay, handed on to default in the block in which that shows.

Rule: appended to `run.failures` when liquidation has nothing more to take, and only there. It must not know what
default does about it.
"""

from dataclasses import dataclass
from enum import IntEnum


class FailureReason(IntEnum):
    """Why an account failed."""

    DEFICIT = 1
    """Nothing is left to liquidate, and cash is owed."""
    CALL_LAPSED = 2
    """A call lapsed, and what is left cannot be liquidated though margin is missing."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One account and why it failed."""

    account: int
    reason: FailureReason
