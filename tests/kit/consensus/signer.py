"""The node's own guard and log around signatures of a simulation."""

from clearing.base.certificate import VoteKind, vote_digest
from clearing.base.validators import Validator
from consensus.messages import Extension, MessageKind, proposal_digest
from node.signer.local import GuardedSigner
from node.signer.sign_state import SignedStep, SignGuard
from tests.kit.consensus.crypto import FakeSigner


class SimSigner(GuardedSigner):
    """`node.signer.local.LocalSigner` with hashes in place of curves."""

    def __init__(self, network: bytes, validator: Validator, guard: SignGuard) -> None:
        super().__init__(guard)
        self._network = network
        self._unguarded = FakeSigner(network, validator, None)

    @property
    def envelope_key(self) -> bytes:
        return self._unguarded.envelope_key

    def sign_vote(self, validators_hash: bytes, kind: VoteKind, height: int, round_: int, value: bytes) -> bytes:
        digest = vote_digest(self._network, validators_hash, kind, height, round_, value)
        self._advance(SignedStep(height, round_, int(kind)), digest)
        return self._unguarded.sign_vote(validators_hash, kind, height, round_, value)

    def sign_proposal(self, validators_hash: bytes, height: int, round_: int, pol_round: int, value: bytes) -> bytes:
        digest = proposal_digest(self._network, validators_hash, height, round_, pol_round, value)
        self._advance(SignedStep(height, round_, 0), digest)
        return self._unguarded.sign_proposal(validators_hash, height, round_, pol_round, value)

    def sign_extension(
        self, validators_hash: bytes, height: int, round_: int, value: bytes, extension: Extension
    ) -> bytes:
        return self._unguarded.sign_extension(validators_hash, height, round_, value, extension)

    def sign_envelope(self, kind: MessageKind, body: bytes) -> bytes:
        return self._unguarded.sign_envelope(kind, body)
