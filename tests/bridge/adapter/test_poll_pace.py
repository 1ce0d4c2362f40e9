"""How often a quiet chain is asked."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from bridge.watch.poll_pace import GAPS_KEPT, REST_SECONDS_MAX, PollPace

INTERVAL = 0.25


def polled(moves: list[float], until: float) -> tuple[list[float], list[float]]:
    """(when a watcher asked, how long each move of the final height had waited for that)."""
    pace, now, number = PollPace(), 0.0, 0
    asked, waits = [], []
    while now < until:
        asked.append(now)
        while number < len(moves) and moves[number] <= now:
            waits.append(now - moves[number])
            number += 1
        pace.note(number, now)
        now += pace.pause(INTERVAL, now)
    return asked, waits


def test_a_regular_chain_is_asked_half_as_often_and_seen_as_soon() -> None:
    asked, waits = polled([0.1 + second for second in range(200)], 200)
    assert len(asked) < 0.55 * 200 / INTERVAL
    assert max(waits) <= INTERVAL


def test_a_chain_that_is_final_every_six_minutes_is_hardly_asked_between() -> None:
    asked, waits = polled([384.0 * epoch for epoch in range(20)], 7600)
    assert len(asked) < 7600 / INTERVAL * (GAPS_KEPT + 1 + 11 * 0.4) / 20
    assert max(waits) <= INTERVAL


@given(st.lists(st.floats(0.01, 20), min_size=1, max_size=60))
def test_no_chain_is_asked_more_often_than_configured_or_seen_late(gaps: list[float]) -> None:
    moves = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    asked, waits = polled(moves, moves[-1] + 3)
    assert all(later - sooner >= INTERVAL for sooner, later in itertools.pairwise(asked))
    assert len(waits) == len(moves)
    assert max(waits) <= REST_SECONDS_MAX


@given(st.lists(st.floats(0.3, 20), min_size=GAPS_KEPT + 1, max_size=40), st.floats(0, 1))
def test_a_move_within_the_habit_waits_for_the_interval_only(gaps: list[float], share: float) -> None:
    pace, now = PollPace(), 0.0
    for number, gap in enumerate([0.0, *gaps]):
        now += gap
        pace.note(number, now)
    shortest = min(gaps[-GAPS_KEPT:])
    assert pace.pause(INTERVAL, now) <= max(INTERVAL, shortest)
    later = now + share * shortest
    assert pace.pause(INTERVAL, later) <= max(INTERVAL, now + shortest - later)
