"""Chunks that a joining node has fetched, kept on its disk until the state is whole: a restart goes on from there.

Rule: nothing is believed for lying here. What is read back is taken like an answer of a peer, by its proof, and
everything from the first damage on is fetched again; what cannot be written is fetched again, too. The file holds
positions: mode 0600, and gone when the state is stored. It must not know peers.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import structlog

from clearing.base.codec import decode, encode
from clearing.base.errors import RemoteFault
from consensus.sync.messages import CHUNK_BYTES, CHUNK_PROOF_MAX, ChunkResponse, Manifest

_LENGTH_BYTES = 4
_MANIFEST_BYTES_MAX = 128
_CHUNK_BYTES_MAX = CHUNK_BYTES + 34 * CHUNK_PROOF_MAX + 64

log = structlog.get_logger(__name__)


class KeptChunks:
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

    def keep(self, chunk: ChunkResponse) -> None:
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


def _record(file: BinaryIO, bytes_max: int) -> bytes:
    """The next one; empty at the end, after a length beyond the limit, and where the file ends within it."""
    length = int.from_bytes(file.read(_LENGTH_BYTES), "big")
    data = file.read(length) if length <= bytes_max else b""
    return data if len(data) == length else b""
