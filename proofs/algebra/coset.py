"""Vectors of scalars as arrays of 16-bit limbs, and with them the values of a polynomial on the coset gH.

Rule: exact. Every number in an array of limbs is an integer below 2^53, so sums by floating-point arithmetic on whole
arrays are exact as long as callers keep to the stated bounds. L_j(gω^i) depends on i − j alone, so the values on gH
are the cyclic convolution of those on H with K_m = L_0(gω^m) = (g^n − 1) / (n·(gω^m − 1)). Floating-point Fourier
transforms of limbs compute it, which takes a tenth of the time of an interpolation and a product modulo p. For
provers only: verifiers never import this module. It must not know a protocol.

Rounding finds the integers: a transformed product of x and y of length n = 2^11 errs by less than about
(9.7·log2 n + 3)·2^-53·|x|·|y|. With |x| <= 2^15·√n of balanced limbs, |y| < 2^19.8 of the kernel's and 16 products a
sum, that is below 0.3 in the worst case; the measured error is 2^-12. Beyond 1/8 `_rounded` stops.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clearing.base.errors import Bug
from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, SCALAR_BYTES, batch_inverse, inverse, powers
from proofs.algebra.polynomial import Poly, interpolate, scale_argument

LIMBS = 16
LIMB_BITS = 16
Limbs: TypeAlias = NDArray[np.float64]
"""(…, 16, length), the lowest limb first. Sums may leave limbs of any size and sign until they are read."""


def limbs_of(values: Sequence[int]) -> Limbs:
    """(16, length) of any integers, reduced: every limb in [0, 2^16), the highest below 2^15."""
    data = b"".join([(value % ORDER).to_bytes(SCALAR_BYTES, "little") for value in values])
    return np.frombuffer(data, "<u2").reshape(-1, LIMBS).T.astype(np.float64)


def zero_limbs(length: int) -> Limbs:
    """The neutral element of sums."""
    return np.zeros((LIMBS, length))


def integers_of(limbs: Limbs) -> list[int]:
    """The scalars, reduced, of (16, length) limbs, each an integer below 2^53 in absolute value."""
    length = limbs.shape[1]
    words = limbs.astype(np.int64)
    for i in range(LIMBS - 1):
        words[i + 1] += words[i] >> LIMB_BITS
    # Now every word but the last has 16 bits, as a remainder; the last, with its sign, takes 64.
    data = np.empty((length, LIMBS + 3), "<u2")
    data[:, : LIMBS - 1] = (words[:-1] & 0xFFFF).T
    data[:, LIMBS - 1 :] = words[-1].astype("<i8").view("<u2").reshape(length, 4)
    flat, step = data.tobytes(), 2 * (LIMBS + 3)
    return [int.from_bytes(flat[at : at + step], "little", signed=True) % ORDER for at in range(0, length * step, step)]


def balanced(limbs: Limbs) -> Limbs:
    """The same scalars with every limb in [-2^15, 2^15], which makes products smaller; from limbs of `limbs_of`."""
    words = limbs.copy()
    for i in range(LIMBS - 1):
        high = words[..., i, :] >= 1 << (LIMB_BITS - 1)
        words[..., i, :] -= high * float(1 << LIMB_BITS)
        words[..., i + 1, :] += high
    return words


SHIFT = 7
"""g, a generator of the field's group, so in no subgroup."""
ERROR_MAX = 1 / 8


def shifted_vanishing(size: int) -> int:
    """Z_H on gH, where it is constant: g^n − 1."""
    return (pow(SHIFT, size, ORDER) - 1) % ORDER


@lru_cache(maxsize=2)
def shifted_points(size: int) -> list[int]:
    """gω^i for i in [0, n)."""
    return [SHIFT * root % ORDER for root in domain_of(size).roots]


def bytes_on_coset(values: NDArray[np.uint8]) -> Limbs:
    """n bytes -> (16, n) limbs of their interpolant on gH; limbs below 2^34."""
    size = len(values)
    spectrum = np.fft.rfft(values.astype(np.float64))
    return _rounded(np.fft.irfft(_kernels(size)[:, 0, :].T * spectrum, size))


def limbs_on_coset(values: Limbs) -> Limbs:
    """(count, 16, n) limbs in [0, 2^16) -> (count, 16, n) limbs of their interpolants on gH; limbs below 2^46."""
    size = values.shape[-1]
    spectrum = np.fft.rfft(balanced(values)).transpose(2, 0, 1)
    # One product of matrices a frequency: (count, limbs a) by (limbs a, limbs b of 2^16a·K).
    found = np.matmul(spectrum, _kernels(size)).transpose(1, 2, 0)
    return _rounded(np.fft.irfft(found, size))


def interpolate_coset(values: Sequence[int]) -> Poly:
    """The polynomial of degree < n with these values on gH."""
    return scale_argument(interpolate(values), inverse(SHIFT))


def _rounded(values: NDArray[np.float64]) -> Limbs:
    found = np.rint(values)
    if max(np.max(values - found), np.max(found - values)) > ERROR_MAX:
        raise Bug("a Fourier transform of limbs is not exact")
    return found


@lru_cache(maxsize=2)
def _kernels(size: int) -> NDArray[np.complex128]:
    """(n/2 + 1, 16, 16): the transform of limb b of 2^(16a)·K mod p at [:, a, b]."""
    factor = shifted_vanishing(size) * inverse(size) % ORDER
    kernel = batch_inverse([point - 1 for point in shifted_points(size)], factor)
    found = np.empty((size // 2 + 1, LIMBS, LIMBS), np.complex128)
    for a, weight in enumerate(powers(1 << LIMB_BITS, LIMBS)):
        found[:, a, :] = np.fft.rfft(balanced(limbs_of([value * weight for value in kernel]))).T
    return found
