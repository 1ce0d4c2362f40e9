"""Hashing to BLS12-381 against the vectors of RFC 9380: the native library, and the slow reference."""

from hashlib import sha256
from pathlib import Path

import pytest
from py_arkworks_bls12381 import G1Point, G2Point
from py_ecc.bls.hash import expand_message_xmd
from py_ecc.bls.hash_to_curve import hash_to_G1, hash_to_G2
from py_ecc.optimized_bls12_381 import normalize

from tests.kit.vectors.others import hash_suite, unhex


def coordinates(vector) -> bytes:
    return b"".join(int(part, 16).to_bytes(48, "big") for axis in "xy" for part in vector["P"][axis].split(","))


@pytest.mark.parametrize("group", [1, 2])
def test_points_are_rfc_9380s(vectors_dir: Path, group: int) -> None:
    suite = hash_suite(vectors_dir, f"BLS12381G{group}_XMD-SHA-256_SSWU_RO_")
    tag = suite["dst"].encode()
    native, slow = ((G1Point, hash_to_G1), (G2Point, hash_to_G2))[group - 1]
    for vector in suite["vectors"]:
        message = vector["msg"].encode()
        assert native.hash_to_curve(message, tag).to_xy_bytes_be() == coordinates(vector)
        parts = normalize(slow(message, tag, sha256))
        numbers = [int(n) for part in parts for n in (part.coeffs if group == 2 else (part,))]
        assert b"".join(n.to_bytes(48, "big") for n in numbers) == coordinates(vector)


@pytest.mark.parametrize("name", ["expand_message_xmd_SHA256_38", "expand_message_xmd_SHA256_256"])
def test_messages_are_expanded_as_rfc_9380_says(vectors_dir: Path, name: str) -> None:
    suite = hash_suite(vectors_dir, name)
    tag = suite["DST"].encode()
    if len(tag) > 255:
        tag = sha256(b"H2C-OVERSIZE-DST-" + tag).digest()  # section 5.3.3
    for case in suite["tests"]:
        assert tag + bytes([len(tag)]) == unhex(case["DST_prime"])
        expanded = expand_message_xmd(case["msg"].encode(), tag, int(case["len_in_bytes"], 16), sha256)
        assert expanded == unhex(case["uniform_bytes"])


def test_a_tag_beyond_255_bytes_is_shortened_as_rfc_9380_says(vectors_dir: Path) -> None:
    tag = hash_suite(vectors_dir, "expand_message_xmd_SHA256_256")["DST"].encode()
    assert len(tag) == 256
    short = sha256(b"H2C-OVERSIZE-DST-" + tag).digest()
    assert G2Point.hash_to_curve(b"message", tag) == G2Point.hash_to_curve(b"message", short)
