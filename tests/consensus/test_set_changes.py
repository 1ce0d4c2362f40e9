"""Validators come, go and change power between two heights: a change decided at h counts from h + 2 on."""

from dataclasses import replace

import msgspec
import pytest

from clearing.base.certificate import signer_indices
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.validators import ValidatorSet, check_validator_set
from consensus.chain_state import ChainState
from consensus.leaders import Leaders
from consensus.messages import CommittedBlock, Vote, read_envelope, read_message
from consensus.outputs import Lane
from consensus.signing import CertificateCache
from consensus.turns import turns_of
from tests.kit.consensus.crypto import FakeVerifier, validator_set
from tests.kit.consensus.replicas import NETWORK
from tests.kit.refusals import refused
from tests.sim.consensus.network import Change, Faults, SimNetwork

FAULTY = Faults(heal_ms=2500, loss_percent=5, crash_interval_ms=900, torn_write_percent=1)
CALM = replace(FAULTY, loss_percent=0, stall_percent=0, crash_interval_ms=0, torn_write_percent=0, heal_ms=500)


class Overheard(SimNetwork):
    """Remembers who voted at which height."""

    def __init__(self, seed: int, faults: Faults, change: Change) -> None:
        self.voted: dict[int, set[int]] = {}
        super().__init__(seed, faults, change)

    def send(self, sender: int, to: int, lane: Lane, data: bytes) -> None:
        envelope = read_envelope(data)
        message = read_message(envelope)
        if isinstance(message, Vote):  # Of any signer: votes are passed on when nothing moves.
            self.voted.setdefault(message.height, set()).add(self.by_key[envelope.sender].index)
        super().send(sender, to, lane, data)


def without(nodes: int, *gone: int) -> ValidatorSet:
    people = validator_set(nodes).validators
    return ValidatorSet(validators=tuple(each for index, each in enumerate(people) if index not in gone))


def run(seed: int, faults: Faults, change: Change) -> Overheard:
    network = Overheard(seed, faults, change)
    network.run(heights_after_healing=change[0] + 4, limit_ms=120_000)
    return network


def chain_of(network: SimNetwork) -> list[CommittedBlock]:
    return max((node.committed() for node in network.nodes), key=len)


def signer_keys(network: Overheard, committed: CommittedBlock, change: Change) -> set[bytes]:
    height = committed.block.header.height
    validators = change[1] if height >= change[0] else network.validators
    assert committed.certificate.validators_hash == validators.hash
    return {validators.validators[index].envelope_key for index in signer_indices(committed.certificate.signers)}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("faults", [CALM, FAULTY], ids=["calm", "faulty"])
def test_who_joins_votes_from_its_height_on(seed: int, faults: Faults) -> None:
    nodes, height = (4, 7)[seed % 2], 3 + seed
    newcomer = seed % nodes
    change = (height, validator_set(nodes))
    network = run(seed, replace(faults, nodes=nodes, outside=(newcomer,)), change)
    key = network.nodes[newcomer].key
    signed = {c.block.header.height for c in chain_of(network) if key in signer_keys(network, c, change)}
    assert signed
    assert min(signed) >= height
    assert min(at for at, voters in network.voted.items() if newcomer in voters) >= height


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("faults", [CALM, FAULTY], ids=["calm", "faulty"])
def test_who_is_removed_follows_as_an_observer(seed: int, faults: Faults) -> None:
    nodes, height = (4, 7)[seed % 2], 3 + seed
    gone = (seed * 3) % nodes
    network = run(seed, replace(faults, nodes=nodes), (height, without(nodes, gone)))
    assert network.nodes[gone].height >= height + 4
    assert max(at for at, voters in network.voted.items() if gone in voters) < height
    replica = network.nodes[gone].replica
    assert replica is not None
    assert replica.run.state.own_index is None


@pytest.mark.parametrize("seed", range(6))
def test_headers_announce_a_change_one_height_ahead_and_blocks_span_it(seed: int) -> None:
    """The first block under the new set carries a commit by the old one, and the next one a commit by the new."""
    height = 2 + seed
    change = (height, validator_set(4, (10, 10, 30, 1)))
    network = run(seed, FAULTY, change)
    old = network.validators
    for committed in chain_of(network):
        header, last = committed.block.header, committed.block.last_commit
        assert header.validators_hash == (change[1] if header.height >= height else old).hash
        assert header.next_validators_hash == (change[1] if header.height >= height - 1 else old).hash
        if last is not None:
            assert last.validators_hash == (change[1] if header.height > height else old).hash


def test_a_set_that_outgrows_all_to_all_goes_on_through_collectors() -> None:
    change = (5, validator_set(13))
    network = run(2, replace(CALM, nodes=13, outside=(1, 5, 9)), change)
    assert {len(signer_indices(c.certificate.signers)) for c in chain_of(network)[:4]} <= {7, 8, 9, 10}
    assert all(len(signer_indices(c.certificate.signers)) >= 9 for c in chain_of(network)[5:])
    back = (5, without(13, 1, 5, 9))
    network = run(2, replace(CALM, nodes=13), back)
    assert all(node.height >= 9 for node in network.nodes)


def test_a_certificate_counts_under_its_own_set_only() -> None:
    change = (4, validator_set(4, (10, 10, 30, 1)))
    network = run(1, CALM, change)
    before, after = chain_of(network)[2].certificate, chain_of(network)[3].certificate
    cache = CertificateCache(FakeVerifier(), NETWORK)
    cache.verify(before, network.validators)
    cache.verify(after, change[1])
    for certificate, wrong in ((before, change[1]), (after, network.validators)):
        with pytest.raises(RemoteFault):
            cache.verify(certificate, wrong)
        renamed = msgspec.structs.replace(certificate, validators_hash=wrong.hash)
        with pytest.raises(RemoteFault):
            cache.verify(renamed, wrong)


def test_the_proposer_is_of_the_set_of_its_height() -> None:
    small, large = without(7, 2, 3), validator_set(7)
    cycle = [turns_of(large, height, Leaders()).proposer(0) for height in range(7)]
    assert sorted(cycle) == list(range(7))
    assert all(turns_of(small, height, Leaders()).proposer(0) < 5 for height in range(20))


def test_a_set_from_outside_shows_possession_of_every_key() -> None:
    good = validator_set(4)
    check_validator_set(good)
    first, second, *others = good.validators
    stolen = msgspec.structs.replace(first, possession=second.possession)
    with refused(BaseCode.BAD_POSSESSION_PROOF):
        check_validator_set(ValidatorSet(validators=(stolen, second, *others)))


def test_advancing_moves_each_set_one_height_down() -> None:
    network = run(1, CALM, (4, validator_set(4, (10, 10, 30, 1))))
    committed = chain_of(network)
    sets = [validator_set(4, (each,) * 4) for each in range(1, 7)]
    chain = ChainState(NETWORK, 0, NETWORK, 0, sets[0], sets[0], sets[1])
    for index, made in enumerate(committed[:4]):
        chain = chain.advance(made.block, made.certificate, made.extensions, sets[index + 2])
        assert [chain.last_validators, chain.validators, chain.next_validators] == sets[index : index + 3]
