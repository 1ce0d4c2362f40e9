"""What every block does about collateral before it looks at transactions, in this order.

Rule: decides nothing itself. With every term off it changes nothing and costs a look at each asset.
"""

from clearing.collateral.cash_calls import end_met_calls
from clearing.collateral.depeg import guard_cash
from clearing.collateral.haircut_parts import refresh_haircuts
from clearing.collateral.interest import accrue_interest
from clearing.collateral.restrictions import lift_restrictions
from clearing.collateral.silence import note_silence
from clearing.run import Run


def tend_collateral(run: Run) -> None:
    """Judge cash tokens, work out haircuts, settle interest, end what is over."""
    note_silence(run)
    guard_cash(run)
    refresh_haircuts(run)
    accrue_interest(run)
    end_met_calls(run)
    lift_restrictions(run)
