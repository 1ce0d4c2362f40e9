"""Digit columns for a prover: D on H, and the lookups w/(α+D) on H, as limbs; and sums and products over them.

Rule: a column of bytes is one array of bytes and a lookup is a table of 256 entries; anything else (only a cheating
prover of the tests has it) takes the way of general scalars and gives the same results.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from proofs.coset import bytes_on_coset, limbs_on_coset
from proofs.domain import TABLE_SIZE
from proofs.field import ORDER, batch_inverse
from proofs.limbs import Limbs, integers_of, limbs_of


class DigitColumn:
    """D of one column of one account."""

    def __init__(self, digits: Sequence[int]) -> None:
        self.digits = digits
        self._bytes: NDArray[np.uint8] | None
        try:
            self._bytes = np.frombuffer(bytes(digits), np.uint8)
        except ValueError:
            self._bytes = None

    def counts(self) -> list[int]:
        """How often each byte occurs; a forged digit has no place in the table, and the proof will not verify."""
        if self._bytes is not None:
            found: list[int] = np.bincount(self._bytes, minlength=TABLE_SIZE).tolist()
            return found
        return [self.digits.count(byte) for byte in range(TABLE_SIZE)]

    def add_to(self, total: Limbs, weight: int) -> None:
        """total += weight·D; adds less than 2^24 to a limb."""
        if self._bytes is not None:
            total += limbs_of([weight]) * self._bytes
        else:
            total += limbs_of([weight * digit for digit in self.digits])

    def at(self, lagrange: Sequence[int]) -> int:
        """⟨D, lagrange⟩, not reduced."""
        return sum(map(int.__mul__, self.digits, lagrange))

    def on_coset(self) -> list[int]:
        """Values of D's interpolant on gH."""
        if self._bytes is not None:
            return integers_of(bytes_on_coset(self._bytes))
        return integers_of(limbs_on_coset(limbs_of(self.digits)[None])[0])

    def looked_up(self, lookups: "Lookups", weight: int) -> Limbs:
        """weight/(α+D) on H, (16, n)."""
        if self._bytes is not None:
            return lookups.table(weight)[:, self._bytes]
        found = dict(zip(self.digits, batch_inverse([lookups.alpha + d for d in self.digits], weight), strict=True))
        return limbs_of([found[digit] for digit in self.digits])


class Lookups:
    """w/(α+b) of every byte b."""

    def __init__(self, alpha: int) -> None:
        self.alpha = alpha
        self.inverses = batch_inverse([alpha + byte for byte in range(TABLE_SIZE)])
        self._unweighted = limbs_of(self.inverses)

    def table(self, weight: int) -> Limbs:
        """(16, 256)."""
        if weight == 1:
            return self._unweighted
        return limbs_of([weight * value % ORDER for value in self.inverses])
