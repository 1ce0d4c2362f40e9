"""Scenario shocks of an index of few ticks: rounding never makes a scenario harmless."""

import pytest

from clearing.margin.risk_arrays.reference_arrays import shocked_index
from clearing.schema.risk.parameters import SPAN_SIXTEEN, Scenario


@pytest.mark.parametrize("index", [1, 2, 3, 4, 7, 100, 2**40 - 1])
def test_a_shock_moves_the_index_at_least_as_far_as_its_fraction(index: int) -> None:
    for each in SPAN_SIXTEEN:
        moved = shocked_index(index, 200_000, each) - index
        asked = index * 200_000 * abs(each.move_numerator)
        reached = abs(moved) * 1_000_000 * each.move_denominator
        floored = each.move_numerator < 0 and index + moved == 1
        assert reached >= asked or floored
        assert moved * each.move_numerator >= 0


def test_who_sells_at_one_tick_has_a_loss_in_some_scenario() -> None:
    assert shocked_index(1, 200_000, Scenario(1, 1, 0)) == 2
