"""The core to the letter: all that an input leads to, in order, and all that a state keeps."""

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
    ProposalReceived,
    Propose,
    SetTimer,
    ShareCertificate,
    StartHeight,
    TimeoutElapsed,
    ValueBuilt,
    VoteReceived,
)
from consensus.core.rules import Rule
from consensus.core.state import Step
from consensus.core.votes import PAST_ROUNDS
from consensus.timeouts import PAPER_TIMERS, Timeouts, TimerKind
from tests.kit.consensus.core import (
    PRECOMMIT,
    PREVOTE,
    Core,
    V,
    W,
    certificate,
    certified,
    locked_on_v,
    proposal,
    started,
    vote,
    votes,
)

GIVEN = Timeouts()


def timer(kind: TimerKind, round_: int) -> SetTimer:
    return SetTimer(kind, round_, GIVEN.duration_ms(kind, round_))


def test_rules_that_certificates_add_are_numbered_from_101() -> None:
    """Logs and metrics of other versions have these numbers."""
    added = ("HIDDEN_LOCK", "SHOW_POLKA", "FETCH_FINAL", "REFUSE_SHARES", "AHEAD_OF_CLOCK")
    assert {rule.name: int(rule) for rule in Rule if rule > 100} == {name: 101 + at for at, name in enumerate(added)}


def test_a_state_before_its_height_starts_has_nothing() -> None:
    state = Core().state
    assert (state.height, state.round, state.step, state.running) == (4, -1, Step.NEW, False)
    assert (state.locked_round, state.valid_round, state.decision) == (-1, -1, None)
    assert started().state.running


def test_a_leader_begins_with_a_timer_and_a_request_for_a_block() -> None:
    core = Core()
    begun = [Fired(Rule.L11_START_ROUND, 0), timer(TimerKind.PROPOSE, 0), Fired(Rule.L18_BUILD, 0), GetValue(0)]
    assert core.feed(StartHeight()) == begun
    assert core.feed(ValueBuilt(1, V)) == []
    voted = [Propose(0, V, -1, None), Fired(Rule.L22_PREVOTE, 0), CastVote(PREVOTE, 0, V)]
    assert core.feed(ValueBuilt(0, V)) == voted
    assert core.feed(ValueBuilt(0, W)) == []


def test_a_round_without_a_polka_shows_none() -> None:
    core = started(1)
    begun = [Fired(Rule.L65_PRECOMMIT_TIMEOUT, 1), Fired(Rule.L11_START_ROUND, 2), timer(TimerKind.PROPOSE, 2)]
    assert core.feed(TimeoutElapsed(TimerKind.PRECOMMIT, 1)) == begun


def test_a_polka_of_nil_is_not_shown() -> None:
    core = started(1)
    core.feed(certified(PREVOTE, 1, NIL), TimeoutElapsed(TimerKind.PRECOMMIT, 1))
    assert not any(isinstance(effect, ShareCertificate) for effect in core.effects)


def test_a_polka_known_before_the_height_starts_is_not_shown_in_its_first_round() -> None:
    core = Core(1)
    assert core.feed(certified(PREVOTE, 0, V)) == []
    assert core.feed(StartHeight()) == [Fired(Rule.L11_START_ROUND, 0), timer(TimerKind.PROPOSE, 0)]


@pytest.mark.parametrize("rounds", [(1, 2), (2, 1)])
def test_the_polka_of_the_highest_round_is_shown(rounds: tuple[int, int]) -> None:
    core = started(2)
    core.feed(*(certified(PREVOTE, round_, V) for round_ in rounds))
    core.feed(certified(PREVOTE, 2, W), TimeoutElapsed(TimerKind.PRECOMMIT, 2))
    assert core.state.highest_polka == certificate(PREVOTE, 2, V)
    assert ShareCertificate(certificate(PREVOTE, 2, V)) in core.effects


def test_a_fresh_proposal_in_time_is_prevoted_and_nothing_else_happens() -> None:
    assert started(1).feed(proposal(1, V)) == [Fired(Rule.L22_PREVOTE, 1), CastVote(PREVOTE, 1, V)]


def test_a_fresh_proposal_ahead_of_the_clock_is_prevoted_nil() -> None:
    ahead = ProposalReceived(1, V, -1, valid=True, timely=False)
    noted = [Fired(Rule.L22_PREVOTE, 1), Fired(Rule.AHEAD_OF_CLOCK, 1)]
    assert started(1).feed(ahead) == [*noted, CastVote(PREVOTE, 1, NIL)]


def test_a_polka_locks_by_its_own_rule_alone() -> None:
    core = started(1)
    core.feed(proposal(1, V))
    assert core.feed(certified(PREVOTE, 1, V))[:2] == [Fired(Rule.L36_LOCK, 1), CastVote(PRECOMMIT, 1, V)]
    assert Rule.HIDDEN_LOCK not in core.lines
    assert core.state.valid_certificate == certificate(PREVOTE, 1, V)


def test_an_invalid_block_is_not_locked_on_whatever_its_polka() -> None:
    core = started(1)
    core.feed(proposal(1, V, valid=False), certified(PREVOTE, 1, V))
    assert core.cast == [(PREVOTE, 1, NIL)]
    assert (core.state.locked_round, core.state.valid_round) == (-1, -1)


def test_of_two_polkas_in_a_round_the_lower_value_is_locked_on() -> None:
    """More than a third lied; that the validators do the same is still better."""
    core = started(1)
    core.feed(proposal(3, W), proposal(2, V), certified(PREVOTE, 1, W), certified(PREVOTE, 1, V))
    core.feed(TimeoutElapsed(TimerKind.PROPOSE, 1))
    assert core.cast == [(PREVOTE, 1, NIL), (PRECOMMIT, 1, V)]
    assert (core.state.valid_value, core.state.valid_round) == (V, 1)


@pytest.mark.parametrize("pol_round", [1, 2])
def test_l28_needs_a_polka_of_an_earlier_round(pol_round: int) -> None:
    core = started(1)
    core.feed(proposal(1, V, pol_round))
    core.state.votes.add_certificate(certificate(PREVOTE, pol_round, V, 1))
    core.feed(*votes(PRECOMMIT, 1, NIL, 1))
    assert (core.cast, core.state.round, core.state.step) == ([], 1, Step.PROPOSE)


def test_l28_prevotes_what_is_locked_whatever_the_round_of_its_polka() -> None:
    core = locked_on_v()
    core.feed(proposal(2, V), certified(PREVOTE, 2, V), TimeoutElapsed(TimerKind.PRECOMMIT, 2))
    assert core.state.locked_round == 2
    core.effects.clear()
    core.feed(proposal(3, V, 1))
    assert core.cast == [(PREVOTE, 3, V)]


def test_l28_prevotes_nil_for_an_invalid_block_whatever_its_polka() -> None:
    core = started(2)
    core.feed(certified(PREVOTE, 1, V), proposal(2, V, 1, valid=False))
    assert core.cast == [(PREVOTE, 2, NIL)]


def test_an_input_says_no_more_than_it_is_given() -> None:
    (own,) = votes(PREVOTE, 1, V, 0)
    assert own == VoteReceived(vote(0, PREVOTE, 1, V), b"")
    assert proposal(1, V) == ProposalReceived(1, V, -1, valid=True, timely=True)


def test_l28_opens_a_lock_by_a_polka_of_its_own_round() -> None:
    core = locked_on_v()
    core.feed(certified(PREVOTE, 1, W), proposal(2, W, 1))
    assert core.cast == [(PREVOTE, 2, W)]


def test_a_decided_height_starts_no_round_whatever_votes_are_waiting() -> None:
    core = started(1)
    final = certificate(PRECOMMIT, 1, V)
    assert core.feed(CertificateVerified(final))[:2] == [Fired(Rule.FETCH_FINAL, 1), FetchBlock(final)]
    for each in votes(PREVOTE, 3, V, 1, 2):
        core.state.votes.add(each.vote, 1)  # type: ignore[union-attr]
    assert core.feed(proposal(1, V)) == [Fired(Rule.L49_DECIDE, 1), Decide(final)]
    assert (core.state.decision, core.state.step, core.state.running) == (final, Step.DECIDED, False)
    assert [core.feed(TimeoutElapsed(kind, 1)) for kind in PAPER_TIMERS] == [[], [], []]
    assert core.feed(*votes(PREVOTE, 1, W, 0, 1, 2, 3)) == []


def test_two_final_values_stop_everything_and_both_are_shown() -> None:
    core = started(1)
    core.feed(certified(PRECOMMIT, 0, V))
    with pytest.raises(Bug, match=r"^height 4: two values are final, .*: [0-9a-f]+ and [0-9a-f]+$"):
        core.feed(certified(PRECOMMIT, 1, W))


def test_a_value_that_is_final_in_two_rounds_is_decided_once() -> None:
    core = started(1)
    core.feed(certified(PRECOMMIT, 0, V), certified(PRECOMMIT, 1, V), proposal(1, V))
    assert [each for each in core.effects if isinstance(each, Decide)] == [Decide(certificate(PRECOMMIT, 0, V))]


def in_round(core: Core, round_: int) -> Core:
    """Moved on by votes for nil."""
    core.votes(PRECOMMIT, round_, NIL, 1, 2)
    assert core.state.round == round_
    return core


def test_what_is_of_the_oldest_round_is_kept_and_what_is_older_is_forgotten() -> None:
    core = Core(3)
    core.feed(StartHeight(), proposal(0, V), TimeoutElapsed(TimerKind.PRECOMMIT, 0), proposal(1, W))
    in_round(core, PAST_ROUNDS)
    assert core.state.proposals.keys() == {0, 1}
    assert core.state.known.keys() == {V, W}
    in_round(core, PAST_ROUNDS + 1)
    assert core.state.proposals.keys() == {1}
    assert core.state.known.keys() == {W}
    assert min(round_ for round_, _ in core.state.votes.steps) == 1
    core.votes(PRECOMMIT, PAST_ROUNDS + 1, NIL, 0, 1, 2)
    assert (Rule.L47_WAIT_PRECOMMITS, PAST_ROUNDS + 1) in core.state.fired
    in_round(core, 2 * PAST_ROUNDS + 1)
    assert (Rule.L47_WAIT_PRECOMMITS, PAST_ROUNDS + 1) in core.state.fired
    in_round(core, 2 * PAST_ROUNDS + 2)
    assert (Rule.L47_WAIT_PRECOMMITS, PAST_ROUNDS + 1) not in core.state.fired


def test_what_a_lock_and_the_highest_polka_need_is_kept_for_ever() -> None:
    core = locked_on_v()
    core.feed(certified(PREVOTE, 2, W))
    in_round(core, 3 * PAST_ROUNDS + 1)
    assert core.state.known == {V: True}
    assert core.state.votes.certificate(1, PREVOTE, V) == certificate(PREVOTE, 1, V, 0, 1, 2)
    assert core.state.votes.certificate(2, PREVOTE, W) == certificate(PREVOTE, 2, W)
    assert core.state.proposals == {}
