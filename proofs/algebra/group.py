"""The group G1 and the pairing: a thin wrapper over `py-arkworks-bls12381` that closes its traps.

Rule: a point from outside is decoded with all checks and encoded again, because the native library accepts any bytes
after the infinity flag; infinity is refused. A multi-scalar multiplication of unequal lengths is refused, because the
native one truncates silently. Scalars are reduced Python integers.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from proofs.algebra.field import ORDER, SCALAR_BYTES
from proofs.errors import ProofCode, VerificationFailed

POINT_BYTES = 48
Point: TypeAlias = G1Point
Point2: TypeAlias = G2Point

GENERATOR: Point = G1Point()
GENERATOR_2: Point2 = G2Point()
_INFINITY_FLAG = 0x40


def decode_point(data: bytes, at: str) -> Point:
    """The point of 48 canonical bytes, in the subgroup and not infinity (60 µs).

    Raises VerificationFailed BAD_POINT.
    """
    return canonical_point(data, at, G1Point.from_compressed_bytes)


def canonical_point(data: bytes, at: str, read: Callable[[bytes], Point]) -> Point:
    """What `read` makes of 48 canonical bytes; never infinity. Raises VerificationFailed BAD_POINT."""
    try:
        point = read(data)
        good = len(data) == POINT_BYTES and not data[0] & _INFINITY_FLAG and point.to_compressed_bytes() == data
    except (ValueError, TypeError):
        good = False
    if not good:
        raise VerificationFailed(ProofCode.BAD_POINT, at, bytes=data)
    return point


def encode_point(point: Point) -> bytes:
    """48 compressed bytes."""
    return bytes(point.to_compressed_bytes())


def infinity() -> Point:
    """The neutral element; legal in sums, never in an encoding."""
    return G1Point.identity()


def multiply(point: Point, scalar: int) -> Point:
    """scalar · point."""
    return point * _scalar(scalar)


def multi_scalar(points: Sequence[Point], scalars: Sequence[int]) -> Point:
    """Sum of scalars[i]·points[i]; raises VerificationFailed BAD_LENGTH.

    2048 points: 33 ms, of 64-bit scalars 13 ms, of bytes 4 ms. Other threads may run meanwhile.
    """
    if len(points) != len(scalars):
        raise VerificationFailed(
            ProofCode.BAD_LENGTH, "multi-scalar multiplication", points=len(points), scalars=len(scalars)
        )
    if not points:
        return infinity()
    return G1Point.multiexp_unchecked(list(points), list(map(_scalar, scalars)))


def multiply_small(point: Point, count: int) -> Point:
    """count · point for a small count >= 0, by doubling and adding: cheaper than a full multiplication below 2^16."""
    result = infinity()
    for bit in bin(count)[2:]:
        result = result + result
        if bit == "1":
            result = result + point
    return result


def pairings_equal(left: Point, left_2: Point2, right: Point, right_2: Point2) -> bool:
    """Whether e(left, left_2) = e(right, right_2)."""
    return bool(GT.pairing_check([left, -right], [left_2, right_2]))


def _scalar(value: int) -> Scalar:
    # By bytes: the constructor that takes an integer needs 4 µs, twenty times as long.
    return Scalar.from_le_bytes((value % ORDER).to_bytes(SCALAR_BYTES, "little"))
