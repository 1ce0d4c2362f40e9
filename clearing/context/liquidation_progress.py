"""Liquidation progress of this block: the caps used so far, and the accounts that failed.

Rule: counters and lists only. A cap of 0 means no cap. While anything of a cap is left, one lot of every position
passes, so a position larger than the cap does not wait forever. An account is listed as failed only when liquidation
has nothing more to take. This module must not know what default does about it.
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
        """A share of a portfolio worth `whole`, reduced to what is left of the block's cap. Lots are
        rounded up afterwards."""
        if not most or not whole:
            return share
        room = most - self.notional
        return min(share, max(room * DENOMINATOR // whole, 1)) if room > 0 else 0

    def allows_loss(self, loss: int, most: int) -> bool:
        """Whether this deficit is within the block's cap. The first deficit of a block always is."""
        return not most or not self.loss or self.loss + loss <= most


class FailureReason(IntEnum):
    """Why an account failed."""

    DEFICIT = 1
    """Nothing is left to liquidate, and cash is owed."""
    CALL_LAPSED = 2
    """A call lapsed, and what is left cannot be liquidated although margin is missing."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed account and the reason."""

    account: int
    reason: FailureReason


DENOMINATOR = 10**9
