"""How far a chain was scanned, kept on disk together with the facts that the state has not credited yet.

Rule: cursor and facts are recorded in one step, so that a restart neither loses a fact nor scans one twice; a halt is
part of the cursor and never goes away by itself (`bridge.watch.releases`).
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Protocol

import msgspec

from bridge.codes import BridgeCode
from clearing.base.codec import U32, U63, Bytes20, Bytes32, Wire, decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.schema.facts import Fact, VaultFact

RING_MAX = 128
CURSOR_BYTES_MAX = 1 << 26


class Halt(Wire, frozen=True):
    """Why a chain was halted: a `BridgeCode` and its text."""

    code: U32
    reason: Annotated[str, msgspec.Meta(max_length=1000)]


class ScanCursor(Wire, frozen=True):
    """The last block scanned. Everything up to it is reported, every deposit up to `deposit_nonce`."""

    chain_id: U63
    vault: Bytes20
    number: U63
    hash: Bytes32
    deposit_nonce: U63
    deposits_hash: Bytes32
    """The vault's rolling hash after `deposit_nonce`."""
    ring: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=RING_MAX)]
    """Hashes of the last blocks, linked by parent hashes, ascending, `hash` last."""
    halt: Halt | None = None

    def hash_at(self, number: int) -> bytes | None:
        """The recorded hash of `number`, if the ring reaches so far back."""
        position = len(self.ring) - 1 - (self.number - number)
        return self.ring[position] if 0 <= position < len(self.ring) else None


class FactStore(Protocol):
    """Where the watcher keeps its cursor. One store may serve several chains, one watcher each."""

    def load(self, chain_id: int) -> ScanCursor | None:
        """The cursor recorded last."""

    def record(self, cursor: ScanCursor, facts: Sequence[Fact]) -> None:
        """Keep both or neither, durably where there are events of the vault among `facts`."""


class Saved(Wire, frozen=True):
    """A store's file."""

    cursor: ScanCursor
    pending: tuple[VaultFact, ...]


class FileFactStore:
    """A `FactStore` of one file a chain, replaced as a whole. For tools and small nodes; pending facts are few."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._saved: dict[int, Saved] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, chain_id: int) -> ScanCursor | None:
        """The cursor recorded last. Raises LocalFault BAD_CURSOR when the file cannot be read."""
        saved = self._read(chain_id)
        return saved.cursor if saved else None

    def pending(self, chain_id: int) -> tuple[VaultFact, ...]:
        """Facts recorded and not settled, in order: which a node attests again after a restart."""
        saved = self._read(chain_id)
        return saved.pending if saved else ()

    def record(self, cursor: ScanCursor, facts: Sequence[Fact]) -> None:
        """Keep the cursor and append the events of the vault among `facts`."""
        new = tuple(fact for fact in facts if isinstance(fact, VaultFact))
        # Losing a cursor without facts costs a second look at the same blocks, so only facts and halts are synced.
        self._write(Saved(cursor, self.pending(cursor.chain_id) + new), sync=bool(new) or cursor.halt is not None)

    def settle(self, chain_id: int, is_settled: Callable[[VaultFact], bool]) -> None:
        """Drop the pending facts that the state has taken."""
        saved = self._read(chain_id)
        if saved and any(map(is_settled, saved.pending)):
            kept = tuple(fact for fact in saved.pending if not is_settled(fact))
            self._write(Saved(saved.cursor, kept), sync=False)

    def forget(self, chain_id: int) -> None:
        """Drop the cursor and the facts pending of a chain: it is read from the beginning."""
        self._saved.pop(chain_id, None)
        self._path(chain_id).unlink(missing_ok=True)
        _sync_folder(self._folder)

    def _path(self, chain_id: int) -> Path:
        return self._folder / f"chain-{chain_id}.cursor"

    def _read(self, chain_id: int) -> Saved | None:
        if chain_id not in self._saved:
            path = self._path(chain_id)
            if not path.exists():
                return None
            try:
                saved = decode(path.read_bytes(), Saved, CURSOR_BYTES_MAX)
            except RemoteFault as fault:
                raise LocalFault(BridgeCode.BAD_CURSOR, path.name, why=str(fault)) from None
            if saved.cursor.chain_id != chain_id:
                raise LocalFault(BridgeCode.BAD_CURSOR, path.name, chain_id=saved.cursor.chain_id)
            self._saved[chain_id] = saved
        return self._saved[chain_id]

    def _write(self, saved: Saved, *, sync: bool) -> None:
        path = self._path(saved.cursor.chain_id)
        new = path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(encode(saved))
            if sync:
                file.flush()
                os.fsync(file.fileno())
        new.replace(path)
        if sync:
            _sync_folder(self._folder)
        self._saved[saved.cursor.chain_id] = saved


def _sync_folder(folder: Path) -> None:
    """Make a rename in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
