"""Hostile blocks with ranges that move: nothing stops, snapshots stay provable, restarts and replicas agree."""

from typing import Any

import msgspec
import pytest

from clearing.epochs.snapshot import is_snapshot_possible
from clearing.schema.blocks.block import BlockInput
from clearing.schema.receipts.prices import RangePublished
from clearing.state.effective_parameters import effective_parameters
from clearing.state.holdings import current_arrays
from tests.kit.clearing.fuzz import BLOCKS, COMPLETE, MEMBERS, Fuzz, check_provable
from tests.kit.clearing.ranged import RULES, ranged_genesis
from tests.kit.clearing.world import funded, of_kind

SEEDS = range(100 if COMPLETE else 4)


class RangedFuzz(Fuzz):
    """The rulebook's stories in a network whose ranges, volatilities and joint scenarios move."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        market: Any = self.world.genesis.market
        rules = msgspec.structs.replace(RULES, volatility_weight_ppm=500_000, rise_ppm=2_000_000, fall_ppm=500_000)
        genesis = msgspec.structs.replace(ranged_genesis(rules), market=market)
        self.world = funded(genesis=genesis, dollars=20_000)

    def check_value(self, block: BlockInput) -> None:
        state, rules = self.world.state, self.world.genesis.ranges
        for group in effective_parameters(state).groups:
            was = state.terms.groups[group.id].range_ppm
            assert group.range_ppm == was or rules.range_min_ppm <= group.range_ppm <= rules.range_max_ppm
        assert current_arrays(state).parameters == effective_parameters(state)
        if is_snapshot_possible(state):
            check_provable(state)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_block_stops_ranges_that_move(seed):
    fuzz = RangedFuzz(seed)
    for _ in range(BLOCKS):
        fuzz.step()
    fuzz.check_restart()
    assert any(of_kind(result, RangePublished) for result in fuzz.world.results)
    assert any(account in fuzz.world.state.accounts for account in MEMBERS)
