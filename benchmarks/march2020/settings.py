"""What is compared: the parameters of calls, liquidation and default of each replay, by name.

Rule: each differs from the one before it in one thing.
"""

import msgspec

from clearing.calls.terms import CallTerms
from clearing.crisis import CrisisParameters
from clearing.default.terms import DefaultTerms
from clearing.fund.terms import FundTerms
from clearing.liquidation.terms import LiquidationTerms
from clearing.margin.parameters import Scenario, StressScenario

_CHANGE = msgspec.structs.replace
_AUCTIONED = LiquidationTerms(auction_blocks=3, end_ppm=20_000, bidder_share_ppm=500_000)
"""Slices for sale for a quarter of an hour, at a discount of up to 2 %; then the house."""
_PLAIN = CallTerms(deadline_blocks=12, urgent_ppm=500_000)
"""An hour from the call; none for who has less than half of the maintenance margin."""
_EARLY = _CHANGE(_PLAIN, early_ppm=50_000, early_release_ppm=25_000, early_blocks=24)
"""A call two hours ahead where a breach within the hour has a probability of one in twenty."""

_DEFAULT = DefaultTerms(
    enabled=True,
    house_capital_micros=5_000_000_000,
    assessment_ppm=1_000_000,
    assessment_period_blocks=9_000,
    assessment_blocks=12,
    auction_blocks=3,
    auction_slices=20,
    porting_blocks=12,
    halt_blocks=12,
    replenishment_blocks=12,
)
"""A quarter of an hour for bids, an hour for clients to be taken over and for assessments to be brought."""
_FUND = FundTerms(
    cash_group=1,
    minimum_micros=1_000_000_000,
    lookback_epochs=24,
    step_micros=1_000_000_000,
    call_blocks=12,
    grace_blocks=24,
    return_blocks=288,
)
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
