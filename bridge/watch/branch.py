"""`BranchWatch`: whether the checkpoints that a vault accepted are the network's own headers.

Rule: a checkpoint of another header latches the chain only when a final block's receipts prove it a second time. One
above the own height waits until this node has its header; one below what this node keeps cannot be compared. It must
not know what consensus is: the own headers come from the caller.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import trio

from bridge.codes import BridgeCode
from bridge.evm.events import Checkpointed
from clearing.base.codec import U63, Bytes20, Bytes32, Wire, decode, encode
from clearing.base.errors import LocalFault, RemoteFault

WAITING_MAX = 4096
"""Checkpoints above the own height. Beyond that nothing more of the chain is read until this node has their headers."""
RECORD_BYTES_MAX = 1 << 20


class OwnBranch(Protocol):
    """The final headers that this node keeps."""

    def height(self) -> int:
        """The newest one's; 0: none."""

    def header_hash(self, height: int) -> bytes | None:
        """None for a height that is not kept."""


class AcceptedCheckpoint(Wire, frozen=True):
    """A header that a vault took, and the final block in which it did."""

    height: U63
    header_hash: Bytes32
    block_number: U63

    @property
    def event(self) -> Checkpointed:
        """As its log says."""
        return Checkpointed(self.height, self.header_hash)


class BranchRecord(Wire, frozen=True):
    """A file: what waits to be compared, in the order of blocks, and the first that is of another branch."""

    chain_id: U63
    vault: Bytes20
    waiting: tuple[AcceptedCheckpoint, ...] = ()
    strayed: AcceptedCheckpoint | None = None


class BranchFile:
    """The record of one chain, replaced as a whole."""

    def __init__(self, folder: Path, chain_id: int) -> None:
        self._path = folder / f"chain-{chain_id}.branch"

    def load(self) -> BranchRecord | None:
        """Raises LocalFault BAD_CURSOR for one that cannot be read."""
        if not self._path.exists():
            return None
        try:
            return decode(self._path.read_bytes(), BranchRecord, RECORD_BYTES_MAX)
        except RemoteFault as fault:
            raise LocalFault(BridgeCode.BAD_CURSOR, self._path.name, why=str(fault)) from None

    def write(self, record: BranchRecord) -> None:
        """Losing it costs a second look at the same checkpoints after a rescan, so it is not synced."""
        new = self._path.with_suffix(".branch-new")
        new.write_bytes(encode(record))
        new.replace(self._path)

    def forget(self) -> None:
        """All of it."""
        self._path.unlink(missing_ok=True)


Prove = Callable[[int, Checkpointed], Awaitable[bool]]
"""Whether the receipts of the final block of this number prove a checkpoint. Raises RemoteFault when nobody can say."""


class BranchWatch:
    """Of one chain. `own`: None for a watcher without a network, which compares nothing."""

    def __init__(self, file: BranchFile, chain_id: int, vault: bytes, own: OwnBranch | None) -> None:
        """Raises LocalFault BAD_CURSOR."""
        self._file, self._own = file, own
        found = file.load()
        if found is not None and (found.chain_id, found.vault) != (chain_id, vault):
            raise LocalFault(BridgeCode.BAD_CURSOR, "branch", vault=found.vault, expected=vault)
        self._record = found or BranchRecord(chain_id, vault)
        self._since = trio.current_time() if found is not None else 0.0
        """When one was compared last, or began to wait, on trio's clock."""

    @property
    def waiting_seconds(self) -> float:
        """How long those that wait have waited while none was compared; 0: none waits."""
        return trio.current_time() - self._since if self.waiting else 0.0

    @property
    def waiting(self) -> tuple[AcceptedCheckpoint, ...]:
        """Those that this node cannot compare yet."""
        return self._record.waiting

    @property
    def strayed(self) -> AcceptedCheckpoint | None:
        """The first that is not the network's header of its height, as long as the chain is halted for it."""
        return self._record.strayed

    def add(self, checkpoints: Sequence[AcceptedCheckpoint]) -> None:
        """Note what was read. It is kept before the cursor is, so that a crash between them repeats it."""
        new = tuple(each for each in checkpoints if each not in self._record.waiting)
        if self._own is not None and new:
            self._write(self._record.waiting + new, self._record.strayed)

    def check_room(self) -> None:
        """Raises RemoteFault VAULT_AHEAD while too many wait."""
        if len(self.waiting) >= WAITING_MAX:
            own = self._own.height() if self._own is not None else 0
            raise RemoteFault(BridgeCode.VAULT_AHEAD, "vault", waiting=len(self.waiting), own_height=own)

    async def compare(self, prove: Prove) -> None:
        """Compare what can be. Raises RemoteFault VAULT_ON_OTHER_BRANCH, and those of `prove`, after which the same
        is compared again."""
        if self._own is None:
            return
        newest = self._own.height()
        while due := next((each for each in self.waiting if each.height <= newest), None):
            own = self._own.header_hash(due.height)
            strays = own not in (None, due.header_hash) and await prove(due.block_number, due.event)
            kept = tuple(each for each in self.waiting if each != due)
            self._write(kept, self.strayed or (due if strays else None))
        if (found := self.strayed) is not None:
            own, accepted = self._own.header_hash(found.height) or b"", found.header_hash
            raise RemoteFault(
                BridgeCode.VAULT_ON_OTHER_BRANCH, "vault", height=found.height, accepted=accepted, own=own
            )

    def _write(self, waiting: tuple[AcceptedCheckpoint, ...], strayed: AcceptedCheckpoint | None) -> None:
        if not self.waiting or len(waiting) < len(self.waiting):
            self._since = trio.current_time()
        self._record = BranchRecord(self._record.chain_id, self._record.vault, waiting, strayed)
        self._file.write(self._record)
