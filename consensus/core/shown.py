"""`ShownExtensions`: the vote extensions of one running height, for when it is decided.

Rule: of votes that count, and of verified certificates; nothing else is kept, so memory is bounded as votes are.
"""

from clearing.base.certificate import Certificate, VoteKind
from consensus.core.votes import VoteKeeper
from consensus.messages import SignedExtension


class ShownExtensions:
    """All of them are checked by the caller."""

    def __init__(self, votes: VoteKeeper) -> None:
        self._votes = votes
        self._shown: dict[tuple[int, bytes], dict[int, SignedExtension]] = {}
        """With certificates, by round and value."""

    def take(self, certificate: Certificate, extensions: tuple[SignedExtension, ...]) -> None:
        """Keep what a final certificate came with."""
        held = self._shown.setdefault((certificate.round, certificate.value), {})
        for signed in extensions:
            held.setdefault(signed.validator, signed)

    def of(self, certificate: Certificate) -> tuple[SignedExtension, ...]:
        """Those of a quorum or, who got a collector's certificate, none: fewer are of no use to anybody."""
        held = dict(self._shown.get((certificate.round, certificate.value), {}))
        for vote in self._votes.votes(certificate.round, VoteKind.PRECOMMIT):
            if vote.value == certificate.value and vote.extension is not None:
                held[vote.validator] = vote.extension
        validators = self._votes.validators
        power = sum(validators.validators[index].power for index in held)
        return tuple(held[index] for index in sorted(held)) if validators.is_quorum(power) else ()

    @property
    def size(self) -> int:
        """Of how many certificates some are kept."""
        return len(self._shown)

    def forget(self, oldest: int) -> None:
        """Drop those of rounds below."""
        self._shown = {at: held for at, held in self._shown.items() if at[0] >= oldest}
