"""`SnapshotService`: offers the own snapshots to nodes that join, and serves their chunks and light blocks.

Rule: it runs beside consensus, in a task of its own with files of its own, and answers allow-listed peers only, each at
a rate; a request that finds the queue full is dropped, and the peer asks again. A snapshot contains positions: it goes
to such peers only, and its files are mode 0600. A file stays while it is being served, even after the database has
dropped its row.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
import trio

from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.merkle import MerkleTree
from clearing.base.token_bucket import TokenBuckets
from consensus.codes import ConsensusCode
from consensus.messages import envelope_digest, read_envelope
from consensus.signing import EnvelopeSigner, Verifier
from consensus.sync.messages import (
    CHUNK_BYTES,
    LATEST,
    OFFERS_MAX,
    ChunkRequest,
    ChunkResponse,
    LightRequest,
    LightResponse,
    Manifest,
    SnapshotOffers,
    SnapshotsRequest,
    SyncMessage,
    read_sync_message,
    seal_sync,
)
from consensus.sync.state_sync import cut, manifest_of
from node.p2p.network import Incoming, Network, PeerChannel
from node.store.blocks import light_block_at
from node.store.store import Store

REQUESTS_WAITING = 256
BYTES_PER_SECOND = 8 << 20
BYTES_AT_ONCE = 16 << 20
REQUEST_BYTES = 16 << 10
"""What any request is charged beside its answer."""
IN_USE_SECONDS = 60.0
"""How long after its last chunk a snapshot that the database has dropped stays for the peers that fetch it."""
DROPPED_MAX = 2
"""So many of those at most, the newest: no peer may fill the disk by asking for a chunk of each now and then."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class ServedSnapshot:
    """A snapshot in a file, with the tree over its chunks."""

    manifest: Manifest
    tree: MerkleTree
    descriptor: int
    asked_at: float

    def chunk(self, index: int) -> ChunkResponse:
        """A chunk with its proof. Raises IndexError."""
        path = self.tree.proof(index)
        data = os.pread(self.descriptor, CHUNK_BYTES, index * CHUNK_BYTES)
        return ChunkResponse(manifest=self.manifest.hash, index=index, data=data, path=path)


class SnapshotService:
    """`take` what the engine diverts; `run` answers. Close it, or leave `run`, and the files are gone."""

    def __init__(
        self,
        network_id: bytes,
        store: Store,
        folder: Path,
        signer: EnvelopeSigner,
        verifier: Verifier,
        network: Network,
        report: Callable[[bytes, RemoteFault], None],
    ) -> None:
        self._network_id, self._store, self._folder = network_id, store, folder
        self._signer, self._verifier, self._network, self._report = signer, verifier, network, report
        self._served: dict[bytes, ServedSnapshot] = {}
        self._budgets = TokenBuckets(BYTES_PER_SECOND, BYTES_AT_ONCE, ticks=1000)
        self._send, self._waiting = trio.open_memory_channel[Incoming](REQUESTS_WAITING)
        self.dropped = 0
        """Requests that found the queue full."""
        self.chunks_sent = 0

    def take(self, incoming: Incoming) -> None:
        """Queue a request; never blocks."""
        try:
            self._send.send_nowait(incoming)
        except trio.WouldBlock:
            self.dropped += 1

    async def run(self) -> None:
        """Answer for ever."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for stale in self._folder.glob("*.snapshot"):
            stale.unlink()
        try:
            async for incoming in self._waiting:
                await self._answer(incoming)
        finally:
            for served in self._served.values():
                os.close(served.descriptor)
            self._served.clear()

    async def _answer(self, incoming: Incoming) -> None:
        now_ms = int(trio.current_time() * 1000)
        if not self._budgets.has(incoming.sender, now_ms):
            return
        try:
            answer = await self._answer_to(self._read(incoming))
        except (LocalFault, OSError) as fault:
            # A damaged file is the operator's concern: no peer may stop this node by asking for it.
            log.error("not served", peer=incoming.sender.hex(), fault=str(fault))
            self._budgets.charge(incoming.sender, now_ms, 8 * REQUEST_BYTES, BYTES_AT_ONCE)
            return
        except RemoteFault as fault:
            self._budgets.charge(incoming.sender, now_ms, 8 * REQUEST_BYTES, BYTES_AT_ONCE)
            self._network.report(incoming.sender, fault)
            self._report(incoming.sender, fault)
            return
        size = REQUEST_BYTES
        if answer is not None:
            data = seal_sync(self._signer, answer)
            size += len(data)
            self._network.send(incoming.sender, PeerChannel.SYNC, data)
        self._budgets.charge(incoming.sender, now_ms, size, BYTES_AT_ONCE)

    def _read(self, incoming: Incoming) -> SyncMessage:
        envelope = read_envelope(incoming.data)
        if envelope.sender != incoming.sender:
            raise RemoteFault(ConsensusCode.BAD_ENVELOPE, "sender", sender=envelope.sender, peer=incoming.sender)
        digest = envelope_digest(self._network_id, envelope.sender, envelope.kind, envelope.body)
        if not self._verifier.verify_ed25519(envelope.sender, digest, envelope.signature):
            raise RemoteFault(ConsensusCode.BAD_ENVELOPE, "signature", sender=envelope.sender)
        return read_sync_message(envelope)

    async def _answer_to(self, message: SyncMessage) -> SyncMessage | None:
        match message:
            case SnapshotsRequest():
                await self._refresh()
                newest = sorted((served.manifest for served in self._served.values()), key=lambda each: -each.height)
                return SnapshotOffers(manifests=tuple(newest[:OFFERS_MAX]))
            case ChunkRequest(manifest, index):
                served = self._served.get(manifest)
                if served is None or index >= served.manifest.chunks:
                    return ChunkResponse(manifest=manifest, index=index, data=b"", path=())
                served.asked_at = trio.current_time()
                self.chunks_sent += 1
                return served.chunk(index)
            case LightRequest(height):
                wanted = self._store.height() if height == LATEST else height
                block = await trio.to_thread.run_sync(light_block_at, self._store, wanted)
                return LightResponse(height=height, block=block)
            case _:
                return None  # The peer no longer waits for this answer.

    async def _refresh(self) -> None:
        """Serve what the store has; forget what it dropped and no peer fetches."""
        heights = self._store.snapshot_heights()[:OFFERS_MAX]
        have = {served.manifest.height for served in self._served.values()}
        for height in heights:
            if height not in have:
                await self._open(height)
        dropped = [served for served in self._served.values() if served.manifest.height not in heights]
        dropped.sort(key=lambda served: served.manifest.height, reverse=True)
        for number, served in enumerate(dropped):
            if number >= DROPPED_MAX or trio.current_time() - served.asked_at > IN_USE_SECONDS:
                os.close(served.descriptor)
                del self._served[served.manifest.hash]

    async def _open(self, height: int) -> None:
        data = await trio.to_thread.run_sync(self._store.snapshot_at, height)
        if data is None:
            return
        path = self._folder / f"{height}.snapshot"
        tree, descriptor = await trio.to_thread.run_sync(_write, path, data)
        manifest = manifest_of(height, data, tree)
        self._served[manifest.hash] = ServedSnapshot(manifest, tree, descriptor, trio.current_time())
        log.info("snapshot offered", height=height, bytes=len(data), chunks=tree.count, manifest=manifest.hash.hex())


def _write(path: Path, data: bytes) -> tuple[MerkleTree, int]:
    """Put a snapshot into a nameless file that its descriptor keeps, so that nothing outlives the process."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    path.unlink()
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        return MerkleTree(bytes(chunk) for chunk in cut(data)), descriptor
    except BaseException:
        os.close(descriptor)
        raise
