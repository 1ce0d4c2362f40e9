"""Vectors of scalars as arrays of 16-bit limbs, for sums of many by floating-point arithmetic on whole arrays.

Rule: every number in an array is an integer below 2^53, so that the arithmetic is exact; whoever adds up keeps to the
bounds that are told. For provers only: verifiers never import this module. It knows no polynomials and no protocol.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from proofs.field import ORDER, SCALAR_BYTES

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
