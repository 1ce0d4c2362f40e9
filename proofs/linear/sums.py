"""Sums over a shard's accounts for S and t; joint = δ^(k·columns), own = δ^(k·columns + c), the table at k = c = 0.

Rule: no polynomial is multiplied for an account. Write f = F + Z_H·g and D = E + Z_H·d with F, E of degree < n. Then
[f(α + D) − 1] / Z_H = V + αg + gE + dF + Z_H·g·d with V = [F·(α + E) − 1] / Z_H of degree < n, which follows from its
values on gH. What is left is linear in values on H.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proofs.coset import interpolate_coset, limbs_on_coset, shifted_vanishing
from proofs.field import ORDER, inverse
from proofs.layout import Layout
from proofs.limbs import Limbs, integers_of, zero_limbs
from proofs.linear.columns import DigitColumn, Lookups
from proofs.linear.witness import Witness
from proofs.polynomial import Masked, Poly, interpolate, polynomial

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

    def __init__(self, layout: Layout, lookups: Lookups) -> None:
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
        """The column with the table, which whoever makes t multiplies out."""
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
