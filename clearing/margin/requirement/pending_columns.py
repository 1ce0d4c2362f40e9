"""Sets of columns of a margin book; `PendingColumns` has those that await recomputation, by row: the number of a risk
group, or the row of money.

Rule: nothing that was added is lost before `clear`; a column comes once, however often it was added. The usual tick
adds one list of columns and reads it back as it is, so that no mask over all accounts is needed. It must not know what
is recomputed.
"""

from collections.abc import Sequence

import numpy as np

from clearing.margin.risk_arrays.exact_products import Integers

_LISTS_MAX, _ENTRIES_MAX = 2**8, 2**16
"""Lists kept before they are merged, so that many single changes stay small, and entries of them."""
_NONE: Integers = np.zeros(0, np.int64)


class ColumnSet:
    """Columns, as lists that are merged when they are read. No array may change after it was added."""

    def __init__(self) -> None:
        self._lists: list[Integers] = []
        self._entries = 0
        """Of all lists since they were merged."""
        self._is_merged = True
        """Whether there is one list at most, of distinct and rising columns."""

    def add(self, columns: Integers) -> None:
        """Add columns, which may repeat, in any order."""
        if columns.size:
            self._lists.append(columns)
            self._is_merged = False
            self._entries += columns.size
            if len(self._lists) > _LISTS_MAX or self._entries > _ENTRIES_MAX:
                self.columns()

    def add_rising(self, columns: Integers) -> None:
        """As `add`, of columns that are known to be distinct and rising."""
        if self._lists:
            self.add(columns)
        elif columns.size:
            self._lists.append(columns)

    def columns(self) -> Integers:
        """All columns, distinct and rising."""
        if not self._is_merged:
            if len(self._lists) > 1 or not is_rising(self._lists[0]):
                self._lists[:] = [merged(self._lists)]
            self._entries = 0
            self._is_merged = True
        return self._lists[0] if self._lists else _NONE

    def clear(self) -> None:
        """Forget all columns."""
        self._lists.clear()
        self._entries = 0
        self._is_merged = True


class PendingColumns:
    """Columns by row."""

    def __init__(self) -> None:
        self._sets: dict[int, ColumnSet] = {}

    def __bool__(self) -> bool:
        return bool(self._sets)

    def add(self, row: int, columns: Integers) -> None:
        """Add columns, which may repeat, in any order. The array must not change afterwards."""
        if columns.size:
            self._sets.setdefault(row, ColumnSet()).add(columns)

    def add_rising(self, row: int, columns: Integers) -> None:
        """As `add`, of columns that are known to be distinct and rising."""
        if columns.size:
            self._sets.setdefault(row, ColumnSet()).add_rising(columns)

    def rows(self) -> list[int]:
        """The rows with columns, rising."""
        return sorted(self._sets)

    def of(self, row: int) -> Integers:
        """The row's columns, distinct and rising; one of `rows`."""
        return self._sets[row].columns()

    def of_all_rows(self) -> Integers:
        """The columns of all rows, distinct and rising; there is one."""
        first, *others = (self.of(row) for row in self.rows())
        if all(each is first or np.array_equal(each, first) for each in others):
            return first
        return merged([first, *others])

    def clear(self) -> None:
        """Forget all columns."""
        self._sets.clear()


def is_rising(columns: Integers) -> bool:
    """Whether each column is larger than the one before."""
    return columns.size < 2 or bool((columns[1:] > columns[:-1]).all())


def merged(lists: Sequence[Integers]) -> Integers:
    """The distinct columns of some lists, rising. Linear in the largest column."""
    chosen = np.zeros(1 + max(int(columns.max()) for columns in lists), np.bool_)
    for columns in lists:
        chosen[columns] = True
    return np.flatnonzero(chosen)
