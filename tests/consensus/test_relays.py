"""When nothing moves, votes of others are passed on: one liar's private vote strands nobody."""

from clearing.base.certificate import NIL, VoteKind
from consensus.blocks.store import MemoryBlockStore
from consensus.chain_state import chain_at
from consensus.messages import Extension, MessageKind, Vote, read_envelope, read_message
from consensus.outputs import Broadcast, Output, PeerFault
from consensus.replica.outbox import RELAYED_MIN, RELAYED_TO_ONE_MAX, HeightOutbox, relayed, relays_of
from consensus.replica.replica import Replica, ReplicaConfig
from consensus.signing import seal
from consensus.timeouts import TimerKind
from node.signer.sign_state import SignGuard
from tests.kit.consensus.crypto import FakeSigner, FakeVerifier, validator_set
from tests.kit.consensus.toy import ToyApplication
from tests.sim.consensus.network import GENESIS_MS, NETWORK


class HandClock:
    now = 0

    def wall_ms(self) -> int:
        return GENESIS_MS + self.now

    def steady_ms(self) -> int:
        return self.now


class Peers:
    """Some replicas of a set, and words of all its validators."""

    def __init__(self, count: int) -> None:
        self.validators = validator_set(count)
        self.keys = [each.envelope_key for each in self.validators.validators]

    def replica(self, own: int, signer: FakeSigner | None = None) -> Replica:
        application = ToyApplication(self.validators, own)
        replica = Replica(
            chain_at(NETWORK, GENESIS_MS, application.position, None),
            application,
            MemoryBlockStore(),
            signer or FakeSigner(NETWORK, self.validators.validators[own], SignGuard()),
            FakeVerifier(),
            HandClock(),
            ReplicaConfig(),
            lambda: True,
        )
        replica.start()
        replica.on_timer(TimerKind.HEARTBEAT, 1, 0)
        return replica

    def vote(self, voter: int, kind: VoteKind, round_: int, value: bytes) -> bytes:
        signer = FakeSigner(NETWORK, self.validators.validators[voter], None)
        application = ToyApplication(self.validators, voter)
        own = HeightOutbox(chain_at(NETWORK, GENESIS_MS, application.position, None), signer)
        extended = kind is VoteKind.PRECOMMIT and value != NIL
        extension = Extension(time_ms=GENESIS_MS, data=b"") if extended else None
        vote, _ = own.make_vote(voter, kind, round_, value, extension)
        return seal(signer, vote)


def stall(replica: Replica) -> list[Output]:
    replica.on_timer(TimerKind.REBROADCAST, 0, 0)
    return replica.on_timer(TimerKind.REBROADCAST, 0, 0)


def votes_of_others(outputs: list[Output], own: bytes) -> list[bytes]:
    sent = [output.data for output in outputs if isinstance(output, Broadcast)]
    return [data for data in sent if read_envelope(data).sender != own]


def test_who_was_moved_on_by_a_private_vote_lets_the_others_follow() -> None:
    """Validator 3 lies: its precommit of round 0 goes to 0 alone. Validators 1 and 2 have each other's only."""
    peers = Peers(4)
    ahead, behind = peers.replica(0), peers.replica(1)
    for voter, value in ((1, b"v" * 32), (2, b"v" * 32), (3, NIL)):
        ahead.receive(peers.keys[voter], peers.vote(voter, VoteKind.PRECOMMIT, 0, value))
    behind.receive(peers.keys[2], peers.vote(2, VoteKind.PRECOMMIT, 0, b"v" * 32))
    behind.receive(peers.keys[1], peers.vote(1, VoteKind.PRECOMMIT, 0, b"v" * 32))
    ahead.on_timer(TimerKind.PRECOMMIT, 1, 0)
    assert (ahead.run.state.round, behind.run.state.round) == (1, 0)
    passed = votes_of_others(stall(ahead), peers.keys[0])
    assert {read_envelope(data).sender for data in passed} == set(peers.keys[1:])
    for data in passed:
        behind.receive(peers.keys[0], data)
    assert (47, 0) in behind.run.state.fired, "a quorum of whatever precommits is here, too"
    behind.on_timer(TimerKind.PRECOMMIT, 1, 0)
    assert behind.run.state.round == 1


def test_a_final_certificate_whose_block_is_not_here_is_told_to_who_may_have_it() -> None:
    peers = Peers(4)
    replica = peers.replica(0)
    for voter in (1, 2, 3):
        replica.receive(peers.keys[voter], peers.vote(voter, VoteKind.PRECOMMIT, 0, b"v" * 32))
    assert replica.chain.height == 0
    told = [output.data for output in stall(replica) if isinstance(output, Broadcast)]
    (shown,) = [data for data in told if read_envelope(data).kind is MessageKind.CERTIFICATE]
    other = peers.replica(1)
    assert not [output for output in other.receive(peers.keys[0], shown) if isinstance(output, PeerFault)]
    assert [each.value for each in other.run.state.votes.value_certificates(VoteKind.PRECOMMIT)] == [b"v" * 32]


def test_votes_that_go_round_are_the_same_bytes_and_bounded() -> None:
    peers = Peers(13)
    replica = peers.replica(0)
    made = {peers.vote(voter, VoteKind.PREVOTE, 0, NIL) for voter in range(1, 13)}
    made |= {peers.vote(voter, VoteKind.PRECOMMIT, 0, NIL) for voter in range(1, 13)}
    for data in sorted(made):
        replica.receive(read_envelope(data).sender, data)
    replica.on_timer(TimerKind.PRECOMMIT, 1, 0)
    for voter in range(1, 13):
        data = peers.vote(voter, VoteKind.PREVOTE, 1, NIL)
        made.add(data)
        replica.receive(peers.keys[voter], data)
    state = replica.run.state
    assert state.round == 1
    turns = [relayed(state, turn) for turn in range(6)]
    assert all(len(found) <= relays_of(13) for found in turns)
    passed = {data for found in turns for data in found}
    assert passed <= made
    told = [read_message(read_envelope(data)) for data in passed]
    assert len([vote for vote in told if isinstance(vote, Vote) and (vote.round, vote.kind) == (0, 2)]) == 12
    assert not [vote for vote in told if isinstance(vote, Vote) and (vote.round, vote.kind) == (0, 1)]


def test_nothing_is_passed_on_while_heights_go_on() -> None:
    peers = Peers(4)
    replica = peers.replica(0)
    replica.receive(peers.keys[1], peers.vote(1, VoteKind.PREVOTE, 0, NIL))
    outputs = replica.on_timer(TimerKind.REBROADCAST, 0, 0)
    assert votes_of_others(outputs, peers.keys[0]) == []


def test_an_observer_passes_no_votes_on() -> None:
    """Whoever got them from it would charge it, and a network that stands still would ban all who watch it."""
    peers = Peers(4)
    stranger = next(each for each in validator_set(7).validators if each.envelope_key not in peers.keys)
    observer = peers.replica(0, FakeSigner(NETWORK, stranger, SignGuard()))
    for voter in (1, 2):
        observer.receive(peers.keys[voter], peers.vote(voter, VoteKind.PREVOTE, 0, NIL))
    assert observer.run.state.own_index is None
    assert observer.run.state.votes.size == 2
    assert votes_of_others(stall(observer), stranger.envelope_key) == []


def test_a_set_of_any_size_hears_few_relays_at_a_time_and_all_votes_soon() -> None:
    """Thirty-two validators on one core once passed on more than they could read, and never agreed again."""
    for count in (1, 4, 10, 13, 32, 127):
        heard = (count - 1) * relays_of(count)
        assert heard <= max(RELAYED_TO_ONE_MAX, RELAYED_MIN * count)
    peers = Peers(13)
    made = {voter: peers.vote(voter, VoteKind.PREVOTE, 0, NIL) for voter in range(13)}
    passed: set[bytes] = set()
    for own in (0, 1):
        replica = peers.replica(own)
        for voter, data in made.items():
            if voter != own:
                replica.receive(peers.keys[voter], data)
        passed.update(relayed(replica.run.state, 0))
    # Two who pass on begin at different votes, so that together they pass on all others'.
    assert set(list(made.values())[2:]) <= passed
