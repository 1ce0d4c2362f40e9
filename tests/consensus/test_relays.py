"""When nothing moves, votes of others are passed on: one liar's private vote strands nobody."""

from typing import Any

import pytest

from clearing.base.certificate import NIL
from consensus.messages import MessageKind, Vote, read_envelope, read_message
from consensus.outputs import Broadcast, Output
from consensus.replica.outbox import RELAYED_MIN, RELAYED_TO_ONE_MAX, relayed, relays_of
from consensus.replica.replica import Replica
from consensus.timeouts import TimerKind
from node.signer.sign_state import SignGuard
from tests.kit.consensus.core import PRECOMMIT, PREVOTE, V
from tests.kit.consensus.crypto import KEYS, FakeSigner, validator_set
from tests.kit.consensus.replicas import NETWORK, faults, make_replica, receive, sealed, vote

THIRTEEN = validator_set(13)


def of_thirteen(voter: int, *step: Any) -> bytes:
    return sealed(voter, vote(voter, *step, validators=THIRTEEN), THIRTEEN)


def stall(replica: Replica) -> list[Output]:
    replica.on_timer(TimerKind.REBROADCAST, 0, 0)
    return replica.on_timer(TimerKind.REBROADCAST, 0, 0)


def votes_of_others(outputs: list[Output], own: bytes) -> list[bytes]:
    sent = [output.data for output in outputs if isinstance(output, Broadcast)]
    return [data for data in sent if read_envelope(data).sender != own]


def test_who_was_moved_on_by_a_private_vote_lets_the_others_follow() -> None:
    """Validator 3 lies: its precommit of round 0 goes to 0 alone. Validators 1 and 2 have each other's only."""
    ahead, behind = make_replica(0), make_replica(1)
    for voter, value in ((1, V), (2, V), (3, NIL)):
        receive(ahead, voter, vote(voter, PRECOMMIT, 0, value))
    for voter in (2, 1):
        receive(behind, voter, vote(voter, PRECOMMIT, 0, V))
    ahead.on_timer(TimerKind.PRECOMMIT, 1, 0)
    assert (ahead.run.state.round, behind.run.state.round) == (1, 0)
    passed_on = votes_of_others(stall(ahead), KEYS[0])
    assert {read_envelope(data).sender for data in passed_on} == set(KEYS[1:])
    for data in passed_on:
        behind.receive(KEYS[0], data)
    assert (47, 0) in behind.run.state.fired, "a quorum of whatever precommits is here, too"
    behind.on_timer(TimerKind.PRECOMMIT, 1, 0)
    assert behind.run.state.round == 1


def test_a_final_certificate_whose_block_is_not_here_is_told_to_who_may_have_it() -> None:
    replica, other = make_replica(0), make_replica(1)
    for voter in (1, 2, 3):
        receive(replica, voter, vote(voter, PRECOMMIT, 0, V))
    assert replica.chain.height == 0
    sent = [output.data for output in stall(replica) if isinstance(output, Broadcast)]
    (shown,) = [data for data in sent if read_envelope(data).kind is MessageKind.CERTIFICATE]
    assert faults(other.receive(KEYS[0], shown)) == []
    assert [final.value for final in other.run.state.votes.value_certificates(PRECOMMIT)] == [V]


def test_votes_that_go_round_are_the_same_bytes_and_bounded() -> None:
    replica = make_replica(validators=THIRTEEN)
    first = sorted(of_thirteen(voter, kind, 0, NIL) for voter in range(1, 13) for kind in (PREVOTE, PRECOMMIT))
    second = [of_thirteen(voter, PREVOTE, 1, NIL) for voter in range(1, 13)]
    for votes in (first, second):
        for data in votes:
            replica.receive(read_envelope(data).sender, data)
        replica.on_timer(TimerKind.PRECOMMIT, 1, 0)
    assert replica.run.state.round == 1
    turns = [relayed(replica.run.state, turn) for turn in range(6)]
    assert all(len(found) <= relays_of(13) for found in turns)
    passed_on = {data for found in turns for data in found}
    assert passed_on <= {*first, *second}
    messages = [read_message(read_envelope(data)) for data in passed_on]
    steps = [(vote.round, vote.kind) for vote in messages if isinstance(vote, Vote)]
    assert steps.count((0, PRECOMMIT)) == 12
    assert steps.count((0, PREVOTE)) == 0


def test_nothing_is_passed_on_while_heights_go_on() -> None:
    replica = make_replica()
    receive(replica, 1, vote(1, PREVOTE, 0, NIL))
    assert votes_of_others(replica.on_timer(TimerKind.REBROADCAST, 0, 0), KEYS[0]) == []


def test_an_observer_passes_no_votes_on() -> None:
    """Whoever got them from it would charge it, and a network that stands still would ban all who watch it."""
    stranger = next(each for each in validator_set(7).validators if each.envelope_key not in KEYS)
    observer = make_replica(signer=FakeSigner(NETWORK, stranger, SignGuard()))
    for voter in (1, 2):
        receive(observer, voter, vote(voter, PREVOTE, 0, NIL))
    assert observer.run.state.own_index is None
    assert observer.run.state.votes.size == 2
    assert votes_of_others(stall(observer), stranger.envelope_key) == []


@pytest.mark.parametrize("count", [1, 4, 10, 13, 32, 127])
def test_a_set_of_any_size_hears_few_relays_at_a_time(count: int) -> None:
    """Thirty-two validators on one core once passed on more than they could read, and never agreed again."""
    assert (count - 1) * relays_of(count) <= max(RELAYED_TO_ONE_MAX, RELAYED_MIN * count)


def test_two_who_pass_on_begin_at_different_votes_so_that_all_are_passed_on_soon() -> None:
    votes = [of_thirteen(voter, PREVOTE, 0, NIL) for voter in range(13)]
    passed_on: set[bytes] = set()
    for own in (0, 1):
        replica = make_replica(own, validators=THIRTEEN)
        for voter, data in enumerate(votes):
            if voter != own:
                replica.receive(read_envelope(data).sender, data)
        passed_on.update(relayed(replica.run.state, 0))
    assert set(votes[2:]) <= passed_on
