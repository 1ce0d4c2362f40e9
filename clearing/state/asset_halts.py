"""Halted assets as the state has them: which are halted, and what share of a token its vault lacks.

Rule: a reading of the state, which changes nothing. `clearing.collateral.asset_halts` begins and ends halts.
"""

from clearing.base.units import PPM, mul_div_up
from clearing.schema.facts import CustodySeen
from clearing.state.state import State


def is_asset_halted(state: State, asset: int) -> bool:
    """Whether an asset is halted: nothing of it is credited or withdrawn."""
    return asset in state.asset_halts


def halted_assets(state: State) -> dict[int, str]:
    """Why each halted asset is halted, for people; ordered by asset."""
    return {
        asset: f"halted since {halt.since_height}; missing: {missing_amount(state.custody[asset].counters)} base units"
        for asset, halt in state.asset_halts.ordered()
    }


def missing_amount(counters: CustodySeen) -> int:
    """Token base units that a vault accounts for and does not have; 0 when it has them all."""
    deposited, withdrawn, balance = (
        int.from_bytes(word, "big") for word in (counters.deposited, counters.withdrawn, counters.balance)
    )
    return max(deposited - withdrawn - balance, 0)


def missing_ppm(state: State, asset: int) -> int:
    """The missing share of what the vault accounts for, by its newest agreed counters, rounded up; 0 without a halt."""
    if not is_asset_halted(state, asset):
        return 0
    counters = state.custody[asset].counters
    accounted = int.from_bytes(counters.deposited, "big") - int.from_bytes(counters.withdrawn, "big")
    return mul_div_up(missing_amount(counters), PPM, accounted) if accounted > 0 else 0
