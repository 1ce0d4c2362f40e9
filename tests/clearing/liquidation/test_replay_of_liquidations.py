"""Calls, sales, backstop and steps give the same roots when replayed from genesis or from any state in between."""

import pytest

from clearing.apply_block import apply_block
from clearing.schema.receipts.liquidation import (
    BackstopTakeover,
    Liquidated,
    LiquidationEnded,
    LiquidationOpened,
    LiquidationStepTaken,
    SliceSold,
)
from clearing.schema.receipts.margin_calls import CallDeadlineSet, CallLapsed, EarlyCalled
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.state.export import export_state, import_state
from tests.kit.clearing.crisis import crisis_world, genesis_in_crisis
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, CAROL, DOLLAR, HOUSE, SALT, USDC_1
from tests.kit.clearing.replay import replay
from tests.kit.clearing.world import World, of_kind

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


@pytest.fixture(scope="module")
def told() -> tuple[World, list[tuple[int, tuple[bytes, ...]]], list[bytes]]:
    """A world in which everything of it happens, its roots by height, and its state after every block."""
    world = crisis_world(genesis_in_crisis(CALLS, STAGES))
    found: list[tuple[int, tuple[bytes, ...]]] = []
    states: list[bytes] = []

    def note(*transactions: object, btc: int = 0, **more: object) -> None:
        result = world.go(*transactions, btc=btc or world.ticks[BTC], **more)  # type: ignore[arg-type]
        found.append((result.height, tuple(world.state.module_roots())))
        states.append(export_state(world.state))

    note()
    cash = {ALICE: 8_000, BOB: 100_000, CAROL: 500, HOUSE: 100_000}
    note(facts=[world.deposit_fact(each, USDC_1, has * DOLLAR) for each, has in cash.items()])
    note(world.trade(ALICE, BOB, BTC_PERP, 4_500, 790_000))
    for ticks in (775_000, 725_000, 725_000, 722_000):
        note(btc=ticks)
    note(world.liquidation_bid(BOB))
    note(world.liquidation_bid(BOB, slice_ppb=5_000_000), btc=721_000)
    for _ in range(25):
        note()
    return world, found, states


def test_everything_happens(told: tuple[World, list[tuple[int, tuple[bytes, ...]]], list[bytes]]) -> None:
    seen = {type(receipt) for result in told[0].results for receipt in result.receipts}
    assert [kind.__name__ for kind in KINDS if kind not in seen] == []
    assert not list(told[0].state.liquidations.ordered())
    assert len([each for result in told[0].results for each in of_kind(result, LiquidationEnded)]) == 1


def test_a_replay_from_genesis_gives_the_same_roots(
    told: tuple[World, list[tuple[int, tuple[bytes, ...]]], list[bytes]],
) -> None:
    world, found, _ = told
    assert [(height, tuple(roots)) for height, roots in replay(world.genesis, SALT, world.blocks)] == found


def test_a_replay_from_any_state_gives_the_same_roots(
    told: tuple[World, list[tuple[int, tuple[bytes, ...]]], list[bytes]],
) -> None:
    world, found, states = told
    for start in range(2, len(states) - 1):
        state = import_state(world.genesis, SALT, states[start])
        for block, (height, roots) in zip(world.blocks[start + 1 :], found[start + 1 :], strict=True):
            fork, result = apply_block(state, block)
            assert (result.height, tuple(fork.module_roots())) == (height, roots)
            state = fork.absorb()
