"""Certificates made of shares."""

from collections.abc import Mapping

from clearing.base import bls
from clearing.base.certificate import Certificate, VoteKind, signer_bitmap, vote_digest
from clearing.base.errors import BaseCode, LocalFault
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet


def make_certificate(
    kind: VoteKind, height: int, round_: int, value: bytes, validators: ValidatorSet, shares: dict[int, bytes]
) -> Certificate:
    """Aggregate the shares, by validator index. The result is not verified. Raises LocalFault without shares."""
    if not shares:
        raise LocalFault(BaseCode.UNDER_QUORUM, "make_certificate", shares=0)
    return Certificate(
        kind=kind,
        height=height,
        round=round_,
        value=value,
        validators_hash=validators.hash,
        signers=signer_bitmap(tuple(shares)),
        aggregate=bls.aggregate([shares[index] for index in sorted(shares)]),
    )


def certified(
    header: Header,
    validators: ValidatorSet,
    secrets: Mapping[int, int],
    kind: VoteKind = VoteKind.PRECOMMIT,
    network: bytes | None = None,
) -> Certificate:
    """Votes of round 0 for a header, by the validators of these indices."""
    digest = vote_digest(network or header.network, validators.hash, kind, header.height, 0, header.hash)
    shares = {index: bls.sign(secret, digest) for index, secret in secrets.items()}
    return make_certificate(kind, header.height, 0, header.hash, validators, shares)
