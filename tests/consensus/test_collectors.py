"""Large sets: votes go to collectors, and nobody needs them to be alive or honest."""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.certificate import Certificate, VoteKind
from clearing.base.errors import RemoteFault
from clearing.base.validators import ValidatorSet
from consensus.blocks.admission import is_final
from consensus.blocks.executor import BlockExecutor, payload_root
from consensus.codes import ConsensusCode
from consensus.leaders import Leaders, period_of
from consensus.messages import (
    CertificateMessage,
    CommittedBlock,
    LateExtension,
    MessageKind,
    Proposal,
    Vote,
    read_envelope,
    read_message,
)
from consensus.outputs import Lane
from consensus.replica.replica import Replica
from consensus.signing import CertificateCache
from consensus.turns import COLLECTED_ABOVE, COLLECTORS, collected, collectors, next_proposers, turns_of
from tests.kit.consensus.crypto import FakeVerifier, validator_set
from tests.kit.consensus.replicas import NETWORK, certificate, faults, genesis_chain, receive, sealed
from tests.kit.consensus.toy import ToyApplication
from tests.kit.refusals import refused
from tests.sim.consensus.network import CALM, Faults, SimNetwork
from tests.sim.consensus.node import SimNode

change = msgspec.structs.replace
THIRTEEN = replace(CALM, nodes=13, heal_ms=1000)


class Watched(SimNetwork):
    """Counts what is sent; `silent` nodes are dead from the start, `change` may replace what a liar sends."""

    def __init__(self, faults: Faults, silent: Collection[int] = (), seed: int = 1) -> None:
        self.silent = frozenset(silent)
        self.kinds: Counter[MessageKind] = Counter()
        super().__init__(seed, faults)

    @property
    def honest(self) -> list[SimNode]:
        return [node for node in self.nodes if node.index not in self.silent]

    def send(self, sender: int, to: int, lane: Lane, data: bytes) -> None:
        if sender == to or sender in self.silent or to in self.silent:
            return
        kept = self.changed(sender, to, data)
        if kept is not None:
            self.kinds[read_envelope(kept).kind] += 1
            super().send(sender, to, lane, kept)

    def changed(self, sender: int, to: int, data: bytes) -> bytes | None:
        return data


def heights(network: SimNetwork) -> int:
    return min(node.height for node in network.honest)


@given(st.lists(st.integers(1, 40), min_size=11, max_size=20), st.integers(1, 10**9), st.integers(0, 10**6))
def test_collectors_are_the_next_proposers(powers: list[int], height: int, round_: int) -> None:
    validators = weighted(tuple(powers))
    turns = turns_of(validators, height, Leaders())
    found = collectors(turns, round_)
    assert found[0] == turns.proposer(round_)
    assert len(set(found)) == len(found) <= COLLECTORS
    assert next_proposers(turns, round_)[: len(found)] == found
    same_order = period_of(height + 1) == period_of(height)
    if same_order and len(found) > 1 and turns.proposer(round_ + 1) != found[0]:
        next_ = turns_of(validators, height + 1, Leaders()).proposer(round_)
        assert found[1] == next_, "it needs the extensions soonest"


def weighted(powers: tuple[int, ...]) -> ValidatorSet:
    people = validator_set(20).validators[: len(powers)]
    pairs = zip(people, powers, strict=True)
    return ValidatorSet(validators=tuple(change(person, power=power) for person, power in pairs))


def test_small_sets_have_no_collectors() -> None:
    assert not collected(validator_set(COLLECTED_ABOVE))
    assert collected(validator_set(COLLECTED_ABOVE + 1))


def test_votes_of_a_large_set_are_a_few_for_each_validator() -> None:
    network = Watched(THIRTEEN)
    network.run(heights_after_healing=10)
    made, nodes = heights(network), len(network.nodes)
    assert made >= 10
    assert network.kinds.keys() >= {MessageKind.VOTE, MessageKind.PROPOSAL, MessageKind.CERTIFICATE}
    assert network.kinds[MessageKind.VOTE] < (made + 2) * 2 * COLLECTORS * nodes
    assert network.kinds[MessageKind.CERTIFICATE] < (made + 2) * nodes * (2 * COLLECTORS + 2)
    assert network.monitor.rounds == 0
    assert network.monitor.faults == {}


def test_a_node_verifies_signatures_in_proportion_to_the_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Votes all to all cost each of n nodes 3 n checks a height: two envelopes and an extension of everybody."""
    calls: Counter[str] = Counter()
    single, sums = FakeVerifier.verify_ed25519, FakeVerifier.verify_shares

    def verify_ed25519(self: FakeVerifier, key: bytes, digest: bytes, signature: bytes) -> bool:
        calls["ed25519"] += 1
        return single(self, key, digest, signature)

    def verify_shares(self: FakeVerifier, keys: list[bytes], digest: bytes, aggregate: bytes) -> bool:
        calls["sums"] += 1
        return sums(self, keys, digest, aggregate)

    monkeypatch.setattr(FakeVerifier, "verify_ed25519", verify_ed25519)
    monkeypatch.setattr(FakeVerifier, "verify_shares", verify_shares)
    network = Watched(replace(THIRTEEN, nodes=31, heal_ms=200))
    network.run(heights_after_healing=4)
    made = heights(network) * 31
    assert calls["sums"] / made < 4
    assert calls["ed25519"] / made < 1.5 * 31


@pytest.mark.parametrize("dead", [(0, 1), (2, 3, 4, 5), (0, 4, 8, 12)])
def test_dead_collectors_cost_a_fallback_and_no_height(dead: tuple[int, ...]) -> None:
    """Four of thirteen are down; among them both collectors of some rounds."""
    network = Watched(THIRTEEN, silent=dead)
    network.run(heights_after_healing=13)
    assert heights(network) >= 13


class Withholding(Watched):
    """Four collectors make certificates and show them to nobody, or to one node in three."""

    LIARS = frozenset({0, 1, 2, 3})
    SHOWN = 0

    def changed(self, sender: int, to: int, data: bytes) -> bytes | None:
        message = read_message(read_envelope(data))
        if sender in self.LIARS and isinstance(message, CertificateMessage) and to % 3 >= self.SHOWN:
            return None
        return data


class ShowingSome(Withholding):
    SHOWN = 1


class Starving(Watched):
    """Four collectors in a row show final certificates bare, their own extensions to nobody, and propose nothing.

    Where two of them collected, the proposer after the second has none of the extensions that it needs.
    """

    LIARS = frozenset(turns_of(validator_set(13), 5, Leaders()).led(3))

    def changed(self, sender: int, to: int, data: bytes) -> bytes | None:
        if sender not in self.LIARS:
            return data
        message = read_message(read_envelope(data))
        if isinstance(message, LateExtension | Proposal):
            return None
        if isinstance(message, CertificateMessage) and is_final(message.certificate):
            return sealed(sender, CertificateMessage(certificate=message.certificate), self.validators)
        return data


@pytest.mark.parametrize("kind", [Withholding, ShowingSome, Starving])
@pytest.mark.parametrize("loss", [0, 10])
def test_lying_collectors_stop_nobody(kind: type[Watched], loss: int) -> None:
    network = kind(replace(THIRTEEN, loss_percent=loss, stall_percent=loss // 5))
    network.run(heights_after_healing=13)
    assert heights(network) >= 13
    assert network.now_us < 40_000_000
    if kind is Starving:
        assert network.kinds[MessageKind.LATE_EXTENSION] > 0
        assert loss or network.monitor.rounds == len(Starving.LIARS), "the first honest proposer has enough of them"


def test_a_final_certificate_may_come_bare_in_a_large_set_only() -> None:
    for nodes, taken in ((10, False), (11, True)):
        network = Watched(replace(THIRTEEN, nodes=nodes))
        network.run(heights_after_healing=2)
        replica = network.nodes[0].replica
        other = max(network.nodes, key=lambda node: node.height)
        assert replica is not None
        committed = other.committed()[-1]
        chain = replace(replica.chain, height=other.height - 1)
        bare = CertificateMessage(certificate=committed.certificate)
        try:
            replica.context.admission.check_certificate(chain, bare)
        except RemoteFault as fault:
            assert not taken
            assert fault.code.name == "BAD_EXTENDED_COMMIT"
        else:
            assert taken


def test_a_late_extension_counts_from_its_own_validator_only() -> None:
    network = Watched(THIRTEEN)
    network.run(heights_after_healing=2)
    node = next(node for node in network.nodes if node.replica is not None and not node.replica.chain.extensions)
    replica = node.replica
    assert replica is not None
    chain = replica.chain
    assert chain.commit is not None
    given = {
        index: signed
        for other in network.nodes
        for height in other.committed()
        if height.certificate == chain.commit
        for index, signed in ((signed.validator, signed) for signed in height.extensions)
    }
    assert given, "a next proposer has them"
    index, signed = next((index, signed) for index, signed in given.items() if index != node.index)
    other = next(each for each in range(13) if each not in (index, node.index))

    def refusals(sender: int, message: LateExtension) -> list[str]:
        return faults(receive(replica, sender, message, validators=network.validators))

    good = LateExtension(height=chain.height, round=chain.commit.round, extension=signed)
    assert refusals(other, good) == ["NOT_A_VALIDATOR"]
    assert refusals(index, change(good, extension=change(signed, signature=bytes(64)))) == ["BAD_EXTENSION"]
    assert refusals(index, change(good, height=chain.height + 1)) == []
    assert not replica.chain.extensions
    assert refusals(index, good) == []
    assert replica.chain.extensions == (signed,)


def test_a_height_that_was_final_in_several_rounds_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Liars showed final certificates of different rounds, bare, to different validators: no round has a quorum."""
    network = Watched(THIRTEEN)
    split = Counter[int]()
    real = Replica.commit

    def commit(self: Replica, committed: CommittedBlock, *, fetched: bool) -> None:
        real(self, committed, fetched=fetched)
        if self.chain.height == 3:
            round_ = 1 + network.validators.index_of[self.context.signer.envelope_key] % 3
            split[round_] += 1
            self._current.chain = self.run.chain = replace(
                self.chain, commit=of_round(network.validators, committed.certificate, round_), extensions=()
            )

    monkeypatch.setattr(Replica, "commit", commit)
    network.run(heights_after_healing=8)
    assert sorted(split.values()) == [4, 4, 5]
    assert heights(network) >= 8
    agreed = network.nodes[0].committed()[3].block.last_commit
    assert agreed is not None
    assert agreed.round <= 1, "the lowest that was known"
    assert network.monitor.faults == {}


def of_round(validators: ValidatorSet, final: Certificate, round_: int) -> Certificate:
    everybody = range(len(validators.validators))
    return certificate(final.kind, round_, final.value, *everybody, height=final.height, validators=validators)


def test_votes_fall_back_to_all_within_a_height_and_return_to_collectors_in_the_next() -> None:
    network = Withholding(THIRTEEN)
    sent: list[tuple[int, int, VoteKind, int]] = []
    real = network.send

    def seen(sender: int, to: int, lane: Lane, data: bytes) -> None:
        if sender == 12 and to != 12:
            message = read_message(read_envelope(data))
            if isinstance(message, Vote):
                sent.append((message.height, message.round, message.kind, to))
        real(sender, to, lane, data)

    network.send = seen  # type: ignore[method-assign]
    network.run(heights_after_healing=13)
    reached: dict[int, set[int]] = {}
    for height, _, _, to in sent:
        reached.setdefault(height, set()).add(to)
    assert any(len(found) == 12 for found in reached.values()), "some heights needed everybody"
    assert any(len(found) <= 2 * COLLECTORS for found in reached.values()), "others did not"


def test_extensions_shown_in_one_proposal_are_not_verified_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a certificate came bare, the first proposal costs a check for each extension and another round's none."""
    network = Watched(THIRTEEN)
    network.run(heights_after_healing=3)
    blocks = network.nodes[0].committed()
    block, below = blocks[1].block, blocks[0].block
    assert block.last_commit is not None
    application = ToyApplication(network.validators, 0)
    executor = BlockExecutor(application, FakeVerifier(), CertificateCache(FakeVerifier(), NETWORK))
    chain = genesis_chain(application)
    executor.check(chain, below)
    chain = executor.apply(chain, below, block.last_commit, ())
    calls = 0
    real = FakeVerifier.verify_ed25519

    def counted(self: FakeVerifier, key: bytes, digest: bytes, signature: bytes) -> bool:
        nonlocal calls
        calls += 1
        return real(self, key, digest, signature)

    monkeypatch.setattr(FakeVerifier, "verify_ed25519", counted)
    executor.check(chain, block)
    assert calls == len(block.extended_commit) >= 9
    executor.check(chain, block)
    assert calls == len(block.extended_commit)
    forged = change(block.extended_commit[0], signature=bytes(64))
    shown = change(block, extended_commit=(forged, *block.extended_commit[1:]))
    root = payload_root(shown.payload, shown.last_commit, shown.extended_commit, shown.evidence)
    shown = change(shown, header=change(shown.header, payload_root=root))
    with refused(ConsensusCode.BAD_EXTENSION):
        executor.check(chain, shown)
