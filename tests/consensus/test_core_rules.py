"""The core alone, input by input: each line of the paper, and the traps known from other implementations.

Four validators of equal power; this one is index 0. Height 4, so that the proposer of round r is index r mod 4.
"""

import pytest

from clearing.base.certificate import NIL
from clearing.base.errors import Bug
from consensus.core.events import (
    CastVote,
    CertificateVerified,
    Decide,
    FetchBlock,
    Fired,
    GetValue,
    Propose,
    ReportDuplicate,
    SetTimer,
    ShareCertificate,
    SharesRefused,
    StartHeight,
    TimeoutElapsed,
    ValueBuilt,
    VerifyShares,
    VoteReceived,
)
from consensus.core.rules import Rule
from consensus.core.state import Step, new_state
from consensus.core.step import step
from consensus.core.votes import FUTURE_ROUNDS
from consensus.timeouts import Timeouts, TimerKind
from tests.kit.consensus.core import (
    PRECOMMIT,
    PREVOTE,
    VALIDATORS,
    Core,
    V,
    W,
    certificate,
    locked_on_v,
    proposal,
    started,
    vote,
)


def test_l11_the_proposer_builds_a_block_and_proposes_it() -> None:
    core = Core()
    effects = core.feed(StartHeight())
    assert GetValue(0) in effects
    assert SetTimer(TimerKind.PROPOSE, 0, 400) in effects
    assert Propose(0, V, -1, None) in core.feed(ValueBuilt(0, V))
    assert core.cast == [(PREVOTE, 0, V)]


def test_a_second_start_of_a_height_changes_nothing() -> None:
    core = Core()
    core.feed(StartHeight())
    assert core.feed(StartHeight()) == []


def test_a_block_built_too_late_is_not_proposed() -> None:
    core = Core()
    core.feed(StartHeight(), TimeoutElapsed(TimerKind.PROPOSE, 0))
    assert core.feed(ValueBuilt(0, V)) == []


def test_l22_a_valid_proposal_is_prevoted_an_invalid_one_not() -> None:
    good, bad = started(1), started(1)
    good.feed(proposal(1, V))
    bad.feed(proposal(1, V, valid=False))
    assert good.cast == [(PREVOTE, 1, V)]
    assert bad.cast == [(PREVOTE, 1, NIL)]
    assert 22 in good.lines


def test_l22_a_lock_stands_against_a_new_value() -> None:
    core = locked_on_v()
    core.feed(proposal(2, W))
    assert core.cast == [(PREVOTE, 2, NIL)]


def test_l22_the_locked_value_itself_is_prevoted() -> None:
    core = locked_on_v()
    core.feed(proposal(2, V))
    assert core.cast == [(PREVOTE, 2, V)]


def test_l28_a_newer_polka_opens_the_lock() -> None:
    core = locked_on_v()
    core.votes(PRECOMMIT, 3, NIL, 1, 2)
    core.effects.clear()
    core.feed(CertificateVerified(certificate(PREVOTE, 2, W)), proposal(3, W, 2))
    assert core.cast == [(PREVOTE, 3, W)]
    assert 28 in core.lines


def test_l28_an_older_polka_does_not_open_the_lock() -> None:
    core = locked_on_v()
    core.feed(CertificateVerified(certificate(PREVOTE, 0, W)), proposal(2, W, 0))
    assert core.cast == [(PREVOTE, 2, NIL)]


def test_l28_waits_for_the_cited_polka() -> None:
    core = started(2)
    core.feed(proposal(2, V, 1))
    assert core.cast == []
    core.feed(CertificateVerified(certificate(PREVOTE, 1, V)))
    assert core.cast == [(PREVOTE, 2, V)]


def test_l34_any_quorum_of_prevotes_starts_the_timer_once() -> None:
    core = started(1)
    core.feed(proposal(1, V))
    effects = core.votes(PREVOTE, 1, W, 1) + core.votes(PREVOTE, 1, NIL, 2) + core.votes(PREVOTE, 1, NIL, 3)
    assert [e for e in effects if isinstance(e, SetTimer)] == [SetTimer(TimerKind.PREVOTE, 1, 300)]


def test_l34_needs_the_prevote_step() -> None:
    core = started(1)
    assert not any(isinstance(e, SetTimer) for e in core.votes(PREVOTE, 1, NIL, 1, 2, 3))


def test_l36_a_polka_locks_and_precommits() -> None:
    core = started(1)
    core.feed(proposal(1, V))
    core.votes(PREVOTE, 1, V, 1, 2)
    assert core.cast == [(PREVOTE, 1, V), (PRECOMMIT, 1, V)]
    assert (core.state.locked_round, core.state.valid_round) == (1, 1)


def test_l36_after_an_own_nil_precommit_raises_the_valid_value_only() -> None:
    core = started(1)
    core.feed(proposal(1, V))
    core.votes(PREVOTE, 1, NIL, 1)
    core.feed(TimeoutElapsed(TimerKind.PREVOTE, 1))
    core.votes(PREVOTE, 1, V, 2, 3)
    assert core.cast == [(PREVOTE, 1, V), (PRECOMMIT, 1, NIL)]
    assert (core.state.locked_round, core.state.valid_round, core.state.valid_value) == (-1, 1, V)


def test_l36_does_not_lock_in_a_round_that_is_left() -> None:
    core = started(2)
    core.feed(proposal(1, V))
    core.votes(PREVOTE, 1, V, 1, 2, 3)
    assert core.cast == []
    assert (core.state.locked_round, core.state.valid_round) == (-1, 1)


def test_a_polka_for_an_unknown_block_waits_for_the_block() -> None:
    core = started(1)
    core.feed(TimeoutElapsed(TimerKind.PROPOSE, 1))
    core.votes(PREVOTE, 1, V, 1, 2, 3)
    assert core.cast == [(PREVOTE, 1, NIL)]
    assert core.state.highest_polka is not None
    assert core.state.valid_round == -1
    core.feed(proposal(1, V))
    assert core.cast[-1] == (PRECOMMIT, 1, V)


def test_l44_a_nil_polka_precommits_nil() -> None:
    core = started(1)
    core.feed(TimeoutElapsed(TimerKind.PROPOSE, 1))
    core.votes(PREVOTE, 1, NIL, 1, 2)
    assert core.cast == [(PREVOTE, 1, NIL), (PRECOMMIT, 1, NIL)]
    assert 44 in core.lines


def test_l47_any_quorum_of_precommits_starts_the_timer() -> None:
    core = started(1)
    effects = core.votes(PRECOMMIT, 1, V, 3)
    assert SetTimer(TimerKind.PRECOMMIT, 1, 300) in effects


def test_l49_decides_for_a_past_round() -> None:
    core = started(2)
    core.feed(proposal(1, V))
    core.votes(PRECOMMIT, 1, V, 3)
    effects = core.votes(PRECOMMIT, 0, V, 1, 2, 3)
    assert [e.certificate.round for e in effects if isinstance(e, Decide)] == [0]
    assert core.state.step is Step.DECIDED
    assert core.feed(TimeoutElapsed(TimerKind.PROPOSE, 2), proposal(2, W)) == []


def test_l49_a_certificate_before_its_proposal_asks_for_the_block_once() -> None:
    core = started(1)
    final = certificate(PRECOMMIT, 0, V)
    effects = core.feed(CertificateVerified(final)) + core.feed(CertificateVerified(final))
    assert [e for e in effects if isinstance(e, FetchBlock)] == [FetchBlock(final)]
    assert Decide(final) in core.feed(proposal(1, V))


def test_l49_a_decided_block_that_is_invalid_here_stops_everything() -> None:
    core = started(1)
    core.feed(proposal(1, V, valid=False))
    with pytest.raises(Bug):
        core.feed(CertificateVerified(certificate(PRECOMMIT, 1, V)))


def test_l55_more_than_a_third_in_a_later_round_is_followed() -> None:
    core = started(1)
    assert core.votes(PREVOTE, 3, NIL, 1) == []
    core.votes(PRECOMMIT, 3, V, 1)
    assert core.state.round == 1, "one validator's two votes are one third"
    core.votes(PRECOMMIT, 3, NIL, 2)
    assert core.state.round == 3
    assert 55 in core.lines


def test_a_polka_seen_after_a_skip_is_not_voted_on_before_the_own_prevote() -> None:
    core = started(1)
    core.votes(PREVOTE, 2, NIL, 1, 2, 3)
    assert (core.state.round, core.state.step) == (2, Step.PROPOSE)
    assert core.cast == []
    core.feed(TimeoutElapsed(TimerKind.PROPOSE, 2))
    assert core.cast == [(PREVOTE, 2, NIL), (PRECOMMIT, 2, NIL)]


def test_l57_l61_l65_timeouts_lead_on() -> None:
    core = started(1)
    core.feed(TimeoutElapsed(TimerKind.PROPOSE, 1))
    core.feed(TimeoutElapsed(TimerKind.PREVOTE, 1))
    core.feed(TimeoutElapsed(TimerKind.PRECOMMIT, 1))
    assert core.cast == [(PREVOTE, 1, NIL), (PRECOMMIT, 1, NIL)]
    assert core.state.round == 2
    assert [line for line in core.lines if line in (57, 61, 65)] == [57, 61, 65]


@pytest.mark.parametrize("kind", [TimerKind.PROPOSE, TimerKind.PREVOTE, TimerKind.PRECOMMIT])
def test_timers_of_other_rounds_mean_nothing(kind: TimerKind) -> None:
    core = started(2)
    assert core.feed(TimeoutElapsed(kind, 1), TimeoutElapsed(kind, 3)) == []


def test_timers_of_steps_already_left_mean_nothing() -> None:
    core = started(1)
    core.feed(proposal(1, V))
    assert core.feed(TimeoutElapsed(TimerKind.PROPOSE, 1)) == []
    core.votes(PREVOTE, 1, V, 1, 2)
    assert core.feed(TimeoutElapsed(TimerKind.PREVOTE, 1)) == []


def test_a_hidden_lock_is_proposed_with_its_polka_when_the_own_turn_comes() -> None:
    core = started(3)
    core.feed(proposal(1, V))
    polka = certificate(PREVOTE, 1, V)
    core.feed(CertificateVerified(polka))
    effects = core.votes(PRECOMMIT, 4, NIL, 1, 2)
    assert ShareCertificate(polka) in effects
    assert Propose(4, V, 1, polka) in effects


def test_a_certificate_alone_never_locks() -> None:
    core = started(2)
    core.feed(proposal(1, V), CertificateVerified(certificate(PREVOTE, 1, V)))
    assert (core.state.locked_round, core.state.valid_round) == (-1, 1)


def test_of_two_proposals_in_a_round_the_first_is_voted_on_and_either_may_be_decided() -> None:
    core = started(1)
    core.feed(proposal(1, V), proposal(1, W))
    assert core.cast == [(PREVOTE, 1, V)]
    core.votes(PREVOTE, 1, W, 1, 2, 3)
    assert core.cast[-1] == (PRECOMMIT, 1, W)
    final = certificate(PRECOMMIT, 1, W)
    assert Decide(final) in core.feed(CertificateVerified(final))


def test_a_second_vote_is_reported_once_and_not_counted() -> None:
    core = started(1)
    core.feed(proposal(1, V))
    core.votes(PREVOTE, 1, NIL, 1)
    effects = core.votes(PREVOTE, 1, V, 1) + core.votes(PREVOTE, 1, W, 1)
    assert len([e for e in effects if isinstance(e, ReportDuplicate)]) == 1
    core.votes(PREVOTE, 1, V, 2)
    assert core.cast == [(PREVOTE, 1, V)]


def test_nothing_is_voted_twice_in_a_step() -> None:
    core = started(1)
    core.feed(TimeoutElapsed(TimerKind.PROPOSE, 1), proposal(1, V), proposal(1, W))
    core.votes(PREVOTE, 1, V, 1, 2, 3)
    assert [kind for kind, _, _ in core.cast] == [PREVOTE, PRECOMMIT]


def test_the_power_of_bad_shares_is_taken_back() -> None:
    state = new_state(4, VALIDATORS, 0, Timeouts())
    step(state, StartHeight())
    step(state, proposal(0, V))
    effects = [e for i in range(3) for e in step(state, VoteReceived(vote(i, PREVOTE, 0, V)))]
    assert len([e for e in effects if isinstance(e, VerifyShares)]) == 1
    assert step(state, SharesRefused(PREVOTE, 0, V, (1,))) == [Fired(Rule.REFUSE_SHARES, 0)]
    assert step(state, VoteReceived(vote(1, PREVOTE, 0, V))) == []
    (again,) = step(state, VoteReceived(vote(3, PREVOTE, 0, V)))
    assert isinstance(again, VerifyShares)
    assert [index for index, _ in again.shares] == [0, 2, 3]


def test_nothing_is_locked_before_the_aggregate_verified() -> None:
    state = new_state(4, VALIDATORS, 0, Timeouts())
    step(state, StartHeight())
    step(state, proposal(0, V))
    effects = [e for i in range(4) for e in step(state, VoteReceived(vote(i, PREVOTE, 0, V)))]
    assert not any(isinstance(e, CastVote) and e.kind is PRECOMMIT for e in effects)
    assert state.locked_round == -1


def test_votes_of_rounds_far_ahead_take_bounded_memory() -> None:
    core = started(1)
    for round_ in range(2, 500):
        core.votes(PREVOTE, round_, NIL, 3)
        core.votes(PRECOMMIT, round_, NIL, 3)
    assert core.state.votes.size <= 2 + 2 * (FUTURE_ROUNDS + 1)
    core.votes(PREVOTE, 499, NIL, 2)
    assert core.state.round == 499, "the highest rounds are the ones kept"


def test_many_rounds_take_bounded_memory() -> None:
    core = started(1)
    for round_ in range(1, 300):
        core.feed(proposal(round_, round_.to_bytes(32, "big")))
        core.votes(PRECOMMIT, round_, NIL, 1, 2, 3)
        core.feed(TimeoutElapsed(TimerKind.PRECOMMIT, round_))
    assert core.state.round == 300
    assert core.state.votes.size < 200
    assert len(core.state.known) < 40
    assert len(core.state.fired) < 100


def test_an_observer_follows_without_voting() -> None:
    core = started(1, own=None)
    core.feed(proposal(1, V))
    core.votes(PREVOTE, 1, V, 1, 2, 3)
    final = certificate(PRECOMMIT, 1, V)
    assert Decide(final) in core.feed(CertificateVerified(final))
    assert core.cast == []


def test_timeouts_grow_to_a_cap() -> None:
    timeouts = Timeouts()
    durations = [timeouts.duration_ms(TimerKind.PROPOSE, round_) for round_ in range(10_000)]
    assert durations[0] == 400
    assert durations == sorted(durations)
    assert durations[-1] == timeouts.cap_ms
