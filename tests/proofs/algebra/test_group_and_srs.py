"""Points, scalars, the reference string: hostile encodings, and agreement with other people's code and vectors."""

import secrets
from importlib.metadata import distribution

import ckzg
import pytest
from py_arkworks_bls12381 import G1Point
from py_ecc.optimized_bls12_381 import FQ, FQ2, FQ12, curve_order, final_exponentiate, normalize, pairing

from clearing.base.errors import LocalFault
from proofs.algebra import srs
from proofs.algebra.ceremony import check_ceremony, derive_shipped_basis
from proofs.algebra.domain import SIZE_MAX, domain_of
from proofs.algebra.field import (
    ORDER,
    batch_inverse,
    inner_product,
    inverse,
    powers,
    read_scalar,
    root_of_unity,
    scalar_bytes,
)
from proofs.algebra.group import (
    GENERATOR,
    GENERATOR_2,
    decode_point,
    encode_point,
    infinity,
    multi_scalar,
    multiply,
    multiply_small,
)
from proofs.algebra.polynomial import divide_by_root, interpolate, polynomial
from proofs.algebra.srs import CEREMONY_FILE, basis, ceremony_lines, powers_g1, tau_g2, write_basis
from proofs.epoch.package import linear_statement, read_package
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.messages import read_proof
from proofs.linear.verifier import Equation
from tests.kit.proofs.bad_points import ENCODINGS
from tests.kit.refusals import refused

POINT = encode_point(GENERATOR)
NO_POINTS = {
    **ENCODINGS,
    "nothing": b"",
    "a byte less": POINT[:47],
    "a byte more": POINT + b"\0",
    "a point without its flag of compression": bytes([POINT[0] & 0x7F]) + POINT[1:],
    "the largest coordinate": bytes([0x9F]) + b"\xff" * 47,
}


def test_the_order_is_that_of_other_implementations():
    assert curve_order == ORDER
    assert multiply(GENERATOR, ORDER - 1) == -GENERATOR


@pytest.mark.parametrize("encoding", NO_POINTS)
def test_an_encoding_that_is_not_the_one_of_a_subgroup_point_is_refused(encoding):
    with refused(ProofCode.BAD_POINT, VerificationFailed):
        decode_point(NO_POINTS[encoding], "test")


def test_the_point_outside_of_the_subgroup_is_one_of_the_curve():
    """x = 4: y² = x³ + 4, and not in the prime-order subgroup."""
    data = ENCODINGS["a point outside of the subgroup"]
    assert not G1Point.from_compressed_bytes_unchecked(data).is_in_subgroup()


@pytest.mark.parametrize("value", [ORDER, ORDER + 1, 2**256 - 1])
def test_a_scalar_that_is_not_canonical_is_refused(value):
    with refused(ProofCode.BAD_SCALAR, VerificationFailed):
        read_scalar(value.to_bytes(32, "big"), "test")
    assert read_scalar(scalar_bytes(ORDER - 1), "test") == ORDER - 1
    for short in (b"", bytes(31), bytes(33)):
        with pytest.raises(VerificationFailed):
            read_scalar(short, "test")


def test_unequal_lengths_are_refused_not_truncated():
    for total, left, right in (
        (multi_scalar, [GENERATOR], [1, 2]),
        (multi_scalar, [GENERATOR, GENERATOR], [1]),
        (inner_product, [1], [1, 2]),
    ):
        with pytest.raises(VerificationFailed):
            total(left, right)
    assert multi_scalar([], []) == infinity()


def test_small_multiplication_agrees_with_the_full_one():
    for count in (0, 1, 2, 3, 255, 2048):
        assert multiply_small(GENERATOR, count) == multiply(GENERATOR, count)
        assert multi_scalar([GENERATOR], [count]) == multiply(GENERATOR, count)


def test_field_helpers_agree_with_their_definitions():
    values = [secrets.randbelow(ORDER - 1) + 1 for _ in range(9)]
    assert batch_inverse(values, 5) == [5 * inverse(value) % ORDER for value in values]
    with pytest.raises(ZeroDivisionError):
        batch_inverse([1, 0])
    assert powers(3, 4) == [1, 3, 9, 27]
    assert pow(root_of_unity(256), 128, ORDER) == ORDER - 1
    with pytest.raises(ValueError, match="power of two"):
        root_of_unity(3)


@pytest.mark.parametrize("size", [256, 512, 2048])
def test_lagrange_and_table_agree_with_interpolation(size):
    domain, at = domain_of(size), secrets.randbelow(ORDER)
    values = [secrets.randbelow(ORDER) for _ in range(size)]
    assert inner_product(values, domain.lagrange(at, size)) == int(interpolate(values)(at))
    assert domain.lagrange(at, 7) == domain.lagrange(at, size)[:7]
    assert domain.table(at) == int(interpolate([i % 256 for i in range(size)])(at))
    with pytest.raises(VerificationFailed):
        domain.lagrange(domain.roots[5], 3)


@pytest.mark.parametrize("size", [0, 128, 300, 4096, -256])
def test_other_domains_are_refused(size):
    with pytest.raises(VerificationFailed):
        domain_of(size)


def test_the_ceremony_is_one_progression_of_subgroup_points():
    check_ceremony()


def test_the_shipped_basis_is_what_the_ceremony_derives():
    assert write_basis(derive_shipped_basis()) == write_basis(basis(2048))


@pytest.mark.parametrize("size", [256, SIZE_MAX])
def test_tau_is_not_in_the_domain(size):
    """Or Z_H(τ) would be zero, and [Z_H] infinity."""
    assert all(point != G1Point.identity() for point in basis(size).hiding)


def test_a_damaged_basis_or_ceremony_file_is_refused(monkeypatch):
    with pytest.raises(LocalFault):
        srs._read_basis(write_basis(basis(2048))[:-1] + b"\0")
    monkeypatch.setattr(srs, "CEREMONY_SHA256", bytes(32))
    with pytest.raises(LocalFault):
        srs.ceremony_lines()


def test_our_basis_agrees_with_the_lagrange_basis_that_the_ceremony_file_carries():
    """The file's own basis is for 4096 points: our L_j is the sum of its values there times the file's points."""
    j, fine, domain = 5, root_of_unity(4096), domain_of(2048)
    odd = [pow(fine, 2 * k + 1, ORDER) for k in range(2048)]
    # On even points L_j is 1 at 2j and 0 elsewhere; on odd ones Z_H = ω^2048 − 1 = −2.
    factor = -2 * inverse(2048) * domain.roots[j]
    scalars = [0] * 4096
    scalars[1::2] = batch_inverse([at - domain.roots[j] for at in odd], factor)
    scalars[2 * j] = 1
    points = [decode_point(bytes.fromhex(line), "ceremony") for line in ceremony_lines()[2 : 2 + 4096]]
    assert multi_scalar(points, scalars) == basis(2048).lagrange[j]


def test_ckzg_accepts_our_openings():
    setup = ckzg.load_trusted_setup(str(distribution("eth-account").locate_file(CEREMONY_FILE)), 0)
    coefficients = [secrets.randbelow(ORDER) for _ in range(300)]
    poly, z = polynomial(coefficients), secrets.randbelow(ORDER)
    quotient = divide_by_root(poly, z)
    commitment = encode_point(multi_scalar(powers_g1()[:300], coefficients))
    opening = encode_point(multi_scalar(powers_g1()[: len(quotient)], quotient))
    value = int(poly(z))
    assert ckzg.verify_kzg_proof(commitment, scalar_bytes(z), scalar_bytes(value), opening, setup)
    assert not ckzg.verify_kzg_proof(commitment, scalar_bytes(z), scalar_bytes((value + 1) % ORDER), opening, setup)


def _py_ecc_g1(point):
    data = point.to_xy_bytes_be()
    return (FQ(int.from_bytes(data[:48], "big")), FQ(int.from_bytes(data[48:], "big")), FQ(1))


def _py_ecc_g2(point):
    data = bytes(point.to_xy_bytes_be())
    a, b, c, d = (int.from_bytes(data[i : i + 48], "big") for i in range(0, 192, 48))
    return (FQ2([a, b]), FQ2([c, d]), FQ2([1, 0]))


def py_ecc_equal(left, left_2, right, right_2) -> bool:
    """e(left, left_2) = e(right, right_2), by an independent implementation."""
    one = pairing(_py_ecc_g2(left_2), _py_ecc_g1(left), final_exponentiate=False)
    two = pairing(_py_ecc_g2(right_2), _py_ecc_g1(-right), final_exponentiate=False)
    return final_exponentiate(one * two) == FQ12.one()


def test_py_ecc_agrees_on_the_verifiers_pairing_equation(market, package):
    package = read_package(package)
    statement = linear_statement(package.statement, package.commitments, market.N)
    proof = read_proof(package.proof, len(statement.accounts), statement.layout.columns)
    equation = Equation(statement, proof, [decode_point(c, "C_W") for c in statement.commitments])
    equation.draw(statement.transcript())
    left, right = equation.sides()
    assert py_ecc_equal(left, tau_g2(), right, GENERATOR_2)
    assert not py_ecc_equal(left, tau_g2(), right + GENERATOR, GENERATOR_2)
    assert normalize(_py_ecc_g1(left))[0] == _py_ecc_g1(left)[0]
