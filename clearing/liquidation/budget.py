"""`Budget`: what one block has liquidated so far, against the caps of genesis.

Rule: counts, and tells what is left; a cap of 0 is none. As long as anything is left, one lot of every position passes,
so that nothing waits for ever because it is larger than a cap. It must not know accounts.
"""

from dataclasses import dataclass

from clearing.liquidation.sizing import DENOMINATOR


@dataclass(slots=True)
class Budget:
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

    def may_lose(self, loss: int, most: int) -> bool:
        """Whether so much more may be taken as deficits: the first of a block always."""
        return not most or not self.loss or self.loss + loss <= most
