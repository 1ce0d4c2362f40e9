"""The sums over a shard's accounts of which the prover builds the polynomials S and t: digit columns and lookups.

Rule: no polynomial is multiplied for an account. Joint = δ^(k·columns), own = δ^(k·columns + c), the table at k = c =
0. Write f = F + Z_H·g and D = E + Z_H·d with F, E of degree < n. Then [f(α + D) − 1] / Z_H = V + αg + gE + dF +
Z_H·g·d with V = [F·(α + E) − 1] / Z_H of degree < n, which follows from its values on gH. The rest is linear in
values on H. A column is D on H and a lookup is w/(α + D) on H, as limbs. A column of bytes is one array of bytes and
a lookup is a table of 256 entries; anything else (only a cheating prover of the tests has it) is computed with
general scalars and gives the same results.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proofs.algebra.coset import (
    Limbs,
    bytes_on_coset,
    integers_of,
    interpolate_coset,
    limbs_of,
    limbs_on_coset,
    shifted_vanishing,
    zero_limbs,
)
from proofs.algebra.domain import TABLE_SIZE
from proofs.algebra.field import ORDER, batch_inverse, inverse
from proofs.algebra.polynomial import Masked, Poly, interpolate, polynomial
from proofs.linear.layout import ProofLayout
from proofs.linear.statement import Witness


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


BLINDERS = 2
TOGETHER = 8
"""Lookups transformed at once; many more would leave the processor's cache."""


@dataclass
class QuotientSums:
    """Σ own·[f(α+D) − 1] / Z_H over the columns without the table, in parts."""

    coset: list[int]
    """Σ own·F·(α + E) on gH."""
    blinded: list[list[int]]
    """Σ own·(g_i·E + d_i·F) on H, for i = 0, 1."""
    g: list[int]
    """Σ own·g."""
    gd: list[int]
    """Σ own·g·d."""

    def poly(self, alpha: int, others: int) -> Poly:
        """The quotient; `others` = Σ own."""
        size = len(self.coset)
        scale = inverse(shifted_vanishing(size))
        on_coset = interpolate_coset([(value - others) * scale % ORDER for value in self.coset])
        low, high = (interpolate(values) for values in self.blinded)
        hidden = polynomial(self.gd)
        hidden = hidden.left_shift(size) - hidden
        return on_coset + low + high.left_shift(1) + polynomial(self.g) * alpha + hidden

    def add(self, other: "QuotientSums") -> None:
        """self += other."""
        add_scaled(self.coset, 1, other.coset)
        for mine, theirs in zip(self.blinded, other.blinded, strict=True):
            add_scaled(mine, 1, theirs)
        add_scaled(self.g, 1, other.g)
        add_scaled(self.gd, 1, other.gd)


@dataclass
class ShardSums:
    """What a shard adds up once δ is known."""

    digits: list[Masked]
    """Σ joint·D of each column."""
    values: Masked
    """Σ joint·W."""
    lookups: Masked
    """Σ f over the columns without the table."""
    quotient: QuotientSums
    table: tuple[Masked, Masked, Masked] | None
    """(f, m, D) of the column with the table, from the shard that carries it."""

    def add(self, other: "ShardSums") -> None:
        """self += other, not reduced."""
        for mine, theirs in zip(self.digits, other.digits, strict=True):
            mine.add(1, theirs)
        self.values.add(1, other.values)
        self.lookups.add(1, other.lookups)
        self.quotient.add(other.quotient)
        self.table = self.table or other.table


class Summing:
    """Adds account after account. Lookups wait until some can be transformed together."""

    def __init__(self, layout: ProofLayout, lookups: Lookups) -> None:
        size = layout.size
        self._lookups = lookups
        self._digits = [zero_limbs(size) for _ in range(layout.columns)]
        self._hidden_d = [[0] * BLINDERS for _ in range(layout.columns)]
        self._values = Masked([0] * size, [0] * BLINDERS)
        self._f = zero_limbs(size)
        self._hidden_f = [0] * BLINDERS
        self._blinded = [zero_limbs(size) for _ in range(BLINDERS)]
        self._quotient = QuotientSums([0] * size, [], [0] * BLINDERS, [0] * (2 * BLINDERS - 1))
        self._table: tuple[Masked, Masked, Masked] | None = None
        self._waiting: list[tuple[Limbs, DigitColumn]] = []

    def add_values(self, joint: int, witness: Witness) -> None:
        """Σ joint·W."""
        add_scaled(self._values.values, joint, witness.values)
        add_scaled(self._values.hiding, joint, witness.blinders)

    def add_digits(self, c: int, joint: int, column: DigitColumn, d: Sequence[int]) -> None:
        """Σ joint·D."""
        column.add_to(self._digits[c], joint)
        add_scaled(self._hidden_d[c], joint, d)

    def carry(self, f: Masked, m: Masked, digits: Masked) -> None:
        """The column with the table, which the maker of t multiplies out."""
        self._table = (f, m, digits)

    def add_lookup(self, own: int, column: DigitColumn, d: Sequence[int], g: Sequence[int]) -> None:
        """A column without the table: its f and its share of the quotient."""
        self._f += column.looked_up(self._lookups, 1)
        add_scaled(self._hidden_f, 1, g)
        for i in range(BLINDERS):
            weight = own * g[i] % ORDER
            column.add_to(self._blinded[i], weight)
            self._blinded[i] += column.looked_up(self._lookups, own * d[i] % ORDER)
            self._quotient.g[i] += weight
            for j, other in enumerate(d):
                self._quotient.gd[i + j] += weight * other
        self._waiting.append((column.looked_up(self._lookups, own), column))
        if len(self._waiting) == TOGETHER:
            self._multiply()

    def result(self) -> ShardSums:
        """All of it."""
        self._multiply()
        self._quotient.coset = [value % ORDER for value in self._quotient.coset]
        self._quotient.blinded = [integers_of(total) for total in self._blinded]
        self._quotient.g = [value % ORDER for value in self._quotient.g]
        self._quotient.gd = [value % ORDER for value in self._quotient.gd]
        return ShardSums(
            [Masked(integers_of(total), d).reduced() for total, d in zip(self._digits, self._hidden_d, strict=True)],
            self._values.reduced(),
            Masked(integers_of(self._f), self._hidden_f).reduced(),
            self._quotient,
            self._table,
        )

    def _multiply(self) -> None:
        """Σ own·F·(α + E) on gH of those that wait."""
        if not self._waiting:
            return
        shifted = limbs_on_coset(np.stack([f for f, _ in self._waiting]))
        total, alpha = self._quotient.coset, self._lookups.alpha
        for (_, column), on_coset in zip(self._waiting, shifted, strict=True):
            values = zip(total, integers_of(on_coset), column.on_coset(), strict=True)
            total = [so_far + f * (alpha + digit) for so_far, f, digit in values]
        self._quotient.coset = total
        self._waiting.clear()


def add_scaled(total: list[int], weight: int, values: Sequence[int]) -> None:
    """total += weight·values, in place and not reduced; `values` may be the shorter."""
    total[: len(values)] = [a + weight * b for a, b in zip(total, values, strict=False)]
