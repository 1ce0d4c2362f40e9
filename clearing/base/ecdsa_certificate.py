"""`EcdsaCertificate`: a quorum's secp256k1 signatures on a final header, for vaults on chains without EIP-2537.

Rule: it is made of headers that are final by their BLS certificate already. What is signed names network, validator
set, height and header, and no round: validators may know a header by certificates of different rounds.
"""

from collections.abc import Mapping

from clearing.base import secp256k1
from clearing.base.certificate import VoteKind, signer_bitmap, signer_indices, vote_digest
from clearing.base.codec import Bytes32, Bytes65, Wire
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.header import Header
from clearing.base.header_words import HeaderWords
from clearing.base.ids import Hash32
from clearing.base.validators import ValidatorSet

_COMPACT_BYTES = 64
ROUND = 0
"""In place of the round, whatever it was."""


class EcdsaCertificate(Wire, frozen=True):
    """`signers` has bit i of the big-endian integer set for validator i; the signatures are in the order of bits."""

    signers: Bytes32
    signatures: tuple[Bytes65, ...]

    @property
    def compact(self) -> bytes:
        """As the contract takes the signatures: 64 bytes each, the parity in the top bit of s (EIP-2098)."""
        return b"".join(_compact(signature) for signature in self.signatures)


def certificate_of_compact(signers: bytes, compact: bytes) -> EcdsaCertificate:
    """What the contract was given, the inverse of `compact`. Whether it certifies is for `verify_ecdsa_certificate`."""
    parts = [compact[at : at + _COMPACT_BYTES] for at in range(0, len(compact), _COMPACT_BYTES)]
    if parts and len(parts[-1]) != _COMPACT_BYTES:
        raise RemoteFault(BaseCode.MALFORMED, "certificate", bytes=len(compact))
    return EcdsaCertificate(signers, tuple(map(_expanded, parts)))


def header_digest(header: Header | HeaderWords) -> Hash32:
    """The 32 bytes that a validator's secp256k1 key signs: those of a precommit of the header in round 0."""
    return vote_digest(header.network, header.validators_hash, VoteKind.PRECOMMIT, header.height, ROUND, header.hash)


def certificate_of(signatures: Mapping[int, bytes]) -> EcdsaCertificate:
    """The certificate of these signatures, by index of their validators."""
    ordered = sorted(signatures)
    return EcdsaCertificate(signer_bitmap(ordered), tuple(signatures[index] for index in ordered))


def verify_ecdsa_certificate(
    header: Header | HeaderWords, certificate: EcdsaCertificate, validators: ValidatorSet
) -> None:
    """Check what the contract checks (0.05 ms a signature).

    Raises RemoteFault WRONG_VALIDATOR_SET, STRAY_SIGNER, UNDER_QUORUM, BAD_SIGNATURE.
    """
    if header.validators_hash != validators.hash:
        raise RemoteFault(
            BaseCode.WRONG_VALIDATOR_SET, "header", stated=header.validators_hash, trusted=validators.hash
        )
    indices = signer_indices(certificate.signers)
    if (indices and indices[-1] >= len(validators.validators)) or len(indices) != len(certificate.signatures):
        raise RemoteFault(
            BaseCode.STRAY_SIGNER, "certificate", signers=len(indices), signatures=len(certificate.signatures)
        )
    power, digest = 0, header_digest(header)
    for index, signature in zip(indices, certificate.signatures, strict=True):
        signer = secp256k1.recover(digest, signature)
        if signer != validators.validators[index].evm_address:
            raise RemoteFault(BaseCode.BAD_SIGNATURE, "certificate", height=header.height, signer=signer)
        power += validators.validators[index].power
    if not validators.is_quorum(power):
        raise RemoteFault(BaseCode.UNDER_QUORUM, "certificate", power=power, total=validators.total_power)


def _expanded(compact: bytes) -> bytes:
    value = int.from_bytes(compact[32:], "big")
    return compact[:32] + (value % 2**255).to_bytes(32, "big") + bytes((27 + (value >> 255),))


def _compact(signature: bytes) -> bytes:
    """A low s leaves its top bit free."""
    s = int.from_bytes(signature[32:64], "big") | (signature[64] - 27) << 255
    return signature[:32] + s.to_bytes(32, "big")
