"""The small network with its WETH inside the scenarios of ETH, at a haircut of 3 % instead of 10 %."""

from typing import Any

import msgspec

from clearing.schema.terms.collateral import HaircutTerms, ScenarioTerms
from clearing.schema.terms.genesis import Genesis
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, USDC_1, WETH_1, make_genesis
from tests.kit.clearing.world import World

SPOT = ScenarioTerms(2, haircut_ppm=30_000)


def inside_genesis(scenarios: ScenarioTerms = SPOT, haircut: HaircutTerms | None = None, **parts: Any) -> Genesis:
    """`scenarios`: of WETH; `parts` as in `make_genesis`."""
    genesis = make_genesis(**parts)
    *cash, weth = genesis.assets
    changed = msgspec.structs.replace(weth, scenarios=scenarios, haircut=haircut or HaircutTerms())
    return msgspec.structs.replace(genesis, assets=(*cash, changed))


FALLS = ScenarioTerms(1, haircut_ppm=50_000, fall_share_ppm=1_300_000)


def with_tokens_inside(genesis: Genesis, seed: int) -> Genesis:
    """WETH as ETH's spot; the yield-bearing token as well, or, for odd seeds, one that falls with BTC."""
    *cash, weth, steth = genesis.assets
    moved = zip((weth, steth), (SPOT, FALLS if seed % 2 else SPOT), strict=True)
    tokens = (msgspec.structs.replace(token, scenarios=terms) for token, terms in moved)
    return msgspec.structs.replace(genesis, assets=(*cash, *tokens))


def endowed(genesis: Genesis, dollars: int = 30_000, weth: int = 10) -> World:
    """Alice has WETH and cash, Bob and Carol cash alone; ETH is at 200 dollars."""
    world = World(genesis, check=False)
    world.prices(790_000)
    facts = [world.deposit_fact(each, USDC_1, dollars * DOLLAR) for each in (ALICE, BOB, CAROL)]
    world.block(facts=[*facts, world.deposit_fact(ALICE, WETH_1, weth * 10**18)])
    return world
