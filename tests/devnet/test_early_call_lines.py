"""What the demonstration says of prices, volatility and early calls."""

from types import SimpleNamespace
from typing import Any

import pytest

from clearing.schema.terms.assets import Feed
from devnet.demo.volatility import EarlyCallLine, PriceLine, SurfaceWatch


@pytest.mark.parametrize(("first", "follows"), [(0, True), (80_000, True), (80_001, False), (120_000, False)])
def test_volatility_makes_at_least_a_third_of_the_probability(first: int, follows: bool) -> None:
    line = EarlyCallLine(8, 140, 10_000, 120_000, 100_000, 12_000, first)
    assert line.follows_from_volatility is follows


def decided(height: int, ticks: int) -> Any:
    """A height without receipts, as far as the watch looks at it."""
    feeds = {1: SimpleNamespace(ticks=ticks)}
    terms = SimpleNamespace(genesis=SimpleNamespace(feeds=(Feed(1, "BTC"), Feed(2, "ETH"))))
    return SimpleNamespace(
        header=SimpleNamespace(height=height),
        state=SimpleNamespace(feeds=feeds, terms=terms),
        result=SimpleNamespace(receipts=()),
    )


def test_the_fall_is_from_the_first_price_to_the_lowest_and_a_feed_without_a_price_has_none() -> None:
    watch = SurfaceWatch()
    for height, ticks in enumerate((0, 8_000, 8_400, 4_001, 4_001, 6_000), start=1):
        watch.note(decided(height, ticks))
    assert watch.prices == {1: PriceLine("BTC", 8_000, 4_001, 4)}
    assert watch.prices[1].fall_ppm == 499_875
