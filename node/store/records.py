"""The rows that a store keeps, as typed values.

Rule: payloads are opaque bytes here; whoever wrote them decodes them. Loading checks the digest that was stored with
them, so a failing disk is told apart from a lie.
"""

from dataclasses import dataclass

from clearing.base.codec import U63, Wire


class BlockRecord(Wire, frozen=True):
    """One decided height: block, precommit certificate and extended commit, each in its own canonical encoding."""

    height: U63
    block: bytes
    certificate: bytes
    extended_commit: bytes


@dataclass(frozen=True, slots=True)
class ReceiptRecord:
    """One receipt. `accounts` are those that may read it."""

    height: int
    index: int
    accounts: tuple[int, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class PackageRecord:
    """One epoch package: where the file is, relative to the node's home, and what it is."""

    epoch: int
    height: int
    path: str
    size: int
    digest: bytes
    """SHA-256 of the file."""


@dataclass(frozen=True, slots=True)
class CursorRecord:
    """How far one chain was scanned, and the hashes of the newest final blocks (opaque to the store)."""

    chain_id: int
    number: int
    hash: bytes
    ring: bytes


@dataclass(frozen=True, slots=True)
class FactRecord:
    """A fact that the own adapter saw: its key (unique), where, and its canonical bytes."""

    key: bytes
    chain_id: int
    number: int
    data: bytes
