"""Vote digests and `Certificate`: proof that a quorum voted for one value in one round.

Rule: the signed bytes contain kind, network and validator set. Only a precommit certificate of a value is final. The
digest is SHA-256 over seven words, so that the vault contract can check a consensus certificate.
"""

from collections.abc import Sequence
from enum import IntEnum

from clearing.base import bls
from clearing.base.codec import U32, U63, Bytes32, Bytes96, Wire, u256
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.hashing import sha256, tag_prefix
from clearing.base.header import Header
from clearing.base.header_words import HeaderWords
from clearing.base.ids import ZERO_HASH, Hash32
from clearing.base.validators import ValidatorSet

VOTE_TAG = "crossclear/vote/v1"
NIL = ZERO_HASH
"""The value id of a vote for no value."""


class VoteKind(IntEnum):
    """The two voting steps."""

    PREVOTE = 1
    PRECOMMIT = 2


class Certificate(Wire, frozen=True):
    """A quorum's aggregate signature. `signers` has bit i of the big-endian integer set for validator i."""

    kind: VoteKind
    height: U63
    round: U32
    value: Bytes32
    validators_hash: Bytes32
    signers: Bytes32
    aggregate: Bytes96


def vote_digest(
    network: bytes, validators_hash: bytes, kind: VoteKind, height: int, round_: int, value: bytes
) -> Hash32:
    """The 32 bytes that a validator's BLS key signs."""
    return sha256(
        b"".join((tag_prefix(VOTE_TAG), network, validators_hash, u256(kind), u256(height), u256(round_), value))
    )


def signer_indices(signers: bytes) -> tuple[int, ...]:
    """Indices of the set bits of a 32-byte bitmap, ascending."""
    bits = int.from_bytes(signers, "big")
    return tuple(index for index in range(bits.bit_length()) if bits >> index & 1)


def signer_bitmap(indices: Sequence[int]) -> bytes:
    """The 32-byte bitmap of these indices."""
    return u256(sum(1 << index for index in set(indices)))


def verify_certificate(certificate: Certificate, validators: ValidatorSet, network: bytes) -> None:
    """Check set hash, stray bits, power strictly above two thirds, and the aggregate (1.5 ms). Raises RemoteFault."""
    if certificate.validators_hash != validators.hash:
        raise RemoteFault(
            BaseCode.WRONG_VALIDATOR_SET, "certificate", stated=certificate.validators_hash, trusted=validators.hash
        )
    indices = signer_indices(certificate.signers)
    if indices and indices[-1] >= len(validators.validators):
        raise RemoteFault(BaseCode.STRAY_SIGNER, "certificate", signer=indices[-1])
    signed = [validators.validators[index] for index in indices]
    power = sum(validator.power for validator in signed)
    if not validators.is_quorum(power):
        raise RemoteFault(BaseCode.UNDER_QUORUM, "certificate", power=power, total=validators.total_power)
    digest = vote_digest(
        network,
        validators.hash,
        certificate.kind,
        certificate.height,
        certificate.round,
        certificate.value,
    )
    if not bls.verify_aggregate([validator.bls_key for validator in signed], digest, certificate.aggregate):
        raise RemoteFault(BaseCode.BAD_SIGNATURE, "certificate", height=certificate.height, round=certificate.round)


def verify_finality(
    header: Header | HeaderWords, certificate: Certificate, validators: ValidatorSet, network: bytes
) -> None:
    """Check that `certificate` makes `header` final under `validators`. Raises RemoteFault."""
    if header.network != network:
        raise RemoteFault(BaseCode.WRONG_NETWORK, "header", stated=header.network, trusted=network)
    if certificate.kind is not VoteKind.PRECOMMIT:
        raise RemoteFault(BaseCode.WRONG_KIND, "certificate", kind=int(certificate.kind))
    if certificate.value != header.hash or certificate.height != header.height:
        raise RemoteFault(BaseCode.WRONG_VALUE, "certificate", value=certificate.value, header=header.hash)
    if header.validators_hash != validators.hash:
        raise RemoteFault(
            BaseCode.WRONG_VALIDATOR_SET, "header", stated=header.validators_hash, trusted=validators.hash
        )
    verify_certificate(certificate, validators, network)
