"""The precompiles of EIP-2537 twice: over our native library, and over the slow reference in pure Python.

Each takes input bytes and gives output bytes; what a precompile refuses raises ValueError.
"""

from collections.abc import Callable

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar
from py_ecc.bls.hash_to_curve import clear_cofactor_G1, clear_cofactor_G2, map_to_curve_G1, map_to_curve_G2
from py_ecc.optimized_bls12_381 import (
    FQ,
    FQ2,
    FQ12,
    Z1,
    Z2,
    add,
    b,
    b2,
    curve_order,
    field_modulus,
    final_exponentiate,
    is_inf,
    is_on_curve,
    multiply,
    normalize,
    pairing,
)

from proofs.algebra.group import multi_scalar
from proofs.errors import VerificationFailed
from proofs.onchain.messages import padded_point, read_padded

G1, G2, SCALAR = 128, 256, 32
_PAD = bytes(16)


def _pieces(data: bytes, size: int) -> list[bytes]:
    if not data or len(data) % size:
        raise ValueError("length")
    return [data[at : at + size] for at in range(0, len(data), size)]


def _unpadded(data: bytes) -> bytes:
    """Coordinates without their padding; both backends take them so."""
    halves = _pieces(data, 64)
    if any(half[:16] != _PAD or int.from_bytes(half, "big") >= field_modulus for half in halves):
        raise ValueError("field element")
    return b"".join(half[16:] for half in halves)


def _padded(data: bytes) -> bytes:
    return b"".join(_PAD + data[at : at + 48] for at in range(0, len(data), 48))


class Native:
    """Over `py-arkworks-bls12381`, with `proofs` where it has the operation."""

    @staticmethod
    def g1(data: bytes, *, subgroup: bool = True) -> G1Point:
        if data == bytes(G1):
            return G1Point.identity()
        if subgroup:
            try:
                return read_padded(data, "vector")
            except VerificationFailed as fault:
                raise ValueError(str(fault)) from None
        return G1Point.from_xy_bytes_unchecked_be(_unpadded(data))

    @staticmethod
    def g2(data: bytes, *, subgroup: bool = True) -> G2Point:
        if data == bytes(G2):
            return G2Point.identity()
        read = G2Point.from_xy_bytes_be if subgroup else G2Point.from_xy_bytes_unchecked_be
        return read(_unpadded(data))

    def add_g1(self, data: bytes) -> bytes:
        left, right = _exactly(data, G1, 2)
        return padded_point(self.g1(left, subgroup=False) + self.g1(right, subgroup=False))

    def add_g2(self, data: bytes) -> bytes:
        left, right = _exactly(data, G2, 2)
        return _padded((self.g2(left, subgroup=False) + self.g2(right, subgroup=False)).to_xy_bytes_be())

    def msm_g1(self, data: bytes) -> bytes:
        pairs = _pieces(data, G1 + SCALAR)
        points = [self.g1(pair[:G1]) for pair in pairs]
        return padded_point(multi_scalar(points, [int.from_bytes(pair[G1:], "big") for pair in pairs]))

    def msm_g2(self, data: bytes) -> bytes:
        pairs = _pieces(data, G2 + SCALAR)
        scalars = [Scalar.from_be_bytes_mod_order(pair[G2:]) for pair in pairs]
        return _padded(G2Point.multiexp_unchecked([self.g2(pair[:G2]) for pair in pairs], scalars).to_xy_bytes_be())

    def pairing(self, data: bytes) -> bytes:
        pairs = _pieces(data, G1 + G2)
        one = GT.pairing_check([self.g1(pair[:G1]) for pair in pairs], [self.g2(pair[G1:]) for pair in pairs])
        return int(one).to_bytes(32, "big")

    def map_g1(self, data: bytes) -> bytes:
        (element,) = _exactly(data, 64, 1)
        return padded_point(G1Point.map_from_fp_be(_unpadded(element)))

    def map_g2(self, data: bytes) -> bytes:
        (element,) = _exactly(data, 128, 1)
        return _padded(G2Point.map_from_fp2_be(_unpadded(element)).to_xy_bytes_be())


class Reference:
    """Over `py-ecc`: no line shared with the native library."""

    @staticmethod
    def g1(data: bytes, *, subgroup: bool = True) -> object:
        xy = _unpadded(data)
        x, y = (FQ(int.from_bytes(part, "big")) for part in _pieces(xy, 48))
        return _checked((x, y, FQ(1)), b, Z1, data, subgroup=subgroup)

    @staticmethod
    def g2(data: bytes, *, subgroup: bool = True) -> object:
        numbers = [int.from_bytes(part, "big") for part in _pieces(_unpadded(data), 48)]
        point = (FQ2(numbers[:2]), FQ2(numbers[2:]), FQ2.one())
        return _checked(point, b2, Z2, data, subgroup=subgroup)

    def add_g1(self, data: bytes) -> bytes:
        left, right = _exactly(data, G1, 2)
        return _g1_bytes(add(self.g1(left, subgroup=False), self.g1(right, subgroup=False)))

    def add_g2(self, data: bytes) -> bytes:
        left, right = _exactly(data, G2, 2)
        return _g2_bytes(add(self.g2(left, subgroup=False), self.g2(right, subgroup=False)))

    def msm_g1(self, data: bytes) -> bytes:
        total = Z1
        for pair in _pieces(data, G1 + SCALAR):
            total = add(total, multiply(self.g1(pair[:G1]), int.from_bytes(pair[G1:], "big") % curve_order))
        return _g1_bytes(total)

    def msm_g2(self, data: bytes) -> bytes:
        total = Z2
        for pair in _pieces(data, G2 + SCALAR):
            total = add(total, multiply(self.g2(pair[:G2]), int.from_bytes(pair[G2:], "big") % curve_order))
        return _g2_bytes(total)

    def pairing(self, data: bytes) -> bytes:
        product = FQ12.one()
        for left, right in [(self.g1(pair[:G1]), self.g2(pair[G1:])) for pair in _pieces(data, G1 + G2)]:
            if not is_inf(left) and not is_inf(right):
                product *= pairing(right, left, final_exponentiate=False)
        return int(final_exponentiate(product) == FQ12.one()).to_bytes(32, "big")

    def map_g1(self, data: bytes) -> bytes:
        (element,) = _exactly(data, 64, 1)
        return _g1_bytes(clear_cofactor_G1(map_to_curve_G1(FQ(int.from_bytes(_unpadded(element), "big")))))

    def map_g2(self, data: bytes) -> bytes:
        (element,) = _exactly(data, 128, 1)
        parts = [int.from_bytes(part, "big") for part in _pieces(_unpadded(element), 48)]
        return _g2_bytes(clear_cofactor_G2(map_to_curve_G2(FQ2(parts))))


OPERATIONS: dict[str, str] = {
    "add_G1": "add_g1",
    "add_G2": "add_g2",
    "mul_G1": "msm_g1",
    "mul_G2": "msm_g2",
    "msm_G1": "msm_g1",
    "msm_G2": "msm_g2",
    "pairing_check": "pairing",
    "map_fp_to_G1": "map_g1",
    "map_fp2_to_G2": "map_g2",
}


def operation(backend: Native | Reference, name: str) -> Callable[[bytes], bytes]:
    """The precompile that a vector file of this name is about."""
    found: Callable[[bytes], bytes] = getattr(backend, OPERATIONS[name.removeprefix("fail-")])
    return found


def _exactly(data: bytes, size: int, count: int) -> list[bytes]:
    if len(data) != size * count:
        raise ValueError("length")
    return _pieces(data, size)


def _checked(point, coefficient, zero, data: bytes, *, subgroup: bool):
    if data == bytes(len(data)):
        return zero
    if not is_on_curve(point, coefficient) or (subgroup and not is_inf(multiply(point, curve_order))):
        raise ValueError("point")
    return point


def _g1_bytes(point) -> bytes:
    if is_inf(point):
        return bytes(G1)
    return _padded(b"".join(int(part).to_bytes(48, "big") for part in normalize(point)))


def _g2_bytes(point) -> bytes:
    if is_inf(point):
        return bytes(G2)
    return _padded(b"".join(int(part).to_bytes(48, "big") for pair in normalize(point) for part in pair.coeffs))
