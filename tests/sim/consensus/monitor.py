"""What must never happen, checked after each event, and once more over the whole chain at the end of a seed."""

from random import Random
from typing import TYPE_CHECKING

from clearing.base.certificate import NIL, VoteKind, signer_indices
from clearing.base.validators import ValidatorSet
from consensus.core.state import HeightState
from consensus.messages import CommittedBlock, Message, Proposal, Vote, read_envelope
from tests.kit.adversaries.context import read_any
from tests.kit.consensus.crypto import FakeVerifier
from tests.sim.consensus.replays import check_chain, check_prefixes
from tests.sim.violation import Violation, require

if TYPE_CHECKING:
    from tests.sim.consensus.network import SimNetwork
    from tests.sim.consensus.node import SimNode

EVENTS_PER_REPLAY = 250
"""So often a log is cut at some bytes and replayed."""
Where = tuple[int, int, bytes]
"""Height, round, value."""


class Monitor:
    """Sees every message sent, every state after an event, and every block decided."""

    def __init__(self, network: "SimNetwork") -> None:
        self._network = network
        self._verifier = FakeVerifier()
        self._sampling = Random(network.faults.nodes)
        self._headers: dict[int, CommittedBlock] = {}
        self._sets: dict[int, ValidatorSet] = {1: network.validators}
        self._by_hash: dict[bytes, ValidatorSet] = {network.validators.hash: network.validators}
        self._votes: dict[tuple[VoteKind, Where], set[int]] = {}
        self._certifiable: dict[int, bytes] = {}
        self._steps: dict[tuple[int, int, int, int], bytes] = {}
        self._locks: dict[tuple[int, int], tuple[int, bytes]] = {}
        """(node, height) to the round and value of its last precommit of a value."""
        self._seen: dict[int, tuple[int, int, bytes | None]] = {}
        self.liars: set[int] = set()
        self.rules: set[int] = set()
        self.faults: dict[str, int] = {}
        self.rounds = 0
        self.replays = 0
        self.accused = 0
        """Liars that a decided block convicts."""
        self.opened = 0
        """Locks that a newer polka for another value opened."""

    def said(self, sender: int, data: bytes) -> None:
        """Honest validators say one thing a step, in the same bytes, and keep their locks."""
        if len(data) < 200:
            return
        message = read_any(data)
        if not isinstance(message, Vote | Proposal) or read_envelope(data).sender != self._network.nodes[sender].key:
            return
        if sender not in self.liars:
            step = _step(sender, message)
            known = self._steps.get(step)
            if known == data:
                return
            require(known is None, "an honest validator said two things in one step", step=step)
            self._steps[step] = data
        if isinstance(message, Vote):
            self._count(sender, message)

    def has_said(self, sender: int, message: Message, data: bytes) -> bool:
        """Whether a node has said exactly this before, or nothing at this step."""
        return not isinstance(message, Vote | Proposal) or self._steps.get(_step(sender, message), data) == data

    def decided(self, node: "SimNode", committed: CommittedBlock) -> None:
        """Agreement and validity. What a liar decides is its own affair."""
        if node.lie is not None:
            return
        header, certificate = committed.block.header, committed.certificate
        height = header.height
        first = self._headers.setdefault(height, committed).block.header
        where = {"node": node.index, "height": height}
        require(first.hash == header.hash, "another block was decided", **where)
        good = certificate.kind is VoteKind.PRECOMMIT and certificate.value == header.hash
        require(good, "decided on a certificate for something else", **where)
        if node.replica is not None:
            chain = node.replica.chain
            for each in (chain.last_validators, chain.validators, chain.next_validators):
                self._by_hash.setdefault(each.hash, each)
        validators = self.set_of(height)
        promised = header.validators_hash == validators.hash
        require(promised, "a height that is not by the set that the block below it promised", **where)
        self._sets.setdefault(height + 1, self._by_hash[header.next_validators_hash])
        self._verifier.verify_certificate(certificate, validators, self._network.id)
        signed = sum(validators.validators[index].power for index in signer_indices(certificate.signers))
        total = sum(validator.power for validator in validators.validators)
        require(3 * signed > 2 * total, "decided by two thirds of the power or less", **where)
        below = self._headers.get(height - 1)
        follows = below is None or header.parent == below.block.header.hash
        require(follows, "a block does not follow its parent", **where)
        self.rounds = max(self.rounds, certificate.round)

    def booted(self, node: "SimNode") -> None:
        """A new life: what was not synced is forgotten."""
        self._seen.pop(node.index, None)

    def look_at(self, node: "SimNode") -> None:
        """Lock discipline of a running replica, and now and then its log."""
        if node.lie is not None or node.replica is None:
            return
        state = node.replica.run.state
        height, locked = state.height, state.locked_round
        before = self._seen.get(node.index)
        if before is not None and before[0] == height:
            require(locked >= before[1], "a lock was lost", node=node.index, height=height, lock=before[1])
            if before[2] not in (None, state.locked_value):
                self.opened += 1
        self._seen[node.index] = (height, locked, state.locked_value)
        if state.running:
            require(not _lags(state), "more than a third is in a later round", node=node.index, height=height)
        precommitted, _ = self._locks.get((node.index, height), (-1, b""))
        good = node.index in self._network.faults.rotten or locked >= precommitted
        require(good, "precommitted in a round later than its lock", node=node.index, height=height, lock=locked)
        if self._network.events % EVENTS_PER_REPLAY == 0:
            self.replays += check_prefixes(node, self._sampling)

    def conclude(self) -> None:
        """One state, which the chain gives again to a stranger; nobody honest is accused."""
        states: dict[int, bytes] = {}
        for node in self._network.honest:
            if node.alive:
                whole = node.house.whole_state()
                require(states.setdefault(node.height, whole) == whole, "two states", height=node.height)
        best = max(self._network.honest, key=lambda node: node.height)
        accused, state = check_chain(best)
        same = not best.alive or state == states[best.height]
        require(same, "the chain gives another state than a node has", node=best.index, height=best.height)
        self.accused = len(accused)
        require(not accused & {node.key for node in self._network.honest}, "an honest validator is accused")

    def set_of(self, height: int) -> ValidatorSet:
        """Who certifies a height. Known once the height below is decided."""
        return self._sets[height]

    def _count(self, sender: int, vote: Vote) -> None:
        validators = self._sets.get(vote.height)
        if validators is None or validators.index_of.get(self._network.nodes[sender].key) != vote.validator:
            return
        where = (vote.height, vote.round, vote.value)
        voters = self._votes.setdefault((vote.kind, where), set())
        voters.add(sender)
        if vote.value == NIL:
            return
        if sender not in self.liars:
            self._check_lock(sender, vote)
        if vote.kind is VoteKind.PREVOTE or not validators.is_quorum(self._power(voters, validators)):
            return
        only = self._certifiable.setdefault(vote.height, vote.value) == vote.value
        require(only, "two values can be certified", height=vote.height)

    def _check_lock(self, sender: int, vote: Vote) -> None:
        """A prevote across a lock needs a polka as new as the lock; the liars may have voted for anything."""
        if vote.kind is VoteKind.PRECOMMIT:
            self._locks[sender, vote.height] = (vote.round, vote.value)
            return
        locked, value = self._locks.get((sender, vote.height), (-1, vote.value))
        if value == vote.value or locked > vote.round:
            return
        validators = self.set_of(vote.height)
        for round_ in range(max(locked, 0), vote.round):
            voters = self._votes.get((VoteKind.PREVOTE, (vote.height, round_, vote.value)), set())
            if validators.is_quorum(self._power(voters | self.liars, validators)):
                return
        raise Violation(f"node {sender} prevoted against its lock of round {locked} at height {vote.height}")

    def _power(self, nodes: set[int], validators: ValidatorSet) -> int:
        indices = (validators.index_of.get(self._network.nodes[node].key) for node in nodes)
        return sum(validators.validators[index].power for index in indices if index is not None)


def _lags(state: HeightState) -> bool:
    """Whether more than a third of the power is known to be in one later round."""
    later = sorted({round_ for round_, _ in state.votes.steps if round_ > state.round})
    powers = [validator.power for validator in state.validators.validators]
    for round_ in later:
        voters: set[int] = set()
        for kind in VoteKind:
            voters |= {vote.validator for vote in state.votes.votes(round_, kind)}
            for certificate in state.votes.certificates(round_, kind):
                voters |= set(signer_indices(certificate.signers))
        if 3 * sum(powers[index] for index in voters) > sum(powers):
            return True
    return False


def _step(sender: int, message: Vote | Proposal) -> tuple[int, int, int, int]:
    return sender, message.height, message.round, int(message.kind) if isinstance(message, Vote) else 0
