"""`VoteKeeper`: the votes of every round of one height.

Rule: one vote per validator and step counts, the first; power is a sum over distinct validators. Shares are kept
unverified until their sum is a quorum, then verified once together. Memory is bounded by validators × rounds near the
current one: of rounds further ahead each validator has `FUTURE_ROUNDS` at most, of old rounds `PAST_ROUNDS` are kept.
"""

from dataclasses import dataclass, field
from enum import Enum

from clearing.base.certificate import NIL, Certificate, VoteKind, signer_indices
from clearing.base.validators import ValidatorSet
from consensus.messages import Vote

FUTURE_ROUNDS = 2
PAST_ROUNDS = 16


class Added(Enum):
    """The result of adding a vote."""

    COUNTED = 1
    KNOWN = 2
    CONFLICTING = 3
    IGNORED = 4


@dataclass(slots=True)
class VoteTally:
    """One step of one round."""

    votes: dict[int, Vote] = field(default_factory=dict)
    power: dict[bytes, int] = field(default_factory=dict)
    certificates: dict[bytes, Certificate] = field(default_factory=dict)
    signers: set[int] = field(default_factory=set)
    """Validators known to have voted: own votes here and signers of certificates."""
    refused: set[int] = field(default_factory=set)
    checking: set[bytes] = field(default_factory=set)
    reported: set[int] = field(default_factory=set)
    seals: dict[int, bytes] = field(default_factory=dict)
    """Envelope signatures of the votes, if known: they prove who sent a bad share."""


class VoteKeeper:
    """Votes and certificates of one height, by (round, kind)."""

    def __init__(self, validators: ValidatorSet) -> None:
        self.validators = validators
        self._tallies: dict[tuple[int, VoteKind], VoteTally] = {}

    def add(self, vote: Vote, current_round: int, seal: bytes = b"") -> tuple[Added, Vote | None]:
        """Count a vote with a good envelope.

        For CONFLICTING, once per validator and step, also returns the first one.
        """
        if vote.round < current_round - PAST_ROUNDS or not self._admit(vote, current_round):
            return Added.IGNORED, None
        tally = self._tally(vote.round, vote.kind)
        if vote.validator in tally.refused:
            return Added.IGNORED, None
        first = tally.votes.get(vote.validator)
        if first is not None:
            if first.value == vote.value:
                return Added.KNOWN, None
            if vote.validator in tally.reported:
                return Added.IGNORED, None
            tally.reported.add(vote.validator)
            return Added.CONFLICTING, first
        tally.votes[vote.validator] = vote
        if seal:
            tally.seals[vote.validator] = seal
        tally.signers.add(vote.validator)
        tally.power[vote.value] = tally.power.get(vote.value, 0) + self._power(vote.validator)
        return Added.COUNTED, None

    def wants(self, vote: Vote) -> bool:
        """Whether this vote would add anything, so that its signatures are worth verifying."""
        tally = self._tallies.get((vote.round, vote.kind))
        if tally is None:
            return True
        first = tally.votes.get(vote.validator)
        if first is None:
            return vote.validator not in tally.refused
        return first.value != vote.value and vote.validator not in tally.reported

    def add_certificate(self, certificate: Certificate) -> bool:
        """Take a verified certificate; False when one for this value is here already."""
        tally = self._tally(certificate.round, certificate.kind)
        tally.checking.discard(certificate.value)
        if certificate.value in tally.certificates:
            return False
        tally.certificates[certificate.value] = certificate
        tally.signers.update(signer_indices(certificate.signers))
        return True

    def refuse(self, kind: VoteKind, round_: int, value: bytes, validators: tuple[int, ...]) -> None:
        """Take back votes whose shares don't verify; further votes of these validators in this step do not count."""
        tally = self._tally(round_, kind)
        tally.checking.discard(value)
        for validator in validators:
            vote = tally.votes.pop(validator, None)
            tally.seals.pop(validator, None)
            if vote is not None:
                tally.power[vote.value] -= self._power(validator)
                tally.signers.discard(validator)
            tally.refused.add(validator)

    def certificate(self, round_: int, kind: VoteKind, value: bytes) -> Certificate | None:
        """The verified certificate for a value."""
        tally = self._tallies.get((round_, kind))
        return None if tally is None else tally.certificates.get(value)

    @property
    def steps(self) -> list[tuple[int, VoteKind]]:
        """Steps with any vote or certificate, in order."""
        return sorted(self._tallies)

    def certificates(self, round_: int, kind: VoteKind) -> list[Certificate]:
        """All verified ones of a step, nil's too, by value."""
        tally = self._tallies.get((round_, kind))
        return [] if tally is None else [tally.certificates[value] for value in sorted(tally.certificates)]

    def votes(self, round_: int, kind: VoteKind) -> list[Vote]:
        """All single votes of a step, by validator; their shares are not verified."""
        tally = self._tallies.get((round_, kind))
        return [] if tally is None else [tally.votes[index] for index in sorted(tally.votes)]

    def sealed(self, round_: int, kind: VoteKind, validator: int) -> tuple[Vote, bytes] | None:
        """A vote with its envelope's signature, when both are known."""
        tally = self._tallies.get((round_, kind))
        if tally is None or validator not in tally.votes or validator not in tally.seals:
            return None
        return tally.votes[validator], tally.seals[validator]

    def value_certificates(self, kind: VoteKind) -> list[Certificate]:
        """Verified certificates of values (not nil), by round."""
        found = [
            certificate
            for (_, tally_kind), tally in self._tallies.items()
            if tally_kind is kind
            for certificate in tally.certificates.values()
            if certificate.value != NIL
        ]
        return sorted(found, key=lambda certificate: (certificate.round, certificate.value))

    def has_any_quorum(self, round_: int, kind: VoteKind) -> bool:
        """Whether the votes of a step, for any values, are a quorum."""
        tally = self._tallies.get((round_, kind))
        return tally is not None and self.validators.is_quorum(self._sum(tally.signers))

    def highest_skip_round(self, current_round: int) -> int | None:
        """The highest later round in which more than a third of the power voted."""
        rounds = sorted({round_ for round_, _ in self._tallies if round_ > current_round}, reverse=True)
        for round_ in rounds:
            voters: set[int] = set()
            for kind in VoteKind:
                tally = self._tallies.get((round_, kind))
                if tally is not None:
                    voters |= tally.signers
            if self.validators.is_skip(self._sum(voters)):
                return round_
        return None

    def unchecked_quorums(
        self, nil_prevote_round: int
    ) -> list[tuple[VoteKind, int, bytes, tuple[tuple[int, bytes], ...]]]:
        """Values whose unverified shares hold a quorum, marked as being checked.

        Nil needs a certificate only as a polka of the round that is voted on now: pass that round, or -1.
        """
        found = []
        for (round_, kind), tally in self._tallies.items():
            for value, power in tally.power.items():
                if value == NIL and (kind is not VoteKind.PREVOTE or round_ != nil_prevote_round):
                    continue
                if value in tally.certificates or value in tally.checking or not self.validators.is_quorum(power):
                    continue
                tally.checking.add(value)
                shares = sorted((i, vote.share) for i, vote in tally.votes.items() if vote.value == value)
                found.append((kind, round_, value, tuple(shares)))
        return found

    def prune(self, current_round: int) -> None:
        """Forget rounds long past."""
        for key in [key for key in self._tallies if key[0] < current_round - PAST_ROUNDS]:
            del self._tallies[key]

    @property
    def size(self) -> int:
        """Votes kept."""
        return sum(len(tally.votes) for tally in self._tallies.values())

    def _admit(self, vote: Vote, current_round: int) -> bool:
        """Bound the rounds far ahead that one validator can fill; its highest ones win."""
        if vote.round <= current_round + 1:
            return True
        ahead = sorted(
            {
                round_
                for (round_, _), tally in self._tallies.items()
                if round_ > current_round + 1 and vote.validator in tally.votes
            }
        )
        if vote.round in ahead or len(ahead) < FUTURE_ROUNDS:
            return True
        if vote.round < ahead[0]:
            return False
        for kind in VoteKind:
            self._drop(ahead[0], kind, vote.validator)
        return True

    def _drop(self, round_: int, kind: VoteKind, validator: int) -> None:
        tally = self._tallies.get((round_, kind))
        if tally is None:
            return
        vote = tally.votes.pop(validator, None)
        tally.seals.pop(validator, None)
        if vote is not None:
            tally.power[vote.value] -= self._power(validator)
            tally.signers.discard(validator)
        if not tally.votes and not tally.certificates:
            del self._tallies[(round_, kind)]

    def _tally(self, round_: int, kind: VoteKind) -> VoteTally:
        return self._tallies.setdefault((round_, kind), VoteTally())

    def _power(self, validator: int) -> int:
        return self.validators.validators[validator].power

    def _sum(self, validators: set[int]) -> int:
        return sum(self._power(validator) for validator in validators)
