"""Signatures for simulation: hashes in place of curves, with the same shapes and the same refusals.

They bind key and digest, and sums of shares verify as aggregates do; they are not secret. Bytes made up by a simulated
liar don't verify. The real curves run in the tests of `tests/consensus`.
"""

from collections.abc import Sequence
from functools import lru_cache

from clearing.base import bls, ed25519
from clearing.base.certificate import Certificate, VoteKind, signer_indices, vote_digest
from clearing.base.codec import u256
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.hashing import sha256, tagged_hash
from clearing.base.validators import Validator, ValidatorSet
from consensus.messages import Extension, MessageKind, envelope_digest, extension_digest, proposal_digest
from node.signer.local import GuardedSigner
from node.signer.sign_state import SignedStep, SignGuard
from tests.kit.validator_records import made_validator

MODULUS = 2**768


@lru_cache(maxsize=64)
def validator_set(count: int, powers: tuple[int, ...] = ()) -> ValidatorSet:
    """Deterministic keys; `secrets_of` has the secrets in the same order."""
    made = []
    for (envelope_secret, bls_secret), power in zip(secrets_of(count), powers or (10,) * count, strict=True):
        made.append(made_validator(ed25519.public_key(envelope_secret), bls_secret, power))
    return ValidatorSet(validators=tuple(made))


@lru_cache(maxsize=8)
def secrets_of(count: int) -> tuple[tuple[bytes, int], ...]:
    """(envelope secret, BLS secret) in the order of the set."""
    pairs = []
    for index in range(count):
        seed = tagged_hash("crossclear/simulation/seed", u256(index))
        pairs.append((seed, bls.secret_from_seed(seed)))
    return tuple(sorted(pairs, key=lambda pair: ed25519.public_key(pair[0])))


VALIDATORS = validator_set(4)
KEYS = [validator.envelope_key for validator in VALIDATORS.validators]


def fake_signature(key: bytes, digest: bytes) -> bytes:
    """In place of Ed25519."""
    return tagged_hash("simulation/ed25519", key, digest) + sha256(key)


def fake_share(key: bytes, digest: bytes) -> bytes:
    """In place of a BLS share."""
    return b"".join(tagged_hash(f"simulation/bls/{part}", key, digest) for part in range(3))


class FakeVerifier:
    """See `consensus.signing.Verifier`."""

    def verify_ed25519(self, key: bytes, digest: bytes, signature: bytes) -> bool:
        return signature == fake_signature(key, digest)

    def aggregate(self, shares: Sequence[bytes]) -> bytes:
        return (sum(int.from_bytes(share, "big") for share in shares) % MODULUS).to_bytes(96, "big")

    def verify_shares(self, keys: Sequence[bytes], digest: bytes, aggregate: bytes) -> bool:
        return bool(keys) and self.aggregate([fake_share(key, digest) for key in keys]) == aggregate

    def verify_possession(self, key: bytes, possession: bytes) -> bool:
        return bls.verify_possession(key, possession)

    def verify_certificate(self, certificate: Certificate, validators: ValidatorSet, network: bytes) -> None:
        indices = signer_indices(certificate.signers)
        if certificate.validators_hash != validators.hash or (indices and indices[-1] >= len(validators.validators)):
            raise RemoteFault(BaseCode.STRAY_SIGNER, "certificate")
        signed = [validators.validators[index] for index in indices]
        if not validators.is_quorum(sum(validator.power for validator in signed)):
            raise RemoteFault(BaseCode.UNDER_QUORUM, "certificate")
        digest = vote_digest(
            network,
            validators.hash,
            certificate.kind,
            certificate.height,
            certificate.round,
            certificate.value,
        )
        if not self.verify_shares([validator.bls_key for validator in signed], digest, certificate.aggregate):
            raise RemoteFault(BaseCode.BAD_SIGNATURE, "certificate")


class NoGuard(SignGuard):
    """Lets everything be signed: a liar's signer is built with it."""

    def resume(self, log_frames: int, decided: int) -> bool:
        return True

    def advance(self, to: SignedStep, digest: bytes, *, write: bool = True) -> None:
        return


class FakeSigner(GuardedSigner):
    """`node.signer.local.LocalSigner` with hashes in place of curves. Without a guard it signs whatever it is asked."""

    def __init__(self, network: bytes, validator: Validator, guard: SignGuard | None) -> None:
        super().__init__(guard or NoGuard())
        self._network = network
        self._validator = validator

    @property
    def envelope_key(self) -> bytes:
        return self._validator.envelope_key

    def sign_vote(self, validators_hash: bytes, kind: VoteKind, height: int, round_: int, value: bytes) -> bytes:
        digest = vote_digest(self._network, validators_hash, kind, height, round_, value)
        self._advance(SignedStep(height, round_, int(kind)), digest)
        return fake_share(self._validator.bls_key, digest)

    def sign_proposal(self, validators_hash: bytes, height: int, round_: int, pol_round: int, value: bytes) -> bytes:
        digest = proposal_digest(self._network, validators_hash, height, round_, pol_round, value)
        self._advance(SignedStep(height, round_, 0), digest)
        return fake_signature(self.envelope_key, digest)

    def sign_extension(
        self, validators_hash: bytes, height: int, round_: int, value: bytes, extension: Extension
    ) -> bytes:
        digest = extension_digest(self._network, validators_hash, height, round_, value, extension)
        return fake_signature(self.envelope_key, digest)

    def sign_envelope(self, kind: MessageKind, body: bytes) -> bytes:
        return fake_signature(self.envelope_key, envelope_digest(self._network, self.envelope_key, kind, body))
