"""Late votes: precommits, extensions and certificates of the last height that arrive after its decision.

Rule: only the extensions of late votes still count, because the next proposer may lack them. In a large set a height
may be decided on a bare certificate, and on certificates of different rounds at different validators, while extensions
are signed for one round. So a validator without a quorum of extensions takes the final certificate of the lowest round:
all such validators then have the same certificate, and their extensions add up.

A vote of an older round of the current height counts in `consensus.core.votes`. The sender of any other late vote
receives our height (`consensus.sync.catchup`); where votes are not collected, every late sender does.
"""

from clearing.base.errors import RemoteFault
from consensus.blocks.admission import is_final
from consensus.blocks.height_context import HeightContext
from consensus.codes import ConsensusCode
from consensus.messages import CertificateMessage, Envelope, LateExtension, SignedExtension, Vote
from consensus.replica.current_height import CurrentHeight


class LateVotes:
    """The receiving side of one replica, for the last decided height."""

    def __init__(self, current: CurrentHeight, context: HeightContext) -> None:
        self._current = current
        self._context = context

    def take_vote(self, envelope: Envelope, vote: Vote) -> bool:
        """A precommit of the last decided value that came after the decision: its extension is still of use.

        False for any other vote and for a known one: its sender may not know of the decision.
        """
        chain = self._current.chain
        commit = chain.commit
        if commit is None or (vote.round, vote.value) != (commit.round, commit.value) or vote.extension is None:
            return False
        self._context.admission.check_voter(chain.last_validators, envelope, vote)
        return self._add(envelope, (vote.extension,))

    def take_offered(self, envelope: Envelope, message: LateExtension) -> bool:
        """A validator's extension of the last height, which proposers may lack. Returns whether it is new."""
        chain, signed = self._current.chain, message.extension
        if chain.commit is None or (message.height, message.round) != (chain.height, chain.commit.round):
            return False
        if chain.last_validators.index_of.get(envelope.sender) != signed.validator:
            raise RemoteFault(
                ConsensusCode.NOT_A_VALIDATOR, "extension", sender=envelope.sender, validator=signed.validator
            )
        return self._add(envelope, (signed,))

    def take_certificate(self, envelope: Envelope, message: CertificateMessage) -> None:
        """The last height was decided on a bare certificate, and here is one of a lower round, or are extensions."""
        chain, certificate = self._current.run.chain, message.certificate
        decided = chain.commit
        if decided is None or not is_final(certificate):
            return
        if (certificate.height, certificate.value) != (decided.height, decided.value):
            return
        power = sum(chain.last_validators.validators[signed.validator].power for signed in chain.extensions)
        if chain.last_validators.is_quorum(power):
            return
        if certificate.round < decided.round:
            self._context.certificates.verify(certificate, chain.last_validators)
            self._authenticate(envelope)
            self._current.recommit(certificate)
        if certificate.round <= decided.round and message.extensions:
            self._add(envelope, message.extensions)

    def _add(self, envelope: Envelope, extensions: tuple[SignedExtension, ...]) -> bool:
        """Check those that are new, each once; False when none is. Raises RemoteFault for the first bad one."""
        chain, admission = self._current.run.chain, self._context.admission
        known = {signed.validator for signed in chain.extensions}
        new = {signed.validator: signed for signed in extensions if signed.validator not in known}
        if not new:
            return False
        self._authenticate(envelope)
        try:
            for signed in new.values():
                admission.check_late(chain, signed)
                known.add(signed.validator)
        finally:
            self._current.add_late_extensions(tuple(signed for signed in new.values() if signed.validator in known))
        return True

    def _authenticate(self, envelope: Envelope) -> None:
        self._context.admission.check_envelope(self._current.chain.network, envelope)
