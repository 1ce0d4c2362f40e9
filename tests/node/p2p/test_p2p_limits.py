"""Rules of rates, replay windows and what is left of a gossip control message: all bounded, time handed in."""

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "websockets.legacy is deprecated", DeprecationWarning)
    from libp2p.pubsub.pb import rpc_pb2

    from node.p2p.libp2p.gossip_limits import BACKOFF_SECONDS_MAX, ID_BYTES_MAX, IDS_MAX, bounded_control, wanted_ids

from clearing.base.token_bucket import KEYS_MAX, TokenBucket, TokenBuckets
from node.p2p.libp2p.gossip_limits import TOLERANCE_NS, WINDOW, ReplayWindows

A, B = b"a" * 32, b"b" * 32
START = 1_800_000_000_000_000_000
TOPICS = {"trades", "prices"}


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0.5, 20)), max_size=200), st.integers(1, 100))
def test_a_bucket_never_gives_more_than_its_burst_and_its_rate(takes: list[tuple[float, float]], rate: int) -> None:
    bucket, now, given_out = TokenBucket(rate, 2 * rate, 0.0), 0.0, 0.0
    for seconds, tokens in takes:
        now += seconds
        if bucket.take(now, tokens):
            given_out += tokens
        assert given_out <= rate * (2 + now) + 1e-6


def test_a_debt_is_told_in_seconds_and_paid_by_waiting() -> None:
    bucket = TokenBucket(10, 20, 0.0)
    assert bucket.charge(0.0, 20) == 0
    assert bucket.charge(0.0, 5) == pytest.approx(0.5)
    assert bucket.charge(0.5, 0) == pytest.approx(0.0)
    assert bucket.take(0.65, 1)
    assert not bucket.take(0.65, 1)


def test_looking_takes_nothing() -> None:
    buckets = TokenBuckets(1, 1)
    assert buckets.has("a", 0.0)
    assert buckets.take("a", 0.0)
    assert not buckets.has("a", 0.0)
    assert buckets.has("a", 1.0)


def test_a_clock_that_stands_still_or_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(10, 20, 100.0)
    assert bucket.take(100.0, 20)
    assert not bucket.take(50.0, 1)


def test_buckets_are_separate_and_bounded() -> None:
    buckets = TokenBuckets(1, 1)
    assert buckets.take("a", 0.0)
    assert not buckets.take("a", 0.0)
    assert buckets.take("b", 0.0)
    for number in range(3 * KEYS_MAX):
        buckets.take(number, 0.0)
    assert len(buckets) == KEYS_MAX


@given(st.lists(st.integers(0, 50), max_size=300))
def test_each_number_of_an_origin_is_taken_once(numbers: list[int]) -> None:
    windows, taken = ReplayWindows(START), []
    for number in numbers:
        if not windows.is_seen(A, START + number) and not windows.is_stale(A, START + number):
            windows.take(A, START + number)
            taken.append(number)
    assert sorted(taken) == sorted(set(numbers))


def test_a_full_window_refuses_what_it_cannot_know_and_stays_bounded() -> None:
    windows = ReplayWindows(START)
    for number in range(3 * WINDOW):
        windows.take(A, START + number)
    assert len(windows._windows[A].seen) == len(windows._windows[A].oldest_first) == WINDOW
    for number in range(2 * WINDOW):
        assert windows.is_stale(A, START + number)
    for number in range(2 * WINDOW, 3 * WINDOW):
        assert windows.is_seen(A, START + number)
    assert not windows.is_stale(B, START)


def test_numbers_from_before_our_own_start_are_stale_beyond_what_clocks_differ() -> None:
    windows = ReplayWindows(START)
    assert windows.is_stale(A, START - TOLERANCE_NS - 1)
    assert not windows.is_stale(A, START - TOLERANCE_NS)
    assert windows.is_stale(A, 1)


def test_a_process_that_restarts_with_its_clock_set_back_is_heard_again() -> None:
    windows = ReplayWindows(START)
    windows.booted(A, b"first")
    for number in range(WINDOW):
        windows.take(A, START + number)
    assert windows.is_stale(A, START - 1)
    windows.booted(A, b"first")  # the same process on another connection
    assert windows.is_stale(A, START - 1)
    windows.booted(A, b"second")
    assert not windows.is_stale(A, START - 1)


def test_windows_of_who_left_are_forgotten() -> None:
    windows = ReplayWindows(START)
    windows.take(A, START)
    windows.take(B, START)
    windows.keep(frozenset([B]))
    assert not windows.is_seen(A, START)
    assert windows.is_seen(B, START)


def test_a_control_message_keeps_our_topics_each_once_and_no_addresses() -> None:
    control = rpc_pb2.ControlMessage()
    for topic in ("trades", "made up", "trades", "prices"):
        control.graft.append(rpc_pb2.ControlGraft(topicID=topic))
        prune = rpc_pb2.ControlPrune(topicID=topic, backoff=10**12)
        prune.peers.append(rpc_pb2.PeerInfo(peerID=b"stranger"))
        control.prune.append(prune)
    control.idontwant.append(rpc_pb2.ControlIDontWant(messageIDs=[b"x"]))
    kept = bounded_control(control, TOPICS)
    assert kept is not None
    assert [each.topicID for each in kept.graft] == ["trades", "prices"]
    assert [(each.topicID, each.backoff, len(each.peers)) for each in kept.prune] == [
        ("trades", BACKOFF_SECONDS_MAX, 0),
        ("prices", BACKOFF_SECONDS_MAX, 0),
    ]
    assert not kept.idontwant


def test_ids_are_bounded_each_counts_once_and_overlong_ones_not_at_all() -> None:
    control = rpc_pb2.ControlMessage()
    ids = [number.to_bytes(46, "big") for number in range(2 * IDS_MAX)]
    for topic in ("trades", "prices", "made up"):
        control.ihave.append(rpc_pb2.ControlIHave(topicID=topic, messageIDs=ids))
    control.iwant.append(rpc_pb2.ControlIWant(messageIDs=[ids[0]] * 50_000 + [bytes(ID_BYTES_MAX + 1)] + ids))
    kept = bounded_control(control, TOPICS)
    assert kept is not None
    assert [len(each.messageIDs) for each in kept.ihave] == [IDS_MAX]
    assert not kept.iwant
    assert wanted_ids(control) == ids[:IDS_MAX]


def test_nothing_to_act_on_is_nothing() -> None:
    control = rpc_pb2.ControlMessage()
    control.graft.append(rpc_pb2.ControlGraft(topicID="made up"))
    assert bounded_control(control, TOPICS) is None
    assert wanted_ids(control) == []
