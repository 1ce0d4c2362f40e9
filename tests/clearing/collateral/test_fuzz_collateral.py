"""Everything about collateral at once, at random, from seeds: no block stops the rulebook, nothing is made or lost.

CROSSCLEAR_COMPLETE=1 drives many more seeds and longer stories.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.clearing.collateral_stories import COMPLETE, story_of

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


def test_roots_do_not_depend_on_the_hash_seed() -> None:
    root = Path(__file__).resolve().parents[3]
    script = (
        "from tests.kit.clearing.collateral_stories import Story\n"
        "from tests.kit.clearing.world import roots\n"
        "story = Story(1)\n"
        "for _ in range(12): story.step()\n"
        "print(roots(story.world.state))\n"
    )
    answers = set()
    for seed in ("1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, cwd=root
        )
        answers.add(done.stdout)
    assert len(answers) == 1
