"""Signs of life between peers that talk anyway."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from node.p2p.heartbeats import BEATS_MEASURED, Heartbeats


def signs(period: float, writes: list[float], beats: int) -> tuple[list[float], int]:
    """(when the peer heard anything, how many heartbeats that were)."""
    heartbeats, heard, sent, waiting = Heartbeats(period), [], 0, sorted(writes)
    for beat in range(beats):
        now = beat * period
        while waiting and waiting[0] <= now:
            heard.append(waiting.pop(0))
            heartbeats.note_sent(heard[-1])
        if heartbeats.is_due(now):
            heard.append(now)
            heartbeats.note_sent(now)
            sent += 1
    return heard, sent


@given(st.lists(st.floats(0, 60), max_size=80))
def test_a_peer_never_hears_nothing_for_more_than_one_and_a_half_periods(writes: list[float]) -> None:
    heard, _ = signs(1.0, writes, 61)
    assert all(later - sooner <= 1.5 for sooner, later in pairwise([0.0, *heard, 60.0]))


def test_a_silent_node_sends_every_heartbeat() -> None:
    assert signs(1.0, [], 40)[1] == 40


def test_a_node_that_talks_sends_heartbeats_for_the_round_trip_only() -> None:
    assert signs(1.0, [0.1 * at for at in range(400)], 40)[1] == 40 // BEATS_MEASURED
