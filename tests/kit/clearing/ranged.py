"""The small world with price scan ranges that follow recorded moves."""

from collections.abc import Sequence

from clearing.schema.blocks.block import BlockResult
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.genesis import Genesis
from tests.kit.clearing.genesis import make_genesis
from tests.kit.clearing.world import World, funded

RULES = RangeParameters(
    interval_ms=1_000,
    window=20,
    window_min=5,
    horizon_ms=2_000,
    lateness_ms_max=60_000,
    floor_samples=50,
    range_min_ppm=5_000,
    joint_scenarios=8,
)
PATH = (790_000, 791_500, 789_900, 795_000, 780_000, 802_000, 798_000, 760_000, 761_000, 765_500, 764_000, 763_999)


def ranged_genesis(rules: RangeParameters = RULES) -> Genesis:
    return make_genesis(ranges=rules)


def ranged(rules: RangeParameters = RULES, dollars: int = 100_000) -> World:
    return funded(genesis=ranged_genesis(rules), dollars=dollars)


def walk(world: World, path: Sequence[int] = PATH, times: int = 1) -> list[BlockResult]:
    return [world.prices(btc, 20_000 + (btc - 790_000) // 25) for _ in range(times) for btc in path]
