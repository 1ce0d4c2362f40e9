"""Points and encodings that no verifier may take."""

from dataclasses import replace

from py_arkworks_bls12381 import G1Point

from proofs.algebra.field import ORDER
from proofs.algebra.group import infinity, multiply_small
from proofs.linear.messages import read_proof, write_proof

COFACTOR = 0x396C8C005555E1568C00AAAB0000AAAB
INFINITY = bytes([0xC0]) + bytes(47)


def torsion(order: int) -> G1Point:
    """A point of the curve of this small prime order."""
    power = 1
    while COFACTOR % (order * power) == 0:
        power *= order
    for x in range(1, 50):
        try:
            found = G1Point.from_compressed_bytes_unchecked(bytes([0x80]) + x.to_bytes(47, "big"))
        except ValueError:
            continue
        found = multiply_small(multiply_small(found, ORDER), COFACTOR // power)
        if found != infinity():
            while (following := multiply_small(found, order)) != infinity():
                found = following
            return found
    raise AssertionError(order)


def with_point(proof: bytes, name: str, data: bytes) -> bytes:
    found = read_proof(proof, 1, 1)
    if name in ("c_d", "c_f"):
        return write_proof(replace(found, parts=(replace(found.parts[0], **{name: (data,)}),)))
    return write_proof(replace(found, **{name: data}))


POINTS = ("c_d", "c_f", "c_m", "c_s", "c_t1", "c_t2", "pi_1", "pi_2")
ENCODINGS = {
    "infinity": INFINITY,
    "infinity with trailing bytes": bytes([0xC0]) + b"\x01" * 47,
    "infinity with a sign": bytes([0xE0]) + bytes(47),
    "no point of the curve": bytes([0x80]) + bytes(46) + b"\x01",
    "a point outside of the subgroup": bytes([0x80]) + bytes(46) + b"\x04",
    "a coordinate beyond the field": bytes([0x9A]) + b"\xff" * 47,
    "no flag of compression": bytes([0x1A]) + bytes(47),
    "zeros": bytes(48),
}
