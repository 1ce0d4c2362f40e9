"""Decoding thousands of points: each by itself as `group.decode_point` does it, but for the subgroup, which is checked
for all of them together.

Rule: the points of 128 random subsets are summed, and every sum must lie in the subgroup. Of a point T outside, fix the
bits of all others: at most one of the two values of T's own bit lets a sum's part outside vanish, whatever the order of
that part (the cofactor has 3 and 11 among its factors, so random weights instead of subsets would not do better than
1/3 each). So points outside pass with probability 2^-128 for each question to the hash that gives the bits, which
are drawn after all points. A sum outside leads to each point by itself, so the bad one is named. It costs 16
additions a point instead of a multiplication by the order: 30 µs instead of 56.
"""

import hashlib
from collections.abc import Sequence

from py_arkworks_bls12381 import G1Point

from clearing.base.hashing import tag_prefix
from proofs.algebra.group import Point, canonical_point, decode_point, infinity
from proofs.errors import ProofCode, VerificationFailed

TOGETHER_MIN = 8_192
"""Fewer points are decoded one by one: exact, and soon done."""
SUBSETS = 128
SUBSETS_TAG = "crossclear/proofs/subgroup-subsets/v1"
_BITS = 8


def decode_points(data: Sequence[bytes], names: Sequence[str]) -> list[Point]:
    """The points of canonical encodings, in the subgroup and not infinity; names[i mod len(names)] says what it is.

    Raises VerificationFailed BAD_POINT with the name of the first that is none.
    """
    if len(data) < TOGETHER_MIN:
        return [decode_point(each, names[i % len(names)]) for i, each in enumerate(data)]
    points = [_on_the_curve(each, names[i % len(names)]) for i, each in enumerate(data)]
    if not all(total.is_in_subgroup() for total in _sums_of_subsets(data, points)):
        for i, each in enumerate(data):
            decode_point(each, names[i % len(names)])
        raise VerificationFailed(ProofCode.BAD_POINT, "sum of points", points=len(data))
    return points


def _on_the_curve(data: bytes, at: str) -> Point:
    """All checks but the one of the subgroup."""
    return canonical_point(data, at, G1Point.from_compressed_bytes_unchecked)


def _sums_of_subsets(data: Sequence[bytes], points: Sequence[Point]) -> list[Point]:
    """The sums of 128 subsets, which follow from all encodings. Eight subsets share one sorting into 256 buckets."""
    seed = hashlib.sha256(tag_prefix(SUBSETS_TAG))
    for each in data:
        seed.update(each)
    root, width = seed.digest(), SUBSETS // _BITS
    rows = [hashlib.sha256(root + i.to_bytes(8, "big")).digest()[:width] for i in range(len(points))]
    sums = []
    for column in range(width):
        buckets = [infinity()] * (1 << _BITS)
        for row, point in zip(rows, points, strict=True):
            byte = row[column]
            buckets[byte] = buckets[byte] + point
        for bit in range(_BITS):
            total = infinity()
            for byte, bucket in enumerate(buckets):
                if byte >> bit & 1:
                    total = total + bucket
            sums.append(total)
    return sums
