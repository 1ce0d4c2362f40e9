"""Members with strategies against the rulebook: nothing breaks, and what is broken on purpose is found."""

import pytest

from tests.sim.clearing.planted import PLANTED, find
from tests.sim.clearing.story import Story


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_no_strategy_breaks_a_rule(seed: int) -> None:
    story = Story(seed)
    story.run(40)
    assert story.watch.operations > 100
    assert {"TradeNovated", "FundingPaid", "MarginCalled", "WithdrawalReleased"} <= set(story.told)


@pytest.mark.parametrize("bug", sorted(PLANTED))
def test_a_planted_bug_is_found(bug: str) -> None:
    assert find(bug, (1, 2, 3, 6), 60) is not None
