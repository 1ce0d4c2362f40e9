"""Terms of calls and liquidation, and a world in which Alice has borrowed too much."""

from typing import Any

from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.default import DefaultTerms
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, DOLLAR, HOUSE, USDC_1, make_genesis
from tests.kit.clearing.world import World

FALLEN = 725_000
"""Ticks at which Alice's 4.5 BTC on 8,000 dollars are below maintenance margin."""


def genesis_in_crisis(
    calls: CallTerms | None = None,
    liquidation: LiquidationTerms | None = None,
    default: DefaultTerms | None = None,
    ranges: RangeParameters | None = None,
    **market: Any,
) -> Genesis:
    """The small genesis with these terms."""
    crisis = {"calls": calls, "liquidation": liquidation, "default": default}
    return make_genesis(
        {"move_cap_ppm": 400_000} | market,
        crisis={name: terms for name, terms in crisis.items() if terms is not None},
        ranges=ranges or RangeParameters(),
    )


def crisis_world(genesis: Genesis | None = None) -> World:
    """A world that tells both prices in every block."""
    return World(genesis or genesis_in_crisis(), fresh=True)


def leveraged(
    calls: CallTerms | None = None, liquidation: LiquidationTerms | None = None, dollars: int = 8_000, **more: Any
) -> World:
    """Alice long 4.5 BTC on 8,000 dollars; Bob, well funded, short; Carol and the house have 100,000 in cash."""
    world = crisis_world(genesis_in_crisis(calls, liquidation, **more))
    world.block()
    cash = {ALICE: dollars, BOB: 100_000, CAROL: 100_000, HOUSE: 100_000}
    world.block(facts=[world.deposit_fact(each, USDC_1, has * DOLLAR) for each, has in cash.items()])
    world.block(world.trade(ALICE, BOB, BTC_PERP, 4_500, 790_000))
    return world
