"""When an early call of the demonstration follows from volatility."""

import pytest

from devnet.demo.volatility import EarlyCallLine


@pytest.mark.parametrize(("first", "follows"), [(0, True), (80_000, True), (80_001, False), (120_000, False)])
def test_volatility_makes_at_least_a_third_of_the_probability(first: int, follows: bool) -> None:
    line = EarlyCallLine(8, 140, 10_000, 120_000, 100_000, 12_000, first)
    assert line.follows_from_volatility is follows
