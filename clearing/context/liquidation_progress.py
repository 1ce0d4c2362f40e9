"""What liquidation has done in this block: the caps used up so far, and the accounts that could not pay.

Rule: counts and lists; a cap of 0 is none. While anything is left of a cap, one lot of every position passes, so that
nothing waits for ever because it is larger than the cap. An account is listed as failed only when liquidation has
nothing more to take. This module must not know what default does about it.
"""

from dataclasses import dataclass
from enum import IntEnum


@dataclass(slots=True)
class LiquidationBudget:
    """Micros liquidated and lost, and accounts taken over, in this block."""

    notional: int = 0
    loss: int = 0
    accounts: int = 0
    backstop_full: bool = False

    def share_within(self, share: int, whole: int, most: int) -> int:
        """A share of a portfolio worth `whole`, cut to what is left of the block's cap; lots are rounded up after."""
        if not most or not whole:
            return share
        room = most - self.notional
        return min(share, max(room * DENOMINATOR // whole, 1)) if room > 0 else 0

    def allows_loss(self, loss: int, most: int) -> bool:
        """Whether so much more may be taken as deficits: the first of a block always."""
        return not most or not self.loss or self.loss + loss <= most


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


DENOMINATOR = 10**9
