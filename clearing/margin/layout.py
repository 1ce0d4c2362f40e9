"""`Layout`: which row of a margin book's table holds what, for one listing of instruments, tokens and groups.

Rule: follows from what is listed alone, so books under arrays of the same listing share one. It must not know accounts
or prices.
"""

from dataclasses import dataclass

import numpy as np

from clearing.margin.arrays import RiskArrays
from clearing.margin.kernel import Integers

WIDE, INITIAL_OK, MAINTENANCE_OK, EQUITY, INITIAL, COLLATERAL = range(1, 7)
"""Rows of every table, after the id. WIDE: a number of this account does not fit 64 bits, so that the account is not
read from here but computed by the definition; INITIAL_OK, MAINTENANCE_OK: 0 or 1."""
_FIRST = 7


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Row numbers. Instruments of a risk group are adjacent, so that a group's lots are one block of memory."""

    cash: slice
    tokens: slice
    lots: slice
    groups: tuple[slice, ...]
    """Lots of each risk group."""
    values: slice
    losses: slice
    holds: slice
    """0 or 1 for each risk group: whether any of its lots is not zero."""
    rows: int
    order: Integers
    """[m] index among the listed instruments of each row of `lots`."""
    rank: Integers
    """[m] its inverse: row within `lots` of each listed instrument."""
    cash_row: dict[int, int]
    token_row: dict[int, int]
    lots_row: dict[int, int]
    """By id of the cash group, the asset, the instrument."""
    group_of: dict[int, int]
    """Number of the risk group by id of the instrument."""


def layout_of(arrays: RiskArrays) -> Layout:
    """The layout of a book under these arrays."""
    # Collateral, values and losses are adjacent: they are added up together.
    widths = (*(3 * [len(arrays.matrices)]), len(arrays.cash_groups), len(arrays.assets), len(arrays.instruments))
    parts: list[slice] = []
    at = _FIRST
    for width in widths:
        parts.append(slice(at, at + width))
        at += width
    values, losses, holds, cash, tokens, lots = parts
    groups: list[slice] = []
    order: list[int] = []
    for matrix in arrays.matrices:
        groups.append(slice(lots.start + len(order), lots.start + len(order) + len(matrix.members)))
        order += matrix.members
    return Layout(
        cash=cash,
        tokens=tokens,
        lots=lots,
        groups=tuple(groups),
        values=values,
        losses=losses,
        holds=holds,
        rows=at,
        order=np.array(order, np.intp),
        rank=np.argsort(np.array(order, np.intp)),
        cash_row={group.id: cash.start + row for row, group in enumerate(arrays.cash_groups)},
        token_row={asset.id: tokens.start + row for row, asset in enumerate(arrays.assets)},
        lots_row={arrays.instruments[listed].id: lots.start + row for row, listed in enumerate(order)},
        group_of={arrays.instruments[at].id: number for number, m in enumerate(arrays.matrices) for at in m.members},
    )


def same_listing(one: RiskArrays, other: RiskArrays) -> bool:
    """Whether a book under the one arrays can take the other: instruments, assets, cash and risk groups are the same.

    Haircuts and ranges may differ.
    """
    return (
        (one.instruments is other.instruments or one.instruments == other.instruments)
        and [each.id for each in one.assets] == [each.id for each in other.assets]
        and [group.id for group in one.cash_groups] == [group.id for group in other.cash_groups]
        and [group.id for group in one.groups] == [group.id for group in other.groups]
        and [matrix.members for matrix in one.matrices] == [matrix.members for matrix in other.matrices]
    )
