"""Exact products of holdings and risk arrays, by the fastest path that a checked bound allows.

Rule: the result is the exact integer on every path. The path depends on the bound B = largest coefficient times gross
lots, which no partial sum can exceed in any order of summation:

- B < 2^53: float64 matrix product. Every product and partial sum is an integer that float64 represents exactly.
- B < 2^63: int64, or two such float64 limbs.
- beyond: Python integers.

Plain arrays here: this is the hot loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearing.margin.risk_arrays import token_products

FLOAT_EXACT = token_products.FLOAT_EXACT
INT64_EXACT = 2**63
CHUNK_PRODUCTS = 2**18
"""Multiplications given to the matrix library at a time: small enough for the cache and for the library to stay on the
calling thread. Waiting for a second thread on a busy machine costs a hundred times what that thread saves."""

LIMB_BITS = 20

Integers = NDArray[np.int64]
Exact = NDArray[Any]
"""int64 where it fits, otherwise Python integers (dtype object); equal values either way."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupMatrix:
    """The risk array of one group in the form for products with lots."""

    members: tuple[int, ...]
    """Instrument indices, rising."""
    exact: Integers
    """[1 + S, members]: row 0 the base value, row s the loss of one lot in scenario s (base less value)."""
    real: NDArray[np.float64]
    """The same as float64; exact wherever the float path is taken."""
    largest: int
    """Largest absolute entry."""
    tokens: tuple[int, ...] = ()
    """Indices of the tokens that move in the group's scenarios, rising."""
    token_losses: Integers | None = None
    """[1 + S, tokens]: row 0 zero, row s the loss of one unit in scenario s; None without tokens."""
    joined: NDArray[np.float64] | None = None
    """[1 + S, members + tokens] both as float64; None without tokens."""
    limits: NDArray[np.float64] | None = None
    """[members + tokens] the largest absolute entry of each, rounded to float64; None without tokens."""


def group_matrix(
    values: Integers, members: tuple[int, ...], tokens: tuple[int, ...] = (), token_values: Integers | None = None
) -> GroupMatrix:
    """The matrix of the instruments `members` from risk array `values` [m, 1 + S], |values| < 2^62.

    `token_values` [tokens, 1 + S] are those of a unit of each of the `tokens` that move in the group's scenarios.
    """
    own = values.take(members, axis=0).T
    exact = np.empty(own.shape, np.int64)
    np.subtract(own[0], own, out=exact)  # below 2^63
    exact[0] = own[0]
    return _matrix(members, exact, tokens, None if token_values is None else (token_values[:, :1] - token_values).T)


def _matrix(
    members: tuple[int, ...], exact: Integers, tokens: tuple[int, ...] = (), token_losses: Integers | None = None
) -> GroupMatrix:
    """The matrix with these coefficients."""
    largest = largest_of(exact)
    if not tokens:
        return GroupMatrix(members, exact, exact.astype(np.float64), largest)
    joined = np.empty((len(exact), len(members) + len(tokens)))
    joined[:, : len(members)] = exact
    joined[:, len(members) :] = token_losses
    limits = np.abs(joined).max(axis=0)
    return GroupMatrix(members, exact, joined[:, : len(members)], largest, tokens, token_losses, joined, limits)


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """A matrix of joint scenarios, and the groups' matrices that it was made of."""

    joint: GroupMatrix
    parts: Sequence[GroupMatrix]


def joined_matrix(
    matrices: Sequence[GroupMatrix], columns: Sequence[Sequence[int]], members: int, before: "Joined | None" = None
) -> GroupMatrix:
    """Joint scenarios as one matrix over all `members` instruments: `columns` [N, g] names each group's column.

    Row 0 is zero, row n the loss of one lot, or of one unit of a token, in joint scenario n. `before`: of the same
    columns; what is of the same groups' matrices is taken from there.
    """
    exact = before.joint.exact.copy() if before is not None else np.zeros((1 + len(columns), members), np.int64)
    for number, matrix in enumerate(matrices):
        if before is not None and before.parts[number] is matrix:
            continue
        own = matrix.exact.copy()
        own[0] = 0  # no move
        exact[1:, list(matrix.members)] = own[[column[number] for column in columns]]
    parts = [
        (at, matrix.token_losses[[column[number] for column in columns], place])
        for number, matrix in enumerate(matrices)
        if matrix.token_losses is not None
        for place, at in enumerate(matrix.tokens)
    ]
    parts.sort(key=lambda part: part[0])
    moved = np.zeros((1 + len(columns), len(parts)), np.int64)
    for place, (_, losses) in enumerate(parts):
        moved[1:, place] = losses
    return _matrix(tuple(range(members)), exact, tuple(at for at, _ in parts), moved)


NO_UNITS: Integers = np.zeros((0, 0), np.int64)


def coefficient_matrix(members: tuple[int, ...], rows: Sequence[Sequence[int]]) -> GroupMatrix:
    """Rows of coefficients over `members` as a matrix, row 0 zero: "losses" are sums of coefficient times lots."""
    return _matrix(members, np.array([[0] * len(members), *rows], np.int64))


class ValueAndLoss(NamedTuple):
    """Of n accounts in one group."""

    value: Exact
    """[n] base value."""
    loss: Exact
    """[n] worst loss, at least 0."""
    limit: int
    """Every absolute entry of both is below it."""


def value_and_loss(matrix: GroupMatrix, lots: Integers, units: Integers = NO_UNITS) -> ValueAndLoss:
    """Base value and worst loss of `lots` [members, n] in one group, exactly.

    `units` [tokens, n] of the matrix's tokens, whose own value is not part of the base value.
    """
    if matrix.tokens:
        return ValueAndLoss(*token_products.value_and_loss(matrix, lots, units))
    count = lots.shape[1]
    gross = np.abs(lots).sum(axis=0)  # |lots| < 2^39, so this sum is far from 2^63
    if matrix.largest * int(gross.max(initial=0)) < FLOAT_EXACT:
        both = np.empty((2, count), np.int64)
        for part in _chunks(matrix, count):
            token_products.reduce_product(matrix.real @ lots[:, part].astype(np.float64), both[:, part])
        return ValueAndLoss(both[0], both[1], FLOAT_EXACT)
    return _large(matrix, lots, gross)


def losses_by_scenario(matrix: GroupMatrix, lots: Integers, units: Integers = NO_UNITS) -> Exact:
    """[1 + S, n] loss of `lots` [members, n] and `units` [tokens, n] in every column, exactly; negative for a gain,
    zero in the base."""
    if matrix.tokens:
        return token_products.losses_by_scenario(matrix, lots, units)
    bound = matrix.largest * int(np.abs(lots).sum(axis=0).max(initial=0))
    losses: Exact = np.empty((len(matrix.exact), lots.shape[1]), np.int64)
    if bound < FLOAT_EXACT:
        for part in _chunks(matrix, lots.shape[1]):
            losses[:, part] = matrix.real @ lots[:, part].astype(np.float64)
    elif bound < INT64_EXACT:
        losses = matrix.exact @ lots
    else:
        losses = matrix.exact.astype(object) @ lots.astype(object)
    losses[0] = 0
    return losses


def real_losses(matrix: GroupMatrix, lots: Integers, units: Integers = NO_UNITS) -> NDArray[np.float64] | None:
    """[n, S] the losses of `losses_by_scenario` without the base, an account's side by side, each an exact integer in
    float64; None where a bound does not allow that."""
    if matrix.tokens:
        return token_products.real_losses(matrix, lots, units)
    if matrix.largest * int(np.abs(lots).sum(axis=0).max(initial=0)) >= FLOAT_EXACT:
        return None
    held, moves = lots.T.astype(np.float64), matrix.real[1:].T
    losses = np.empty((len(held), moves.shape[1]))
    for part in _chunks(matrix, len(held)):
        np.matmul(held[part], moves, out=losses[part])
    return losses


def _large(matrix: GroupMatrix, lots: Integers, gross: Integers) -> ValueAndLoss:
    """The accounts above the float bound, each on the first path that can represent it."""
    wide = matrix.largest * int(gross.max()) >= INT64_EXACT
    kind: type = object if wide else np.int64
    value: Exact = np.zeros(lots.shape[1], kind)
    loss: Exact = np.zeros(lots.shape[1], kind)
    small = gross <= (FLOAT_EXACT - 1) // matrix.largest
    middle = ~small & (gross <= (INT64_EXACT - 1) // matrix.largest)
    if small.any():
        value[small], loss[small], _ = value_and_loss(matrix, lots[:, small])
    if middle.any():
        columns, bound = np.flatnonzero(middle), int(gross[middle].max())
        for part in _chunks(matrix, columns.size):
            product = _product(matrix, lots[:, columns[part]], bound)
            value[columns[part]], loss[columns[part]] = product[0], product[1:].max(axis=0, initial=0)
    rows = matrix.exact.tolist()
    for column in np.flatnonzero(~small & ~middle).tolist():
        column_lots = lots[:, column].tolist()
        sums = [sum(entry * q for entry, q in zip(row, column_lots, strict=True)) for row in rows]
        value[column], loss[column] = sums[0], max(0, *sums[1:])
    return ValueAndLoss(value, loss, 1 + max(largest_of(value), largest_of(loss)))


def _chunks(matrix: GroupMatrix, count: int) -> list[slice]:
    """Cut `count` accounts into slices of at most `CHUNK_PRODUCTS` multiplications, but at least 64 accounts."""
    size = max(64, CHUNK_PRODUCTS // max(matrix.exact.size, 1))
    return [slice(start, start + size) for start in range(0, count, size)]


def _product(matrix: GroupMatrix, lots: Integers, gross: int) -> Integers:
    """[1 + S, n] exact product, given that largest * gross < 2^63.

    Lots are split into two limbs where each limb's product stays below 2^53: two float64 products are several times
    faster than one of int64, for which there is no tuned routine.
    """
    spill = len(matrix.members) << LIMB_BITS  # bound on the sum of the lower limbs, each in [0, 2^20)
    fits = matrix.largest * spill < FLOAT_EXACT and matrix.largest * (gross + spill) < FLOAT_EXACT << LIMB_BITS
    if not fits or matrix.largest * (gross + spill) >= INT64_EXACT:
        return matrix.exact @ lots
    high = lots >> LIMB_BITS  # rounds down, so the gross of the upper limbs is at most (gross + spill) / 2^20
    low = lots - (high << LIMB_BITS)
    upper = (matrix.real @ high.astype(np.float64)).astype(np.int64)
    lower = (matrix.real @ low.astype(np.float64)).astype(np.int64)
    return (upper << LIMB_BITS) + lower


FEW = 64


def largest_of(values: Exact) -> int:
    """Largest absolute value, as a Python integer; 0 for an empty array."""
    if values.ndim == 1 and values.size <= FEW:
        listed: list[int] = values.tolist()  # a call of numpy costs as much as fifty comparisons
        return max(0, max(listed), -min(listed)) if listed else 0
    return max(int(values.max(initial=0)), -int(values.min(initial=0)))


def exact_sum(terms: Sequence[Exact], count: int) -> Exact:
    """Elementwise sum of arrays [count]: int64 if no partial sum can reach 2^63, otherwise Python integers."""
    if sum(largest_of(term) for term in terms) < INT64_EXACT:
        total = np.zeros(count, np.int64)
        for term in terms:
            total += term.astype(np.int64, copy=False)
        return total
    wide = np.zeros(count, object)
    for term in terms:
        wide = wide + term.astype(object)
    return wide


def collateral_values(holdings: Integers, values: Sequence[int]) -> tuple[Exact, int]:
    """[n] sum of `holdings` [c + k, n] at `values` [c + k] micros a unit; every absolute sum is below the second."""
    most = np.abs(holdings).max(axis=1, initial=0).tolist()
    limit = 1 + sum(map(mul, map(abs, values), most))
    if limit <= INT64_EXACT:
        return np.array(values, np.int64) @ holdings, limit
    terms = [exact_product(value, units) for value, units in zip(values, holdings, strict=True)]
    return exact_sum(terms, holdings.shape[1]), limit


def exact_product(factor: int, values: Exact) -> Exact:
    """`factor` times each value: int64 if it fits, otherwise Python integers."""
    if abs(factor) * largest_of(values) < INT64_EXACT:
        return values.astype(np.int64, copy=False) * factor
    wide: Exact = values.astype(object) * factor
    return wide
