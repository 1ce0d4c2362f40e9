"""Encodings that a lenient library takes for points and scalars: what each would let through, and its refusal.

Every control runs the very same bytes past a lenient decoder first, and there they pass.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from py_arkworks_bls12381 import G1Point, Scalar

from proofs.algebra.field import ORDER, SCALAR_BYTES
from proofs.algebra.group import GENERATOR, decode_point, encode_point, infinity, multi_scalar, multiply, multiply_small
from proofs.algebra.srs import basis
from proofs.algebra.transcript import Transcript
from proofs.epoch import matched_book
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear import messages, verifier
from proofs.linear.layout import RowRange, SlotRange, lay_out
from proofs.linear.messages import read_proof
from proofs.linear.verifier import verify, verify_batch
from tests.kit.proofs.bad_points import ENCODINGS, POINTS, torsion, with_point
from tests.kit.proofs.cheating import CheatingProver, Secret, believed, bytes_of, proven, secret, state
from tests.kit.refusals import refused

N = 256
LAYOUT = lay_out(N, (SlotRange(8, 2**63), SlotRange(7, 0)), (RowRange(8, ((0, 1), (1, 3)), 10, shortfall=True),))
SMALL_PRIMES = (3, 11, 10177)


def lenient(data: bytes, at: str) -> G1Point:
    """Decodes as the native library does, without checks of our own."""
    return G1Point.from_compressed_bytes_unchecked(data)


def lenient_scalar(data: bytes, at: str) -> int:
    return int.from_bytes(data, "big") % ORDER


def refused_for_a_point(statement, proof):
    with refused(ProofCode.BAD_POINT, VerificationFailed) as fault:
        verify(statement, proof)
    return fault.value


def only_a_lenient_decoder_believes(monkeypatch, statement, proof):
    with monkeypatch.context() as weaker:
        weaker.setattr(verifier, "decode_point", lenient)
        assert believed(statement, proof)
    return refused_for_a_point(statement, proof)


@pytest.fixture(scope="module")
def good():
    return proven(LAYOUT, [secret(LAYOUT, (100, 5))])


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("what", ENCODINGS)
def test_a_bad_encoding_of_any_point_of_a_proof_is_refused_as_such(good, name, what):
    statement, proof = good
    fault = refused_for_a_point(statement, with_point(proof, name, ENCODINGS[what]))
    assert fault.values["bytes"] == ENCODINGS[what]


@pytest.mark.parametrize("what", ENCODINGS)
def test_a_bad_encoding_of_an_accounts_commitment_is_refused_as_such(good, what):
    statement, proof = good
    assert refused_for_a_point(replace(statement, commitments=(ENCODINGS[what],)), proof).at == "C_W"


def test_the_native_library_takes_any_bytes_after_an_infinity_flag():
    """The trap itself: should the library close it, this says so."""
    assert G1Point.from_compressed_bytes(bytes([0xC0]) + b"\x01" * 47) == infinity()


@pytest.mark.parametrize("tail", [bytes(47), b"\x01" * 47])
def test_an_empty_account_without_blinders_would_pass_as_infinity_and_is_refused(monkeypatch, tail):
    """The proof is right in every equation; only, anybody can open the commitment, and write it in 2^376 ways."""
    own = Secret([0, 0], bytes_of(LAYOUT, (0, 0)), [0, 0])
    statement = replace(state(LAYOUT, [own]), commitments=(bytes([0xC0]) + tail,))
    proof = CheatingProver(statement, [own]).prove()
    assert only_a_lenient_decoder_believes(monkeypatch, statement, proof).at == "C_W"


class Shifted(CheatingProver):
    """Adds a point of small order to the commitment that is sent; the pairing does not see it."""

    order = 3

    def points(self, polys):
        rows = super().points(polys)
        bent = G1Point.from_compressed_bytes_unchecked(rows[0][0]) + torsion(self.order)
        return [(encode_point(bent), *rows[0][1:]), *rows[1:]]


@pytest.mark.parametrize("order", SMALL_PRIMES)
def test_a_point_of_small_order_would_make_a_second_commitment_of_the_same_holdings_and_is_refused(monkeypatch, order):
    own = secret(LAYOUT, (100, 5))
    plain = state(LAYOUT, [own])
    bent = encode_point(decode_point(plain.commitments[0], "") + torsion(order))
    statement = replace(plain, commitments=(bent,))
    proof = CheatingProver(statement, [own]).prove()
    assert only_a_lenient_decoder_believes(monkeypatch, statement, proof).at == "C_W"


def test_points_of_order_three_are_refused_every_time(monkeypatch):
    """A check of random sums of points misses such a point once in three times: so it is tried often."""
    own = secret(LAYOUT, (100, 5))
    claims = [proven(LAYOUT, [own], Shifted, context=bytes([context]) * 32) for context in range(16)]
    with monkeypatch.context() as weaker:
        weaker.setattr(verifier, "decode_point", lenient)
        assert believed(*claims[0])
    for statement, proof in claims:
        refused_for_a_point(statement, proof)
    assert all(verdict is not None and verdict.code is ProofCode.BAD_POINT for verdict in verify_batch(claims))


def test_points_of_small_order_that_cancel_out_are_refused():
    """Two accounts, one bent one way and the other the other way: their sum, and the book, would look right."""
    secrets = [secret(LAYOUT, (100, 5)), secret(LAYOUT, (7, 8))]
    plain = state(LAYOUT, secrets)
    small = torsion(3)
    bent = tuple(encode_point(decode_point(c, "") + t) for c, t in zip(plain.commitments, (small, -small), strict=True))
    statement = replace(plain, commitments=bent)
    assert refused_for_a_point(statement, CheatingProver(statement, secrets).prove()).at == "C_W"


@pytest.mark.parametrize("scalar", ["d_bar", "s_bar"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_scalar_that_is_not_reduced_would_be_a_second_proof_and_is_refused(monkeypatch, good, scalar, times):
    statement, proof = good
    found = read_proof(proof, 1, 1)
    value = found.s_bar if scalar == "s_bar" else found.parts[0].d_bar[0]
    if value + times * ORDER >= 2**256:
        return
    at = proof.index(value.to_bytes(SCALAR_BYTES, "big"))
    second = proof[:at] + (value + times * ORDER).to_bytes(SCALAR_BYTES, "big") + proof[at + SCALAR_BYTES :]
    with monkeypatch.context() as weaker:
        weaker.setattr(messages, "read_scalar", lenient_scalar)
        assert believed(statement, second)
    with refused(ProofCode.BAD_SCALAR, VerificationFailed):
        verify(statement, second)


def opened():
    """A book of one commitment to (1, 2) in two public slots, and what its verifier needs."""
    points, totals = basis(N), [(0, 1), (1, 2)]
    commitment = multi_scalar([*points.lagrange[:2], *points.hiding[:2]], [1, 2, 5, 6])
    data = matched_book.open_book(points, [], totals, [5, 6], Transcript("test"), lambda: 77)
    return points, totals, commitment, data


def test_an_answer_of_the_book_that_is_not_reduced_is_refused(monkeypatch):
    points, totals, commitment, data = opened()
    matched_book.verify_book(points, [], totals, [commitment], data, Transcript("test"))
    answer = int.from_bytes(data[48:80], "big")
    second = data[:48] + (answer + ORDER).to_bytes(32, "big") + data[80:]
    with monkeypatch.context() as weaker:
        weaker.setattr(matched_book, "read_scalar", lenient_scalar)
        matched_book.verify_book(points, [], totals, [commitment], second, Transcript("test"))
    with refused(ProofCode.BAD_SCALAR, VerificationFailed):
        matched_book.verify_book(points, [], totals, [commitment], second, Transcript("test"))


@pytest.mark.parametrize("what", ENCODINGS)
def test_a_bad_encoding_in_the_book_is_refused(what):
    points, totals, commitment, data = opened()
    with refused(ProofCode.BAD_POINT, VerificationFailed):
        matched_book.verify_book(points, [], totals, [commitment], ENCODINGS[what] + data[48:], Transcript("test"))


def test_the_native_scalar_wraps_and_the_native_sum_truncates():
    """The traps themselves: should the library close one, this says so."""
    assert Scalar(ORDER + 1) == Scalar(1)
    assert G1Point.multiexp_unchecked([GENERATOR, GENERATOR], [Scalar(1)]) == GENERATOR


def test_a_sum_of_unequal_lengths_is_refused_wherever_a_prover_sets_the_length(good):
    """Fewer answers than the book has bases, fewer points than a proof has accounts: nothing is cut to fit."""
    for points, scalars in (([GENERATOR] * 2, [1]), ([GENERATOR], [1, 2]), ([], [1]), ([GENERATOR], [])):
        with refused(ProofCode.BAD_LENGTH, VerificationFailed):
            multi_scalar(points, scalars)
    points, totals, commitment, data = opened()
    for cut in (data[:-32], data + bytes(32), data[:48], b""):
        with refused(ProofCode.BAD_LENGTH, VerificationFailed):
            matched_book.verify_book(points, [], totals, [commitment], cut, Transcript("test"))
    statement, proof = good
    for cut in (proof[:-48], proof[128:], proof + proof[:128], proof + bytes(48), b""):
        with refused(ProofCode.BAD_LENGTH, VerificationFailed):
            verify(statement, cut)


def test_a_book_that_leaves_a_total_out_of_the_sum_is_refused():
    """A truncated sum would forget the last slots: their totals could be anything."""
    points, _, commitment, data = opened()
    for wrong in ([(0, 1)], [(0, 1), (1, 3)], [(0, 1), (1, 2), (2, 1)], []):
        with refused(ProofCode.BOOK_NOT_MATCHED, VerificationFailed):
            matched_book.verify_book(points, [], wrong, [commitment], data, Transcript("test"))


def test_what_a_cofactor_is_times_any_point_of_small_order_is_infinity():
    """The points of small order above are what they claim to be."""
    for order in SMALL_PRIMES:
        found = torsion(order)
        assert multiply_small(found, order) == infinity() != found
        assert not found.is_in_subgroup()
        assert multiply(GENERATOR, order) != infinity()


PINNED = {
    ("proofs/algebra/srs.py", "from_compressed_bytes_unchecked"): "a constant, and a file pinned by its hash",
    ("proofs/algebra/srs.py", "from_xy_bytes_unchecked_be"): "a file pinned by its hash",
    ("proofs/algebra/group.py", "multiexp_unchecked"): "checks the lengths before",
    ("proofs/algebra/many_points.py", "from_compressed_bytes_unchecked"): "checks the subgroup of 128 sums",
    ("clearing/base/bls.py", "from_compressed_bytes_unchecked"): "checks the subgroup of the sum, or itself",
}


def test_constructors_without_checks_stand_only_where_something_else_checks():
    """A new one needs a reason here: what a stranger sends must not reach it."""
    root, found = Path(__file__).parents[3], set()
    for package in ("proofs", "clearing", "bridge", "consensus", "node"):
        for path in sorted((root / package).rglob("*.py")):
            text, at = path.read_text(encoding="utf-8"), path.relative_to(root).as_posix()
            found |= {(at, name) for name in re.findall(r"\b(?:G[12]Point|GT)\.(\w*unchecked\w*)", text)}
            assert not re.search(r"\bScalar\(", text), f"{at}: Scalar(int) wraps silently"
    assert found == set(PINNED)
