"""Modules of the state, and how a table says to which it belongs.

Rule: the order of `Module` is the order of the roots in the header. A label inside the leaves is never renamed.
"""

from enum import IntEnum
from typing import Any, NamedTuple

from clearing.base.codec import encode


class Module(IntEnum):
    """Modules: parts of the state with a root of their own."""

    LEDGER = 0
    POSITIONS = 1
    PRICES = 2
    MEMBERS = 3
    BRIDGE = 4
    RISK = 5
    REQUESTS = 6
    WITHDRAWALS = 7
    VALIDATORS = 8


class HashedTable(NamedTuple):
    """A table that is part of the state root: its attribute of `State`, and its label inside the leaves."""

    attribute: str
    label: str
    """Inside the leaves and exports. Never renamed, whatever the attribute's name."""
    module: Module
    key: Any
    record: Any


class Declared(NamedTuple):
    """What `hashed` says of a table, until its attribute's name and its record are read from the annotation."""

    label: str
    module: Module
    key: Any


def hashed(label: str, module: Module, key: Any) -> Any:
    """Declare a hashed table of `State`: its label inside the leaves, its module, the type of its keys."""
    return Declared(label, module, key)


def record_key(label: str, key: Any) -> bytes:
    """Canonical bytes of a record's key, distinct between tables. `label`: of the table."""
    return encode((label, key))
