"""Turns among many validators of uneven power: shares are kept, and many small keys lead no more than one large."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus import turns
from consensus.leaders import PERIOD_HEIGHTS, Leaders
from tests.sim.leader_attacks.splitting import (
    SMALL,
    SPLITS,
    THIRTY,
    UNEVEN,
    Split,
    Weights,
    a_slot_for_each,
    largest_remainder,
    seats,
)

PERIODS = 16
TOLERANCE = 0.1
"""A splitter's small keys have a slot in some periods and not in others."""


@given(st.lists(st.integers(1, 2**62), min_size=1, max_size=40).map(tuple), st.integers(0, 10**9))
def test_slots_are_the_shares_of_power_rounded_up_or_down(powers: tuple[int, ...], period: int) -> None:
    slots, total = turns._weights(powers, period), sum(powers)
    assert sum(slots) <= turns.SLOTS_MAX
    for power, got in zip(powers, slots, strict=True):
        assert abs(got * total - power * sum(slots)) < total


@given(st.integers(0, 10**6))
def test_who_has_no_slot_has_no_turn_and_all_others_have_theirs(period: int) -> None:
    validators = seats((*(10**6 + index for index in range(5)), 1, 1, 1))
    cycle = turns.turns_of(validators, period * PERIOD_HEIGHTS, Leaders(period)).cycle
    assert len(cycle) == turns.SLOTS_MAX
    assert set(Counter(cycle)) >= set(range(5))


def test_one_that_is_worth_half_a_slot_has_one_in_half_of_the_periods() -> None:
    powers = (10**6,) * 1023 + (5 * 10**5,) * 2
    assert 80 < sum(turns._weights(powers, period)[-1] for period in range(200)) < 120


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: f"{split.power} in {split.keys} beside {len(split.honest)}")
def test_power_split_into_many_keys_leads_no_more_often(split: Split) -> None:
    assert abs(split.gain(PERIODS) - 1) < TOLERANCE


@pytest.mark.parametrize(
    ("weights", "split", "gain"),
    [
        (a_slot_for_each, Split(THIRTY, 300_000, 100), 9),
        (a_slot_for_each, Split(UNEVEN, 1_000_000, 100), 1.6),
        (largest_remainder, Split(SMALL, 3_200_000, 90), 1.2),
    ],
)
def test_a_rule_that_favours_small_keys_is_found(
    monkeypatch: pytest.MonkeyPatch, weights: Weights, split: Split, gain: float
) -> None:
    turns._schedule.cache_clear()
    monkeypatch.setattr(turns, "_weights", weights)
    assert split.gain(4) > gain
    turns._schedule.cache_clear()
