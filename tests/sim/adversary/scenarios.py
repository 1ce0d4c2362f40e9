"""Scenarios: a market, paths and a part of the grammar in which one exploit is possible, and one with everything.

Rule: a scenario restricts what colluders can do, so that a profit in it has one cause. It never says how.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from clearing.schema.terms.genesis import Genesis
from tests.kit.clearing.genesis import DOLLAR
from tests.sim.adversary.actions import ACTIONS
from tests.sim.adversary.market import (
    ANN,
    BEN,
    CLIENT,
    COLLUDERS,
    CROWD,
    DEALER,
    HONEST,
    HOUSE,
    PREMIUM,
    TRADER,
    Market,
    market_genesis,
    opened_market,
    without_cryptography,
)
from tests.sim.adversary.paths import ALL, BOTH_JUMPS, COVERED, CRASH, FALLS, STILL, THERE_AND_BACK, PricePath
from tests.sim.adversary.rules import RULES, with_rules, without_rules

UNCOVERED = ("same-owner",)
"""With it a member brings what it lacks under stress before it has a position, and a crash leaves no loss to share."""
HONEST_DOLLARS = dict.fromkeys(HONEST, 5_000_000)


@dataclass(frozen=True)
class Scenario:
    """A market and what colluders may do in it. `dollars`: what accounts begin with."""

    name: str
    kinds: tuple[str, ...]
    accounts: tuple[int, ...]
    """Whose actions."""
    dollars: Mapping[int, int]
    paths: tuple[PricePath, ...]
    managed: bool
    """Whether profit counts above honest conduct from the jump on (`play.judge`)."""
    bidders: tuple[int, ...] = HONEST
    """Honest members that bid in auctions."""
    interest_lots: int = 0
    """Honest open interest: the crowd is long, the trader short."""
    sized_before: bool = False
    """Whether the fund was sized before that interest."""
    terms: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of `market_genesis`."""
    actions_max: int = 10
    also_off: tuple[str, ...] = ()
    """Rules that are off because with them nobody has the position that the scenario is about."""
    house_lots: int = 0
    """Lots that the house has bought of the dealer."""
    house_colludes: bool = False
    """Whether the house's gains are the colluders'."""

    @property
    def judged(self) -> dict[str, Any]:
        """How its candidates are judged: arguments of `play.judge`."""
        return {"managed": self.managed, "bidders": self.bidders, "house_colludes": self.house_colludes}

    @property
    def blocks(self) -> int:
        """In how many blocks colluders act."""
        return len(self.paths[0].ticks)

    def genesis(self, off: tuple[str, ...]) -> Genesis:
        """Its genesis with every rule on that the product has, but those in `off`."""
        return with_rules(market_genesis(**self.terms), (*off, *self.also_off))

    def without_rules(self, off: tuple[str, ...]) -> AbstractContextManager[None]:
        """What no genesis switches off is off in this process."""
        return without_rules((*off, *self.also_off))


SCENARIOS: dict[str, Scenario] = {
    each.name: each
    for each in (
        Scenario(
            "insolvent",
            ("trade", "withdraw"),
            (ANN, BEN),
            {ANN: 100_000, BEN: 200_000},
            CRASH,
            managed=True,
            terms={"default": {"house_capital_micros": 500 * DOLLAR}},
            also_off=UNCOVERED,
        ),
        Scenario(
            "gains",
            ("trade", "deal", "close", "swap", "swap back"),
            (ANN, BEN),
            {ANN: 100_000, BEN: 200_000},
            CRASH,
            managed=True,
            terms={"default": {"house_capital_micros": 500 * DOLLAR}},
            also_off=UNCOVERED,
        ),
        Scenario(
            "client",
            ("trade", "withdraw", "transfer"),
            (ANN, CLIENT),
            {ANN: 15_000, BEN: 2_000, CLIENT: 6_000},
            BOTH_JUMPS,
            managed=False,
        ),
        Scenario(
            "auction",
            ("trade", "deal", "bid default"),
            (ANN, BEN),
            {ANN: 62_000, BEN: 200_000},
            CRASH,
            managed=True,
            bidders=(),
            terms={
                "default": {"house_capital_micros": 100_000 * DOLLAR},
                "fund": {"minimum_micros": 20_000 * DOLLAR},
            },
            also_off=UNCOVERED,
        ),
        Scenario(
            "funding",
            ("wash", "deal", "close"),
            (ANN, BEN),
            {ANN: 500_000, BEN: 500_000},
            STILL,
            managed=False,
            interest_lots=300_000,
            terms={"funding": PREMIUM},
            also_off=UNCOVERED,
        ),
        Scenario(
            "assessment",
            ("deal", "withdraw"),
            (ANN, BEN),
            {ANN: 400_000, BEN: 60_000},
            CRASH,
            managed=True,
            terms={"fund": {"minimum_micros": 20_000 * DOLLAR}},
            also_off=UNCOVERED,
        ),
        Scenario(
            "claims",
            ("withdraw", "withdraw all", "deposit"),
            (BEN,),
            {HOUSE: 6_000, ANN: 2_000, BEN: 500_000, DEALER: 2_000_000, TRADER: 110_000, CROWD: 110_000},
            THERE_AND_BACK,
            managed=True,
            bidders=(DEALER,),
            interest_lots=64_000,
            sized_before=True,
            terms={"default": {"house_capital_micros": 500 * DOLLAR}},
            also_off=UNCOVERED,
        ),
        Scenario(
            "house takes over",
            ("deal", "close", "withdraw", "deposit"),
            (ANN, BEN),
            {HOUSE: 8_000, ANN: 100_000, BEN: 60_000},
            FALLS,
            managed=True,
            bidders=(),
            house_colludes=True,
            also_off=UNCOVERED,
        ),
        Scenario(
            "house fails",
            ("withdraw", "withdraw all", "deposit", "deal", "close"),
            (ANN, BEN),
            {HOUSE: 200_000, ANN: 60_000, BEN: 500_000, DEALER: 2_000_000, TRADER: 110_000, CROWD: 110_000},
            CRASH,
            managed=True,
            house_lots=100_000,
            also_off=UNCOVERED,
        ),
        Scenario(
            "recoveries",
            ("swap", "deal", "close"),
            (ANN,),
            {ANN: 100_000, BEN: 2_000},
            CRASH,
            managed=True,
            house_colludes=True,
            terms={"default": {"house_capital_micros": 0}},
            also_off=UNCOVERED,
        ),
        Scenario(
            "tear-up",
            ("trade", "deal", "close", "unwind", "wash", "withdraw"),
            COLLUDERS,
            {ANN: 100_000, BEN: 200_000, CLIENT: 20_000},
            BOTH_JUMPS,
            managed=True,
            interest_lots=300_000,
            terms={"funding": PREMIUM, "default": {"house_capital_micros": 500 * DOLLAR}},
            actions_max=16,
            also_off=UNCOVERED,
        ),
        Scenario(
            "withdrawals",
            ("deal", "close", "withdraw", "withdraw all"),
            (ANN,),
            {ANN: 100_000, BEN: 2_000},
            COVERED,
            managed=False,
        ),
        Scenario(
            "everything",
            tuple(ACTIONS),
            COLLUDERS,
            {ANN: 100_000, BEN: 200_000, CLIENT: 20_000},
            ALL,
            managed=False,
            interest_lots=300_000,
            terms={"funding": PREMIUM, "epoch_blocks": 20},
            actions_max=16,
        ),
        Scenario(
            "everything after a jump",
            tuple(ACTIONS),
            COLLUDERS,
            {ANN: 100_000, BEN: 200_000, CLIENT: 20_000},
            BOTH_JUMPS,
            managed=True,
            interest_lots=300_000,
            terms={"epoch_blocks": 20},
            actions_max=16,
        ),
    )
}
GENERAL = ("everything", "everything after a jump")
"""What the long run searches; half of its operations each."""


@lru_cache(maxsize=4)
def opened(name: str, off: tuple[str, ...], *, real: bool = False) -> Market:
    """The market of a scenario when colluders begin. `real`: with real signatures and roots, also in what follows."""
    scenario = SCENARIOS[name]
    dollars = {HOUSE: 1_000_000, **HONEST_DOLLARS, **scenario.dollars}
    genesis = scenario.genesis(off)
    terms: dict[str, Any] = {"sized_before": scenario.sized_before, "house_lots": scenario.house_lots}
    if real:
        return opened_market(genesis, dollars, scenario.interest_lots, **terms)
    with without_cryptography():
        return opened_market(genesis, dollars, scenario.interest_lots, **terms)


def scenario_of(rule: str) -> Scenario:
    """The scenario in which the exploit of a rule is rediscovered."""
    return SCENARIOS[RULES[rule].scenario]
