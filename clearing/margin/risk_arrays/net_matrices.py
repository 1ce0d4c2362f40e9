"""Charges on net amounts of many accounts at once: all rows of a group as one matrix.

Rule: exactly `ChargeRows.at` of every account; int64 under a checked bound, Python integers beyond. A hot loop on plain
arrays. This module must not know prices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from clearing.margin.risk_arrays.exact_products import (
    INT64_EXACT,
    Exact,
    GroupMatrix,
    Integers,
    coefficient_matrix,
    largest_of,
    losses_by_scenario,
)
from clearing.margin.risk_arrays.net_charges import ChargeRows


@dataclass(frozen=True, slots=True, eq=False)
class NetMatrix:
    """The charges of one group."""

    charges: tuple[ChargeRows, ...]
    matrix: GroupMatrix
    intercepts: Integers
    """[rows, 1] micros."""
    starts: list[int]
    """First row of each charge."""

    @property
    def group(self) -> int:
        """The group's number, in the order of the groups."""
        return self.charges[0].group

    def at(self, lots: Integers) -> Exact:
        """[charges, n] micros for lots [m, n] of all instruments, |lots| < 2^39."""
        return self.of_group(lots.take(self.matrix.members, axis=0))

    def of_group(self, lots: Integers) -> Exact:
        """The same for lots [members, n] of the group's instruments alone."""
        sums = losses_by_scenario(self.matrix, lots)[1:]
        if largest_of(sums) + int(self.intercepts.max()) >= INT64_EXACT:
            sums = sums.astype(object)
        found: Exact = np.maximum.reduceat(sums - self.intercepts, self.starts, axis=0)
        return np.maximum(found, 0, out=found)


def net_matrix(charges: Sequence[ChargeRows]) -> NetMatrix:
    """The charges of one group, in order; at least one."""
    rows = [row for charge in charges for row in charge.rows]
    starts = accumulate((len(charge.rows) for charge in charges[:-1]), initial=0)
    return NetMatrix(
        charges=tuple(charges),
        matrix=coefficient_matrix(charges[0].members, [coefficients for coefficients, _ in rows]),
        intercepts=np.array([intercept for _, intercept in rows], np.int64)[:, np.newaxis],
        starts=list(starts),
    )
