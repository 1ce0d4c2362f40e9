"""The precompiles of EIP-2537 twice: over our native library, and over the slow reference in pure Python.

Each takes input bytes and gives output bytes; what a precompile refuses raises ValueError.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

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
"""Bytes of a point of each group, by which the groups are named here, and of a scalar."""
_PAD = bytes(16)


class Native:
    """Over `py-arkworks-bls12381`, with `proofs` where it has the operation."""

    @staticmethod
    def read(group: int, data: bytes, *, subgroup: bool) -> Any:
        kind = G1Point if group == G1 else G2Point
        if data == bytes(group):
            return kind.identity()
        if not subgroup:
            return kind.from_xy_bytes_unchecked_be(_unpadded(data))
        if group == G2:
            return G2Point.from_xy_bytes_be(_unpadded(data))
        try:
            return read_padded(data, "vector")
        except VerificationFailed as fault:
            raise ValueError(str(fault)) from None

    @staticmethod
    def write(group: int, point: Any) -> bytes:
        return padded_point(point) if group == G1 else _padded(point.to_xy_bytes_be())

    @staticmethod
    def add(left: Any, right: Any) -> Any:
        return left + right

    @staticmethod
    def sum(group: int, points: list[Any], scalars: list[int]) -> Any:
        if group == G1:
            return multi_scalar(points, scalars)
        return G2Point.multiexp_unchecked(
            points, [Scalar.from_be_bytes_mod_order(scalar.to_bytes(32, "big")) for scalar in scalars]
        )

    @staticmethod
    def map(group: int, element: bytes) -> Any:
        return G1Point.map_from_fp_be(element) if group == G1 else G2Point.map_from_fp2_be(element)

    @staticmethod
    def pairing_is_one(lefts: list[Any], rights: list[Any]) -> bool:
        return bool(GT.pairing_check(lefts, rights))


class Reference:
    """Over `py-ecc`: no line shared with the native library."""

    @staticmethod
    def read(group: int, data: bytes, *, subgroup: bool) -> Any:
        numbers = _numbers(_unpadded(data))
        if data == bytes(group):
            return Z1 if group == G1 else Z2
        point = (FQ(numbers[0]), FQ(numbers[1]), FQ(1))
        if group == G2:
            point = (FQ2(numbers[:2]), FQ2(numbers[2:]), FQ2.one())
        if not is_on_curve(point, b if group == G1 else b2):
            raise ValueError("point")
        if subgroup and not is_inf(multiply(point, curve_order)):
            raise ValueError("point")
        return point

    @staticmethod
    def write(group: int, point: Any) -> bytes:
        if is_inf(point):
            return bytes(group)
        numbers = [n for part in normalize(point) for n in ([part] if group == G1 else part.coeffs)]
        return _padded(b"".join(int(number).to_bytes(48, "big") for number in numbers))

    add = staticmethod(add)

    @staticmethod
    def sum(group: int, points: list[Any], scalars: list[int]) -> Any:
        total = Z1 if group == G1 else Z2
        for point, scalar in zip(points, scalars, strict=True):
            total = add(total, multiply(point, scalar % curve_order))
        return total

    @staticmethod
    def map(group: int, element: bytes) -> Any:
        numbers = _numbers(element)
        if group == G1:
            return clear_cofactor_G1(map_to_curve_G1(FQ(numbers[0])))
        return clear_cofactor_G2(map_to_curve_G2(FQ2(numbers)))

    @staticmethod
    def pairing_is_one(lefts: list[Any], rights: list[Any]) -> bool:
        product = FQ12.one()
        for left, right in zip(lefts, rights, strict=True):
            if not is_inf(left) and not is_inf(right):
                product *= pairing(right, left, final_exponentiate=False)
        return bool(final_exponentiate(product) == FQ12.one())


def operation(backend: type[Native | Reference], name: str) -> Callable[[bytes], bytes]:
    """The precompile that a vector file of this name is about."""
    kind, _, group = name.removeprefix("fail-").rpartition("_")
    run = {"add": _add, "mul": _msm, "msm": _msm, "map_fp_to": _map, "map_fp2_to": _map, "pairing": _pairing}[kind]
    return partial(run, backend, G2 if group == "G2" else G1)


def _add(backend: type[Native | Reference], group: int, data: bytes) -> bytes:
    points = [backend.read(group, part, subgroup=False) for part in _exactly(data, group, 2)]
    return backend.write(group, backend.add(*points))


def _msm(backend: type[Native | Reference], group: int, data: bytes) -> bytes:
    pairs = _pieces(data, group + SCALAR)
    points = [backend.read(group, pair[:group], subgroup=True) for pair in pairs]
    return backend.write(group, backend.sum(group, points, [int.from_bytes(pair[group:], "big") for pair in pairs]))


def _map(backend: type[Native | Reference], group: int, data: bytes) -> bytes:
    (element,) = _exactly(data, group // 2, 1)
    return backend.write(group, backend.map(group, _unpadded(element)))


def _pairing(backend: type[Native | Reference], _: int, data: bytes) -> bytes:
    pairs = _pieces(data, G1 + G2)
    lefts = [backend.read(G1, pair[:G1], subgroup=True) for pair in pairs]
    rights = [backend.read(G2, pair[G1:], subgroup=True) for pair in pairs]
    return int(backend.pairing_is_one(lefts, rights)).to_bytes(32, "big")


def _pieces(data: bytes, size: int) -> list[bytes]:
    if not data or len(data) % size:
        raise ValueError("length")
    return [data[at : at + size] for at in range(0, len(data), size)]


def _exactly(data: bytes, size: int, count: int) -> list[bytes]:
    if len(data) != size * count:
        raise ValueError("length")
    return _pieces(data, size)


def _unpadded(data: bytes) -> bytes:
    """Coordinates without their padding; both backends take them so."""
    halves = _pieces(data, 64)
    if any(half[:16] != _PAD or int.from_bytes(half, "big") >= field_modulus for half in halves):
        raise ValueError("field element")
    return b"".join(half[16:] for half in halves)


def _padded(data: bytes) -> bytes:
    return b"".join(_PAD + data[at : at + 48] for at in range(0, len(data), 48))


def _numbers(data: bytes) -> list[int]:
    return [int.from_bytes(part, "big") for part in _pieces(data, 48)]
