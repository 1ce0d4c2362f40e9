"""The core alone, input by input: each line of the paper, and the traps known from other implementations.

Four validators of equal power; this one is index 0. Height 4, so that the proposer of round r is index r mod 4.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest

from clearing.base.certificate import NIL, VoteKind
from clearing.base.errors import Bug
from consensus.core.events import (
    CastVote,
    CertificateVerified,
    Decide,
    Effect,
    FetchBlock,
    Fired,
    GetValue,
    Input,
    Propose,
    ReportDuplicate,
    SetTimer,
    ShareCertificate,
    SharesRefused,
    StartHeight,
    TimeoutElapsed,
    ValueBuilt,
    VerifyShares,
)
from consensus.core.rules import Rule
from consensus.core.state import HeightState, Step, new_state
from consensus.core.step import step
from consensus.core.votes import FUTURE_ROUNDS, PAST_ROUNDS
from consensus.timeouts import PAPER_TIMERS, Timeouts, TimerKind
from tests.kit.consensus.core import (
    PRECOMMIT,
    PREVOTE,
    Core,
    V,
    W,
    certificate,
    certified,
    in_order,
    locked_on_v,
    proposal,
    started,
    votes,
)
from tests.kit.consensus.crypto import VALIDATORS


def waited(kind: TimerKind, round_: int) -> TimeoutElapsed:
    return TimeoutElapsed(kind, round_)


PROPOSE_WAIT, PREVOTE_WAIT = partial(waited, TimerKind.PROPOSE), partial(waited, TimerKind.PREVOTE)
PRECOMMIT_WAIT = partial(waited, TimerKind.PRECOMMIT)
FINAL = certificate(PRECOMMIT, 1, V)


def at_round(round_: int) -> Callable[[], Core]:
    return partial(started, round_)


@dataclass
class Case:
    """What a core votes for in the end, in order, what it has done besides, and where it stands."""

    start: Callable[[], Core]
    inputs: list[Input]
    cast: list[tuple[VoteKind, int, bytes]]
    does: list[Effect] = field(default_factory=list)
    """Among its effects."""
    lock: tuple[int, int] | None = None
    """(locked round, valid round)"""
    at: tuple[int, Step] | None = None
    """(round, step)"""


CASES = {
    "l11_the_proposer_builds_a_block_and_proposes_it": Case(
        Core,
        [StartHeight(), ValueBuilt(0, V)],
        [(PREVOTE, 0, V)],
        [GetValue(0), SetTimer(TimerKind.PROPOSE, 0, 400), Propose(0, V, -1, None)],
    ),
    "l22_a_valid_proposal_is_prevoted": Case(
        at_round(1), [proposal(1, V)], [(PREVOTE, 1, V)], [Fired(Rule.L22_PREVOTE, 1)]
    ),
    "l22_an_invalid_proposal_is_not_prevoted": Case(at_round(1), [proposal(1, V, valid=False)], [(PREVOTE, 1, NIL)]),
    "l22_a_lock_stands_against_a_new_value": Case(locked_on_v, [proposal(2, W)], [(PREVOTE, 2, NIL)], lock=(1, 1)),
    "l22_the_locked_value_itself_is_prevoted": Case(locked_on_v, [proposal(2, V)], [(PREVOTE, 2, V)]),
    "l28_a_newer_polka_opens_the_lock": Case(
        locked_on_v,
        [*votes(PRECOMMIT, 3, NIL, 1, 2), certified(PREVOTE, 2, W), proposal(3, W, 2)],
        [(PREVOTE, 3, W)],
        [Fired(Rule.L28_PREVOTE_AGAIN, 3)],
    ),
    "l28_an_older_polka_does_not_open_the_lock": Case(
        locked_on_v, [certified(PREVOTE, 0, W), proposal(2, W, 0)], [(PREVOTE, 2, NIL)], lock=(1, 1)
    ),
    "l28_waits_for_the_cited_polka": Case(at_round(2), [proposal(2, V, 1)], []),
    "l28_goes_on_with_the_cited_polka": Case(
        at_round(2), [proposal(2, V, 1), certified(PREVOTE, 1, V)], [(PREVOTE, 2, V)]
    ),
    "l36_a_polka_locks_and_precommits": Case(
        at_round(1),
        [proposal(1, V), *votes(PREVOTE, 1, V, 1, 2)],
        [(PREVOTE, 1, V), (PRECOMMIT, 1, V)],
        lock=(1, 1),
    ),
    "l36_after_an_own_nil_precommit_votes_raise_the_valid_value_only": Case(
        at_round(1),
        [proposal(1, V), *votes(PREVOTE, 1, NIL, 1), PREVOTE_WAIT(1), *votes(PREVOTE, 1, V, 2, 3)],
        [(PREVOTE, 1, V), (PRECOMMIT, 1, NIL)],
        lock=(-1, 1),
    ),
    "l36_after_an_own_nil_precommit_a_certificate_raises_the_valid_value_only": Case(
        at_round(1),
        [proposal(1, V), PREVOTE_WAIT(1), certified(PREVOTE, 1, V)],
        [(PREVOTE, 1, V), (PRECOMMIT, 1, NIL)],
        lock=(-1, 1),
    ),
    "l36_does_not_lock_in_a_round_that_is_left": Case(
        at_round(2), [proposal(1, V), *votes(PREVOTE, 1, V, 1, 2, 3)], [], lock=(-1, 1)
    ),
    "a_certificate_alone_never_locks": Case(at_round(2), [proposal(1, V), certified(PREVOTE, 1, V)], [], lock=(-1, 1)),
    "a_polka_for_an_unknown_block_waits_for_the_block": Case(
        at_round(1), [PROPOSE_WAIT(1), *votes(PREVOTE, 1, V, 1, 2, 3)], [(PREVOTE, 1, NIL)], lock=(-1, -1)
    ),
    "a_polka_for_an_unknown_block_locks_with_the_block": Case(
        at_round(1),
        [PROPOSE_WAIT(1), *votes(PREVOTE, 1, V, 1, 2, 3), proposal(1, V)],
        [(PREVOTE, 1, NIL), (PRECOMMIT, 1, V)],
        lock=(1, 1),
    ),
    "a_polka_for_an_unknown_block_locks_with_the_block_in_whatever_rounds_proposal": Case(
        at_round(1),
        [PROPOSE_WAIT(1), certified(PREVOTE, 1, V), proposal(0, V)],
        [(PREVOTE, 1, NIL), (PRECOMMIT, 1, V)],
        lock=(1, 1),
    ),
    "a_block_known_too_late_to_lock_is_what_a_later_proposer_must_propose": Case(
        at_round(1), [certified(PREVOTE, 1, V), *votes(PRECOMMIT, 4, NIL, 1, 2), proposal(1, V)], [], lock=(-1, 1)
    ),
    "l44_a_nil_polka_precommits_nil": Case(
        at_round(1),
        [PROPOSE_WAIT(1), *votes(PREVOTE, 1, NIL, 1, 2)],
        [(PREVOTE, 1, NIL), (PRECOMMIT, 1, NIL)],
        [Fired(Rule.L44_NIL_POLKA, 1)],
    ),
    "l47_any_quorum_of_precommits_starts_the_timer": Case(
        at_round(1), votes(PRECOMMIT, 1, V, 3), [], [SetTimer(TimerKind.PRECOMMIT, 1, 300)]
    ),
    "l49_decides_for_a_past_round_and_does_nothing_afterwards": Case(
        at_round(2),
        [
            proposal(1, V),
            *votes(PRECOMMIT, 1, V, 3),
            *votes(PRECOMMIT, 0, V, 1, 2, 3),
            PROPOSE_WAIT(2),
            proposal(2, W),
        ],
        [],
        [Decide(certificate(PRECOMMIT, 0, V))],
        at=(2, Step.DECIDED),
    ),
    "l55_one_third_in_a_later_round_is_not_followed_though_it_votes_twice": Case(
        at_round(1), [*votes(PREVOTE, 3, NIL, 1), *votes(PRECOMMIT, 3, V, 1)], [], at=(1, Step.PROPOSE)
    ),
    "l55_more_than_a_third_in_a_later_round_is_followed": Case(
        at_round(1),
        [*votes(PREVOTE, 3, NIL, 1), *votes(PRECOMMIT, 3, V, 1), *votes(PRECOMMIT, 3, NIL, 2)],
        [],
        [Fired(Rule.L55_SKIP, 3)],
        at=(3, Step.PROPOSE),
    ),
    "a_polka_that_caused_a_skip_does_not_stand_in_for_the_own_prevote": Case(
        at_round(1), votes(PREVOTE, 2, NIL, 1, 2, 3), [], at=(2, Step.PROPOSE)
    ),
    "a_nil_polka_that_caused_a_skip_counts_after_the_own_prevote": Case(
        at_round(1),
        [*votes(PREVOTE, 2, NIL, 1, 2, 3), PROPOSE_WAIT(2)],
        [(PREVOTE, 2, NIL), (PRECOMMIT, 2, NIL)],
    ),
    "a_polka_that_caused_a_skip_counts_after_the_own_prevote": Case(
        at_round(1), [*votes(PREVOTE, 3, V, 1, 2, 3), proposal(3, V)], [(PREVOTE, 3, V), (PRECOMMIT, 3, V)]
    ),
    "l57_l61_l65_timeouts_lead_on": Case(
        at_round(1),
        [PROPOSE_WAIT(1), PREVOTE_WAIT(1), PRECOMMIT_WAIT(1)],
        [(PREVOTE, 1, NIL), (PRECOMMIT, 1, NIL)],
        [Fired(Rule(line), 1) for line in (57, 61, 65)],
        at=(2, Step.PROPOSE),
    ),
    "a_lock_that_others_do_not_see_is_shown_at_each_round_change": Case(  # the paper relies on gossip for it
        locked_on_v, votes(PRECOMMIT, 3, NIL, 1, 2), [], [ShareCertificate(certificate(PREVOTE, 1, V, 0, 1, 2))]
    ),
    "a_hidden_lock_is_proposed_with_its_polka_when_the_own_turn_comes": Case(
        at_round(3),
        [proposal(1, V), certified(PREVOTE, 1, V), *votes(PRECOMMIT, 4, NIL, 1, 2)],
        [(PREVOTE, 4, V)],
        [ShareCertificate(certificate(PREVOTE, 1, V)), Propose(4, V, 1, certificate(PREVOTE, 1, V))],
    ),
    "of_two_proposals_in_a_round_the_first_is_voted_on": Case(
        at_round(1), [proposal(1, V), proposal(1, W)], [(PREVOTE, 1, V)]
    ),
    "of_two_proposals_in_a_round_either_may_be_locked_on_and_decided": Case(
        at_round(1),
        [proposal(1, V), proposal(1, W), *votes(PREVOTE, 1, W, 1, 2, 3), certified(PRECOMMIT, 1, W)],
        [(PREVOTE, 1, V), (PRECOMMIT, 1, W)],
        [Decide(certificate(PRECOMMIT, 1, W))],
    ),
    "a_second_vote_is_not_counted": Case(
        at_round(1),
        [proposal(1, V), *votes(PREVOTE, 1, NIL, 1), *votes(PREVOTE, 1, V, 1, 2)],
        [(PREVOTE, 1, V)],
    ),
    "nothing_is_voted_twice_in_a_step": Case(
        at_round(1),
        [PROPOSE_WAIT(1), proposal(1, V), proposal(1, W), *votes(PREVOTE, 1, V, 1, 2, 3)],
        [(PREVOTE, 1, NIL), (PRECOMMIT, 1, V)],
    ),
    "a_vote_is_cast_once_though_its_rule_would_fire_again": Case(
        at_round(1),
        [
            *(proposal(1, V), proposal(1, V), PROPOSE_WAIT(1)),
            *(certified(PREVOTE, 1, V), certified(PREVOTE, 1, NIL), PREVOTE_WAIT(1)),
        ],
        [(PREVOTE, 1, V), (PRECOMMIT, 1, V)],
    ),
    "an_observer_follows_without_voting": Case(
        partial(started, 1, own=None),
        [proposal(1, V), *votes(PREVOTE, 1, V, 1, 2, 3), CertificateVerified(FINAL)],
        [],
        [Decide(FINAL)],
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_core_votes_locks_and_moves_by_the_paper(case: Case) -> None:
    core = case.start()
    for each in case.inputs:
        core.feed(each)
    assert core.cast == case.cast
    assert all(effect in core.effects for effect in case.does)
    assert case.lock in (None, (core.state.locked_round, core.state.valid_round))
    assert case.at in (None, (core.state.round, core.state.step))


NOTHING: dict[str, tuple[Callable[[], Core], list[Input], list[Input]]] = {
    "a_second_start_of_a_height": (Core, [StartHeight()], [StartHeight()]),
    "a_start_of_a_decided_height": (
        Core,
        [StartHeight(), proposal(0, V), certified(PRECOMMIT, 0, V)],
        [StartHeight()],
    ),
    "a_block_built_too_late": (Core, [StartHeight(), PROPOSE_WAIT(0)], [ValueBuilt(0, V)]),
    "timers_of_other_rounds": (at_round(2), [], [waited(kind, at) for kind in PAPER_TIMERS for at in (1, 3)]),
    "a_timer_that_runs_out_twice": (at_round(2), [PROPOSE_WAIT(2)], [PROPOSE_WAIT(2)]),
    "a_propose_timer_after_the_own_prevote": (at_round(1), [proposal(1, V)], [PROPOSE_WAIT(1)]),
    "a_prevote_timer_after_the_own_precommit": (
        at_round(1),
        [proposal(1, V), *votes(PREVOTE, 1, V, 1, 2)],
        [PREVOTE_WAIT(1)],
    ),
    "one_vote_of_a_later_round": (at_round(1), [], votes(PREVOTE, 3, NIL, 1)),
    "a_decided_height": (
        at_round(2),
        [proposal(1, V), certified(PRECOMMIT, 1, V)],
        [PROPOSE_WAIT(2), proposal(2, W)],
    ),
}


@pytest.mark.parametrize(("start", "before", "inputs"), NOTHING.values(), ids=NOTHING)
def test_what_comes_too_late_or_too_early_means_nothing(
    start: Callable[[], Core], before: list[Input], inputs: list[Input]
) -> None:
    core = start()
    core.feed(*before)
    assert core.feed(*inputs) == []


def test_a_height_is_started_once() -> None:
    assert sum(isinstance(effect, GetValue) for effect in Core().feed(StartHeight())) == 1


def test_l34_any_quorum_of_prevotes_starts_the_timer_once() -> None:
    core = started(1)
    core.feed(proposal(1, V))
    effects = core.feed(*votes(PREVOTE, 1, W, 1), *votes(PREVOTE, 1, NIL, 2, 3))
    assert [e for e in effects if isinstance(e, SetTimer)] == [SetTimer(TimerKind.PREVOTE, 1, 300)]


def test_l34_needs_the_prevote_step() -> None:
    assert not any(isinstance(e, SetTimer) for e in started(1).votes(PREVOTE, 1, NIL, 1, 2, 3))


@pytest.mark.parametrize("round_", [0, 1])
def test_l49_a_certificate_before_its_proposal_asks_for_the_block_once(round_: int) -> None:
    core, final = started(1), certificate(PRECOMMIT, round_, V)
    effects = core.feed(CertificateVerified(final), CertificateVerified(final), PROPOSE_WAIT(1))
    assert [e for e in effects if isinstance(e, FetchBlock)] == [FetchBlock(final)]
    assert Decide(final) in core.feed(proposal(1, V))


def test_l49_a_decided_block_that_is_invalid_here_stops_everything() -> None:
    core = started(1)
    core.feed(proposal(1, V, valid=False))
    with pytest.raises(Bug):
        core.feed(CertificateVerified(FINAL))


def test_a_second_vote_is_reported_once() -> None:
    core = started(1)
    effects = core.feed(*(vote for value in (NIL, V, W) for vote in votes(PREVOTE, 1, value, 1)))
    assert len([e for e in effects if isinstance(e, ReportDuplicate)]) == 1


def prevoted_by(*voters: int) -> tuple[HeightState, list[Effect]]:
    """At round 0, with shares that nobody has verified yet."""
    state = new_state(in_order(4), VALIDATORS, 0, Timeouts())
    inputs = [StartHeight(), proposal(0, V), *votes(PREVOTE, 0, V, *voters)]
    return state, [effect for each in inputs for effect in step(state, each)]


def test_the_power_of_bad_shares_is_taken_back() -> None:
    state, effects = prevoted_by(0, 1, 2)
    assert len([e for e in effects if isinstance(e, VerifyShares)]) == 1
    assert step(state, SharesRefused(PREVOTE, 0, V, (1,))) == [Fired(Rule.REFUSE_SHARES, 0)]
    assert step(state, *votes(PREVOTE, 0, V, 1)) == []
    (again,) = step(state, *votes(PREVOTE, 0, V, 3))
    assert isinstance(again, VerifyShares)
    assert [index for index, _ in again.shares] == [0, 2, 3]


def test_nothing_is_locked_before_the_aggregate_verified() -> None:
    state, effects = prevoted_by(0, 1, 2, 3)
    assert not any(isinstance(e, CastVote) and e.kind is PRECOMMIT for e in effects)
    assert state.locked_round == -1


def test_a_proposer_prevotes_its_own_proposal_of_a_value_locked_long_ago() -> None:
    """Its polka is older than the rounds that are kept: forgetting it would cost the one prevote that is missing."""
    core, late = started(), 4 * (PAST_ROUNDS // 4 + 2)
    core.feed(proposal(0, V), certified(PREVOTE, 0, V), *votes(PRECOMMIT, late, NIL, 1, 2))
    assert Propose(late, V, 0, certificate(PREVOTE, 0, V)) in core.effects
    assert core.cast[-1] == (PREVOTE, late, V)


@pytest.mark.parametrize("differ", [False, True])
def test_votes_of_rounds_far_ahead_take_bounded_memory(differ: bool) -> None:
    core = started(1)
    for round_ in range(2, 3000):
        core.votes(PREVOTE, round_, round_.to_bytes(32, "big") if differ else NIL, 3)
        core.votes(PRECOMMIT, round_, NIL, 3)
    assert core.state.round == 1
    assert core.state.votes.size <= 2 + 2 * (FUTURE_ROUNDS + 1)
    core.votes(PREVOTE, 2999, NIL, 2)
    assert core.state.round == 2999, "the highest rounds are the ones kept"


def test_votes_of_past_rounds_take_bounded_memory() -> None:
    core = started(1)
    for round_ in range(2, 400):
        core.votes(PREVOTE, round_, NIL, 1, 2)
        core.votes(PRECOMMIT, round_, NIL, 1, 2)
    assert core.state.round == 399
    assert len(core.state.votes.steps) <= 2 * (PAST_ROUNDS + 2)


def test_many_rounds_take_bounded_memory() -> None:
    core = started(1)
    for round_ in range(1, 300):
        core.feed(proposal(round_, round_.to_bytes(32, "big")))
        core.votes(PRECOMMIT, round_, NIL, 1, 2, 3)
        core.feed(PRECOMMIT_WAIT(round_))
    assert core.state.round == 300
    assert core.state.votes.size < 200
    assert len(core.state.known) < 40
    assert len(core.state.fired) < 100


def test_timeouts_grow_to_a_cap() -> None:
    timeouts = Timeouts()
    durations = [timeouts.duration_ms(TimerKind.PROPOSE, round_) for round_ in range(10_000)]
    assert durations[0] == 400
    assert durations == sorted(durations)
    assert durations[-1] == timeouts.cap_ms


def test_timeouts_are_bounded_after_an_hour_of_failing_rounds() -> None:
    """Elsewhere timeouts that grew for an hour held the chain up for another."""
    core = started(1)
    for round_ in range(1, 3600):
        core.votes(PREVOTE, round_, NIL, 1, 2, 3)
        core.votes(PRECOMMIT, round_, NIL, 1, 2, 3)
        core.feed(PRECOMMIT_WAIT(round_))
    assert core.state.round == 3600
    assert max(e.duration_ms for e in core.effects if isinstance(e, SetTimer)) == Timeouts().cap_ms
