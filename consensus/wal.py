"""The write-ahead log as bytes: what is recorded, how it is framed, and what of a damaged file may be believed.

Rule: a frame is written and synced before any message in it is sent, so only the last frame can be torn. A torn tail
is cut; a bad frame with a good one behind it means a damaged disk, and the log is refused.
"""

from collections.abc import Sequence
from enum import IntEnum
from zlib import crc32

from clearing.base.codec import U63, Wire, decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from consensus.codes import ConsensusCode
from consensus.messages import ENVELOPE_BYTES_MAX
from consensus.timeouts import TimerKind

MAGIC = b"XCW1"
_HEAD = len(MAGIC) + 8
FRAME_BYTES_MAX = 8 * ENVELOPE_BYTES_MAX


class RecordKind(IntEnum):
    """What a record holds."""

    RECEIVED = 1
    """An envelope of another, accepted: an input of the core."""
    OWN = 2
    """An own envelope, about to be sent."""
    TIMEOUT = 3
    """A timer that ran out: `TimeoutRecord`."""


class TimeoutRecord(Wire, frozen=True):
    """Which timer ran out."""

    kind: TimerKind
    round: U63


class Record(Wire, frozen=True):
    """One input or own message of a height, in order."""

    height: U63
    kind: RecordKind
    data: bytes


def encode_frame(records: Sequence[Record]) -> bytes:
    """Magic, length, CRC-32, then the records."""
    body = encode(tuple(records))
    return MAGIC + len(body).to_bytes(4, "big") + crc32(body).to_bytes(4, "big") + body


def read_frames(data: bytes) -> tuple[list[Record], int]:
    """All records, and how many bytes of `data` are good; what lies behind them is a torn tail.

    Raises LocalFault WAL_CORRUPT for damage before the tail.
    """
    records: list[Record] = []
    at = 0
    while at < len(data):
        frame = _frame_at(data, at)
        if frame is None:
            _refuse_damage(data, at)
            break
        found, at = frame
        records.extend(found)
    return records, at


def _frame_at(data: bytes, at: int) -> tuple[tuple[Record, ...], int] | None:
    head = data[at : at + _HEAD]
    if len(head) < _HEAD or not head.startswith(MAGIC):
        return None
    length = int.from_bytes(head[4:8], "big")
    body = data[at + _HEAD : at + _HEAD + length]
    if len(body) < length or crc32(body) != int.from_bytes(head[8:12], "big"):
        return None
    try:
        records: tuple[Record, ...] = decode(body, tuple[Record, ...], FRAME_BYTES_MAX)
    except RemoteFault:
        return None
    return records, at + _HEAD + length


def _refuse_damage(data: bytes, at: int) -> None:
    """A whole frame anywhere behind a bad one shows that the bad one was synced once."""
    behind = data.find(MAGIC, at + 1)
    while behind != -1:
        if _frame_at(data, behind) is not None:
            raise LocalFault(ConsensusCode.WAL_CORRUPT, "wal", damaged_at=at, good_frame_at=behind)
        behind = data.find(MAGIC, behind + 1)
