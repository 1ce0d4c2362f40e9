"""A package's certificate checked again by `py-ecc`: independent code of the same standard."""

from py_ecc.bls import G2ProofOfPossession as Reference

from clearing.base.certificate import signer_indices, vote_digest
from clearing.base.errors import RemoteFault
from clearing.base.plain_json import bound_recursion
from member.verifying.package import Checked
from proofs.epoch.package import read_package

bound_recursion()  # eth-account and py-ecc raise it

NAME = "second_opinion"


def check_with_py_ecc(data: bytes) -> Checked:
    """Whether py-ecc, too, finds the quorum's signature on the package's header valid. Never raises for bad input."""
    try:
        package = read_package(data)
    except RemoteFault as fault:
        return Checked(NAME, ok=False, detail=str(fault))
    certificate, validators = package.certificate, package.validators.validators
    indices = [index for index in signer_indices(certificate.signers) if index < len(validators)]
    keys = [validators[index].bls_key for index in indices]
    digest = vote_digest(
        package.header.network,
        certificate.validators_hash,
        certificate.kind,
        certificate.height,
        certificate.round,
        package.header.hash,
    )
    try:
        good = bool(keys) and Reference.FastAggregateVerify(keys, digest, certificate.aggregate)
    except Exception as error:  # py-ecc raises several kinds for points that are none
        return Checked(NAME, ok=False, detail=f"py-ecc refuses the points: {error}")
    detail = f"py-ecc, too, finds the signature of {len(keys)} validators on header {package.header.height}"
    return Checked(NAME, ok=good, detail=detail if good else "py-ecc finds the certificate's signature invalid")
