"""Certificates made of shares."""

from clearing.base import bls
from clearing.base.certificate import Certificate, VoteKind, signer_bitmap
from clearing.base.errors import BaseCode, LocalFault
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
