"""Votes are counted once each, up to the exact bounds, and what is taken back leaves nothing behind."""

import pytest

from clearing.base.certificate import NIL
from consensus.core.votes import FUTURE_ROUNDS, PAST_ROUNDS, Added, VoteKeeper
from tests.kit.consensus.core import PRECOMMIT, PREVOTE, V, W, certificate, vote
from tests.kit.consensus.crypto import VALIDATORS, validator_set

NOW = 20
OLDEST = NOW - PAST_ROUNDS
SEAL = b"seal"


def keeper_with(*votes: tuple[int, int, bytes], kind: object = PREVOTE) -> VoteKeeper:
    """A keeper with votes: voter, round, value."""
    keeper = VoteKeeper(VALIDATORS)
    for voter, round_, value in votes:
        kept = vote(voter, PRECOMMIT if kind is PRECOMMIT else PREVOTE, round_, value)
        assert keeper.add(kept, round_, SEAL) == (Added.COUNTED, None)
    return keeper


def test_the_bounds_are_those_of_the_network() -> None:
    """Peers of another version send what these bounds let in."""
    assert (FUTURE_ROUNDS, PAST_ROUNDS) == (2, 16)
    assert len(Added) == 4


def test_a_vote_counts_once_and_another_value_is_reported_once() -> None:
    keeper, first = VoteKeeper(VALIDATORS), vote(1, PREVOTE, 0, V)
    assert keeper.add(first, 0) == (Added.COUNTED, None)
    assert keeper.add(first, 0) == (Added.KNOWN, None)
    assert keeper.add(vote(1, PREVOTE, 0, W), 0) == (Added.CONFLICTING, first)
    assert keeper.add(vote(1, PREVOTE, 0, W), 0) == (Added.IGNORED, None)
    assert keeper.add(first, 0) == (Added.KNOWN, None)
    assert keeper.add(vote(1, PRECOMMIT, 0, W), 0) == (Added.COUNTED, None)
    assert keeper.size == 2
    assert keeper.votes(0, PREVOTE) == [first]


def test_votes_of_the_oldest_round_count_and_of_the_one_before_do_not() -> None:
    keeper = VoteKeeper(VALIDATORS)
    assert keeper.add(vote(1, PREVOTE, OLDEST, V), NOW) == (Added.COUNTED, None)
    assert keeper.add(vote(1, PREVOTE, OLDEST - 1, V), NOW) == (Added.IGNORED, None)
    assert keeper.steps == [(OLDEST, PREVOTE)]


def test_pruning_keeps_the_oldest_round() -> None:
    keeper = keeper_with((1, OLDEST - 1, V), (1, OLDEST, V), (1, NOW, V))
    keeper.prune(NOW)
    assert keeper.steps == [(OLDEST, PREVOTE), (NOW, PREVOTE)]


def test_of_rounds_far_ahead_each_validator_has_its_two_highest() -> None:
    keeper = VoteKeeper(VALIDATORS)
    for round_ in (NOW + 1, NOW + 3, NOW + 5):
        assert keeper.add(vote(1, PREVOTE, round_, V), NOW, SEAL) == (Added.COUNTED, None)
    assert keeper.add(vote(1, PREVOTE, NOW + 2, V), NOW) == (Added.IGNORED, None)
    assert keeper.add(vote(1, PRECOMMIT, NOW + 3, V), NOW, SEAL) == (Added.COUNTED, None)
    assert keeper.add(vote(2, PREVOTE, NOW + 3, V), NOW, SEAL) == (Added.COUNTED, None)
    assert keeper.add(vote(2, PREVOTE, NOW + 2, V), NOW) == (Added.COUNTED, None)
    assert keeper.add(vote(1, PREVOTE, NOW + 4, V), NOW) == (Added.COUNTED, None)
    assert keeper.steps == [(NOW + 1, 1), (NOW + 2, 1), (NOW + 3, 1), (NOW + 4, 1), (NOW + 5, 1)]
    assert keeper.votes(NOW + 3, PREVOTE) == [vote(2, PREVOTE, NOW + 3, V)]
    assert keeper.votes(NOW + 3, PRECOMMIT) == []
    assert keeper.sealed(NOW + 3, PREVOTE, 1) is None
    assert keeper.sealed(NOW + 3, PREVOTE, 2) == (vote(2, PREVOTE, NOW + 3, V), SEAL)
    assert keeper.size == 5


def test_the_next_round_is_not_far_ahead() -> None:
    keeper = VoteKeeper(VALIDATORS)
    for round_ in (NOW + 2, NOW + 3, NOW + 1):
        assert keeper.add(vote(1, PREVOTE, round_, V), NOW) == (Added.COUNTED, None)
    assert keeper.size == 3


def test_a_vote_that_gives_way_takes_its_power_along_and_no_certificate() -> None:
    keeper = VoteKeeper(VALIDATORS)
    shown = certificate(PREVOTE, NOW + 2, V)
    for voter in (0, 1, 2):
        keeper.add(vote(voter, PREVOTE, NOW + 3, W), NOW)
    keeper.add(vote(0, PREVOTE, NOW + 2, V), NOW)
    keeper.add_certificate(shown)
    keeper.add(vote(0, PREVOTE, NOW + 5, V), NOW)
    assert keeper.certificates(NOW + 2, PREVOTE) == [shown]
    assert keeper.has_any_quorum(NOW + 3, PREVOTE)
    keeper.add(vote(0, PREVOTE, NOW + 6, V), NOW)
    assert not keeper.has_any_quorum(NOW + 3, PREVOTE)
    assert keeper.unchecked_quorums(-1) == []
    assert [each.validator for each in keeper.votes(NOW + 3, PREVOTE)] == [1, 2]
    keeper.add(vote(3, PREVOTE, NOW + 3, W), NOW)
    assert [found[3] for found in keeper.unchecked_quorums(-1)] == [tuple((i, bytes([i]) * 96) for i in (1, 2, 3))]


def test_refused_shares_take_their_power_along_and_count_no_more_in_this_step() -> None:
    keeper = keeper_with((0, 0, V), (1, 0, V), (2, 0, V))
    assert [found[:3] for found in keeper.unchecked_quorums(-1)] == [(PREVOTE, 0, V)]
    keeper.refuse(PREVOTE, 0, V, (1, 3))
    assert not keeper.has_any_quorum(0, PREVOTE)
    assert [each.validator for each in keeper.votes(0, PREVOTE)] == [0, 2]
    assert (keeper.sealed(0, PREVOTE, 1), keeper.size) == (None, 2)
    for voter in (1, 3):
        assert not keeper.wants(vote(voter, PREVOTE, 0, V))
        assert keeper.add(vote(voter, PREVOTE, 0, V), 0) == (Added.IGNORED, None)
        assert keeper.add(vote(voter, PREVOTE, 0, W), 0) == (Added.IGNORED, None)
        assert keeper.add(vote(voter, PRECOMMIT, 0, V), 0) == (Added.COUNTED, None)
    assert keeper.unchecked_quorums(-1) == []


def test_a_quorum_is_checked_again_after_shares_were_refused() -> None:
    powers = validator_set(4, (1, 1, 1, 6))
    keeper = VoteKeeper(powers)
    for voter in (0, 1, 3):
        keeper.add(vote(voter, PREVOTE, 0, V), 0)
    assert [found[3] for found in keeper.unchecked_quorums(-1)] == [tuple((i, bytes([i]) * 96) for i in (0, 1, 3))]
    assert keeper.unchecked_quorums(-1) == []
    keeper.refuse(PREVOTE, 0, V, (0,))
    assert [found[3] for found in keeper.unchecked_quorums(-1)] == [tuple((i, bytes([i]) * 96) for i in (1, 3))]


def test_a_vote_is_wanted_while_it_would_add_anything() -> None:
    keeper = VoteKeeper(VALIDATORS)
    first, second = vote(1, PREVOTE, 0, V), vote(1, PREVOTE, 0, W)
    assert keeper.wants(first)
    keeper.add(first, 0)
    assert (keeper.wants(first), keeper.wants(second), keeper.wants(vote(2, PREVOTE, 0, V))) == (False, True, True)
    keeper.add(second, 0)
    assert (keeper.wants(first), keeper.wants(second)) == (False, False)


def test_only_sealed_votes_are_evidence() -> None:
    keeper = VoteKeeper(VALIDATORS)
    keeper.add(vote(1, PREVOTE, 0, V), 0, SEAL)
    keeper.add(vote(2, PREVOTE, 0, V), 0, b"")
    keeper.add(vote(3, PREVOTE, 0, V), 0)
    assert keeper.sealed(0, PREVOTE, 1) == (vote(1, PREVOTE, 0, V), SEAL)
    assert [keeper.sealed(0, PREVOTE, voter) for voter in (0, 2, 3)] == [None, None, None]
    assert keeper.sealed(1, PREVOTE, 1) is None
    assert keeper.sealed(0, PRECOMMIT, 1) is None


def test_certificates_count_their_signers_once_and_are_kept_once() -> None:
    keeper = keeper_with((0, 0, V), (1, 0, V))
    assert not keeper.has_any_quorum(0, PREVOTE)
    assert keeper.certificate(0, PREVOTE, V) is None
    shown = certificate(PREVOTE, 0, V, 0, 1, 2)
    assert keeper.add_certificate(shown)
    assert not keeper.add_certificate(shown)
    assert keeper.has_any_quorum(0, PREVOTE)
    assert keeper.certificate(0, PREVOTE, V) == shown
    assert keeper.certificate(1, PREVOTE, V) is None
    assert keeper.unchecked_quorums(-1) == []
    keeper.add(vote(2, PREVOTE, 0, V), 0)
    assert keeper.unchecked_quorums(-1) == []


def test_everything_is_listed_in_order() -> None:
    keeper = keeper_with((3, 2, V), (1, 2, W), (2, 2, V), (1, 1, V))
    keeper.add(vote(0, PRECOMMIT, 1, V), 2)
    shown = [certificate(PREVOTE, *each) for each in ((2, W), (2, V), (2, NIL), (1, W))]
    for each in (*shown, certificate(PRECOMMIT, 0, V)):
        keeper.add_certificate(each)
    assert keeper.steps == [(0, PRECOMMIT), (1, PREVOTE), (1, PRECOMMIT), (2, PREVOTE)]
    assert [each.validator for each in keeper.votes(2, PREVOTE)] == [1, 2, 3]
    assert [each.value for each in keeper.certificates(2, PREVOTE)] == sorted([W, V, NIL])
    assert [(each.round, each.value) for each in keeper.value_certificates(PREVOTE)] == [(1, W), (2, V), (2, W)]
    assert keeper.value_certificates(PRECOMMIT) == [certificate(PRECOMMIT, 0, V)]
    assert (keeper.votes(3, PREVOTE), keeper.certificates(3, PREVOTE)) == ([], [])


@pytest.mark.parametrize(("powers", "voters"), [((1, 1, 1, 1), (0, 1, 2)), ((2, 2, 1, 1), (0, 1, 2))])
def test_a_quorum_is_more_than_two_thirds_of_the_power_and_not_two_thirds(
    powers: tuple[int, ...], voters: tuple[int, ...]
) -> None:
    keeper = VoteKeeper(validator_set(4, powers))
    for voter in voters:
        assert not keeper.has_any_quorum(0, PREVOTE)
        assert keeper.unchecked_quorums(0) == []
        keeper.add(vote(voter, PREVOTE, 0, V), 0)
    assert keeper.has_any_quorum(0, PREVOTE)
    assert not keeper.has_any_quorum(0, PRECOMMIT)
    assert not keeper.has_any_quorum(1, PREVOTE)
    assert len(keeper.unchecked_quorums(0)) == 1


def test_the_highest_later_round_with_more_than_a_third_is_followed() -> None:
    keeper = VoteKeeper(VALIDATORS)
    assert keeper.highest_skip_round(0) is None
    for round_, kind, voter in ((1, PREVOTE, 0), (1, PREVOTE, 1), (2, PREVOTE, 1), (2, PRECOMMIT, 1)):
        keeper.add(vote(voter, kind, round_, V), 1)
    assert keeper.highest_skip_round(0) == 1
    assert keeper.highest_skip_round(1) is None
    keeper.add(vote(2, PRECOMMIT, 2, V), 1)
    assert (keeper.highest_skip_round(0), keeper.highest_skip_round(1), keeper.highest_skip_round(2)) == (2, 2, None)


def test_nil_needs_a_certificate_only_as_the_polka_that_is_voted_on_now() -> None:
    for kind, round_, asked in ((PREVOTE, 1, [NIL]), (PREVOTE, 2, []), (PREVOTE, -1, []), (PRECOMMIT, 1, [])):
        keeper = keeper_with((0, 1, NIL), (1, 1, NIL), (2, 1, NIL), kind=kind)
        assert [found[2] for found in keeper.unchecked_quorums(round_)] == asked
        keeper = keeper_with((0, 1, V), (1, 1, V), (2, 1, V), kind=kind)
        assert [found[:3] for found in keeper.unchecked_quorums(round_)] == [(kind, 1, V)]


def test_shares_are_given_in_the_order_of_the_set_and_of_one_value() -> None:
    keeper = VoteKeeper(validator_set(5))
    for voter, value in ((4, V), (2, W), (3, V), (0, V), (1, V)):
        keeper.add(vote(voter, PREVOTE, 0, value), 0)
    ((_, _, _, shares),) = keeper.unchecked_quorums(-1)
    assert [index for index, _ in shares] == [0, 1, 3, 4]


def test_a_seal_goes_with_its_vote() -> None:
    keeper = VoteKeeper(VALIDATORS)
    for round_ in (NOW + 2, NOW + 3, NOW + 4):
        keeper.add(vote(2, PREVOTE, NOW + 2, V), NOW)
        keeper.add(vote(2, PRECOMMIT, NOW + 2, V), NOW)
        keeper.add(vote(1, PREVOTE, round_, V), NOW, SEAL)
    assert keeper.add(vote(1, PREVOTE, NOW + 2, V), NOW + 2) == (Added.COUNTED, None)
    assert keeper.sealed(NOW + 2, PREVOTE, 1) is None


def test_two_rounds_ahead_is_far_ahead() -> None:
    keeper = VoteKeeper(VALIDATORS)
    for round_ in (NOW + 2, NOW + 3, NOW + 4):
        keeper.add(vote(1, PREVOTE, round_, V), NOW)
    assert keeper.steps == [(NOW + 3, PREVOTE), (NOW + 4, PREVOTE)]
    assert keeper.add(vote(1, PRECOMMIT, NOW + 3, V), NOW) == (Added.COUNTED, None)
    assert keeper.add(vote(1, PRECOMMIT, NOW + 4, V), NOW) == (Added.COUNTED, None)
    assert keeper.size == 4
