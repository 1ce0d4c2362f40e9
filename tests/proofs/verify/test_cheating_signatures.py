"""Who certified a package: its header's own set, with keys that are points and were shown to be held."""

import msgspec
import pytest

from clearing.base import bls
from clearing.base.certificate import Certificate, VoteKind, vote_digest
from clearing.base.codec import u256
from clearing.base.validators import ValidatorSet
from proofs.algebra.group import encode_point, infinity
from proofs.epoch.package import EpochPackage, read_package, write_package
from proofs.errors import ProofCode
from proofs.verify.package_verifier import verify_package
from tests.kit.certificates import make_certificate
from tests.kit.proofs.cheated_package import signed_anew
from tests.kit.validator_records import made_validator, unproven_validator

replace = msgspec.structs.replace


def test_an_account_committed_to_as_infinity_is_refused(market, package):
    good = read_package(package)
    for data in (encode_point(infinity()), bytes([0xC0]) + b"\x01" * 47, bytes([0x80]) + bytes(47)):
        commitments = (*good.commitments, (9, data))
        verdict = verify_package(signed_anew(market, replace(good, commitments=commitments)))
        assert verdict.failed == "sizes"
        forged = replace(good, commitments=((0, data), *good.commitments[1:]))
        verdict = verify_package(signed_anew(market, forged))
        assert (verdict.failed, verdict.checks[-1].code) == ("ranges_and_rows", ProofCode.BAD_POINT)


NO_KEY, NO_SIGNATURE = bytes([0xC0]) + bytes(47), bytes([0xC0]) + bytes(95)


@pytest.mark.parametrize("tail", [b"", b"\x01"])
def test_validators_whose_keys_are_infinity_certify_nothing(package, tail):
    """Infinity signs everything: key, possession and signature would all verify."""
    good = read_package(package)
    key = NO_KEY[: 48 - len(tail)] + tail
    nobody = ValidatorSet(
        (replace(unproven_validator(bytes(32), bytes(48), 10), bls_key=key, possession=NO_SIGNATURE),)
    )
    certificate = replace(good.certificate, signers=u256(1), aggregate=NO_SIGNATURE[: 96 - len(tail)] + tail)
    forged = replace(good, validators=nobody, certificate=certificate)
    assert verify_package(write_package(forged)).failed == "certificate"


def test_a_validator_key_made_to_cancel_the_others_certifies_nothing(market, package):
    """k' = x − k: the aggregate of both is x's alone, so x would sign for all; it cannot show possession of k'."""
    good = read_package(package)
    honest, other = good.validators.validators
    own = bls.secret_from_seed(bytes([9]) * 32)
    rogue_key = bytes((bls.decode_key(bls.public_key(own)) + -bls.decode_key(honest.bls_key)).to_compressed_bytes())
    for possession in (other.possession, bls.prove_possession(own), NO_SIGNATURE):
        keys = (honest, replace(other, bls_key=rogue_key, possession=possession))
        rogue = ValidatorSet(keys)
        head = replace(good.header, validators_hash=rogue.hash, next_validators_hash=rogue.hash)
        digest = vote_digest(market.NETWORK, rogue.hash, VoteKind.PRECOMMIT, head.height, 1, head.hash)
        aggregate = bls.sign(own, digest)
        assert bls.verify_aggregate([each.bls_key for each in keys], digest, aggregate), "the forgery itself works"
        certificate = Certificate(VoteKind.PRECOMMIT, head.height, 1, head.hash, rogue.hash, u256(3), aggregate)
        forged = replace(good, header=head, validators=rogue, certificate=certificate)
        assert verify_package(write_package(forged)).failed == "certificate"


def rotated(validators: ValidatorSet) -> tuple[ValidatorSet, dict[bytes, int]]:
    """The set without its first and with a newcomer of more power; the newcomer's secret by envelope key."""
    secret = bls.secret_from_seed(b"newcomer" * 4)
    newcomer = made_validator(b"\x7f" * 32, secret, 15)
    return ValidatorSet((*validators.validators[1:], newcomer)), {newcomer.envelope_key: secret}


def certified_by(package: EpochPackage, after: ValidatorSet, secrets: dict[bytes, int], network: bytes) -> bytes:
    """The same epoch in a header of another set, certified by all of it."""
    header = replace(package.header, validators_hash=after.hash, next_validators_hash=after.hash)
    digest = vote_digest(network, after.hash, VoteKind.PRECOMMIT, header.height, 0, header.hash)
    shares = {index: bls.sign(secrets[each.envelope_key], digest) for index, each in enumerate(after.validators)}
    certificate = make_certificate(VoteKind.PRECOMMIT, header.height, 0, header.hash, after, shares)
    return write_package(replace(package, header=header, certificate=certificate, validators=after))


def test_after_a_change_of_validators_a_package_is_of_the_set_that_certified_its_header_alone(market, package):
    good = read_package(package)
    after, fresh = rotated(good.validators)
    keys = [each.envelope_key for each in good.validators.validators]
    old = dict(zip(keys, market.SECRETS, strict=True))
    later = certified_by(good, after, old | fresh, market.NETWORK)
    # The newcomer's place is signed with an old key: bitmap and power are right, the aggregate is not.
    stolen = certified_by(good, after, old | dict.fromkeys(fresh, market.SECRETS[0]), market.NETWORK)
    for data, validators, failed in (
        (later, after, None),
        (later, good.validators, "certificate"),
        (package, after, "certificate"),
        (stolen, after, "certificate"),
    ):
        assert verify_package(data, network=market.NETWORK, validators_hash=validators.hash).failed == failed
