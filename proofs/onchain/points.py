"""Points and scalars as the precompiles of EIP-2537 take them: 64 bytes a coordinate, 16 of them zero.

Rule: exactly one encoding a point, the one that the precompiles accept; infinity, which they accept too, is refused
here and by the contract. It must not know what a point stands for.
"""

from py_arkworks_bls12381 import G1Point

from proofs.errors import ProofCode, Refused
from proofs.group import Point, decode_point

PADDED_BYTES = 128
_HALF, _PAD = 48, bytes(16)


def padded_point(point: Point) -> bytes:
    """128 bytes: x and y, each padded to 64."""
    xy = bytes(point.to_xy_bytes_be())
    return _PAD + xy[:_HALF] + _PAD + xy[_HALF:]


def pad_encoded(compressed: bytes, at: str) -> bytes:
    """The 128 bytes of a point of 48. Raises Refused BAD_POINT."""
    return padded_point(decode_point(compressed, at))


def read_padded(data: bytes, at: str) -> Point:
    """The point of 128 canonical bytes, in the subgroup and not infinity. Raises Refused BAD_POINT."""
    try:
        point = G1Point.from_xy_bytes_be(data[16:64] + data[80:])
        good = padded_point(point) == data and data != bytes(PADDED_BYTES)
    except (ValueError, TypeError):
        good = False
    if not good:
        raise Refused(ProofCode.BAD_POINT, at, bytes=data)
    return point
