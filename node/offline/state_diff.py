"""Two states side by side: roots per module, and in each table the records that only one has or that differ.

Rule: the order is that of the keys, so the same two states give the same text; at most `LISTED` records of a table are
shown, all are counted. It knows no home.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from clearing.state.state import TABLES, Module, State

LISTED = 20

_TEXT_MAX = 400


class RecordDiff(msgspec.Struct, frozen=True):
    """One key; a side that lacks it is empty."""

    key: str
    a: str
    b: str


class TableDiff(msgspec.Struct, frozen=True):
    """One table that differs."""

    table: str
    module: str
    only_a: int
    only_b: int
    changed: int
    records: tuple[RecordDiff, ...]


class ModuleDiff(msgspec.Struct, frozen=True):
    """One module's roots, hex."""

    module: str
    a: str
    b: str
    equal: bool


class StateDiff(msgspec.Struct, frozen=True):
    """All modules, and the tables that differ."""

    equal: bool
    modules: tuple[ModuleDiff, ...]
    tables: tuple[TableDiff, ...]


@dataclass(frozen=True, slots=True)
class _Sides:
    a: dict[Any, Any]
    b: dict[Any, Any]


def state_diff(a: State, b: State) -> StateDiff:
    """Compare two states that have one salt."""
    roots = zip(Module, a.module_roots(), b.module_roots(), strict=True)
    modules = tuple(ModuleDiff(module.name, left.hex(), right.hex(), left == right) for module, left, right in roots)
    tables = []
    for label, declared in TABLES.items():
        sides = _Sides(dict(getattr(a, declared.attribute).ordered()), dict(getattr(b, declared.attribute).ordered()))
        found = _table_diff(label, sides)
        if found is not None:
            tables.append(found)
    return StateDiff(not tables and all(each.equal for each in modules), modules, tuple(tables))


def _table_diff(label: str, sides: _Sides) -> TableDiff | None:
    differing = [key for key in sorted({*sides.a, *sides.b}) if sides.a.get(key) != sides.b.get(key)]
    if not differing:
        return None
    records = tuple(
        RecordDiff(_text(key), _text(sides.a.get(key)), _text(sides.b.get(key))) for key in differing[:LISTED]
    )
    only_a = sum(key not in sides.b for key in differing)
    only_b = sum(key not in sides.a for key in differing)
    return TableDiff(label, TABLES[label].module.name, only_a, only_b, len(differing) - only_a - only_b, records)


def _text(value: Any) -> str:
    """A key or record; bytes as hex, long ones cut."""
    if value is None:
        return ""
    return str(_plain(value))[:_TEXT_MAX]


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return tuple(_plain(each) for each in value)
    if isinstance(value, msgspec.Struct):
        return {each: _plain(getattr(value, each)) for each in value.__struct_fields__}
    return value
