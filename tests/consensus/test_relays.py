"""Who lacks votes says what it has, and gets the others: one liar's private vote strands nobody."""

from typing import Any

import pytest

from clearing.base.certificate import NIL
from consensus.links import STABLE_MS
from consensus.messages import HaveList, MessageKind, Vote, read_envelope, read_message
from consensus.outputs import Broadcast, Output, Send
from consensus.replica.dissemination import LISTS_AT_ONCE, RELAYED_MIN, RELAYED_TO_ONE_MAX, relays_of
from consensus.replica.replica import Replica
from consensus.timeouts import TimerKind
from node.signer.sign_state import SignGuard
from tests.kit.consensus.core import PRECOMMIT, PREVOTE, V
from tests.kit.consensus.crypto import KEYS, FakeSigner, validator_set
from tests.kit.consensus.replicas import NETWORK, faults, make_replica, pass_time, receive, sealed, vote

THIRTEEN = validator_set(13)


def of_thirteen(voter: int, *step: Any) -> bytes:
    return sealed(voter, vote(voter, *step, validators=THIRTEEN), THIRTEEN)


def stall(replica: Replica) -> list[Output]:
    replica.on_timer(TimerKind.REBROADCAST, 0, 0)
    return replica.on_timer(TimerKind.REBROADCAST, 0, 0)


def lists_of(outputs: list[Output]) -> list[bytes]:
    sent = [output.data for output in outputs if isinstance(output, Broadcast)]
    return [data for data in sent if read_envelope(data).kind is MessageKind.HAVE_LIST]


def answered(outputs: list[Output], own: bytes) -> list[bytes]:
    """Envelopes of others that leave."""
    sent = [output.data for output in outputs if isinstance(output, Send)]
    return [data for data in sent if read_envelope(data).sender != own]


def nothing_of(height: int) -> HaveList:
    return HaveList(height=height, steps=(), polka_round=-1)


def test_who_was_moved_on_by_a_private_vote_lets_the_others_follow() -> None:
    """Validator 3 lies: its precommit of round 0 goes to 0 alone. Validators 1 and 2 have each other's only."""
    ahead, behind = make_replica(0), make_replica(1)
    for voter, value in ((1, V), (2, V), (3, NIL)):
        receive(ahead, voter, vote(voter, PRECOMMIT, 0, value))
    for voter in (2, 1):
        receive(behind, voter, vote(voter, PRECOMMIT, 0, V))
    ahead.on_timer(TimerKind.PRECOMMIT, 1, 0)
    assert (ahead.run.state.round, behind.run.state.round) == (1, 0)
    (listed,) = lists_of(stall(behind))
    passed_on = answered(ahead.receive(KEYS[1], listed), KEYS[0])
    assert [read_envelope(data).sender for data in passed_on] == [KEYS[3]], "the others' are on the list"
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


def test_answers_are_the_same_bytes_and_bounded() -> None:
    replica = make_replica(validators=THIRTEEN)
    first = sorted(of_thirteen(voter, kind, 0, NIL) for voter in range(1, 13) for kind in (PREVOTE, PRECOMMIT))
    second = [of_thirteen(voter, PREVOTE, 1, NIL) for voter in range(1, 13)]
    for votes in (first, second):
        for data in votes:
            replica.receive(read_envelope(data).sender, data)
        replica.on_timer(TimerKind.PRECOMMIT, 1, 0)
    pass_time(replica, STABLE_MS)
    replica.on_timer(TimerKind.STATUS, 0, 0)
    assert replica.run.state.round == 1
    own, asker = (THIRTEEN.validators[index].envelope_key for index in (0, 1))
    listed = sealed(1, nothing_of(1), THIRTEEN)
    turns = [answered(replica.receive(asker, listed), own) for _ in range(6)]
    assert all(len(found) <= relays_of(12) for found in turns)
    passed_on = {data for found in turns for data in found}
    assert passed_on <= {*first, *second}
    assert asker not in {read_envelope(data).sender for data in passed_on}, "it has its own"
    messages = [read_message(read_envelope(data)) for data in passed_on]
    steps = [(vote.round, vote.kind) for vote in messages if isinstance(vote, Vote)]
    assert steps.count((0, PRECOMMIT)) == 11
    assert steps.count((0, PREVOTE)) == 0


def test_lists_without_end_are_answered_at_a_rate() -> None:
    replica = make_replica()
    receive(replica, 2, vote(2, PREVOTE, 0, NIL))
    outputs = receive(replica, 1, *[nothing_of(1)] * 500)
    assert len(answered(outputs, KEYS[0])) == LISTS_AT_ONCE


def test_no_list_leaves_while_heights_go_on() -> None:
    replica = make_replica()
    receive(replica, 1, vote(1, PREVOTE, 0, NIL))
    assert lists_of(replica.on_timer(TimerKind.REBROADCAST, 0, 0)) == []


def test_an_observer_passes_no_votes_on() -> None:
    """Any peer that got them from it would charge it, and a network that stands still would ban all who watch it."""
    stranger = next(each for each in validator_set(7).validators if each.envelope_key not in KEYS)
    observer = make_replica(signer=FakeSigner(NETWORK, stranger, SignGuard()))
    for voter in (1, 2):
        receive(observer, voter, vote(voter, PREVOTE, 0, NIL))
    assert observer.run.state.own_index is None
    assert observer.run.state.votes.size == 2
    assert lists_of(stall(observer)) == []
    assert answered(receive(observer, 1, nothing_of(1)), stranger.envelope_key) == []


@pytest.mark.parametrize("count", [1, 4, 10, 13, 32, 127])
def test_a_set_of_any_size_hears_few_relays_at_a_time(count: int) -> None:
    """Thirty-two validators on one core once passed on more than they could read, and never agreed again."""
    assert (count - 1) * relays_of(count - 1) <= max(RELAYED_TO_ONE_MAX, RELAYED_MIN * count)


def test_two_that_answer_begin_at_different_votes_so_that_all_are_passed_on_soon() -> None:
    votes = [of_thirteen(voter, PREVOTE, 0, NIL) for voter in range(13)]
    passed_on: set[bytes] = set()
    for own in (0, 1):
        replica = make_replica(own, validators=THIRTEEN)
        for voter, data in enumerate(votes):
            if voter != own:
                replica.receive(read_envelope(data).sender, data)
        replica.on_timer(TimerKind.STATUS, 0, 0)
        key = THIRTEEN.validators[own].envelope_key
        asker = THIRTEEN.validators[12].envelope_key
        passed_on.update(answered(replica.receive(asker, sealed(12, nothing_of(1), THIRTEEN)), key))
    assert set(votes[2:12]) <= passed_on
