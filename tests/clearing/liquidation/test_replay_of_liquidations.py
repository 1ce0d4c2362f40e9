"""Calls, sales, backstop and steps give the same roots when replayed from genesis or from any state in between."""

import pytest

from clearing.apply_block import apply_block
from clearing.schema.blocks.block import BlockInput, BlockResult
from clearing.schema.receipts.liquidation import (
    BackstopTakeover,
    Liquidated,
    LiquidationEnded,
    LiquidationOpened,
    LiquidationStepTaken,
    SliceSold,
)
from clearing.schema.receipts.margin_calls import CallDeadlineSet, CallLapsed, EarlyCalled
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.state.export import export_state, import_state
from tests.kit.clearing.crisis import genesis_in_crisis
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, HOUSE, SALT, USDC_1
from tests.kit.clearing.replay import replay
from tests.kit.clearing.world import World

CALLS = CallTerms(deadline_blocks=2, early_ppm=400_000, early_release_ppm=250_000, early_blocks=4)
STAGES = LiquidationTerms(
    auction_blocks=3,
    start_ppm=1_000,
    end_ppm=5_000,
    slice_max_ppm=20_000,
    bidder_share_ppm=300_000,
    backstop_account=CAROL,
    step_ppm=400_000,
    whole_notional=500 * DOLLAR,
    cooldown_blocks=1,
)
KINDS = (
    EarlyCalled, CallDeadlineSet, CallLapsed, LiquidationOpened, SliceSold, LiquidationStepTaken,
    BackstopTakeover, Liquidated, LiquidationEnded,
)  # fmt: skip


class Recorded(World):
    """Keeps the roots by height, and the state after every block."""

    def __init__(self, genesis: Genesis) -> None:
        super().__init__(genesis, fresh=True)
        self.roots: list[tuple[int, tuple[bytes, ...]]] = []
        self.states: list[bytes] = []

    def apply(self, block: BlockInput) -> BlockResult:
        result = super().apply(block)
        self.roots.append((result.height, self.state.module_roots()))
        self.states.append(export_state(self.state))
        return result


@pytest.fixture(scope="module")
def world() -> Recorded:
    """Everything happens in it."""
    world = Recorded(genesis_in_crisis(CALLS, STAGES))
    world.block()
    cash = {ALICE: 8_000, BOB: 100_000, CAROL: 500, HOUSE: 100_000}
    world.block(facts=[world.deposit_fact(each, USDC_1, has * DOLLAR) for each, has in cash.items()])
    world.block(world.perp_trade(ALICE, BOB, 4_500))
    for ticks in (775_000, 725_000, 725_000, 722_000):
        world.go(btc=ticks)
    world.block(world.liquidation_bid(BOB))
    world.go(world.liquidation_bid(BOB, slice_ppb=5_000_000), btc=721_000)
    world.wait(25)
    return world


def test_everything_happens(world: Recorded) -> None:
    assert [kind.__name__ for kind in KINDS if not world.every(kind)] == []
    assert not list(world.state.liquidations.ordered())
    assert len(world.every(LiquidationEnded)) == 1


def test_a_replay_from_genesis_gives_the_same_roots(world: Recorded) -> None:
    assert list(replay(world.genesis, SALT, world.blocks)) == world.roots


def test_a_replay_from_any_state_gives_the_same_roots(world: Recorded) -> None:
    for start in range(2, len(world.states) - 1):
        state = import_state(world.genesis, SALT, world.states[start])
        for block, expected in zip(world.blocks[start + 1 :], world.roots[start + 1 :], strict=True):
            fork, result = apply_block(state, block)
            assert (result.height, fork.module_roots()) == expected
            state = fork.absorb()
