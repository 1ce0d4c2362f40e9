"""Relays that starve one validator cost a connected network little, and cannot stop it."""

import pytest

from tests.sim.relays import CASES, ONLY_PATH, TACTICS, attacked, flooded

VIRTUAL_MS = 6000
SHARE_PERCENT = {"drops": 60, "delays": 60, "lies": 60, "promises": 30, "halves": 20}
"""Of the flood's heights in the first six seconds, in which validators still learn whom to ask."""


@pytest.mark.parametrize("tactic", SHARE_PERCENT)
def test_a_line_of_three_needs_no_relay_that_starves_one_of_them(tactic: str) -> None:
    case = CASES[0]
    assert attacked(case, TACTICS[tactic], VIRTUAL_MS) * 100 >= flooded(case, VIRTUAL_MS) * SHARE_PERCENT[tactic]


def test_three_relays_of_ten_that_send_nothing_are_passed_by() -> None:
    """Each origin was to be asked for anew after 16 heights: half of the heights were left."""
    case = CASES[2]
    assert attacked(case, TACTICS["promises"], VIRTUAL_MS) * 100 >= flooded(case, VIRTUAL_MS) * 70


def test_a_relay_on_the_only_path_can_starve_one_validator_and_the_others_go_on() -> None:
    assert attacked(ONLY_PATH, TACTICS["drops"], VIRTUAL_MS) * 100 >= flooded(ONLY_PATH, VIRTUAL_MS) * 50


def test_a_relay_that_is_the_only_path_can_stop_two_halves() -> None:
    """The search for harm finds what cannot be prevented: neither half has a quorum."""
    assert attacked(ONLY_PATH, TACTICS["promises"], VIRTUAL_MS) == 0
