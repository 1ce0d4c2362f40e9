"""What must never happen, checked after each event."""

from clearing.base.certificate import NIL, VoteKind
from clearing.base.validators import ValidatorSet
from consensus.messages import CommittedBlock, Proposal, Vote, read_envelope, read_message
from tests.sim.consensus.crypto import FakeVerifier


class Violation(AssertionError):
    """An invariant is broken."""


class Monitor:
    """Sees every message sent and every block decided."""

    def __init__(self, validators: ValidatorSet, network: bytes, change: tuple[int, ValidatorSet] | None) -> None:
        self._validators = validators
        self._change = change
        self._network = network
        self._verifier = FakeVerifier()
        self._decided: dict[int, bytes] = {}
        self._precommits: dict[tuple[int, int, bytes], set[int]] = {}
        self._certifiable: dict[int, bytes] = {}
        self._said: dict[tuple[int, int, int, str], bytes] = {}
        self.liars: set[int] = set()
        self.rules: set[int] = set()
        self.faults: dict[str, int] = {}
        self.rounds = 0

    def saw_message(self, sender: int, data: bytes) -> None:
        """Honest validators say one thing a step, in the same bytes; and no two values can gather a quorum."""
        if len(data) < 200:
            return
        message = read_message(read_envelope(data))
        if isinstance(message, Vote):
            self._saw_vote(sender, message, data)
        elif isinstance(message, Proposal) and sender not in self.liars:
            self._say((sender, message.height, message.round, "proposal"), data)

    def decided(self, node: int, committed: CommittedBlock) -> None:
        """Agreement and validity."""
        header, certificate = committed.block.header, committed.certificate
        if self._decided.setdefault(header.height, header.hash) != header.hash:
            raise Violation(f"node {node} decided another block at height {header.height}")
        if certificate.kind is not VoteKind.PRECOMMIT or certificate.value != header.hash:
            raise Violation(f"node {node} decided height {header.height} on a certificate for something else")
        self._verifier.verify_certificate(certificate, self._set_of(header.height), self._network)
        parent = self._decided.get(header.height - 1, self._network)
        if header.parent != parent:
            raise Violation(f"node {node}: block {header.height} does not follow its parent")
        self.rounds = max(self.rounds, certificate.round)

    def _saw_vote(self, sender: int, vote: Vote, data: bytes) -> None:
        if sender not in self.liars:
            self._say((sender, vote.height, vote.round, vote.kind.name), data)
        if vote.kind is VoteKind.PRECOMMIT and vote.value != NIL:
            signers = self._precommits.setdefault((vote.height, vote.round, vote.value), set())
            signers.add(vote.validator)
            validators = self._set_of(vote.height)
            power = sum(validators.validators[index].power for index in signers)
            if validators.is_quorum(power) and (self._certifiable.setdefault(vote.height, vote.value) != vote.value):
                raise Violation(f"two values can be certified at height {vote.height}")

    def _set_of(self, height: int) -> ValidatorSet:
        if self._change is not None and height >= self._change[0]:
            return self._change[1]
        return self._validators

    def _say(self, step: tuple[int, int, int, str], data: bytes) -> None:
        if self._said.setdefault(step, data) != data:
            raise Violation(f"an honest validator said two things in one step: {step}")
