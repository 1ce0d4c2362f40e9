"""Exact products of lots and tokens with one group's risk array, where tokens move in its scenarios.

Rule: the result is the exact integer on every path, as in `exact_products`. Lots and units differ in scale, so the
bound B is the sum over instruments and over each token of largest coefficient times gross holding. It is computed in
float64, hence the margin below the limits:

- B < 2^53: one float64 matrix product over lots and units.
- B < 2^63: int64.
- beyond: Python integers.

Plain arrays here: this is the hot loop.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from clearing.margin.risk_arrays.exact_products import Exact, GroupMatrix, Integers

FLOAT_EXACT = 2**53
FLOAT_SAFE = 0.999 * FLOAT_EXACT
INT64_SAFE = 0.999 * 2.0**63
CHUNK_PRODUCTS = 2**18
"""As in `exact_products`."""


def value_and_loss(matrix: "GroupMatrix", lots: "Integers", units: "Integers") -> "tuple[Exact, Exact, int]":
    """The parts of `exact_products.value_and_loss`; `units` [tokens, n]."""
    count, held = lots.shape[1], _held(lots, units)
    bound = _bounds(matrix, held)
    if not bound.size or float(bound.max()) < FLOAT_SAFE:
        both = np.empty((2, count), np.int64)
        for part in _chunks(matrix, count):
            reduce_product(_real_product(matrix, held[:, part]), both[:, part])
        return both[0], both[1], FLOAT_EXACT
    wide = float(bound.max()) >= INT64_SAFE
    values: Exact = np.zeros(count, object if wide else np.int64)
    losses: Exact = np.zeros(count, object if wide else np.int64)
    small = bound < FLOAT_SAFE
    if small.any():
        values[small], losses[small], _ = value_and_loss(matrix, lots[:, small], units[:, small])
    for column in np.flatnonzero(~small).tolist():
        sums = _sums(matrix, lots[:, column].tolist(), units[:, column].tolist())
        values[column], losses[column] = sums[0], max(0, *sums[1:])
    return values, losses, 1 + max(int(values.max()), -int(values.min()), int(losses.max()))


def reduce_product(product: NDArray[np.float64], both: "Integers") -> None:
    """Write base value and worst loss of a product [1 + S, n] into `both` [2, n]; overwrites row 0 of the product."""
    both[0] = product[0]
    product[0] = 0.0
    both[1] = np.maximum.reduce(product, axis=0)


def losses_by_scenario(matrix: "GroupMatrix", lots: "Integers", units: "Integers") -> "Exact":
    """As `exact_products.losses_by_scenario`; `units` [tokens, n]."""
    held = _held(lots, units)
    bound = float(_bounds(matrix, held).max(initial=0.0))
    losses: Exact = np.empty((len(matrix.exact), lots.shape[1]), np.int64)
    if bound < FLOAT_SAFE:
        for part in _chunks(matrix, lots.shape[1]):
            losses[:, part] = _real_product(matrix, held[:, part])
    else:
        kind: type = np.int64 if bound < INT64_SAFE else object
        losses = _token_losses(matrix).astype(kind) @ units.astype(kind)
        losses = losses + matrix.exact.astype(kind) @ lots.astype(kind)
    losses[0] = 0
    return losses


def real_losses(matrix: "GroupMatrix", lots: "Integers", units: "Integers") -> NDArray[np.float64] | None:
    """As `exact_products.real_losses`; `units` [tokens, n]."""
    held, joined = _held(lots, units), _joined(matrix)
    if float(_bounds(matrix, held).max(initial=0.0)) >= FLOAT_SAFE:
        return None
    losses = np.empty((lots.shape[1], len(joined) - 1))
    for part in _chunks(matrix, len(losses)):
        np.matmul(held[:, part].T, joined[1:].T, out=losses[part])
    return losses


def _held(lots: "Integers", units: "Integers") -> NDArray[np.float64]:
    """[members + tokens, n] lots, |q| < 2^39, and units, of which those beyond 2^53 are rounded."""
    held = np.empty((len(lots) + len(units), lots.shape[1]))
    held[: len(lots)] = lots
    held[len(lots) :] = units
    return held


def _bounds(matrix: "GroupMatrix", held: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n] what no partial sum exceeds, but for the rounding of float64."""
    limits: Any = matrix.limits  # there are some where there are tokens
    bound: NDArray[np.float64] = limits @ np.abs(held)
    return bound


def _real_product(matrix: "GroupMatrix", held: NDArray[np.float64]) -> NDArray[np.float64]:
    """[1 + S, n] exact where the bound holds. A unit beyond 2^53 then has the coefficient zero."""
    product: NDArray[np.float64] = _joined(matrix) @ held
    return product


def _joined(matrix: "GroupMatrix") -> NDArray[np.float64]:
    joined: Any = matrix.joined  # there is one where there are tokens
    found: NDArray[np.float64] = joined
    return found


def _token_losses(matrix: "GroupMatrix") -> "Integers":
    losses: Any = matrix.token_losses
    found: Integers = losses
    return found


def _sums(matrix: "GroupMatrix", lots: list[int], units: list[int]) -> list[int]:
    rows = zip(matrix.exact.tolist(), _token_losses(matrix).tolist(), strict=True)
    return [
        sum(entry * q for entry, q in zip(of_lots, lots, strict=True))
        + sum(entry * q for entry, q in zip(of_units, units, strict=True))
        for of_lots, of_units in rows
    ]


def _chunks(matrix: "GroupMatrix", count: int) -> list[slice]:
    size = max(64, CHUNK_PRODUCTS // max(matrix.exact.size, 1))
    return [slice(start, start + size) for start in range(0, count, size)]
