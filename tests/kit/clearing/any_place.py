"""Amendments of any place of a genesis, whatever type it has: numbers at bounds, listings copied and changed."""

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

import msgspec

from clearing.base.errors import Rejected
from clearing.genesis.paths import ID_FIELDS, UnknownPathError, change_at, change_genesis
from clearing.schema.requests.governance import TermsAmendment, TermsChange
from clearing.schema.terms.genesis import Genesis

NEVER = ("validators", "name", "version", "time_ms")
"""Frozen as a whole."""
NUMBERS = (
    0, 1, 2, 3, 5, 10, 50, 100, 999, 1_000, 10_000, 50_000, 100_000, 200_000, 500_000, 900_000, 10**6, 10**6 + 1,
    2 * 10**6, 10**9, 2**31, 2**32 - 1, 10**12, 2**40, 2**53, 2**56 - 1, 2**60, 2**63 - 1,
)  # fmt: skip


class Place(NamedTuple):
    """A path, what stands there, and the id field of its elements where it is a list that is ordered by one."""

    path: str
    value: Any
    by: str = ""


def places(value: Any, above: str = "") -> Iterator[Place]:
    """Every field below a struct, through lists by id."""
    for name in value.__struct_fields__:
        path, found = f"{above}.{name}" if above else name, getattr(value, name)
        if path in NEVER:
            continue
        elements = [each for each in found if type(each) in ID_FIELDS] if isinstance(found, tuple) else []
        if elements:
            by = ID_FIELDS[type(elements[0])]
            yield Place(path, found, by)
            for each in elements:
                yield from places(each, f"{path}.{getattr(each, by)}")
        elif isinstance(found, msgspec.Struct):
            yield from places(found, path)
        else:
            yield Place(path, found)


def random_amendment(chance: Random, genesis: Genesis, protected: frozenset[str]) -> TermsAmendment | None:
    """A few changes that make sense one after the other; none of them takes off one of the `protected` elements."""
    found: list[TermsChange] = []
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
        change = _change(chance, genesis)
        after = change_genesis(genesis, (change,)) if change is not None else None
        gone = change is not None and not change.after and change.path in protected
        if change is not None and not gone and after is not None and not isinstance(after, Rejected):
            found.append(change)
            genesis = after
    return TermsAmendment(tuple(found)) if found else None


def _change(chance: Random, genesis: Genesis) -> TermsChange | None:
    # Each part of genesis as often as another, however many places it has; listings more often.
    parts: dict[str, list[Place]] = {}
    for place in places(genesis):
        steps = place.path.split(".")
        part = ".".join(steps[:2]) if steps[0] in ("crisis", "market", "risk") else steps[0]
        parts.setdefault("listed" if place.by else part, []).append(place)
    part = "listed" if chance.random() < 0.25 else chance.choice(sorted(parts))
    place = chance.choice(parts[part])
    try:
        if not place.by:
            return change_at(genesis, place.path, _other(chance, place.value))
        named, after = _element(chance, place)
        return change_at(genesis, f"{place.path}.{named}", after)
    except (UnknownPathError, ValueError, OverflowError):
        return None


def _element(chance: Random, place: Place) -> tuple[int, Any]:
    """One that goes, or one like another with an id of its own."""
    ids = [getattr(each, place.by) for each in place.value]
    if chance.random() < 0.35:
        return chance.choice(ids), None
    new = max(ids) + chance.choice((1, 1, 2, 100)) if chance.random() < 0.9 else chance.randrange(1, 60)
    made: Any = {place.by: new}
    like = chance.choice(place.value)
    fields = like.__struct_fields__
    if "name" in fields:
        made["name"] = f"N{new}"
    if "token" in fields:
        made["token"] = chance.randbytes(20)
    elif "vault" in fields:
        made["vault"] = chance.randbytes(20)
    if "accounts" in fields:
        made["accounts"] = tuple(msgspec.structs.replace(each, id=each.id + 1_000 * new) for each in like.accounts)
    after = msgspec.structs.replace(like, **made)
    for _ in range(chance.choice((0, 0, 1, 2))):
        after = msgspec.structs.replace(_other(chance, after), **{place.by: new})
    return new, after


def _other(chance: Random, value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        present = int(value)
        near = (present + 1, max(present - 1, 0), 2 * present, present // 2, 10 * present, present * 9 // 10)
        return chance.choice((*NUMBERS, *near))
    if isinstance(value, bytes):
        return chance.choice((bytes(len(value)), chance.randbytes(len(value))))
    if isinstance(value, str):
        return chance.choice(("x", value[:1], value + "'", "Z" * 65))
    if isinstance(value, msgspec.Struct):
        name = chance.choice(value.__struct_fields__)
        return msgspec.structs.replace(value, **{name: _other(chance, getattr(value, name))})
    items = list(value)
    if items:
        at, kind = chance.randrange(len(items)), chance.randrange(4)
        if kind == 0:
            items.pop(at)
        elif kind == 1:
            items.append(items[at])
        elif kind == 2:
            chance.shuffle(items)
        else:
            items[at] = _other(chance, items[at])
    return tuple(items)
