"""`Admission`: the checks that a received message must pass before it reaches the core.

Rule: cheap checks first, then one envelope signature, then the content. Every check is against the decided chain;
nothing is kept.
"""

from clearing.base.certificate import NIL, Certificate, VoteKind
from clearing.base.errors import RemoteFault
from clearing.base.validators import ValidatorSet
from consensus.application import Application
from consensus.blocks.executor import check_carried
from consensus.blocks.vote_extensions import check_extended_commit, check_extension
from consensus.chain_state import ChainState
from consensus.codes import ConsensusCode
from consensus.messages import (
    CertificateMessage,
    CommittedBlock,
    Envelope,
    Proposal,
    SignedExtension,
    Vote,
    envelope_digest,
    proposal_digest,
)
from consensus.signing import CertificateCache, Verifier
from consensus.turns import collected


class Admission:
    """The checks, over one application and verifier."""

    def __init__(self, application: Application, verifier: Verifier, certificates: CertificateCache) -> None:
        self._application = application
        self._verifier = verifier
        self._certificates = certificates

    def check_envelope(self, network: bytes, envelope: Envelope) -> None:
        """Check the sender's signature. Raises RemoteFault."""
        digest = envelope_digest(network, envelope.sender, envelope.kind, envelope.body)
        if not self._verifier.verify_ed25519(envelope.sender, digest, envelope.signature):
            raise RemoteFault(ConsensusCode.BAD_ENVELOPE, "signature", sender=envelope.sender)

    def check_voter(self, validators: ValidatorSet, envelope: Envelope, vote: Vote) -> None:
        """Check that the vote is its sender's own and has the form of its kind. Raises RemoteFault."""
        if validators.index_of.get(envelope.sender) != vote.validator:
            raise RemoteFault(ConsensusCode.NOT_A_VALIDATOR, "vote", sender=envelope.sender, validator=vote.validator)
        extended = vote.kind is VoteKind.PRECOMMIT and vote.value != NIL
        if (vote.extension is not None) != extended:
            raise RemoteFault(ConsensusCode.BAD_EXTENSION, "presence", validator=vote.validator)
        if vote.extension is not None and vote.extension.validator != vote.validator:
            raise RemoteFault(ConsensusCode.BAD_EXTENSION, "validator", validator=vote.extension.validator)

    def check_vote_extension(self, network: bytes, validators: ValidatorSet, vote: Vote) -> None:
        """Check the extension of a precommit of a value, if it is one. Raises RemoteFault."""
        if vote.extension is not None:
            step = (vote.height, vote.round, vote.value)
            check_extension(self._verifier, self._application, network, validators, step, vote.extension)

    def check_proposer(self, chain: ChainState, envelope: Envelope, proposal: Proposal) -> None:
        """Check that it is the sender's turn. Raises RemoteFault."""
        turns = chain.turns
        if not turns.may_lead(chain.validators.index_of.get(envelope.sender), proposal.round):
            raise RemoteFault(
                ConsensusCode.WRONG_PROPOSER,
                "proposal",
                sender=envelope.sender,
                round=proposal.round,
                turn=turns.proposer(proposal.round),
            )

    def check_proposal(self, chain: ChainState, envelope: Envelope, proposal: Proposal) -> None:
        """Check value, signature, the cited polka, and that the block is the one that its header names.

        Not whether that block is valid: only what the header commits to may count against its hash, or a good header
        around another body would make a value invalid here that all others decide. Raises RemoteFault.
        """
        validators = chain.validators
        if proposal.pol_round >= proposal.round:
            raise RemoteFault(ConsensusCode.WRONG_ROUND, "pol round", pol=proposal.pol_round, round=proposal.round)
        header = proposal.block.header
        if header.height != proposal.height or (proposal.certificate is None) != (proposal.pol_round < 0):
            raise RemoteFault(ConsensusCode.BAD_PROPOSAL, "form", header_height=header.height, pol=proposal.pol_round)
        digest = proposal_digest(
            chain.network, validators.hash, proposal.height, proposal.round, proposal.pol_round, header.hash
        )
        if not self._verifier.verify_ed25519(envelope.sender, digest, proposal.signature):
            raise RemoteFault(ConsensusCode.BAD_PROPOSAL, "signature", sender=envelope.sender)
        polka = proposal.certificate
        if polka is not None:
            stated = (polka.kind, polka.height, polka.round, polka.value)
            if stated != (VoteKind.PREVOTE, proposal.height, proposal.pol_round, header.hash):
                raise RemoteFault(ConsensusCode.BAD_PROPOSAL, "certificate", round=polka.round, value=polka.value)
            self._certificates.verify(polka, validators)
        check_carried(proposal.block)

    def check_certificate(self, chain: ChainState, message: CertificateMessage) -> None:
        """Check a certificate of the next height, and the extensions when it is final. Raises RemoteFault.

        In a set with collectors a final one may have none: its validators send theirs to the next proposers again.
        """
        certificate = message.certificate
        self._certificates.verify(certificate, chain.validators)
        if is_final(certificate):
            self._check_extensions(chain, certificate, message.extensions)
        elif message.extensions:
            raise RemoteFault(ConsensusCode.BAD_EXTENDED_COMMIT, "presence", count=len(message.extensions))

    def check_committed(self, chain: ChainState, committed: CommittedBlock, above: int = 1) -> None:
        """Check that a fetched block, so many heights above the chain, is final under its set. Raises RemoteFault."""
        certificate, header = committed.certificate, committed.block.header
        if not is_final(certificate) or certificate.height != chain.height + above or certificate.value != header.hash:
            raise RemoteFault(
                ConsensusCode.BAD_BLOCK_RESPONSE, "certificate", height=certificate.height, value=certificate.value
            )
        self._certificates.verify(certificate, chain.validators)
        self._check_extensions(chain, certificate, committed.extensions)

    def check_late(self, chain: ChainState, signed: SignedExtension) -> None:
        """Check one more extension of the last decided height. Raises RemoteFault."""
        commit = chain.commit
        if commit is None:
            raise RemoteFault(ConsensusCode.WRONG_HEIGHT, "extension", height=chain.height)
        step = (commit.height, commit.round, commit.value)
        check_extension(self._verifier, self._application, chain.network, chain.last_validators, step, signed)

    def conflicts(self, chain: ChainState, certificate: Certificate) -> bool:
        """Whether a certificate makes another block final at the last height than the decided one.

        Raises RemoteFault for one that only pretends to.
        """
        if not is_final(certificate) or certificate.height != chain.height or certificate.value == chain.parent:
            return False
        self._certificates.verify(certificate, chain.last_validators)
        return True

    def _check_extensions(
        self, chain: ChainState, certificate: Certificate, extensions: tuple[SignedExtension, ...]
    ) -> None:
        if extensions or not collected(chain.validators):
            check_extended_commit(
                self._verifier, self._application, chain.network, chain.validators, certificate, extensions
            )


def is_final(certificate: Certificate) -> bool:
    """Whether it is a precommit certificate of a value."""
    return certificate.kind is VoteKind.PRECOMMIT and certificate.value != NIL
