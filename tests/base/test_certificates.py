"""A certificate is final only with the right kind, network, set, value, power and signature."""

from functools import cache

import msgspec
import pytest
from py_arkworks_bls12381 import G2Point
from py_ecc.bls import G2ProofOfPossession as Reference

from clearing.base import bls, ed25519
from clearing.base.certificate import Certificate, VoteKind, signer_bitmap, verify_finality, vote_digest
from clearing.base.codec import decode, encode
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.header import DepositCursor, Header
from clearing.base.validators import Validator, ValidatorSet, check_validator_set
from tests.kit.certificates import make_certificate

NETWORK = bytes(range(32))


@cache
def signers(count: int = 4) -> tuple[ValidatorSet, tuple[int, ...]]:
    secrets = [bls.secret_from_seed(bytes([index + 1]) * 32) for index in range(count)]
    rows = sorted((ed25519.public_key(bytes([index + 1]) * 32), secret) for index, secret in enumerate(secrets))
    validators = tuple(Validator(key, bls.public_key(secret), 1, bls.prove_possession(secret)) for key, secret in rows)
    return ValidatorSet(validators), tuple(secret for _, secret in rows)


def header(**changes: object) -> Header:
    validators, _ = signers()
    plain = Header(
        network=NETWORK,
        parent=b"\1" * 32,
        height=7,
        time_ms=1_584_000_000_000,
        payload_root=b"\2" * 32,
        module_roots=(b"\3" * 32, b"\4" * 32),
        commitments_root=b"\5" * 32,
        commitments_height=5,
        withdrawals_root=b"\6" * 32,
        withdrawals_count=3,
        exit_root=b"\7" * 32,
        epoch=2,
        validators_hash=validators.hash,
        next_validators_hash=validators.hash,
        deposit_cursors=(DepositCursor(31337, b"\x08" * 20, 9),),
    )
    return msgspec.structs.replace(plain, **changes)


def certificate(
    of: Header, who: tuple[int, ...] = (0, 1, 2), kind: VoteKind = VoteKind.PRECOMMIT, network: bytes = NETWORK
) -> Certificate:
    validators, secrets = signers()
    digest = vote_digest(network, validators.hash, kind, of.height, 0, of.hash)
    return make_certificate(
        kind, of.height, 0, of.hash, validators, {index: bls.sign(secrets[index], digest) for index in who}
    )


def refusal(of: Header, shown: Certificate) -> BaseCode:
    with pytest.raises(RemoteFault) as caught:
        verify_finality(of, shown, signers()[0], NETWORK)
    assert isinstance(caught.value.code, BaseCode)
    return caught.value.code


def test_three_of_four_make_a_header_final() -> None:
    verify_finality(header(), certificate(header()), signers()[0], NETWORK)


def test_two_of_four_do_not() -> None:
    assert refusal(header(), certificate(header(), (0, 1))) is BaseCode.UNDER_QUORUM


def test_a_prevote_certificate_is_not_final() -> None:
    assert refusal(header(), certificate(header(), kind=VoteKind.PREVOTE)) is BaseCode.WRONG_KIND


def test_a_prevote_certificate_relabelled_as_precommit_does_not_verify() -> None:
    relabelled = msgspec.structs.replace(certificate(header(), kind=VoteKind.PREVOTE), kind=VoteKind.PRECOMMIT)
    assert refusal(header(), relabelled) is BaseCode.BAD_SIGNATURE


def test_another_network_does_not_count() -> None:
    assert refusal(header(), certificate(header(), network=b"\xff" * 32)) is BaseCode.BAD_SIGNATURE
    assert refusal(header(network=b"\xff" * 32), certificate(header())) is BaseCode.WRONG_NETWORK


def test_every_field_of_the_header_is_bound() -> None:
    shown = certificate(header())
    changed = {
        "parent": b"\xff" * 32,
        "time_ms": 1,
        "payload_root": b"\xff" * 32,
        "module_roots": (b"\3" * 32, b"\5" * 32),
        "commitments_root": b"\xff" * 32,
        "commitments_height": 6,
        "withdrawals_root": b"\xff" * 32,
        "withdrawals_count": 4,
        "exit_root": b"\xff" * 32,
        "epoch": 3,
        "next_validators_hash": b"\xff" * 32,
        "deposit_cursors": (DepositCursor(31337, b"\x08" * 20, 10),),
        "height": 8,
    }
    for field, value in changed.items():
        assert refusal(header(**{field: value}), shown) is BaseCode.WRONG_VALUE, field
    assert set(changed) | {"network", "validators_hash"} == {field.name for field in msgspec.structs.fields(Header)}


def test_a_signer_outside_the_set_is_refused() -> None:
    stray = msgspec.structs.replace(certificate(header()), signers=signer_bitmap((0, 1, 2, 4)))
    assert refusal(header(), stray) is BaseCode.STRAY_SIGNER


def test_a_claimed_signer_who_did_not_sign_is_refused() -> None:
    more = msgspec.structs.replace(certificate(header()), signers=signer_bitmap((0, 1, 2, 3)))
    assert refusal(header(), more) is BaseCode.BAD_SIGNATURE


def test_signatures_agree_with_the_reference_implementation() -> None:
    validators, secrets = signers()
    message = b"\x11" * 32
    assert bls.public_key(secrets[0]) == Reference.SkToPk(secrets[0])
    assert bls.sign(secrets[0], message) == Reference.Sign(secrets[0], message)
    assert bls.prove_possession(secrets[0]) == Reference.PopProve(secrets[0])
    both = [bls.sign(secret, message) for secret in secrets[:2]]
    assert bls.aggregate(both) == Reference.Aggregate(both)
    assert Reference.FastAggregateVerify([v.bls_key for v in validators.validators[:2]], message, bls.aggregate(both))


def test_infinity_and_stray_bytes_are_no_points() -> None:
    for bad in (b"\xc0" + bytes(47), b"\xc0" + b"\1" * 47, bytes(48), b"", b"\xff" * 48, bytes(96)):
        with pytest.raises(RemoteFault) as caught:
            bls.decode_key(bad)
        assert caught.value.code is BaseCode.BAD_POINT
    for bad in (b"\xc0" + bytes(95), b"\xc0" + b"\1" * 95, b"", bytes(96)):
        with pytest.raises(RemoteFault):
            bls.decode_signature(bad)


def test_a_set_without_possession_proofs_or_order_is_refused() -> None:
    validators, _ = signers()
    check_validator_set(validators)
    first, second, *rest = validators.validators
    swapped = ValidatorSet((second, first, *rest))
    unproven = ValidatorSet((msgspec.structs.replace(first, possession=second.possession), second, *rest))
    powerless = ValidatorSet((msgspec.structs.replace(first, power=0), second, *rest))
    for bad, code in (
        (swapped, BaseCode.BAD_VALIDATOR_SET),
        (powerless, BaseCode.BAD_VALIDATOR_SET),
        (ValidatorSet(()), BaseCode.BAD_VALIDATOR_SET),
        (unproven, BaseCode.BAD_POSSESSION_PROOF),
    ):
        with pytest.raises(RemoteFault) as caught:
            check_validator_set(bad)
        assert caught.value.code is code


def test_a_quorum_is_strictly_more_than_two_thirds() -> None:
    validators = signers(3)[0]
    assert not validators.is_quorum(2)
    assert validators.is_quorum(3)
    assert not validators.is_skip(1)
    assert validators.is_skip(2)


def test_wire_forms_round_trip() -> None:
    for value in (header(), certificate(header()), signers()[0]):
        assert decode(encode(value), type(value)) == value


def test_layouts_are_frozen() -> None:
    assert len(header().words) == 16 * 32
    assert header().hash.hex() == FROZEN["header"]
    assert signers()[0].hash.hex() == FROZEN["set"]
    assert vote_digest(NETWORK, b"\1" * 32, VoteKind.PRECOMMIT, 7, 1, b"\2" * 32).hex() == FROZEN["vote"]


FROZEN = {
    "header": "48b54bcb8b6c3c253daaad2246f6fbdf0854885a0d4a5b4fbcfd444ef8d3d006",
    "set": "c2eb7d992a78be698d71c7601908a662f8c97eb2da393f467f399b91d6da3889",
    "vote": "73d13c5270a897bdfce2f566976783942a2a31374784bc44c3198178b2bfcae1",
}


def outside_the_subgroup() -> bytes:
    """A canonical point of the curve of G2 that is not in the prime-order subgroup."""
    return b"\x80" + bytes(94) + b"\2"


def test_a_point_outside_the_subgroup_is_no_signature_and_spoils_a_sum() -> None:
    stray, message = outside_the_subgroup(), b"\x11" * 32
    assert bytes(G2Point.from_compressed_bytes_unchecked(stray).to_compressed_bytes()) == stray
    good = bls.sign(signers()[1][0], message)
    for refused in (lambda: bls.decode_signature(stray), lambda: bls.aggregate([good, stray])):
        with pytest.raises(RemoteFault) as caught:
            refused()
        assert caught.value.code is BaseCode.BAD_POINT


def test_parts_outside_the_subgroup_that_cancel_leave_the_sum_of_the_signatures() -> None:
    validators, secrets = signers()
    message, stray = b"\x12" * 32, G2Point.from_compressed_bytes_unchecked(outside_the_subgroup())
    shares = [bls.sign(secret, message) for secret in secrets[:2]]
    first, second = (G2Point.from_compressed_bytes(share) for share in shares)
    moved = [bytes((first + stray).to_compressed_bytes()), bytes((second + -stray).to_compressed_bytes())]
    assert bls.aggregate(moved) == bls.aggregate(shares)
    for share in moved:
        with pytest.raises(RemoteFault):
            bls.verify(validators.validators[0].bls_key, message, share)


def test_signatures_that_sum_to_infinity_are_refused() -> None:
    share = bls.sign(signers()[1][0], b"\x13" * 32)
    opposite = bytes((-G2Point.from_compressed_bytes(share)).to_compressed_bytes())
    with pytest.raises(RemoteFault) as caught:
        bls.aggregate([share, opposite])
    assert caught.value.code is BaseCode.BAD_POINT
