"""A package after a change of validators verifies under the set that certified it, and under no other."""

import msgspec

from clearing.base import bls
from clearing.base.certificate import VoteKind, vote_digest
from clearing.base.validators import Validator, ValidatorSet
from proofs.epoch.package import EpochPackage, read_package, write_package
from proofs.verify.package_verifier import verify_package
from tests.kit.certificates import make_certificate


def rotated(validators: ValidatorSet) -> tuple[ValidatorSet, dict[bytes, int]]:
    """The set without its first and with a newcomer of more power; the newcomer's secret by envelope key."""
    secret = bls.secret_from_seed(b"newcomer" * 4)
    newcomer = Validator(b"\x7f" * 32, bls.public_key(secret), 15, bls.prove_possession(secret))
    return ValidatorSet((*validators.validators[1:], newcomer)), {newcomer.envelope_key: secret}


def certified_by(shown: EpochPackage, after: ValidatorSet, secrets: dict[bytes, int], network: bytes) -> bytes:
    """The same epoch in a header of another set, certified by all of it."""
    header = msgspec.structs.replace(shown.header, validators_hash=after.hash, next_validators_hash=after.hash)
    digest = vote_digest(network, after.hash, VoteKind.PRECOMMIT, header.height, 0, header.hash)
    shares = {index: bls.sign(secrets[each.envelope_key], digest) for index, each in enumerate(after.validators)}
    certificate = make_certificate(VoteKind.PRECOMMIT, header.height, 0, header.hash, after, shares)
    return write_package(msgspec.structs.replace(shown, header=header, certificate=certificate, validators=after))


def test_a_package_is_of_the_set_that_certified_its_header(market, package) -> None:
    shown = read_package(package)
    before = shown.validators
    after, fresh = rotated(before)
    secrets = {
        each.envelope_key: secret for each, secret in zip(before.validators, market.SECRETS, strict=True)
    } | fresh
    later = certified_by(shown, after, secrets, market.NETWORK)
    verdict = verify_package(later, network=market.NETWORK, validators_hash=after.hash)
    assert verdict.ok, verdict.checks[-1]
    assert verify_package(later, network=market.NETWORK, validators_hash=before.hash).failed == "certificate"
    assert verify_package(package, network=market.NETWORK, validators_hash=after.hash).failed == "certificate"


def test_the_old_set_cannot_certify_in_the_name_of_the_new_one(market, package) -> None:
    shown = read_package(package)
    after, fresh = rotated(shown.validators)
    # The newcomer's place is signed with an old key: bitmap and power are right, the aggregate is not.
    stolen = {
        each.envelope_key: secret for each, secret in zip(shown.validators.validators, market.SECRETS, strict=True)
    }
    forged = certified_by(shown, after, stolen | dict.fromkeys(fresh, market.SECRETS[0]), market.NETWORK)
    assert verify_package(forged, network=market.NETWORK, validators_hash=after.hash).failed == "certificate"
