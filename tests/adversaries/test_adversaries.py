"""Each adversary does what it is called after, in front of a replica that is honest, and four validators bear it."""

from random import Random

import pytest

from clearing.base.certificate import NIL, VoteKind
from consensus.messages import CertificateMessage, Message, Proposal, Status, Vote, read_envelope
from consensus.outputs import Broadcast, Output, Persist, Send
from consensus.wal import Record, RecordKind
from tests.kit.adversaries.context import Adversary, AdversaryContext, disguise, message_of
from tests.kit.adversaries.hosts import damage_file
from tests.kit.adversaries.registry import ADVERSARIES, make_adversary
from tests.kit.adversaries.voters import Sleeper
from tests.kit.consensus.crypto import FakeVerifier, fake_signature
from tests.kit.consensus.replicas import NETWORK
from tests.sim.consensus.network import Faults, SimNetwork
from tests.sim.consensus.node import SimNode
from tests.sim.consensus.planted import unlock_dropped
from tests.sim.violation import NoProgress

GOOD_LINKS = {
    "heal_ms": 2500,
    "loss_percent": 0,
    "stall_percent": 0,
    "crash_interval_ms": 0,
    "torn_write_percent": 0,
    "partition_interval_ms": 0,
}
LIAR = 1


class Heard:
    """What one node made of its replica's outputs in a run."""

    def __init__(self, name: str) -> None:
        self.given: list[Output] = []
        self.performed: list[Output] = []
        self.network = SimNetwork(5, Faults(liars=((LIAR, name),), **GOOD_LINKS))  # type: ignore[arg-type]
        node = self.network.nodes[LIAR]
        assert node.adversary is not None
        self.adversary = node.adversary
        outgoing, perform = self.adversary.outgoing, node._perform

        def noted(output: Output) -> list[Output] | None:
            self.given.append(output)
            return outgoing(output)

        def performed(outputs: list[Output]) -> None:
            self.performed += outputs
            perform(outputs)

        self.adversary.outgoing = noted  # type: ignore[method-assign]
        node._perform = performed  # type: ignore[method-assign]
        self.network.run(heights_after_healing=2)

    def said(self, kind: type[Message]) -> list[Message]:
        found = [message_of(output) for output in self.performed]
        return [message for message in found if isinstance(message, kind)]

    def by_step(self) -> dict[tuple[int, int, VoteKind], set[bytes]]:
        steps: dict[tuple[int, int, VoteKind], set[bytes]] = {}
        for vote in self.said(Vote):
            assert isinstance(vote, Vote)
            steps.setdefault((vote.height, vote.round, vote.kind), set()).add(vote.value)
        return steps


@pytest.fixture(scope="module")
def heard() -> dict[str, Heard]:
    return {}


def of(heard: dict[str, Heard], name: str) -> Heard:
    if name not in heard:
        heard[name] = Heard(name)
    return heard[name]


@pytest.mark.parametrize("name", sorted(ADVERSARIES))
def test_one_of_four_stops_nobody_and_forks_nothing(heard: dict[str, Heard], name: str) -> None:
    network = of(heard, name).network
    assert min(node.height for node in network.honest) >= 3
    if name not in ("amnesiac", "sleeper"):  # on good links nobody has a lock to forget, and it is not asleep yet
        assert of(heard, name).performed != of(heard, name).given, "it does change something"


@pytest.mark.parametrize("name", ["equivocator", "double-voter"])
def test_two_values_are_told_in_one_step(heard: dict[str, Heard], name: str) -> None:
    assert any(len(values) > 1 for values in of(heard, name).by_step().values())


def test_twins_tell_two_values_to_two_sides(heard: dict[str, Heard]) -> None:
    assert any(len(values) > 1 for values in of(heard, "twins").by_step().values())
    sent = [output for output in of(heard, "twins").performed if isinstance(output, Send)]
    assert {output.to for output in sent} == {node.key for node in of(heard, "twins").network.honest}


@pytest.mark.parametrize("name", ["nuller", "bad-share", "amnesiac", "clock-skewed", "slow", "hider"])
def test_quiet_liars_never_double_sign(heard: dict[str, Heard], name: str) -> None:
    assert all(len(values) == 1 for values in of(heard, name).by_step().values())


def test_a_nuller_votes_nil(heard: dict[str, Heard]) -> None:
    assert {value for values in of(heard, "nuller").by_step().values() for value in values} == {NIL}


def test_a_bad_share_does_not_verify(heard: dict[str, Heard]) -> None:
    assert of(heard, "bad-share").network.monitor.faults["BAD_SHARE"] > 0


def test_a_forger_makes_up_certificates_and_heights(heard: dict[str, Heard]) -> None:
    run = of(heard, "forger")
    honest = max(node.height for node in run.network.honest)
    assert any(isinstance(each, Status) and each.height > honest for each in run.said(Status))
    verifier = FakeVerifier()
    forged = 0
    for message in run.said(CertificateMessage):
        assert isinstance(message, CertificateMessage)
        try:
            verifier.verify_certificate(message.certificate, run.network.validators, NETWORK)
        except Exception:
            forged += 1
    assert forged > 5


def test_an_impersonator_wears_others_keys_and_indices(heard: dict[str, Heard]) -> None:
    run = of(heard, "impersonator")
    own = run.network.nodes[LIAR].key
    senders = {read_envelope(each.data).sender for each in run.performed if isinstance(each, Broadcast | Send)}
    assert len(senders - {own}) >= 2
    assert any(isinstance(each, Vote) and each.validator != LIAR for each in run.said(Vote))
    assert run.network.monitor.faults["BAD_ENVELOPE"] > 0


def test_a_slow_one_sends_everything_later_and_nothing_else(heard: dict[str, Heard]) -> None:
    run = of(heard, "slow")
    given = {each.data for each in run.given if isinstance(each, Broadcast | Send)}
    late = [each.data for each in run.performed if isinstance(each, Broadcast | Send)]
    assert set(late) <= given
    order = [each.data for each in run.given if isinstance(each, Broadcast | Send)]
    assert late != order[: len(late)]


def test_a_skewed_clock_tells_other_times(heard: dict[str, Heard]) -> None:
    run = of(heard, "clock-skewed")
    times = {vote.extension.extension.time_ms for vote in run.said(Vote) if isinstance(vote, Vote) and vote.extension}
    header = run.network.honest[0].committed()[-1].block.header
    assert 2**62 in times or 0 in times
    assert abs(header.time_ms - 1_700_000_000_000) < 60_000, "the median of all is not moved"


def test_a_corrupt_disk_holds_other_records_than_it_was_given(heard: dict[str, Heard]) -> None:
    run = of(heard, "disk-corrupting")
    given = [each.records for each in run.given if isinstance(each, Persist)]
    written = [each.records for each in run.performed if isinstance(each, Persist)]
    assert len(given) == len(written)
    assert given != written


def test_an_equivocating_proposer_shows_two_valid_blocks(heard: dict[str, Heard]) -> None:
    shown: dict[tuple[int, int], set[bytes]] = {}
    for proposal in of(heard, "equivocator").said(Proposal):
        assert isinstance(proposal, Proposal)
        shown.setdefault((proposal.height, proposal.round), set()).add(proposal.block.header.hash)
    assert any(len(values) == 2 for values in shown.values())


def test_an_amnesiac_has_no_lock_when_it_next_speaks() -> None:
    network = SimNetwork(5, Faults(liars=((LIAR, "amnesiac"),), **GOOD_LINKS))  # type: ignore[arg-type]
    network.run(heights_after_healing=1)
    node: SimNode = network.nodes[LIAR]
    assert node.replica is not None
    state = node.replica.run.state
    state.locked_value, state.locked_round = b"v" * 32, 0
    assert node.adversary is not None
    assert disguise(node.adversary, []) == []
    assert state.locked_value is None


def test_the_base_changes_nothing() -> None:
    context = AdversaryContext(
        network=NETWORK, signer=None, random=Random(1), replica=lambda: None  # type: ignore[arg-type]
    )  # fmt: skip
    outputs: list[Output] = [Persist((Record(height=1, kind=RecordKind.OWN, data=b"x"),))]
    assert disguise(Adversary(context), outputs) == outputs


def test_a_sleeper_votes_nil_once_it_sleeps() -> None:
    network = SimNetwork(5, Faults(liars=((LIAR, "sleeper"),), **GOOD_LINKS))  # type: ignore[arg-type]
    sleeper = network.nodes[LIAR].adversary
    assert isinstance(sleeper, Sleeper)
    sleeper.until_ms = 500
    sleeper.awake = Adversary(sleeper.context)
    prevoted: dict[bool, set[bytes]] = {True: set(), False: set()}
    outgoing = sleeper.outgoing

    def noted(output: Output) -> list[Output] | None:
        performed = outgoing(output)
        for each in (output,) if performed is None else performed:
            message = sleeper.own_message(each)
            if isinstance(message, Vote):
                prevoted[network.now_us >= 500_000].add(message.value)
        return performed

    sleeper.outgoing = noted  # type: ignore[method-assign]
    network.run(heights_after_healing=1)
    assert prevoted[True] == {NIL}
    assert prevoted[False] - {NIL}


def test_a_lock_splitter_tells_its_victims_another_vote_than_the_rest_and_then_nothing(heard: dict[str, Heard]) -> None:
    run = of(heard, "lock-splitter")
    votes: dict[int, dict[tuple[int, VoteKind], dict[bytes, set[bytes]]]] = {}
    for output in run.performed:
        message = run.adversary.own_message(output)
        if isinstance(output, Send) and isinstance(message, Vote):
            step = votes.setdefault(message.height, {}).setdefault((message.round, message.kind), {})
            step.setdefault(message.value, set()).add(output.to)
    assert votes
    honest = {node.key for node in run.network.honest}
    for steps in votes.values():
        prevotes = {
            round_: recipients for (round_, kind), recipients in sorted(steps.items()) if kind is VoteKind.PREVOTE
        }
        assert len(steps) == 3, "a prevote, a precommit, a prevote"
        assert [
            value for (_, kind), recipients in steps.items() if kind is VoteKind.PRECOMMIT for value in recipients
        ] == [NIL]
        (locked, victims), (newer, rest) = (
            (value, to) for recipients in prevotes.values() for value, to in recipients.items()
        )
        assert NIL != locked != newer != NIL
        assert len(victims) == 1
        assert victims | rest == honest
        assert not victims & rest


def test_locks_against_each_other_open() -> None:
    opened = 0
    for seed in range(6):
        network = SimNetwork(seed, Faults(liars=((LIAR, "lock-splitter"),), **GOOD_LINKS))  # type: ignore[arg-type]
        network.run()
        opened += network.monitor.opened
    assert opened >= 4


def test_a_lock_splitter_stops_those_whose_locks_never_open() -> None:
    with unlock_dropped(), pytest.raises(NoProgress, match="locked 0 valid 1"):
        SimNetwork(5, Faults(liars=((LIAR, "lock-splitter"),), **GOOD_LINKS)).run()  # type: ignore[arg-type]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(KeyError):
        make_adversary("saint", None)  # type: ignore[arg-type]


def test_a_damaged_file_differs_in_one_bit(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "wal"
    path.write_bytes(bytes(100))
    damage_file(path, Random(3))
    assert sum(byte.bit_count() for byte in path.read_bytes()) == 1


def test_simulated_signatures_bind_key_and_digest() -> None:
    assert not FakeVerifier().verify_ed25519(b"a" * 32, b"d" * 32, fake_signature(b"b" * 32, b"d" * 32))
