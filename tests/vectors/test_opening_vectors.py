"""Openings over the Ethereum ceremony against c-kzg-4844's vectors: our points and pairing, and the library itself."""

from importlib.metadata import distribution
from pathlib import Path

import ckzg
import pytest

from proofs.algebra.field import read_scalar
from proofs.algebra.group import GENERATOR, GENERATOR_2, Point, decode_point, infinity, multi_scalar, pairings_equal
from proofs.algebra.srs import CEREMONY_FILE, tau_g2
from proofs.errors import ProofCode, VerificationFailed
from tests.kit.vectors.others import opening_cases

INFINITY = bytes([0xC0]) + bytes(47)


def judged(shown: tuple[bytes, bytes, bytes, bytes], decode=decode_point) -> bool | None:
    """None where an encoding is refused."""
    try:
        commitment, proof = decode(shown[0], "commitment"), decode(shown[3], "proof")
        z, y = read_scalar(shown[1], "z"), read_scalar(shown[2], "y")
    except VerificationFailed:
        return None
    return pairings_equal(proof, tau_g2(), commitment + multi_scalar([GENERATOR, proof], [-y, z]), GENERATOR_2)


def with_infinity(data: bytes, at: str) -> Point:
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
