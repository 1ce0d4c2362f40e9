"""Two states side by side: roots per module, and in each table the records that only one has or that differ.

Rule: the order is that of the keys, so the same two states give the same text; at most `LISTED` records of a table are
shown, all are counted.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from clearing.schema.terms.genesis import Genesis
from clearing.state.state import TABLES, Module, State
from node.genesis_file import read_genesis
from node.offline.homes import open_home
from node.offline.state_at import StateAt, exported_state, read_state, state_at

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


@dataclass(frozen=True, slots=True)
class ComparedStates:
    """Two states of one height, or two heights that cannot be compared."""

    heights: tuple[int, int]
    headers: tuple[str, ...]
    """For each side, every height at which its state has other roots than the certified header."""
    diff: StateDiff


def compare_states(a: Path, b: Path, height: int | None, genesis: Path | None) -> ComparedStates:
    """Compare two homes, or files of `debug export`; by default at the highest height that both have.

    Without a home, whose network seed salts the roots, only tables can be compared. Raises LocalFault.
    """
    home = next((path for path in (a, b) if path.is_dir()), None)
    if home is None:
        terms, salt = read_genesis(genesis or Path("genesis.json")), bytes(32)
    else:
        opened = open_home(home)
        terms, salt = opened.genesis, opened.salt()
    wanted = _common_height((a, b), terms, salt) if height is None else height
    sides = [_side(path, terms, salt, wanted) for path in (a, b)]
    headers = tuple(
        f"{name}: at height {difference.height} the header states other roots of {', '.join(difference.modules)}"
        for name, side in zip("AB", sides, strict=True)
        for difference in side.differences
    )
    return ComparedStates((sides[0].height, sides[1].height), headers, state_diff(sides[0].state, sides[1].state))


def state_diff_lines(diff: StateDiff) -> list[str]:
    """The comparison as text: a line for each module, then the records that differ."""
    lines = [
        f"{'same' if module.equal else 'DIFF'} {module.module:<12} {module.a[:16]} {module.b[:16]}"
        for module in diff.modules
    ]
    for table in diff.tables:
        lines.append(
            f"{table.module} {table.table}: {table.only_a} only in A, {table.only_b} only in B, {table.changed} changed"
        )
        for record in table.records:
            lines += [f"  {record.key}", f"    A {record.a or '-'}", f"    B {record.b or '-'}"]
    return lines


def _common_height(paths: tuple[Path, Path], genesis: Genesis, salt: bytes) -> int:
    """A file has one height; of two homes the lower one."""
    files = [exported_state(genesis, salt, read_state(path))[0] for path in paths if not path.is_dir()]
    if files:
        return files[0]
    heights = []
    for path in paths:
        with open_home(path).store() as store:
            heights.append(store.height())
    return min(heights)


def _side(path: Path, genesis: Genesis, salt: bytes, height: int) -> StateAt:
    if path.is_dir():
        with open_home(path).store() as store:
            return state_at(genesis, salt, store, height)
    found, state = exported_state(genesis, salt, read_state(path))
    return StateAt(found, state, None, (), found)
