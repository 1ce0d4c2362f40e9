"""Polynomials over the scalar field for provers, on `python-flint`, and the points that commit to them.

Rule: verifiers never import this module. A committed polynomial is kept as `Masked`: its values on H and the small
polynomial that multiplies Z_H to hide it; linear combinations stay in that form and are interpolated once. The points
that provers send are commitments to such polynomials. It must not know a protocol, nor how a point is encoded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from flint import fmpz, fmpz_mat, fmpz_mod_poly, fmpz_mod_poly_ctx

from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, inverse, powers
from proofs.algebra.group import Point, multi_scalar
from proofs.algebra.srs import Basis, powers_g1

Poly: TypeAlias = fmpz_mod_poly
_FIELD = fmpz_mod_poly_ctx(ORDER)
_ORDER = fmpz(ORDER)


@dataclass
class Masked:
    """P(X) = (interpolant of `values` on H) + Z_H(X) · Σ hiding[i]·X^i."""

    values: list[int]
    hiding: list[int]

    def add(self, weight: int, other: "Masked") -> None:
        """self += weight · other, reduced lazily: call `reduced` at the end."""
        self.values = [a + weight * b for a, b in zip(self.values, other.values, strict=True)]
        self.hiding = [a + weight * b for a, b in zip(self.hiding, other.hiding, strict=True)]

    def reduced(self) -> "Masked":
        """The same with all entries in [0, p)."""
        return Masked([value % ORDER for value in self.values], [value % ORDER for value in self.hiding])

    def poly(self) -> Poly:
        """Its coefficients."""
        size = len(self.values)
        low = polynomial([-value for value in self.hiding])
        return interpolate(self.values) + low + low.left_shift(size) * -1


def zero_masked(size: int, hiding: int) -> Masked:
    """The zero polynomial with room for `hiding` blinders."""
    return Masked([0] * size, [0] * hiding)


def polynomial(coefficients: Sequence[int]) -> Poly:
    """The polynomial of these coefficients, lowest first."""
    return _FIELD(list(coefficients))


def coefficients(poly: Poly, length: int) -> list[int]:
    """Coefficients lowest first, padded with zeros to `length`."""
    found = [int(value) for value in poly.coeffs()]
    return found + [0] * (length - len(found))


def interpolate(values: Sequence[int]) -> Poly:
    """The polynomial of degree < n with these values on H (2048 values: 9 ms).

    An inverse Fourier transform in two steps (n = rows·columns), each a product with a small matrix.
    """
    rows, columns, left, twiddles, right = _transform_matrices(len(values))
    middle = left * fmpz_mat(rows, columns, list(values))
    twisted = [entry * twiddle % _ORDER for entry, twiddle in zip(middle.entries(), twiddles, strict=True)]
    return _FIELD((fmpz_mat(rows, columns, twisted) * right).transpose().entries())


def scale_argument(poly: Poly, factor: int) -> Poly:
    """P(factor·X)."""
    found = poly.coeffs()
    weights = powers(factor, len(found))
    return _FIELD([int(value) * weight % ORDER for value, weight in zip(found, weights, strict=True)])


def divide_by_vanishing(poly: Poly, size: int) -> tuple[Poly, bool]:
    """(quotient by X^n − 1, whether the division is exact)."""
    found = [int(value) for value in poly.coeffs()]
    quotient = [0] * max(len(found) - size, 0)
    for index in range(len(found) - 1, size - 1, -1):
        above = quotient[index] if index < len(quotient) else 0
        quotient[index - size] = (found[index] + above) % ORDER
    remainder = [(low + q) % ORDER for low, q in zip(found[:size], quotient[:size], strict=False)]
    exact = not any(remainder) and not any(found[len(remainder) : size])
    return _FIELD(quotient), exact


def divide_by_root(poly: Poly, root: int) -> list[int]:
    """Coefficients of (P(X) − P(root)) / (X − root)."""
    found = [int(value) for value in poly.coeffs()]
    quotient = [0] * max(len(found) - 1, 0)
    running = 0
    for index in range(len(found) - 1, 0, -1):
        running = (found[index] + running * root) % ORDER
        quotient[index - 1] = running
    return quotient


@lru_cache(maxsize=4)
def _transform_matrices(size: int) -> tuple[int, int, fmpz_mat, list[fmpz], fmpz_mat]:
    domain = domain_of(size)
    rows = 1 << (size.bit_length() - 1) // 2
    columns = size // rows
    roots, scale = domain.roots, inverse(size)
    left = fmpz_mat(rows, rows, [roots[-columns * i * j % size] for i in range(rows) for j in range(rows)])
    right = fmpz_mat(columns, columns, [roots[-rows * i * j % size] for i in range(columns) for j in range(columns)])
    twiddles = [fmpz(roots[-i * j % size] * scale % ORDER) for i in range(rows) for j in range(columns)]
    return rows, columns, left, twiddles, right


def commit_masked(basis: Basis, masked: Masked) -> Point:
    """[P] from its values on H and what hides it."""
    points = [*basis.lagrange, *basis.hiding[: len(masked.hiding)]]
    return multi_scalar(points, [*masked.values, *masked.hiding])


def commit_poly(poly: Poly) -> Point:
    """[P]; the zero polynomial gives infinity."""
    return commit_coefficients(coefficients(poly, 1))


def commit_coefficients(found: Sequence[int]) -> Point:
    """[Σ found[i]·X^i]."""
    return multi_scalar(powers_g1()[: len(found)], found)
