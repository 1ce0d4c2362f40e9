"""`Table`: records by key, as a stack of overlays.

Rule: a fork costs nothing and writes only into itself; reads fall through to the parent. Records are frozen values, so
they can be shared. Iteration is always in order of the key.
"""

from collections.abc import Hashable, Iterator
from typing import Any, Generic, TypeVar

from clearing.base.errors import Bug

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MISSING: Any = object()


class Table(Generic[K, V]):
    """A mapping from keys to frozen records. In `own_records`, None marks a record removed here."""

    __slots__ = ("dirty", "own_records", "parent", "write_log")

    def __init__(self, parent: "Table[K, V] | None" = None) -> None:
        self.parent = parent
        self.own_records: dict[K, V | None] = {}
        self.dirty: set[K] = set()
        self.write_log: set[K] | None = None if parent is None or parent.write_log is None else set()
        """Keys written here since `take_write_log` was last called; None: no log. A fork's log starts empty."""

    def get(self, key: K) -> V | None:
        """The record, or None. Cost grows with the number of undecided forks below, usually one or two."""
        table: Table[K, V] | None = self
        while table is not None:
            records = table.own_records
            # Most tables are not written in most blocks: a trade makes 65 look-ups, and most overlays are empty.
            if records:
                found: V | None = records.get(key, _MISSING)
                if found is not _MISSING:
                    return found
            table = table.parent
        return None

    def __getitem__(self, key: K) -> V:
        """The record. Raises KeyError when there is none."""
        table: Table[K, V] | None = self
        # The loop of `get`, without its call.
        while table is not None:
            records = table.own_records
            if records:
                found: V | None = records.get(key, _MISSING)
                if found is not _MISSING:
                    if found is None:
                        break
                    return found
            table = table.parent
        raise KeyError(key)

    def __contains__(self, key: K) -> bool:
        return self.get(key) is not None

    def put(self, key: K, record: V) -> None:
        """Write a record here. Parents do not see it."""
        self.own_records[key] = record
        self.dirty.add(key)
        if self.write_log is not None:
            self.write_log.add(key)

    def remove(self, key: K) -> None:
        """Remove a record here. Removing a missing record changes nothing."""
        if self.parent is None:
            self.own_records.pop(key, None)
        else:
            self.own_records[key] = None
        self.dirty.add(key)
        if self.write_log is not None:
            self.write_log.add(key)

    def ordered(self) -> Iterator[tuple[K, V]]:
        """All records, ordered by key. Linear in the whole table: only for small tables, or outside of
        block processing."""
        layers: list[Table[K, V]] = []
        table: Table[K, V] | None = self
        while table is not None:
            layers.append(table)
            table = table.parent
        merged: dict[K, V | None] = {}
        for layer in reversed(layers):
            merged.update(layer.own_records)
        for key in sorted(merged):  # type: ignore[type-var]  # keys of one table are of one ordered type
            record = merged[key]
            if record is not None:
                yield key, record

    def fork(self) -> "Table[K, V]":
        """A table that reads through to this one."""
        return Table(self)

    def absorb(self) -> None:
        """Merge what was written here into the parent, which must not be None. This table then reads through."""
        parent = self.parent
        if parent is None:
            return
        if parent.parent is None:
            for key, record in self.own_records.items():
                if record is None:
                    parent.own_records.pop(key, None)
                else:
                    parent.own_records[key] = record
        else:
            parent.own_records.update(self.own_records)
        parent.dirty |= self.dirty
        self.own_records, self.dirty = {}, set()
        if parent.write_log is not None and self.write_log:
            parent.write_log |= self.write_log
            self.write_log = set()

    def take_write_log(self) -> set[K]:
        """Keys written here since the last call. Raises Bug when this table has no log."""
        if self.write_log is None:
            raise Bug("a table without a log was asked for it")
        log, self.write_log = self.write_log, set()
        return log
