"""`clearing.base.bls` against the signatures of bls12-381-tests: every case of every kind, and the slow reference."""

from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
from py_arkworks_bls12381 import GT, G1Point, G2Point
from py_ecc.bls import G2ProofOfPossession as Reference
from py_ecc.bls.g2_primitives import G2_to_signature
from py_ecc.bls.hash_to_curve import hash_to_G2

from clearing.base import bls
from clearing.base.errors import LocalFault, RemoteFault
from tests.kit.vectors.others import signature_cases, unhex

INFINITE_KEY = bytes([0xC0]) + bytes(47)
INFINITE_SIGNATURE = bytes([0xC0]) + bytes(95)


def judged(keys, message, signature):
    try:
        return bls.verify_aggregate(keys, message, signature)
    except RemoteFault:
        return False


def pairs_hold(keys, messages, signature):
    """Π e(key_i, H(message_i)) = e(G1, signature): the network never signs so, but the backend must judge it."""
    try:
        points = [bls.decode_key(key) for key in keys]
        total = bls.decode_signature(signature)
    except RemoteFault:
        return False
    hashed = [G2Point.hash_to_curve(message, bls.SIGNATURE_DST) for message in messages]
    return bool(keys) and bool(GT.pairing_check([*points, -G1Point()], [*hashed, total]))


def all_judged(keys, messages, signatures):
    return all(judged([key], *shown) for key, *shown in zip(keys, messages, signatures, strict=True))


VERDICTS = {
    "verify": lambda key, message, signature: judged([key], message, signature),
    "fast_aggregate_verify": judged,
    "aggregate_verify": pairs_hold,
    "batch_verify": all_judged,
}


def parts_of(given):
    """(keys, messages, signatures) of a case, each one or several."""
    found = [given.get(name, given.get(f"{name}s")) for name in ("pubkey", "message", "signature")]
    return [unhex(part) if isinstance(part, str) else [unhex(each) for each in part] for part in found]


@pytest.mark.parametrize("kind", VERDICTS)
def test_verdicts_on_signatures_are_those_of_others(vectors_dir: Path, kind: str) -> None:
    seen = Counter()
    for name, given, output in signature_cases(vectors_dir, kind):
        assert VERDICTS[kind](*parts_of(given)) is output, name
        seen[output] += 1
    assert min(seen[True], seen[False]) >= (9 if kind == "verify" else 1)


def test_the_reference_agrees_on_some_of_each_verdict(vectors_dir: Path) -> None:
    for kind in (True, False):
        cases = [case for case in signature_cases(vectors_dir, "fast_aggregate_verify") if case[2] is kind]
        for name, given, output in cases[:2]:
            assert Reference.FastAggregateVerify(*parts_of(given)) is output, name


def test_signatures_are_those_of_others_bit_for_bit(vectors_dir: Path) -> None:
    none = 0
    for name, given, output in signature_cases(vectors_dir, "sign"):
        secret, message = int.from_bytes(unhex(given["privkey"]), "big"), unhex(given["message"])
        if output is None:
            none += 1
            with pytest.raises(LocalFault):
                bls.sign(secret, message)
        else:
            assert bls.sign(secret, message) == Reference.Sign(secret, message) == unhex(output), name
    assert none == 1


def test_sums_of_signatures_are_those_of_others(vectors_dir: Path) -> None:
    for name, given, output in signature_cases(vectors_dir, "aggregate"):
        shares = [unhex(share) for share in given]
        if output is None:
            with pytest.raises(LocalFault):
                bls.aggregate(shares)
        elif unhex(output) == INFINITE_SIGNATURE:
            # Others add infinity to nothing; no validator's share is infinity here.
            with pytest.raises(RemoteFault):
                bls.aggregate(shares)
        else:
            assert bls.aggregate(shares) == unhex(output), name


@pytest.mark.parametrize(
    ("kind", "part", "infinity", "decode"),
    [
        ("deserialization_G1", "pubkey", INFINITE_KEY, bls.decode_key),
        ("deserialization_G2", "signature", INFINITE_SIGNATURE, bls.decode_signature),
    ],
)
def test_points_are_decoded_as_by_others_but_for_infinity(vectors_dir: Path, kind, part, infinity, decode) -> None:
    seen = []
    for name, given, output in signature_cases(vectors_dir, kind):
        data = unhex(given[part])
        try:
            decode(data)
            verdict = True
        except RemoteFault:
            verdict = False
        # Others read infinity; here it is nobody's key and nobody's signature.
        assert verdict is (output and data != infinity), name
        seen.append(verdict)
    assert seen.count(True) >= 1
    assert seen.count(False) >= 14


def test_messages_are_hashed_to_the_points_of_others(vectors_dir: Path) -> None:
    tag = b"QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_"
    for name, given, output in signature_cases(vectors_dir, "hash_to_G2"):
        message = given["msg"].encode()
        xy = bytes(G2Point.hash_to_curve(message, tag).to_xy_bytes_be())
        wanted = b"".join(unhex(number) for part in "xy" for number in output[part].split(","))
        assert xy == wanted, name
        point = hash_to_G2(message, tag, sha256)
        assert G2_to_signature(point) == G2Point.hash_to_curve(message, tag).to_compressed_bytes(), name
