"""Hostile blocks at random, from seeds: no block stops the rulebook, and after each one everything still adds up.

Validators lie (one alone, or all of them), requests are forged, repeated and absurd, time jumps. CROSSCLEAR_COMPLETE=1
drives many more seeds and longer stories.
"""

import pytest

from tests.kit.clearing.fuzz import BLOCKS, COMPLETE, MEMBERS, Fuzz
from tests.kit.clearing.genesis import ALICE, BTC_PERP, START_MS

SEEDS = range(300 if COMPLETE else 10)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_block_stops_the_rulebook_or_makes_money(seed: int) -> None:
    fuzz = Fuzz(seed)
    for _ in range(BLOCKS):
        fuzz.step()
    fuzz.check_restart()


def test_what_is_remembered_of_trades_ends_with_their_time() -> None:
    fuzz = Fuzz(0)
    for _ in range(20):
        fuzz.step()
    fuzz.world.block(after_ms=61_000)
    assert not list(fuzz.world.state.novated_trades.ordered())
    assert not fuzz.world.state.expiring_trades.own_records
    assert fuzz.world.state.now.time_ms > START_MS
    assert fuzz.world.lots(ALICE, BTC_PERP) + sum(fuzz.world.lots(each, BTC_PERP) for each in MEMBERS if each != 1) == 0
