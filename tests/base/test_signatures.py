"""A certificate is final only with the right kind, network, set, power and signature; members sign like wallets."""

from functools import cache
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st
from py_arkworks_bls12381 import G2Point
from py_ecc.bls import G2ProofOfPossession as Reference

from clearing.base import bls, ed25519, secp256k1
from clearing.base.certificate import Certificate, VoteKind, signer_bitmap, verify_finality, vote_digest
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.header import DepositCursor, Header
from clearing.base.validators import NO_EVM_ADDRESS, ValidatorSet, check_validator_set
from clearing.schema.requests.trades import Trade
from tests.kit.certificates import certified
from tests.kit.refusals import refused
from tests.kit.validator_records import made_validator

NETWORK = bytes(range(32))


@cache
def signers(count: int = 4) -> tuple[ValidatorSet, tuple[int, ...]]:
    secrets = [bls.secret_from_seed(bytes([index + 1]) * 32) for index in range(count)]
    rows = sorted((ed25519.public_key(bytes([index + 1]) * 32), secret) for index, secret in enumerate(secrets))
    validators = tuple(made_validator(key, secret) for key, secret in rows)
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


def certificate(of: Header, who: tuple[int, ...] = (0, 1, 2), **changes: Any) -> Certificate:
    validators, secrets = signers()
    return certified(of, validators, {index: secrets[index] for index in who}, **changes)


def check_refused(of: Header, shown: Certificate, code: BaseCode) -> None:
    with refused(code):
        verify_finality(of, shown, signers()[0], NETWORK)


def test_three_of_four_make_a_header_final() -> None:
    verify_finality(header(), certificate(header()), signers()[0], NETWORK)


FINAL = certificate(header())
PREVOTES = certificate(header(), kind=VoteKind.PREVOTE)
STRAY, MORE = (signer_bitmap(indices) for indices in ((0, 1, 2, 4), (0, 1, 2, 3)))


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        pytest.param(certificate(header(), (0, 1)), BaseCode.UNDER_QUORUM, id="two_of_four"),
        pytest.param(PREVOTES, BaseCode.WRONG_KIND, id="prevotes"),
        pytest.param(
            msgspec.structs.replace(PREVOTES, kind=VoteKind.PRECOMMIT),
            BaseCode.BAD_SIGNATURE,
            id="prevotes_relabelled_as_precommits",
        ),
        pytest.param(
            certificate(header(), network=b"\xff" * 32), BaseCode.BAD_SIGNATURE, id="votes_of_another_network"
        ),
        pytest.param(
            msgspec.structs.replace(FINAL, signers=STRAY), BaseCode.STRAY_SIGNER, id="a_signer_outside_the_set"
        ),
        pytest.param(
            msgspec.structs.replace(FINAL, signers=MORE),
            BaseCode.BAD_SIGNATURE,
            id="a_claimed_signer_who_did_not_sign",
        ),
    ],
)
def test_nothing_is_final_by(shown: Certificate, code: BaseCode) -> None:
    check_refused(header(), shown, code)


def test_a_header_of_another_network_is_not_final() -> None:
    check_refused(header(network=b"\xff" * 32), FINAL, BaseCode.WRONG_NETWORK)


def test_every_field_of_the_header_is_bound() -> None:
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
        check_refused(header(**{field: value}), FINAL, BaseCode.WRONG_VALUE)
    assert set(changed) | {"network", "validators_hash"} == {field.name for field in msgspec.structs.fields(Header)}


def test_signatures_agree_with_the_reference_implementation() -> None:
    validators, secrets = signers()
    message = b"\x11" * 32
    assert bls.public_key(secrets[0]) == Reference.SkToPk(secrets[0])
    assert bls.sign(secrets[0], message) == Reference.Sign(secrets[0], message)
    assert bls.prove_possession(secrets[0]) == Reference.PopProve(secrets[0])
    both = [bls.sign(secret, message) for secret in secrets[:2]]
    assert bls.aggregate(both) == Reference.Aggregate(both)
    assert Reference.FastAggregateVerify([v.bls_key for v in validators.validators[:2]], message, bls.aggregate(both))


def test_a_share_made_here_adds_up_as_one_that_arrived() -> None:
    secrets, message = (5, 6, 7), b"what all sign"
    shares = [bls.sign(secret, message) for secret in secrets]
    made = bls.aggregate(shares)
    for other in range(100):  # so many later ones that none of the shares is remembered
        bls.sign(8, bytes([other]))
    assert bls.aggregate(shares) == made
    assert bls.verify_aggregate([bls.public_key(secret) for secret in secrets], message, made)


def test_infinity_and_stray_bytes_are_no_points() -> None:
    for bad in (b"\xc0" + bytes(47), b"\xc0" + b"\1" * 47, bytes(48), b"", b"\xff" * 48, bytes(96)):
        with refused(BaseCode.BAD_POINT):
            bls.decode_key(bad)
    for bad in (b"\xc0" + bytes(95), b"\xc0" + b"\1" * 95, b"", bytes(96)):
        with pytest.raises(RemoteFault):
            bls.decode_signature(bad)


def openssl_verifies(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@given(secret=st.binary(min_size=32, max_size=32), message=st.binary(max_size=80), at=st.integers(0, 127))
def test_envelope_signatures_agree_with_openssl(secret: bytes, message: bytes, at: int) -> None:
    key, signature = ed25519.public_key(secret), ed25519.sign(secret, message)
    other = Ed25519PrivateKey.from_private_bytes(secret)
    assert (other.public_key().public_bytes_raw(), other.sign(message)) == (key, signature)
    assert ed25519.verify(key, message, signature)
    assert openssl_verifies(key, message, signature)
    bent = bytearray(key + signature)
    bent[at % len(bent)] ^= 1 << (at % 8)
    key, signature = bytes(bent[:32]), bytes(bent[32:])
    assert not ed25519.verify(key, message, signature)
    assert not openssl_verifies(key, message, signature)


def test_a_key_that_anybody_can_sign_for_is_no_envelope_key() -> None:
    # The identity as key and as commitment: R = s·B - h·A holds for s = 0 and every message.
    key = bytes([1]) + bytes(31)
    signature = key + bytes(32)
    assert openssl_verifies(key, b"whatever", signature)
    assert not ed25519.verify(key, b"whatever", signature)


@pytest.mark.parametrize("size", [0, 31, 33, 63, 65])
def test_keys_and_envelope_signatures_of_other_lengths_are_refused(size: int) -> None:
    key, signature = ed25519.public_key(bytes(32)), ed25519.sign(bytes(32), b"message")
    assert not ed25519.verify(bytes(size), b"message", signature)
    assert not ed25519.verify(key, b"message", (signature + bytes(1))[:size])


def high_s(signature: bytes) -> bytes:
    """The other signature of the same key on the same digest, which Ethereum's wallets don't make."""
    s = secp256k1.ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes((55 - signature[64],))


def test_a_set_without_possession_proofs_or_order_is_refused() -> None:
    validators, _ = signers()
    check_validator_set(validators)
    first, second, *rest = validators.validators
    swapped = ValidatorSet((second, first, *rest))
    unproven = ValidatorSet((msgspec.structs.replace(first, possession=second.possession), second, *rest))
    unaddressed = ValidatorSet((msgspec.structs.replace(first, evm_possession=second.evm_possession), second, *rest))
    nobody = ValidatorSet((msgspec.structs.replace(first, evm_address=NO_EVM_ADDRESS), second, *rest))
    same = msgspec.structs.replace(second, evm_address=first.evm_address, evm_possession=first.evm_possession)
    malleable = ValidatorSet(
        (msgspec.structs.replace(first, evm_possession=high_s(first.evm_possession)), second, *rest)
    )
    powerless = ValidatorSet((msgspec.structs.replace(first, power=0), second, *rest))
    for bad, code in (
        (swapped, BaseCode.BAD_VALIDATOR_SET),
        (powerless, BaseCode.BAD_VALIDATOR_SET),
        (ValidatorSet(()), BaseCode.BAD_VALIDATOR_SET),
        (unproven, BaseCode.BAD_POSSESSION_PROOF),
        (unaddressed, BaseCode.BAD_POSSESSION_PROOF),
        (nobody, BaseCode.BAD_VALIDATOR_SET),
        (ValidatorSet((first, same, *rest)), BaseCode.BAD_VALIDATOR_SET),
        (malleable, BaseCode.BAD_SIGNATURE),
    ):
        with refused(code):
            check_validator_set(bad)


def test_a_quorum_is_strictly_more_than_two_thirds() -> None:
    validators = signers(3)[0]
    assert not validators.is_quorum(2)
    assert validators.is_quorum(3)
    assert not validators.is_skip(1)
    assert validators.is_skip(2)


def test_layouts_are_frozen() -> None:
    assert len(header().words) == 16 * 32
    assert header().hash.hex() == "9e3ab9a8559e05b1d45cc7b19ae1f5e1c1a4e8a9aa1e6af1f06e63aaec50fc55"
    assert signers()[0].hash.hex() == "00036f5349128d644eb2f2a26a4e5ee6c6f6a9caa175ff25a1301931ac665fb5"
    # Words of a package of version 1: there was no address.
    unaddressed = tuple(msgspec.structs.replace(each, evm_address=bytes(20)) for each in signers()[0].validators)
    assert ValidatorSet(unaddressed).hash.hex() == "c2eb7d992a78be698d71c7601908a662f8c97eb2da393f467f399b91d6da3889"
    assert (
        vote_digest(NETWORK, b"\1" * 32, VoteKind.PRECOMMIT, 7, 1, b"\2" * 32).hex()
        == "73d13c5270a897bdfce2f566976783942a2a31374784bc44c3198178b2bfcae1"
    )


OUTSIDE = b"\x80" + bytes(94) + b"\2"
"""A canonical point of the curve of G2 that is not in the prime-order subgroup."""


def test_a_point_outside_the_subgroup_is_no_signature_and_spoils_a_sum() -> None:
    stray, message = OUTSIDE, b"\x11" * 32
    assert bytes(G2Point.from_compressed_bytes_unchecked(stray).to_compressed_bytes()) == stray
    good = bls.sign(signers()[1][0], message)
    for read in (lambda: bls.decode_signature(stray), lambda: bls.aggregate([good, stray])):
        with refused(BaseCode.BAD_POINT):
            read()


def test_parts_outside_the_subgroup_that_cancel_leave_the_sum_of_the_signatures() -> None:
    validators, secrets = signers()
    message, stray = b"\x12" * 32, G2Point.from_compressed_bytes_unchecked(OUTSIDE)
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
    with refused(BaseCode.BAD_POINT):
        bls.aggregate([share, opposite])


SECRET = b"\x01" * 32


def test_a_wallet_signing_the_typed_data_gives_our_signature() -> None:
    trade = Trade(1, 2, 3, 4, 5, 6, 7, 8, bytes(65), bytes(65))
    wide = ("venue", "venueTradeId", "buyer", "seller"), ("lots", "ticks", "notAfterMs")
    fields = dict.fromkeys(wide[0], "uint64") | {"instrument": "uint32"} | dict.fromkeys(wide[1], "uint64")
    domain = {"name": "string", "version": "string", "salt": "bytes32"}
    message = {
        "types": {
            "EIP712Domain": [{"name": name, "type": kind} for name, kind in domain.items()],
            "Trade": [{"name": name, "type": kind} for name, kind in fields.items()],
        },
        "primaryType": "Trade",
        "domain": {"name": "crossclear", "version": "1", "salt": NETWORK},
        "message": dict(zip(fields, range(1, 9), strict=True)),
    }
    wallet = Account.sign_message(encode_typed_data(full_message=message), SECRET)
    assert bytes(wallet.signature) == secp256k1.sign_digest(SECRET, trade.digest(NETWORK))
    assert secp256k1.recover(trade.digest(NETWORK), bytes(wallet.signature)) == secp256k1.address(SECRET)
    assert secp256k1.address(SECRET) == bytes.fromhex(Account.from_key(SECRET).address[2:])


def test_the_mirrored_signature_is_refused() -> None:
    digest = bytes(range(32))
    good = secp256k1.sign_digest(SECRET, digest)
    mirrored = (
        good[:32] + (secp256k1.ORDER - int.from_bytes(good[32:64], "big")).to_bytes(32, "big") + bytes((55 - good[64],))
    )
    with refused(BaseCode.BAD_SIGNATURE):
        secp256k1.recover(digest, mirrored)


@given(st.binary(min_size=0, max_size=70))
def test_arbitrary_bytes_recover_no_known_signer(signature: bytes) -> None:
    try:
        assert secp256k1.recover(bytes(32), signature) != secp256k1.address(SECRET)
    except RemoteFault as fault:
        assert fault.code is BaseCode.BAD_SIGNATURE
