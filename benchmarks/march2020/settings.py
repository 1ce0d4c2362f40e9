"""What is compared: the parameters of calls, liquidation and default of each replay, by name.

Rule: each differs from the one before it in one thing.
"""

import msgspec

from benchmarks.march2020.hours import HOUR_MS
from clearing.schema.risk.parameters import Scenario, StressScenario
from clearing.schema.terms.default import DefaultTerms, FundTerms
from clearing.schema.terms.genesis import CrisisParameters
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms

_CHANGE = msgspec.structs.replace
_AUCTIONED = LiquidationTerms(auction_blocks=3, end_ppm=20_000, bidder_share_ppm=500_000)
"""Slices for sale for a quarter of an hour, at a discount of up to 2 %; then the house."""
_PLAIN = CallTerms(deadline_blocks=12, urgent_ppm=500_000)
"""An hour from the call; none for who has less than half of the maintenance margin."""
_EARLY = _CHANGE(_PLAIN, early_ppm=50_000, early_release_ppm=25_000, early_blocks=24, early_horizon_ms=4 * HOUR_MS)
"""A call where a breach within four hours has a probability of one in twenty: cash takes up to three to arrive."""

_DEFAULT = DefaultTerms(
    enabled=True,
    house_capital_micros=5_000_000_000,
    assessment_ppm=1_000_000,
    assessment_period_blocks=9_000,
    assessment_blocks=12,
    auction_blocks=3,
    auction_slices=20,
    auction_worst_ppm=500_000,
    porting_blocks=12,
    halt_blocks=12,
    replenishment_blocks=12,
)
"""A quarter of an hour for bids, none for more than half of a slice's margin; an hour for clients and assessments."""
_FUND = FundTerms(
    cash_group=1,
    minimum_micros=1_000_000_000,
    lookback_epochs=24,
    step_micros=1_000_000_000,
    call_blocks=12,
    grace_blocks=24,
    reduce_blocks=24,
    return_blocks=288,
    exposure_memory_ppm=970_000,
)
"""An hour to pay, two restricted, two in which it is debited and sold for; half of an exposure counts a day later."""
STRESS = tuple(
    StressScenario(name, tuple(Scenario(move, 10, 0, of_index=True) for _ in range(2)))
    for name, move in (("down 40 %", -4), ("up 30 %", 3))
)

SETTINGS: dict[str, CrisisParameters] = {
    "house": CrisisParameters(),
    "plain": CrisisParameters(calls=_PLAIN, liquidation=_AUCTIONED),
    "early": CrisisParameters(calls=_EARLY, liquidation=_AUCTIONED),
    "default": CrisisParameters(
        calls=_EARLY,
        liquidation=_CHANGE(_AUCTIONED, insolvent_to_default=True),
        default=_DEFAULT,
        fund=_FUND,
    ),
}
"""`house`: below maintenance the house takes over at once, at the mark. `plain`: there is a deadline and an auction.

`default`: who cannot pay is in default, with auction, porting, fund and waterfall, where the house paid for it."""
