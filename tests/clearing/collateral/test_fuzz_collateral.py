"""Everything about collateral at once, at random, from seeds: no block stops the rulebook, nothing is made or lost.

CROSSCLEAR_COMPLETE=1 drives many more seeds and longer stories.
"""

import pytest

from tests.kit.clearing.collateral_stories import COMPLETE, story_of
from tests.kit.hash_seeds import digest_of, printed

SEEDS = range(200 if COMPLETE else 6)
TOLD: set[str] = set()


@pytest.mark.parametrize("seed", SEEDS)
def test_collateral_stays_whole_whatever_happens(seed: int) -> None:
    world = story_of(seed)
    TOLD.update(type(receipt).__name__ for result in world.results for receipt in result.receipts)
    assert {"HaircutChanged", "SkewFeePaid"} <= TOLD


def test_stories_reach_every_rule() -> None:
    for seed in (2, 9):
        world = story_of(seed)
        TOLD.update(type(receipt).__name__ for result in world.results for receipt in result.receipts)
    assert {
        "ClaimConverted",
        "CashLeftGroup",
        "SoftCreditLent",
        "SoftCreditRepaid",
        "SoftCreditRecalled",
        "InterestAccrued",
        "CashCalled",
        "AuctionOpened",
        "ClaimsSwapped",
        "DepegGuardChanged",
    } <= TOLD


def test_roots_and_receipts_do_not_depend_on_the_hash_seed() -> None:
    results = story_of(1, 12).results
    assert printed("tests.kit.clearing.collateral_stories", "story_of(1, 12).results") == {digest_of(results)}
