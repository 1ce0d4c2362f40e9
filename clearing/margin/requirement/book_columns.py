"""The tables of a margin book: a column per account, the meaning of each row, and margins of columns.

Rule: a fork writes its own columns and reads all others through, so forking costs nothing. The rows follow from the
listing alone, so books under different arrays of one listing share them. This module must not know why a value changed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from clearing.base.errors import BaseCode, Bug, LocalFault
from clearing.base.units import MONEY_MAX, POSITION_MAX
from clearing.margin.requirement.account_margin import AccountMargin, MarginBatch, account_margin
from clearing.margin.requirement.add_ons import margin_terms_batch
from clearing.margin.requirement.pending_columns import ColumnSet
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.margin.risk_arrays.exact_products import Exact, Integers

ID = 0
_ROOM = 64


class Columns:
    """int64 `table` [rows, columns], of which the first `count` columns are in use."""

    def __init__(self, rows: int, below: "Columns | None" = None) -> None:
        self.below = below
        """The table that this one is a fork of."""
        self.size: int = below.size if below is not None else 0
        """Number of accounts, those below included."""
        self.count = 0
        self.table: Integers = np.zeros((rows, 0), np.int64)
        self.recomputed = ColumnSet()
        """The columns recomputed since the last `remargin`."""
        self.slots: dict[int, int] = {}
        """Slots of the accounts added here."""
        self._where: Integers = np.full(self.size, -1, np.int64)
        self._own: Integers = np.zeros(0, np.int64)
        self._with_values: dict[int, Integers] = {}
        """Of rows of holdings that were asked for and not written since: the own columns with a non-zero value."""
        self._written: set[int] = set()
        """Rows of holdings that were written here, not below."""

    def absorb(self) -> None:
        """Merge this fork, with what it recomputed, into the table below. This one then reads through."""
        below = self.below
        if below is None:
            raise LocalFault(BaseCode.OUT_OF_RANGE, "margin book", why="not a fork")
        for account in self.slots:
            below.slot(account)
        columns = below.own_columns(self._own[: self.count])
        below.holdings_written(self._written)
        below.table[:, columns] = self.table[:, : self.count]
        below.recomputed.add(columns[self.recomputed.columns()])
        self.recomputed.clear()
        self._written.clear()
        self._with_values.clear()
        self._where = np.full(self.size, -1, np.int64)
        self.slots, self.count = {}, 0

    def find(self, account: int) -> int | None:
        """The account's slot; None when it is unknown."""
        columns: Columns | None = self
        while columns is not None:
            slot = columns.slots.get(account)
            if slot is not None:
                return slot
            columns = columns.below
        return None

    def slot(self, account: int) -> int:
        """The account's slot; a new account gets a new one, with its own column of zeros."""
        slot = self.find(account)
        if slot is not None:
            return slot
        slot = self.slots[account] = self.size
        self.size += 1
        if self.size > self._where.size:
            self._where = np.append(self._where, np.full(max(_ROOM, self.size), -1, np.int64))
        added = self._add(1)
        self._own[added] = slot
        self._where[slot] = added.start
        self.table[:, added] = 0
        self.table[ID, added] = account
        return slot

    def own_columns(self, slots: Integers) -> Integers:
        """Own columns of distinct slots; missing ones are copied from below."""
        columns = self._where[slots]
        if columns.size == 0 or int(columns.min()) >= 0:
            return columns
        if self.below is None:
            raise Bug("a slot of a margin book has no column")
        missing = slots[columns < 0]
        added = self._add(missing.size)
        self.table[:, added] = self.below.gather(missing)
        self._own[added] = missing
        self._where[missing] = np.arange(added.start, added.stop)
        return self._where[slots]

    def columns_of(self, slots: Integers) -> Integers:
        """Own columns of slots, in their order; slots may repeat."""
        columns = self._where[slots]
        if columns.size and int(columns.min()) < 0:
            self.own_columns(np.unique(slots))
            columns = self._where[slots]
        return columns

    def gather(self, slots: Integers) -> Integers:
        """[rows, n] a copy of the columns of slots, from here or below."""
        columns = self._where[slots]
        if self.below is None or columns.size == 0 or int(columns.min()) >= 0:
            return self.table.take(columns, axis=1)
        if int(columns.max()) < 0:
            return self.below.gather(slots)
        table = np.empty((len(self.table), slots.size), np.int64)
        mine = columns >= 0
        table[:, mine] = self.table[:, columns[mine]]
        table[:, ~mine] = self.below.gather(slots[~mine])
        return table

    def holdings_written(self, rows: Collection[int]) -> None:
        """To be called when rows of holdings are written in any of the columns."""
        self._written.update(rows)
        for row in rows:
            self._with_values.pop(row, None)

    def columns_with_values(self, row: int) -> Integers:
        """Own columns of the accounts, here or below, with a non-zero value in a row of holdings. Not to be changed.

        What is copied from below later has none in the row, so that the answer stays until the row is written.
        """
        known = self._with_values.get(row)
        if known is None:
            if self.below is not None:
                self.own_columns(self.slots_with_values(row))
            found = np.flatnonzero(self.table[row, : self.count])
            # Rows of the same accounts share one array, so that a reader sees at once that they are the same.
            same = (each for each in self._with_values.values() if np.array_equal(each, found))
            known = self._with_values[row] = next(same, found)
        return known

    def slots_with_values(self, row: int) -> Integers:
        """Slots of the accounts, here or below, with a non-zero value in a row of holdings."""
        if self.below is None:
            return self._own[self.columns_with_values(row)]
        own = self._own[: self.count][self.table[row, : self.count] != 0]
        lower = self.below.slots_with_values(row)
        return np.append(lower[self._where[lower] < 0], own)

    def at(self, rows: slice, columns: Integers) -> Integers:
        """Some rows of distinct own columns, rising; not copied when they are all columns."""
        if columns.size == self.count:
            return self.table[rows, : self.count]
        return self.table[rows].take(columns, axis=1)  # whole rows: of a part of them numpy would copy all first

    def put(self, row: int | slice, columns: Integers, values: Integers | int) -> None:
        """Write one row, or some, of distinct own columns, rising."""
        if columns.size == self.count:
            self.table[row, : self.count] = values
        else:
            self.table[row, columns] = values

    def _add(self, count: int) -> slice:
        """Make room for more columns, which the caller writes."""
        added = slice(self.count, self.count + count)
        if added.stop > self._own.size:
            more = max(_ROOM, self._own.size, added.stop - self._own.size)
            self._own, self.table = _grown(self._own, more), _grown(self.table, more)
        self.count = added.stop
        return added


def _grown(array: Integers, more: int) -> Integers:
    """With room for `more` columns."""
    grown = np.empty((*array.shape[:-1], array.shape[-1] + more), np.int64)
    grown[..., : array.shape[-1]] = array
    return grown


WIDE, EQUITY, INITIAL, COLLATERAL = range(1, 5)
"""Rows of every table, after the id. WIDE: a number of this account does not fit 64 bits, so the account is computed by
the definition instead."""
TOTALS = slice(EQUITY, INITIAL + 1)

_FIRST = 5


@dataclass(frozen=True, slots=True, eq=False)
class RiskLayout:
    """Row numbers. Instruments of a risk group are adjacent, so that a group's lots are one block of memory; so are the
    tokens that move in its scenarios."""

    cash: slice
    tokens: slice
    lots: slice
    groups: tuple[slice, ...]
    """Lots of each risk group."""
    values: slice
    losses: slice
    charges: slice
    """Charges on net amounts of each risk group."""
    has_lots: slice
    """0 or 1 for each risk group: whether any of its lots, or of its moving tokens' units, is not zero."""
    rows: int
    order: Integers
    """[m] index among the listed instruments of each row of `lots`."""
    rank: Integers
    """[m] its inverse: row within `lots` of each listed instrument."""
    token_order: Integers
    """[k] index among the listed tokens of each row of `tokens`."""
    token_rank: Integers
    """[k] its inverse: row within `tokens` of each listed token."""
    cash_row: dict[int, int]
    token_row: dict[int, int]
    lots_row: dict[int, int]
    """By id of the cash group, the asset, the instrument."""
    group_of: dict[int, int]
    """Number of the risk group by id of the instrument."""
    moving: tuple[slice, ...]
    """Units of the tokens that move in each risk group's scenarios."""


def risk_layout(arrays: RiskArrays) -> RiskLayout:
    """The layout of a book under these arrays."""
    # Collateral and values are adjacent because they are summed together; so are losses and charges.
    widths = (*(4 * [len(arrays.matrices)]), len(arrays.cash_groups), len(arrays.assets), len(arrays.instruments))
    parts: list[slice] = []
    at = _FIRST
    for width in widths:
        parts.append(slice(at, at + width))
        at += width
    values, losses, charges, has_lots, cash, tokens, lots = parts
    groups, order = _adjacent(lots, [matrix.members for matrix in arrays.matrices])
    moving, token_order = _adjacent(tokens, [matrix.tokens for matrix in arrays.matrices])
    token_order += sorted(set(range(len(arrays.assets))).difference(token_order))
    return RiskLayout(
        cash=cash,
        tokens=tokens,
        lots=lots,
        groups=groups,
        values=values,
        losses=losses,
        charges=charges,
        has_lots=has_lots,
        rows=at,
        order=np.array(order, np.intp),
        rank=np.argsort(np.array(order, np.intp)),
        token_order=np.array(token_order, np.intp),
        token_rank=np.argsort(np.array(token_order, np.intp)),
        cash_row={group.id: cash.start + row for row, group in enumerate(arrays.cash_groups)},
        token_row={arrays.assets[listed].id: tokens.start + row for row, listed in enumerate(token_order)},
        lots_row={arrays.instruments[listed].id: lots.start + row for row, listed in enumerate(order)},
        group_of={arrays.instruments[at].id: number for number, m in enumerate(arrays.matrices) for at in m.members},
        moving=moving,
    )


def _adjacent(part: slice, indices: Sequence[Sequence[int]]) -> tuple[tuple[slice, ...], list[int]]:
    """Rows of `part` for each of some sequences of indices, one after the other, and all indices in that order."""
    slices: list[slice] = []
    order: list[int] = []
    for each in indices:
        slices.append(slice(part.start + len(order), part.start + len(order) + len(each)))
        order += each
    return tuple(slices), order


def has_same_listing(one: RiskArrays, other: RiskArrays) -> bool:
    """Whether a book under one set of arrays can use the other: same instruments, assets, cash groups, risk groups, and
    tokens that move in them.

    Haircuts and ranges may differ.
    """
    if one is other:
        return True
    if one.plan is None or one.plan is not other.plan:
        same_plan = (
            one.instruments == other.instruments
            and [group.id for group in one.cash_groups] == [group.id for group in other.cash_groups]
            and [group.id for group in one.groups] == [group.id for group in other.groups]
            and [matrix.members for matrix in one.matrices] == [matrix.members for matrix in other.matrices]
        )
        if not same_plan:
            return False
    return [asset.id for asset in one.assets] == [asset.id for asset in other.assets] and (
        [matrix.tokens for matrix in one.matrices] == [matrix.tokens for matrix in other.matrices]
    )


class Totals(NamedTuple):
    """`MarginBatch` of n accounts without its terms, which cost most of it."""

    equity: Exact
    """[n] micros."""
    losses: Exact
    """[n, g] micros."""
    initial: Exact
    """[n] micros."""


def gathered_totals(table: Integers, arrays: RiskArrays, layout: RiskLayout) -> Totals:
    """Equity, group losses and initial margin of the accounts with these columns, in that order."""
    equity: Exact = table[EQUITY]
    losses: Exact = table[layout.losses].T
    initial: Exact = table[INITIAL]
    wide = np.flatnonzero(table[WIDE]).tolist()
    if wide:
        equity, losses, initial = (column.astype(object) for column in (equity, losses, initial))
    for at in wide:
        defined = defined_margin(arrays, layout, table[:, at])
        equity[at], initial[at] = defined.equity, defined.initial
        losses[at] = defined.group_losses
    return Totals(equity, losses, initial)


def gathered_batch(table: Integers, arrays: RiskArrays, layout: RiskLayout) -> MarginBatch:
    """The margins of the accounts with these columns, in that order."""
    totals = gathered_totals(table, arrays, layout)
    lots, tokens = table[layout.lots][layout.rank], table[layout.tokens][layout.token_rank]
    terms = None if arrays.tariff.is_off else margin_terms_batch(arrays, totals.losses.T, lots, tokens)
    return MarginBatch(*totals, arrays.parameters, terms)


def defined_margin(arrays: RiskArrays, layout: RiskLayout, column: Integers) -> AccountMargin:
    """One account's margin by its definition, for numbers beyond int64."""
    cash, tokens = column[layout.cash].tolist(), column[layout.tokens][layout.token_rank].tolist()
    return account_margin(arrays, cash, tokens, column[layout.lots][layout.rank].tolist())


def check_range(cash: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> None:
    """Raise LocalFault when a holding does not fit its slot; the ledger refuses such holdings earlier."""
    for name, values, limit in (
        ("cash", cash, MONEY_MAX),
        ("tokens", tokens, MONEY_MAX),
        ("lots", positions, POSITION_MAX),
    ):
        for value in values:
            if abs(value) > limit:
                raise LocalFault(BaseCode.OUT_OF_RANGE, f"margin book {name}", value=value, most=limit)
