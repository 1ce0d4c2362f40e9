"""Timeouts follow the network within bounds, an outage buys no silence, and a slow honest network needs one round."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.core.adaptive_timeouts import SLACK_MS, WINDOW, AdaptiveTimeouts, RoundTiming, StepWatch, _upper
from consensus.core.rules import Rule
from consensus.messages import CommittedBlock
from consensus.outputs import Lane
from consensus.replica.replica import Replica, ReplicaConfig
from consensus.timeouts import PAPER_TIMERS, Timeouts, TimerKind
from tests.sim.consensus.network import CALM, SimNetwork

DEFAULT = Timeouts()
MOVED = WINDOW - 2 * WINDOW // 3
"""So many of the last heights must be slower before anything changes."""

latencies = st.one_of(st.none(), st.integers(-5, 10**10))
observations = st.builds(RoundTiming, latencies, latencies, latencies, latencies)
settings = st.builds(
    Timeouts,
    propose_ms=st.integers(1, 5000),
    prevote_ms=st.integers(1, 5000),
    precommit_ms=st.integers(1, 5000),
    growth_ms=st.integers(0, 1000),
    cap_ms=st.integers(1, 10_000),
    propose_ms_min=st.integers(1, 5000),
    vote_ms_min=st.integers(1, 5000),
    base_ms_max=st.integers(1, 5000),
)


def bases(timeouts: Timeouts) -> tuple[int, ...]:
    return timeouts.propose_ms, timeouts.prevote_ms, timeouts.precommit_ms


def same(latency: int) -> RoundTiming:
    return RoundTiming(latency, latency, latency)


@given(settings, st.lists(observations, max_size=40))
def test_bases_and_waits_stay_in_their_bounds_or_within_twice_the_time_of_votes(
    given_: Timeouts, seen: list[RoundTiming]
) -> None:
    adaptive = AdaptiveTimeouts(given_)
    for each in seen:
        adaptive.observe(each)
        now = adaptive.current
        votes = 2 * _upper(adaptive._votes)
        ceiling = max(min(given_.cap_ms, given_.base_ms_max), votes)
        least = (given_.propose_ms_min, given_.vote_ms_min, given_.vote_ms_min)
        assert all(min(ceiling, low) <= base <= ceiling for low, base in zip(least, bases(now), strict=True))
        for kind in PAPER_TIMERS:
            waits = [now.duration_ms(kind, round_) for round_ in range(40)]
            assert waits == sorted(waits)
            assert waits[-1] <= max(given_.cap_ms, votes)
            if waits[-1] < given_.cap_ms:
                assert waits[-1] - waits[0] == 39 * given_.growth_ms


@given(
    st.integers(0, 700),
    st.lists(st.integers(0, 10**9), max_size=MOVED - 1),
    st.lists(st.integers(0, 10**9), min_size=WINDOW, max_size=WINDOW),
)
def test_fewer_than_a_third_of_the_heights_move_nothing_up(usual: int, slow: list[int], order: list[int]) -> None:
    """An outage of an hour is one height; a dawdling proposer of four has every fourth."""
    adaptive = AdaptiveTimeouts(Timeouts())
    for _ in range(WINDOW):
        adaptive.observe(same(usual))
    before = bases(adaptive.current)
    mixed = [usual] * (WINDOW - len(slow)) + slow
    for value in [value for _, value in sorted(zip(order, mixed, strict=True))]:
        adaptive.observe(same(value))
        assert all(now <= was for now, was in zip(bases(adaptive.current), before, strict=True))


@given(st.integers(0, (DEFAULT.base_ms_max - SLACK_MS) // 2), st.integers(0, 10**6))
def test_a_steady_network_is_waited_for_twice_as_long_as_it_takes(latency: int, past: int) -> None:
    adaptive = AdaptiveTimeouts(Timeouts())
    for _ in range(WINDOW):
        adaptive.observe(same(past))
    for _ in range(WINDOW):
        adaptive.observe(same(latency))
    least = (DEFAULT.propose_ms_min, DEFAULT.vote_ms_min, DEFAULT.vote_ms_min)
    assert bases(adaptive.current) == tuple(max(low, 2 * latency + SLACK_MS) for low in least)


def test_a_slow_network_is_learnt_within_a_third_of_the_window() -> None:
    adaptive = AdaptiveTimeouts(Timeouts())
    for count in range(1, MOVED + 1):
        assert adaptive.current.propose_ms < 700
        adaptive.observe(RoundTiming(propose_ms=700))
        assert (adaptive.current.propose_ms == 2 * 700 + SLACK_MS) is (count == MOVED)


@given(settings, st.integers(0, 100))
def test_collectors_have_time_for_a_quorum_but_not_without_end(given_: Timeouts, round_: int) -> None:
    votes = [given_.duration_ms(kind, round_) for kind in (TimerKind.PREVOTE, TimerKind.PRECOMMIT)]
    assert max(votes) <= given_.collect_ms(round_) <= max(given_.cap_ms, *bases(given_))


def test_configured_timeouts_stay_when_told_so() -> None:
    fixed = Timeouts(adaptive=False)
    adaptive = AdaptiveTimeouts(fixed)
    for _ in range(3 * WINDOW):
        adaptive.observe(same(1000))
    assert adaptive.current is fixed


def test_only_the_deciding_round_is_timed() -> None:
    watch = StepWatch()
    watch.fired(Rule(11), 0, 0)
    watch.fired(Rule(57), 0, 400)
    watch.fired(Rule(61), 0, 900)
    watch.fired(Rule(11), 1, 2000)
    watch.proposed(0, 2010)
    watch.proposed(1, 2030)
    watch.fired(Rule(22), 1, 2030)
    watch.fired(Rule(36), 1, 2075)
    watch.fired(Rule(49), 1, 2095)
    assert watch.observed == RoundTiming(30, 45, 20, 20)


@pytest.mark.parametrize("line", [28, 57])
def test_a_polka_after_an_own_nil_is_timed_too(line: int) -> None:
    watch = StepWatch()
    watch.fired(Rule(11), 2, 0)
    watch.fired(Rule(line), 2, 300)
    watch.fired(Rule(36), 2, 320)
    watch.fired(Rule(49), 2, 400)
    assert watch.observed == RoundTiming(None, 20, 80, 20)


def test_of_a_round_that_was_left_nothing_is_known() -> None:
    watch = StepWatch()
    watch.fired(Rule(11), 1, 0)
    watch.fired(Rule(22), 1, 10)
    watch.fired(Rule(49), 0, 20)
    assert watch.observed == RoundTiming()


class Timed(SimNetwork):
    """Links take `slow_us` more; from `cut_ms` until it heals no proposal arrives."""

    slow_us = 0
    cut_ms = 0
    before: Sequence[tuple[int, ...]] = ()
    """Everybody's bases when the cut came."""

    def send(self, sender: int, to: int, lane: Lane, data: bytes) -> None:
        if not self.healed and self.now_us >= self.cut_ms * 1000:
            self.before = self.before or self.bases()
            if lane is Lane.DATA:
                return
        super().send(sender, to, lane, data)

    def schedule(self, after_us: int, kind: str, node: int = -1, data: tuple[object, ...] = ()) -> int:
        return super().schedule(after_us + (self.slow_us if kind == "deliver" else 0), kind, node, data)

    def bases(self) -> list[tuple[int, ...]]:
        """Of every node."""
        return [bases(node.replica.context.timeouts.current) for node in self.nodes if node.replica is not None]


def last_rounds(*, adaptive: bool, latency_ms: int) -> list[int]:
    """In which the last heights of a slow network were decided."""
    network = Timed(3, replace(CALM, config=ReplicaConfig(timeouts=Timeouts(adaptive=adaptive))))
    network.slow_us = latency_ms * 1000
    network.run(heights_after_healing=24, limit_ms=400_000)
    return [committed.certificate.round for committed in network.nodes[0].committed()[-8:]]


def test_an_honest_slow_network_regains_one_round() -> None:
    """Half a second one way: longer than the configured 400 ms for a proposal."""
    assert max(last_rounds(adaptive=True, latency_ms=500)) == 0
    assert min(last_rounds(adaptive=False, latency_ms=500)) > 0


def test_an_outage_leaves_the_timeouts_as_they_were() -> None:
    """A minute without proposals, rounds up to the cap: the next heights wait no longer than those before."""
    network = Timed(5, replace(CALM, heal_ms=70_000))
    network.cut_ms = 10_000
    network.run(heights_after_healing=2, limit_ms=200_000)
    assert max(committed.certificate.round for committed in network.nodes[0].committed()) >= 6
    for before, after in zip(network.before, network.bases(), strict=True):
        assert all(abs(now - was) <= 2 * CALM.delay_ms_max for now, was in zip(after, before, strict=True))
    assert network.recovery_ms is not None
    assert network.recovery_ms < 2 * DEFAULT.cap_ms


def test_only_heights_that_were_taken_part_in_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetched ones and those of a replayed log tell of this machine's disk, not of the network."""
    lived = seen = others = 0
    commit, observe = Replica.commit, AdaptiveTimeouts.observe

    def committed(self: Replica, block: CommittedBlock, *, fetched: bool) -> None:
        nonlocal lived, others
        if fetched or self._replaying:
            others += 1
        else:
            lived += 1
        commit(self, block, fetched=fetched)

    def observed(self: AdaptiveTimeouts, given_: RoundTiming) -> None:
        nonlocal seen
        seen += 1
        observe(self, given_)

    monkeypatch.setattr(Replica, "commit", committed)
    monkeypatch.setattr(AdaptiveTimeouts, "observe", observed)
    for seed in range(20):
        SimNetwork(seed, replace(CALM, heal_ms=3000, crash_interval_ms=400, loss_percent=20)).run()
        assert seen == lived > 0
        if others > 2:
            return
    raise AssertionError("no seed fetched or replayed a height")


# Slower than every configured bound


@pytest.mark.parametrize("latency_ms", [3100, 10_000])
def test_links_slower_than_the_cap_decide_heights_all_the_same(latency_ms: int) -> None:
    """With 3.1 s one way there was no height at all, however long one waited."""
    network = Timed(3, CALM)
    network.slow_us = latency_ms * 1000
    network.run_for(60 * latency_ms)
    assert min(node.height for node in network.nodes) >= 4


def test_votes_slower_than_the_cap_raise_the_bases_to_twice_their_time() -> None:
    adaptive = AdaptiveTimeouts(DEFAULT)
    for _ in range(WINDOW):
        adaptive.observe(RoundTiming(4000, 4000, 4000, votes_ms=4000))
    assert bases(adaptive.current) == (2 * 4000,) * 3
    assert adaptive.current.duration_ms(TimerKind.PROPOSE, 50) == 2 * 4000


def test_slow_proposals_alone_stay_under_the_configured_bound() -> None:
    """A proposer can take its time; a quorum's votes can't be made late by a third."""
    adaptive = AdaptiveTimeouts(DEFAULT)
    for _ in range(WINDOW):
        adaptive.observe(RoundTiming(4000, 4000, 4000, votes_ms=30))
    assert bases(adaptive.current) == (DEFAULT.base_ms_max,) * 3


def failed_round(watch: StepWatch, round_: int, began: int, prevotes_ms: int, precommits_ms: int) -> int:
    """A round without a proposal; gives its end."""
    watch.fired(Rule.L11_START_ROUND, round_, began)
    voted = began + watch.patience(400)
    watch.fired(Rule.L57_PROPOSE_TIMEOUT, round_, voted)
    watch.fired(Rule.L34_WAIT_PREVOTES, round_, voted + prevotes_ms)
    watch.fired(Rule.L44_NIL_POLKA, round_, voted + prevotes_ms)
    watch.fired(Rule.L47_WAIT_PRECOMMITS, round_, voted + prevotes_ms + precommits_ms)
    return voted + prevotes_ms + precommits_ms + 150


def test_the_wait_for_a_proposal_doubles_up_to_what_votes_needed() -> None:
    watch, now, waits = StepWatch(), 0, []
    for round_ in range(8):
        now = failed_round(watch, round_, now, 3100, 3200)
        waits.append(watch._waited_ms)
    assert waits == [400, 800, 1600, 3200, *[2 * 3100] * 4]


def test_an_outage_of_an_hour_in_one_step_makes_nobody_wait_longer() -> None:
    watch = StepWatch()
    now = failed_round(watch, 0, 0, 3_600_000, 30)
    failed_round(watch, 1, now, 30, 30)
    assert watch._waited_ms == 400
