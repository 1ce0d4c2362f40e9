"""Fetches a snapshot's chunks: from all peers that offer it, at the rate that each serves, and from the own disk.

Rule: a fetched chunk is kept on disk until the state is whole, so that a restart continues from there.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import structlog
import trio

from clearing.base.codec import decode, encode
from clearing.base.errors import RemoteFault
from consensus.codes import ConsensusCode
from consensus.sync.messages import CHUNK_BYTES, CHUNK_PROOF_MAX, ChunkRequest, ChunkResponse, Manifest
from consensus.sync.state_sync import Assembly
from member.printing.pace import Pace
from node.sync.peer_talk import PeerTalk

CHUNKS_PER_PEER = 4
CHUNK_SECONDS = 0.04
"""The least time between two requests of one of these: a hundred chunks a second of a peer, which serves no more."""
STRIKES = 3
"""Chunks that one peer may fail to send before it is asked for no more of this snapshot."""


@dataclass(slots=True)
class ChunkProgress:
    """For logs and tests."""

    offers: int = 0
    light_blocks: int = 0
    chunks: int = 0
    chunks_on_disk: int = 0
    """Of an earlier start."""
    chunks_refused: int = 0
    refused: list[str] = field(default_factory=list)


class ChunkStore:
    """One snapshot's chunks in one file: its manifest, then the chunks as they came, each with its length before it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def manifest(self) -> Manifest | None:
        """Of which snapshot there are chunks."""
        try:
            with self._path.open("rb") as file:
                return decode(_record(file, _MANIFEST_BYTES_MAX), Manifest, _MANIFEST_BYTES_MAX)
        except (OSError, RemoteFault):
            return None

    def begin(self, manifest: Manifest, take: Callable[[ChunkResponse], None]) -> int:
        """Hand out what is kept of this snapshot, and keep its chunks from now on; how many were taken.

        Chunks of another snapshot are dropped. `take` raises RemoteFault for a chunk that is not the snapshot's.
        """
        self.close()
        try:
            if self.manifest() == manifest:
                self._file = self._path.open("r+b")
                return self._read(self._file, take)
            self.discard()
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._file = os.fdopen(descriptor, "wb")
            self._write(encode(manifest))
        except OSError as error:
            self._give_up(error)
        return 0

    def write(self, chunk: ChunkResponse) -> None:
        """One more chunk, which was checked. Durable when the system writes it: what is lost is fetched again."""
        try:
            self._write(encode(chunk))
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Keep nothing more."""
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError):  # what did not reach the disk is fetched again
                file.close()

    def discard(self) -> None:
        """The state is stored, or will not be fetched: the file goes."""
        self.close()
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.error("chunks of a state lie here and cannot be removed", path=str(self._path), why=str(error))

    def _read(self, file: BinaryIO, take: Callable[[ChunkResponse], None]) -> int:
        _record(file, _MANIFEST_BYTES_MAX)
        taken, good = 0, file.tell()
        try:
            while data := _record(file, _CHUNK_BYTES_MAX):
                take(decode(data, ChunkResponse, _CHUNK_BYTES_MAX))
                taken, good = taken + 1, file.tell()
        except RemoteFault as fault:
            log.warning("kept chunks are damaged: the others are fetched again", taken=taken, fault=str(fault))
        file.seek(good)
        file.truncate()
        return taken

    def _write(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
            self._file.flush()

    def _give_up(self, error: OSError) -> None:
        """A full disk gets its room back; the fetch goes on without."""
        log.warning("chunks are not kept: a restart would fetch them again", why=str(error))
        self.discard()


@dataclass(frozen=True, slots=True)
class ChunkFetch:
    """How one node fetches chunks."""

    talk: PeerTalk
    progress: ChunkProgress
    kept: ChunkStore | None
    answer_seconds: float
    idle_seconds: float
    """How long a task without a chunk to ask for waits for one that another failed to get."""

    async def run(self, manifest: Manifest, holders: Sequence[bytes]) -> bytes | None:
        """All chunks, several of each holder at a time; None when too many failed."""
        assembly, pace = Assembly(manifest), Pace()
        if self.kept is not None:
            self.progress.chunks_on_disk = await trio.to_thread.run_sync(self.kept.begin, manifest, assembly.take)
        async with trio.open_nursery() as nursery:
            for peer in holders:
                strikes = [STRIKES]
                for _ in range(CHUNKS_PER_PEER):
                    nursery.start_soon(self._fetch, peer, assembly, strikes, pace)
        return assembly.data() if not assembly.missing else None

    async def _fetch(self, peer: bytes, assembly: Assembly, strikes: list[int], pace: Pace) -> None:
        """Fetch until nothing is missing, or this peer has failed too often; idle ones wait for what others fail."""
        manifest = assembly.manifest
        while assembly.missing and strikes[0] > 0:
            index = assembly.next_open()
            if index is None:
                await trio.sleep(self.idle_seconds)
                continue
            next_at = trio.current_time() + CHUNK_SECONDS
            answer = await self.talk.ask(peer, ChunkRequest(manifest=manifest.hash, index=index), self.answer_seconds)
            try:
                if not isinstance(answer, ChunkResponse) or not answer.data:
                    raise RemoteFault(ConsensusCode.BAD_CHUNK, "none", index=index)
                assembly.take(answer)
                if self.kept is not None:
                    self.kept.write(answer)
                self.progress.chunks += 1
                strikes[0] = min(STRIKES, strikes[0] + 1)
            except RemoteFault as fault:
                strikes[0] -= 1
                self.progress.chunks_refused += 1
                assembly.give_back(index)
                if fault.at != "none":
                    self.talk.report(peer, fault)
            if assembly.missing:
                self._tell(assembly, pace)
                await trio.sleep_until(next_at)

    def _tell(self, assembly: Assembly, pace: Pace) -> None:
        total = assembly.manifest.chunks
        done = total - assembly.missing
        left = pace.seconds_left(done, total)
        if pace.is_due():
            log.info("snapshot is being fetched", chunks=done, of=total, seconds_left=left)


_LENGTH_BYTES = 4
_MANIFEST_BYTES_MAX = 128
_CHUNK_BYTES_MAX = CHUNK_BYTES + 34 * CHUNK_PROOF_MAX + 64

log = structlog.get_logger(__name__)


def _record(file: BinaryIO, bytes_max: int) -> bytes:
    """The next one; empty at the end, after a length beyond the limit, and where the file ends within it."""
    length = int.from_bytes(file.read(_LENGTH_BYTES), "big")
    data = file.read(length) if length <= bytes_max else b""
    return data if len(data) == length else b""
