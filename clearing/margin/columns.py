"""`Columns`: a table with a column per account, and forks of it that keep only the columns they touch.

Rule: a fork writes into itself and reads all else through, so nothing it does is ever seen below it; a table with forks
must not be changed but by absorbing one of them. An account has a slot, the same in all tables that a table is a fork
of; a slot has an own column in the tables that touched it. It must not know what the rows mean, but for the first, in
which it keeps the account's id.
"""

import numpy as np
from numpy.typing import NDArray

from clearing.base.errors import BaseCode, Bug, LocalFault
from clearing.margin.kernel import Integers

ID = 0
_ROOM = 64


class Columns:
    """int64 `table` [rows, columns] and bool `marks` [marks, columns]; the first `count` columns are in use."""

    def __init__(self, rows: int, marks: int, below: "Columns | None" = None) -> None:
        self.below = below
        """The table that this one is a fork of."""
        self.size: int = below.size if below is not None else 0
        """How many accounts there are, those below included."""
        self.count = 0
        self.table: Integers = np.zeros((rows, 0), np.int64)
        self.marks: NDArray[np.bool_] = np.zeros((marks, 0), np.bool_)
        self.slots: dict[int, int] = {}
        """Slots of the accounts that are new here."""
        self._where: Integers = np.full(self.size, -1, np.int64)
        self._own: Integers = np.zeros(0, np.int64)

    def absorb(self) -> None:
        """Fold this fork, with its marks, into the table below. This one then reads through."""
        below = self.below
        if below is None:
            raise LocalFault(BaseCode.OUT_OF_RANGE, "margin book", why="not a fork")
        for account in self.slots:
            below.slot(account)
        columns = below.hold(self._own[: self.count])
        below.table[:, columns] = self.table[:, : self.count]
        below.marks[:, columns] |= self.marks[:, : self.count]
        self._where = np.full(self.size, -1, np.int64)
        self.slots, self.count = {}, 0

    def find(self, account: int) -> int | None:
        """The account's slot, None when it is unknown."""
        columns: Columns | None = self
        while columns is not None:
            slot = columns.slots.get(account)
            if slot is not None:
                return slot
            columns = columns.below
        return None

    def slot(self, account: int) -> int:
        """The account's slot; a new one, with an own column of zeros, for a new account."""
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

    def hold(self, slots: Integers) -> Integers:
        """Own columns of slots, each named once, copied from below where there are none yet."""
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
        """Own columns of slots, in their order; a slot may be named often."""
        columns = self._where[slots]
        if columns.size and int(columns.min()) < 0:
            self.hold(np.unique(slots))
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

    def holding(self, rows: slice) -> Integers:
        """Slots with anything but zero in any of the rows."""
        own = self._own[: self.count][self.table[rows, : self.count].any(axis=0)]
        if self.below is None:
            return own
        lower = self.below.holding(rows)
        return np.append(lower[self._where[lower] < 0], own)

    def at(self, rows: slice, columns: Integers) -> Integers:
        """Some rows of some own columns, each named once, rising; not copied when they are all."""
        part = self.table[rows, : self.count]
        return part if columns.size == self.count else part.take(columns, axis=1)

    def put(self, row: int, columns: Integers, values: Integers) -> None:
        """Write one row of some own columns, each named once, rising."""
        if columns.size == self.count:
            self.table[row, : self.count] = values
        else:
            self.table[row, columns] = values

    def _add(self, count: int) -> slice:
        """Room for so many more columns, without marks."""
        added = slice(self.count, self.count + count)
        if added.stop > self._own.size:
            more = max(_ROOM, self._own.size, added.stop - self._own.size)
            self._own = np.pad(self._own, (0, more))
            self.table = np.pad(self.table, ((0, 0), (0, more)))
            self.marks = np.pad(self.marks, ((0, 0), (0, more)))
        self.marks[:, added] = False
        self.count = added.stop
        return added
