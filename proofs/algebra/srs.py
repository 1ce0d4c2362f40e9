"""The structured reference string: the Ethereum KZG ceremony's powers of τ, and the values derived from them.

Rule: both files are pinned by SHA-256, so the points of a pinned file need no check when it is loaded. The checks
(subgroups, one progression, derivation of the Lagrange basis) are in `proofs.algebra.ceremony`, which tests run. The
ceremony file is part of the `eth-account` distribution; the verifier needs only `lagrange_2048.bin` beside this module.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from py_arkworks_bls12381 import G1Point, G2Point

from clearing.base.errors import LocalFault
from proofs.algebra.domain import SIZE_MAX, domain_of
from proofs.algebra.field import inverse
from proofs.algebra.group import Point, Point2, multiply
from proofs.errors import ProofCode

CEREMONY_SHA256 = bytes.fromhex("d39b9f2d047cc9dca2de58f264b6a09448ccd34db967881a6713eacacf0f26b7")
"""Names the reference string in every statement."""
CEREMONY_FILE = "eth_account/typed_transactions/blob_transactions/kzg_trusted_setup.txt"
BASIS_FILE = "lagrange_2048.bin"
BASIS_SHA256 = bytes.fromhex("7ab63dd50643923484579d7dd9ef58d53c3d574a7f3c51b04836c11ee41a3e55")
POWERS = 4096
TAU_G2 = bytes.fromhex(
    "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2"
)
HIDING_POINTS = 3
"""[Z_H], [X·Z_H], [X²·Z_H]: multiples of the vanishing polynomial that hide what a commitment commits to."""
_XY = 96


@dataclass(frozen=True)
class Basis:
    """[L_i] for i in [0, n), and the hiding points [X^i·Z_H]."""

    size: int
    lagrange: tuple[Point, ...]
    hiding: tuple[Point, ...]


@lru_cache(maxsize=1)
def tau_g2() -> Point2:
    """[τ]₂, a constant of the ceremony."""
    return G2Point.from_compressed_bytes_unchecked(TAU_G2)


@lru_cache(maxsize=4)
def basis(size: int) -> Basis:
    """The basis of H of order n = `size`. 2048 is read from the pinned file (2 ms); others are derived (seconds)."""
    if size == SIZE_MAX:
        return _read_basis(files("proofs").joinpath("data", BASIS_FILE).read_bytes())
    return derive_basis(size, powers_g1()[: size + HIDING_POINTS])


@lru_cache(maxsize=1)
def powers_g1() -> tuple[Point, ...]:
    """[τ^i] for i in [0, n + 3), n = 2048: what provers need (60 ms). Raises LocalFault WRONG_SRS."""
    lines = ceremony_lines()
    start = 2 + POWERS + 65
    chosen = lines[start : start + SIZE_MAX + HIDING_POINTS]
    return tuple(G1Point.from_compressed_bytes_unchecked(bytes.fromhex(line)) for line in chosen)


def ceremony_lines() -> list[str]:
    """Lines of the ceremony file: 4096, 65, 4096 Lagrange G1, 65 G2 powers, 4096 G1 powers. Raises LocalFault."""
    # Imported here: a verifier reads the basis file only, and starts faster without.
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        path = Path(str(distribution("eth-account").locate_file(CEREMONY_FILE)))
        data = path.read_bytes()
    except (PackageNotFoundError, OSError) as error:
        raise LocalFault(ProofCode.WRONG_SRS, "ceremony file", why=str(error)) from None
    found = hashlib.sha256(data).digest()
    if found != CEREMONY_SHA256:
        raise LocalFault(ProofCode.WRONG_SRS, "ceremony file", found=found, pinned=CEREMONY_SHA256)
    return data.decode("ascii").split("\n")


def derive_basis(size: int, powers: tuple[Point, ...]) -> Basis:
    """The Lagrange basis by an inverse Fourier transform in the group: [L_i] = (1/n) Σ_j ω^(−ij) [τ^j]."""
    domain = domain_of(size)
    scale = inverse(size)
    lagrange = [multiply(point, scale) for point in _transform(list(powers[:size]), domain.roots)]
    hiding = [powers[size + i] + -powers[i] for i in range(HIDING_POINTS)]
    return Basis(size, tuple(lagrange), tuple(hiding))


def write_basis(source: Basis) -> bytes:
    """The bytes of a basis file: affine coordinates, 96 bytes a point, Lagrange points and then hiding points."""
    return b"".join(bytes(point.to_xy_bytes_be()) for point in (*source.lagrange, *source.hiding))


def _read_basis(data: bytes) -> Basis:
    found = hashlib.sha256(data).digest()
    if found != BASIS_SHA256:
        raise LocalFault(ProofCode.WRONG_SRS, BASIS_FILE, found=found, pinned=BASIS_SHA256)
    points = [G1Point.from_xy_bytes_unchecked_be(data[at : at + _XY]) for at in range(0, len(data), _XY)]
    return Basis(SIZE_MAX, tuple(points[:SIZE_MAX]), tuple(points[SIZE_MAX:]))


def _transform(points: list[Point], roots: list[int]) -> list[Point]:
    # Radix 2, decimation in time, with the inverse roots: ω^−k is roots[−k].
    size = len(points)
    if size == 1:
        return points
    full = len(roots)
    even = _transform(points[0::2], roots)
    odd = _transform(points[1::2], roots)
    stride = full // size
    twisted = [multiply(odd[i], roots[-i * stride % full]) if i else odd[i] for i in range(size // 2)]
    return [e + t for e, t in zip(even, twisted, strict=True)] + [e + -t for e, t in zip(even, twisted, strict=True)]
