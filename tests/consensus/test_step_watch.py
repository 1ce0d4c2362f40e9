"""What is timed, to the millisecond, and what follows from it for the next round and the next height."""

from dataclasses import fields

import pytest

from consensus.core.adaptive_timeouts import SLACK_MS, WINDOW, AdaptiveTimeouts, RoundTiming, StepWatch, _upper, _usual
from consensus.core.rules import Rule
from consensus.timeouts import Timeouts

NOTHING = RoundTiming()


def bases(timeouts: Timeouts) -> tuple[int, ...]:
    return timeouts.propose_ms, timeouts.prevote_ms, timeouts.precommit_ms


def watched(*fired: tuple[int, int, int], proposed: tuple[int, int] | None = None) -> StepWatch:
    """Rules by their line, with round and time, in order; the proposal comes after the first."""
    watch = StepWatch()
    for number, (line, round_, now) in enumerate(fired):
        watch.fired(Rule(line), round_, now)
        if number == 0 and proposed is not None:
            watch.proposed(*proposed)
    return watch


def test_sixteen_heights_are_remembered_and_fifty_milliseconds_are_added() -> None:
    assert (WINDOW, SLACK_MS) == (16, 50)
    assert [field.default for field in fields(RoundTiming)] == [None] * 4


def test_bases_start_at_the_configured_ones_and_stay_while_nothing_was_seen() -> None:
    given = Timeouts(propose_ms=700, prevote_ms=450, precommit_ms=350)
    adaptive = AdaptiveTimeouts(given)
    assert adaptive.current is given
    adaptive.observe(NOTHING)
    assert bases(adaptive.current) == (700, 450, 350)
    fixed = AdaptiveTimeouts(Timeouts(adaptive=False))
    for _ in range(WINDOW):
        fixed.observe(RoundTiming(5000, 5000, 5000, 5000))
    assert fixed.current == Timeouts(adaptive=False)


def test_each_base_follows_its_own_step() -> None:
    adaptive = AdaptiveTimeouts(Timeouts())
    for _ in range(WINDOW):
        adaptive.observe(RoundTiming(500, 300, 200, 0))
    assert bases(adaptive.current) == (1050, 650, 450)


def test_times_before_zero_count_as_none() -> None:
    adaptive = AdaptiveTimeouts(Timeouts(propose_ms_min=1, vote_ms_min=1))
    for _ in range(WINDOW):
        adaptive.observe(RoundTiming(-500, -500, -500, -500))
    assert bases(adaptive.current) == (50, 50, 50)
    for _ in range(WINDOW):
        adaptive.observe(RoundTiming(0, 0, 0, 0))
    assert bases(adaptive.current) == (50, 50, 50)
    capped = AdaptiveTimeouts(Timeouts(propose_ms_min=1, vote_ms_min=1, cap_ms=1, base_ms_max=1))
    for _ in range(WINDOW):
        capped.observe(RoundTiming(0, 0, 0, 0))
        assert bases(capped.current) == (1, 1, 1)


def test_the_votes_of_a_quorum_raise_bases_in_six_heights_and_are_forgotten_in_eleven() -> None:
    adaptive, seen = AdaptiveTimeouts(Timeouts()), []
    for votes_ms in [4000] * 6 + [0] * 11:
        adaptive.observe(RoundTiming(4000, 4000, 4000, votes_ms))
        seen.append(adaptive.current.prevote_ms)
    assert seen[:5] == [150] * 5
    assert seen[5] == 8000
    assert seen[-1] == 1500
    adaptive.observe(RoundTiming(4000, 4000, 4000, None))
    assert adaptive.current.prevote_ms == 1500


def test_the_usual_time_gives_the_base_and_is_never_negative() -> None:
    assert [_usual(base) for base in (0, 49, 50, 51, 52, 400)] == [0, 0, 0, 0, 1, 175]


def test_less_than_a_third_of_the_samples_exceed_the_estimate() -> None:
    adaptive = AdaptiveTimeouts(Timeouts())
    samples = adaptive._samples[0]
    samples.extend(reversed(range(WINDOW)))
    assert _upper(samples) == 10


def test_the_steps_of_a_round_are_timed_from_what_began_them() -> None:
    watch = watched((11, 0, 100), (22, 0, 130), (36, 0, 175), (49, 0, 260), proposed=(0, 120))
    assert watch.observed == RoundTiming(20, 45, 85, 45)


def test_before_any_round_nothing_is_timed() -> None:
    watch = StepWatch()
    watch.proposed(-1, 10)
    watch.proposed(0, 10)
    assert watch.observed == NOTHING
    assert watch.patience(400) == 400


def test_only_the_first_proposal_and_the_first_quorum_of_a_round_are_timed() -> None:
    watch = watched((11, 0, 0), (22, 0, 20), (36, 0, 50), (36, 0, 70), (44, 0, 80), proposed=(0, 10))
    watch.proposed(0, 90)
    watch.fired(Rule.L47_WAIT_PRECOMMITS, 0, 95)
    watch.fired(Rule.L49_DECIDE, 0, 100)
    assert watch.observed == RoundTiming(10, 30, 50, 30)


def test_a_proposal_of_another_round_is_not_timed() -> None:
    for round_ in (0, 2):
        watch = watched((11, 1, 0), (22, 1, 20), (36, 1, 50), (49, 1, 80), proposed=(round_, 10))
        assert watch.observed == RoundTiming(None, 30, 30, 30)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        (34, RoundTiming(None, None, None, None)),
        (36, RoundTiming(None, 30, 50, 30)),
        (44, RoundTiming(None, 30, 50, 30)),
        (61, RoundTiming(None, None, 50, None)),
        (47, RoundTiming(None, None, None, None)),
    ],
)
def test_a_polka_ends_the_prevotes_and_begins_the_precommits(line: int, seen: RoundTiming) -> None:
    assert watched((11, 0, 0), (22, 0, 20), (line, 0, 50), (49, 0, 100)).observed == seen


def test_any_quorum_of_votes_shows_how_long_votes_take_and_ends_no_step() -> None:
    watch = watched((11, 0, 0), (57, 0, 20), (34, 0, 50), (61, 0, 200), (47, 0, 210), (49, 0, 300))
    assert watch.observed == RoundTiming(None, None, 100, 10)


@pytest.mark.parametrize("line", [16, 18, 55, 65, 101, 102, 103, 104, 105])
def test_rules_that_end_no_step_time_none(line: int) -> None:
    watch = watched((11, 0, 0), (22, 0, 10), (36, 0, 30), (line, 0, 40))
    assert watch.observed == NOTHING
    watch.fired(Rule(49), 0, 60)
    assert watch.observed.precommit_ms == 30


@pytest.mark.parametrize("line", [22, 28, 57])
def test_each_way_to_prevote_begins_the_prevotes(line: int) -> None:
    assert watched((11, 0, 0), (line, 0, 20), (36, 0, 50), (49, 0, 90)).observed == RoundTiming(None, 30, 40, 30)


def test_precommits_of_another_round_show_nothing() -> None:
    watch = watched((11, 1, 0), (22, 1, 20), (36, 1, 50), (47, 0, 60), (47, 2, 70), (49, 1, 90))
    assert watch.observed == RoundTiming(None, 30, 40, 30)


@pytest.mark.parametrize("round_", [0, 2])
def test_a_decision_of_another_round_is_not_timed(round_: int) -> None:
    assert watched((11, 1, 0), (22, 1, 20), (36, 1, 50), (49, round_, 90)).observed == NOTHING


def test_a_new_round_forgets_what_the_last_one_took() -> None:
    watch = watched(
        *((11, 0, 0), (22, 0, 20), (36, 0, 50), (47, 0, 60), (11, 1, 100), (36, 1, 110), (49, 1, 130)), proposed=(0, 5)
    )
    assert watch.observed == RoundTiming(None, None, 20, None)


def test_a_rule_that_ends_no_step_is_not_timed() -> None:
    watch = watched((11, 0, 0), (22, 0, 20), (101, 0, 30), (102, 0, 31), (55, 0, 32), (36, 0, 50), (49, 0, 90))
    assert watch.observed == RoundTiming(None, 30, 40, 30)


def test_the_next_wait_is_at_most_twice_the_last_and_twice_what_votes_needed() -> None:
    watch = watched((11, 0, 0))
    assert watch.patience(400) == 400
    for line, now in ((57, 400), (34, 700), (61, 800), (47, 1150)):
        watch.fired(Rule(line), 0, now)
    assert watch.patience(400) == 400
    watch.fired(Rule.L11_START_ROUND, 1, 1200)
    assert watch.patience(400) == 600
    assert watch.patience(2000) == 2000
    watch.fired(Rule.L11_START_ROUND, 2, 1300)
    assert watch.patience(400) == 400


def test_a_wait_that_votes_would_allow_grows_twofold() -> None:
    watch = watched((11, 0, 0))
    assert watch.patience(100) == 100
    for line, now in ((57, 400), (34, 1400), (61, 1500), (47, 3500), (11, 4000)):
        watch.fired(Rule(line), 0, now)
    assert [watch.patience(100) for _ in range(5)] == [200, 400, 800, 1600, 2000]


def test_without_a_wait_or_votes_before_nothing_is_added() -> None:
    watch = watched((11, 0, 0), (57, 0, 400), (34, 0, 1400), (61, 0, 1500), (47, 0, 3500), (11, 1, 4000))
    assert watch.patience(1) == 1
    watch = watched((11, 0, 0))
    assert [watch.patience(1) for _ in range(3)] == [1, 1, 1]
