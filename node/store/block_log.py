"""`blocks.log`: decided heights as one flat file that anybody can replay.

Layout: magic, network id (32 bytes), then frames of (u32 length, u32 CRC-32 of the payload, payload), big-endian, see
`clearing.base.frames`; the payload is one canonical `BlockRecord`. Rule: heights rise by one; a file that ends inside a
record is torn, a record that fails its checksum is corrupt. The CRC detects accidents; the certificates inside detect
forgery.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from clearing.base.codec import decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.frames import Frames
from member.codes import NodeCode
from member.durable_files import sync_folder
from node.store.records import BlockRecord

MAGIC = b"crossclear/blocks/v1\n"
RECORD_BYTES_MAX = 64 << 20
_FRAMES = Frames(b"", lambda payload: decode(payload, BlockRecord, RECORD_BYTES_MAX), is_head_checked=False)


def write_block_log(path: Path, network: bytes, blocks: Iterable[BlockRecord]) -> int:
    """Write a log, whole or not at all, durable on return; the number of blocks. Raises LocalFault OUTPUT_EXISTS."""
    if path.exists():
        raise LocalFault(NodeCode.OUTPUT_EXISTS, str(path))
    part = path.with_name(path.name + ".part")
    count = 0
    try:
        with part.open("wb") as file:
            file.write(MAGIC + network)
            for block in blocks:
                file.write(_FRAMES.encode(encode(block)))
                count += 1
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    part.rename(path)
    sync_folder(path.parent)
    return count


def block_log_network(path: Path) -> bytes:
    """The network that a log states to be of. Raises RemoteFault BLOCK_LOG_CORRUPT."""
    with path.open("rb") as file:
        return _read_start(file)


def read_block_log(path: Path, *, cut_torn_tail: bool = False) -> Iterator[BlockRecord]:
    """The blocks in order, one at a time.

    Raises RemoteFault: BLOCK_LOG_CORRUPT, BLOCK_LOG_TORN (not with `cut_torn_tail`), or what decoding a record raises.
    """
    with path.open("rb") as file:
        _read_start(file)
        height: int | None = None
        while True:
            at = file.tell()
            payload = _read_payload(file, at)
            if payload is None:
                if cut_torn_tail:
                    return
                raise RemoteFault(NodeCode.BLOCK_LOG_TORN, "blocks.log", offset=at)
            if payload == b"":
                return
            record = _FRAMES.read(payload)
            if height is not None and record.height != height + 1:
                raise RemoteFault(NodeCode.BLOCK_LOG_CORRUPT, "height", offset=at, found=record.height, after=height)
            height = record.height
            yield record


def count_blocks(path: Path) -> int:
    """How many whole records a log seems to have, by their lengths alone: for telling progress."""
    count, size = 0, path.stat().st_size
    with path.open("rb") as file:
        file.seek(len(MAGIC) + 32)
        while True:
            length = _FRAMES.payload_length(file.read(_FRAMES.head_bytes))
            if length <= 0 or file.tell() + length > size:
                return count
            file.seek(length, os.SEEK_CUR)
            count += 1


def _read_start(file: BinaryIO) -> bytes:
    start = file.read(len(MAGIC) + 32)
    if len(start) != len(MAGIC) + 32 or not start.startswith(MAGIC):
        raise RemoteFault(NodeCode.BLOCK_LOG_CORRUPT, "magic", found=start)
    return start[len(MAGIC) :]


def _read_payload(file: BinaryIO, at: int) -> bytes | None:
    """The next payload; empty at a clean end, None when the file ends inside a record."""
    head = file.read(_FRAMES.head_bytes)
    if not head:
        return b""
    length = _FRAMES.payload_length(head)
    if length < 0:
        return None
    if not 0 < length <= RECORD_BYTES_MAX:
        raise RemoteFault(NodeCode.BLOCK_LOG_CORRUPT, "length", offset=at, length=length)
    payload = file.read(length)
    if len(payload) < length:
        return None
    if not _FRAMES.has_checksum_of(head, payload):
        raise RemoteFault(NodeCode.BLOCK_LOG_CORRUPT, "checksum", offset=at)
    return payload
