"""Every field of a package, found by reflection, and the other values that it then has."""

import types
import typing
from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from clearing.base.codec import encode
from clearing.margin.statement.rulebook import Rulebook
from proofs.epoch.package import EpochPackage

STATEMENT, RULES = 6, 12
PROOFS = ("proof", "book", "cover", "house")
"""What nobody reads but the proofs' own equations."""
UNITS = (10**2, 10**12)
"""Base units in a clearing unit of the tokens here."""
MAX = 2**63 - 1


class Place(NamedTuple):
    """One field, or one item of a list."""

    path: tuple[int, ...]
    field: str
    """Such as `CustodyTerm.released`."""


Mutation = tuple[Place, str, Any]
"""Where, what is done there, and the other value."""


def tree_of(data: bytes) -> list[Any]:
    """A package as lists, its rulebook too."""
    tree: list[Any] = msgspec.msgpack.decode(data)
    tree[STATEMENT][RULES] = msgspec.msgpack.decode(tree[STATEMENT][RULES])
    return tree


def places_of(data: bytes) -> list[Place]:
    """All fields and items of a package and its rulebook, but for the proofs."""
    package = msgspec.msgpack.decode(data, type=EpochPackage)
    found = _below(package, (), "EpochPackage")
    return [place for place in found if place.field.split(".")[-1] not in PROOFS or len(place.path) > 1]


def _below(value: Any, path: tuple[int, ...], field: str) -> Iterator[Place]:
    if field == "RiskStatement.rules":
        value = msgspec.msgpack.decode(value, type=Rulebook)
    if isinstance(value, msgspec.Struct):
        for at, name in enumerate(value.__struct_fields__):
            yield from _below(getattr(value, name), (*path, at), f"{type(value).__name__}.{name}")
        return
    yield Place(path, field)
    if isinstance(value, tuple):
        for at, each in enumerate(value):
            if isinstance(each, msgspec.Struct):
                yield Place((*path, at), f"{field}[]")
            yield from _below(each, (*path, at), f"{field}[]")


def fields_of_types() -> set[str]:
    """Every field that a package or rulebook can have, by the types alone; without the proofs."""
    found: set[str] = set()
    waiting: list[Any] = [EpochPackage, Rulebook]
    seen: set[Any] = set()
    while waiting:
        kind = waiting.pop()
        if kind in seen:
            continue
        seen.add(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            for name, hint in typing.get_type_hints(kind).items():
                waiting.append(hint)
                if not _structures(hint) and name not in PROOFS and name in kind.__struct_fields__:
                    found.add(f"{kind.__name__}.{name}")
        else:
            waiting += typing.get_args(kind)
    return found - {"RiskStatement.rules"}


def _structures(hint: Any) -> bool:
    """Whether a field is one structure, whose own fields count."""
    return isinstance(hint, type) and not isinstance(hint, types.GenericAlias) and issubclass(hint, msgspec.Struct)


def mutations_of(tree: list[Any], place: Place) -> Iterator[Mutation]:
    """The other values of one field: next ones, ends, another type, a neighbour's; left out, or there twice."""
    parent, at = parent_of(tree, place.path)
    value = parent[at]
    if place.field.split(".")[0] in ("Row", "Slot") or place.field.startswith("RiskStatement.rows"):
        # Compared whole with what the rulebook makes: one other value and one fewer show that they are.
        yield place, "value 0", _others(value)[0]
        yield place, "left out", None
        return
    for number, other in enumerate(_others(value)):
        yield place, f"value {number}", other
    after = parent[at + 1] if at + 1 < len(parent) else None
    if type(after) is type(value) and after != value:
        yield place, "swap", None
    if len(place.path) > 1:
        beside = _beside(tree, place.path)
        if beside is not None and beside != value:
            yield place, "beside", beside
            yield place, "exchanged", None
    yield place, "left out", None
    yield place, "doubled", None


def parent_of(tree: list[Any], path: tuple[int, ...]) -> tuple[list[Any], int]:
    """The list that has it, and its place there."""
    node = tree
    for at in path[:-1]:
        node = node[at]
    return node, path[-1]


def _beside(tree: list[Any], path: tuple[int, ...]) -> Any:
    """The same field of the next record."""
    try:
        node: Any = parent_of(tree, (*path[:-2], path[-2] + 1, path[-1]))
        return node[0][node[1]]
    except (IndexError, TypeError):
        return None


def _others(value: Any) -> list[Any]:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return [not value, int(value)]
    if isinstance(value, int):
        return [value + 1, value - 1, 0, MAX, value * 2, str(value)]
    if isinstance(value, str):
        return [value + "x", "", value.encode()]
    if isinstance(value, bytes):
        number, size = int.from_bytes(value, "big"), len(value)
        steps = [number + step for step in (1, -1, *UNITS, *(-unit for unit in UNITS))]
        moved = [step.to_bytes(size, "big") for step in steps if 0 <= step < 256**size]
        return [*moved, bytes(size), b"\xff" * size, value[1:], value.hex()]
    return [[], 0]


def applied(tree: list[Any], mutation: Mutation) -> None:
    """Make the change. Raises IndexError or TypeError where an earlier one took the place away."""
    place, way, other = mutation
    parent, at = parent_of(tree, place.path)
    if way == "swap":
        parent[at], parent[at + 1] = parent[at + 1], parent[at]
    elif way == "exchanged":
        other, there = parent_of(tree, (*place.path[:-2], place.path[-2] + 1, place.path[-1]))
        parent[at], other[there] = other[there], parent[at]
    elif way == "left out":
        del parent[at]
    elif way == "doubled":
        parent.insert(at, msgspec.msgpack.decode(msgspec.msgpack.encode(parent[at])))
    else:
        parent[at] = other


def packed(tree: list[Any]) -> bytes:
    """The bytes of a tree with its rulebook inside. Raises TypeError, OverflowError."""
    statement = tree[STATEMENT]
    if isinstance(statement, list) and len(statement) > RULES and isinstance(statement[RULES], list):
        statement = [*statement[:RULES], msgspec.msgpack.encode(statement[RULES]), *statement[RULES + 1 :]]
    return encode([*tree[:STATEMENT], statement, *tree[STATEMENT + 1 :]])
