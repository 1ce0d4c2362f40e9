"""The points that provers send: commitments to polynomials, in whichever form a prover holds them.

Rule: only provers import this, as they alone import `proofs.polynomial`; a statement's own commitments are
`proofs.commitment`. It must not know a protocol, nor how a point is encoded.
"""

from collections.abc import Sequence

from proofs.group import Point, multi_scalar
from proofs.polynomial import Masked, Poly, coefficients
from proofs.srs import Basis, powers_g1


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
