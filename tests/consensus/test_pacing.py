"""Heights leave as much time as they take, within bounds."""

from hypothesis import given
from hypothesis import strategies as st

from consensus.pace.pacing import STRETCH, Pacing


def paced(least: int, durations: list[int], rounds: int = 1) -> int:
    pacing = Pacing(least)
    for duration in durations:
        pacing.decided(duration, rounds)
    return pacing.interval_ms


def test_quick_heights_keep_the_least_interval() -> None:
    assert paced(50, []) == 50
    assert paced(50, [10] * 100) == 50
    assert paced(0, [500] * 100) == 0


def test_heights_leave_as_much_time_as_they_take() -> None:
    assert 78 <= paced(50, [40] * 100) <= 80


def test_one_slow_height_does_not_make_the_next_ones_wait_for_long() -> None:
    assert paced(50, [20] * 50 + [400] + [20] * 20) == 50


def test_heights_that_needed_a_second_round_do_not_count() -> None:
    assert paced(50, [3000] * 10, rounds=2) == 50


@given(st.integers(0, 1000), st.lists(st.integers(0, 10**9)))
def test_the_pause_is_bounded_whatever_heights_took(least: int, durations: list[int]) -> None:
    assert least <= paced(least, durations) <= max(least, STRETCH * least)
