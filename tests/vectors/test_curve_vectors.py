"""Curve arithmetic against other people's vectors: RFC 9380, EIP-2537 and c-kzg-4844; native, and in pure Python.

The precompiles of a real chain stand the same test in `tests/bridge/contracts/test_bls_vectors.py`.
"""

from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path

import ckzg
import pytest
from py_arkworks_bls12381 import G1Point, G2Point
from py_ecc.bls.hash import expand_message_xmd
from py_ecc.bls.hash_to_curve import hash_to_G1, hash_to_G2
from py_ecc.optimized_bls12_381 import normalize

from proofs.algebra.field import read_scalar
from proofs.algebra.group import GENERATOR, GENERATOR_2, decode_point, infinity, multi_scalar, pairings_equal
from proofs.algebra.srs import CEREMONY_FILE, tau_g2
from proofs.errors import ProofCode, VerificationFailed
from tests.kit.vectors.others import PRECOMPILES, hash_suite, opening_cases, precompile_cases, unhex
from tests.kit.vectors.precompiles import G1, G2, Native, Reference, operation

SLOW_BYTES = {"pairing": 2 * (G1 + G2), "msm": 4 * (G1 + 32)}
"""The reference takes no longer inputs: a pairing costs it a second, a multiple 10 ms."""


def outcome(run, data: bytes) -> bytes | None:
    try:
        return run(data)
    except ValueError:
        return None


@pytest.mark.parametrize("name", sorted(PRECOMPILES))
def test_the_native_library_gives_what_the_vectors_say(vectors_dir: Path, name: str) -> None:
    run = operation(Native, name)
    for case, data, expected in precompile_cases(vectors_dir, name):
        assert outcome(run, data) == expected, case


@pytest.mark.parametrize("name", sorted(PRECOMPILES))
def test_the_reference_gives_what_the_vectors_say(vectors_dir: Path, name: str) -> None:
    run, judged = operation(Reference, name), 0
    limit = next((most for part, most in SLOW_BYTES.items() if part in name), 1 << 20)
    for case, data, expected in precompile_cases(vectors_dir, name):
        if expected is None or len(data) <= limit:
            assert outcome(run, data) == expected, case
            judged += 1
    assert judged >= 5


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


INFINITY = bytes([0xC0]) + bytes(47)


def judged(shown, decode=decode_point):
    """None where an encoding is refused."""
    try:
        commitment, proof = decode(shown[0], "commitment"), decode(shown[3], "proof")
        z, y = read_scalar(shown[1], "z"), read_scalar(shown[2], "y")
    except VerificationFailed:
        return None
    return pairings_equal(proof, tau_g2(), commitment + multi_scalar([GENERATOR, proof], [-y, z]), GENERATOR_2)


def with_infinity(data, at):
    return infinity() if data == INFINITY else decode_point(data, at)


def test_every_opening_is_judged_as_others_judge_it(vectors_dir: Path) -> None:
    counts = {True: 0, False: 0, None: 0}
    for name, shown, verdict in opening_cases(vectors_dir):
        assert judged(shown, with_infinity) is verdict, name
        counts[verdict] += 1
    assert counts == {True: 54, False: 48, None: 20}


def test_an_opening_with_infinity_in_it_is_refused(vectors_dir: Path) -> None:
    refused = 0
    for name, shown, verdict in opening_cases(vectors_dir):
        if INFINITY in (shown[0], shown[3]):
            with pytest.raises(VerificationFailed) as fault:
                [decode_point(data, "vector") for data in (shown[0], shown[3])]
            assert fault.value.code is ProofCode.BAD_POINT
            refused += 1
        else:
            assert judged(shown) is verdict, name
    assert refused == 42


def test_the_library_that_checks_ours_judges_alike(vectors_dir: Path) -> None:
    setup = ckzg.load_trusted_setup(str(distribution("eth-account").locate_file(CEREMONY_FILE)), 0)
    for name, shown, verdict in opening_cases(vectors_dir):
        try:
            found = ckzg.verify_kzg_proof(*shown, setup)
        except (RuntimeError, AssertionError, ValueError):
            found = None
        assert found is verdict, name
