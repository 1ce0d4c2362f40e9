"""The columns of a margin book that await recomputation, by row: the number of a risk group, or the row of money.

Rule: nothing that was added is lost before `clear`; a column comes once, however often it was added. The usual tick
adds one list of columns and reads it back as it is, so that no mask over all accounts is needed. It must not know what
is recomputed.
"""

from collections.abc import Sequence

import numpy as np

from clearing.margin.risk_arrays.exact_products import Integers

_LISTS_MAX = 256
"""Lists kept for one row before they are merged, so that many single changes stay small."""


class PendingColumns:
    """Columns by row, as lists that are merged when they are read."""

    def __init__(self) -> None:
        self._lists: dict[int, list[Integers]] = {}

    def __bool__(self) -> bool:
        return bool(self._lists)

    def add(self, row: int, columns: Integers) -> None:
        """Add columns, which may repeat, in any order. The array must not change afterwards."""
        if columns.size:
            lists = self._lists.setdefault(row, [])
            lists.append(columns)
            if len(lists) > _LISTS_MAX:
                lists[:] = [merged(lists)]

    def rows(self) -> list[int]:
        """The rows with columns, rising."""
        return sorted(self._lists)

    def of(self, row: int) -> Integers:
        """The row's columns, distinct and rising; one of `rows`."""
        lists = self._lists[row]
        if len(lists) > 1 or not is_rising(lists[0]):
            lists[:] = [merged(lists)]
        return lists[0]

    def of_all_rows(self) -> Integers:
        """The columns of all rows, distinct and rising; there is one."""
        first, *others = (self.of(row) for row in self.rows())
        if all(each is first or np.array_equal(each, first) for each in others):
            return first
        return merged([first, *others])

    def clear(self) -> None:
        """Forget all columns."""
        self._lists.clear()


def is_rising(columns: Integers) -> bool:
    """Whether each column is larger than the one before."""
    return columns.size < 2 or bool((columns[1:] > columns[:-1]).all())


def merged(lists: Sequence[Integers]) -> Integers:
    """The distinct columns of some lists, rising. Linear in the largest column."""
    chosen = np.zeros(1 + max(int(columns.max()) for columns in lists), np.bool_)
    for columns in lists:
        chosen[columns] = True
    return np.flatnonzero(chosen)
