"""The write-ahead log as bytes: what is recorded, how it is framed, and what of a damaged file may be believed.

Rule: a frame is written and synced before any message in it is sent, so only the last frame can be torn. A torn tail
is cut; a bad frame with a good one behind it means a damaged disk, and the log is refused. What lies inside of a frame
is chosen by others, so it is never searched for frames while the frame's own length can be believed.
"""

from collections.abc import Sequence
from enum import IntEnum
from zlib import crc32

from clearing.base.codec import U63, Wire, decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from consensus.codes import ConsensusCode
from consensus.messages import ENVELOPE_BYTES_MAX
from consensus.timeouts import TimerKind

MAGIC = b"XCW2"
_HEAD = len(MAGIC) + 12
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
    """Magic, length, CRC-32 of the records, CRC-32 of these three, then the records."""
    body = encode(tuple(records))
    head = MAGIC + len(body).to_bytes(4, "big") + crc32(body).to_bytes(4, "big")
    return head + crc32(head).to_bytes(4, "big") + body


def read_frames(data: bytes) -> tuple[list[Record], int]:
    """All records, and how many bytes of `data` are good; what lies behind them is a torn tail.

    Raises LocalFault WAL_CORRUPT for damage before the tail.
    """
    frames, at = split_frames(data)
    return [record for frame in frames for record in frame], at


def split_frames(data: bytes) -> tuple[list[tuple[Record, ...]], int]:
    """See `read_frames`, with the records of each frame apart."""
    frames: list[tuple[Record, ...]] = []
    at = 0
    while at < len(data):
        found = frame_at(data, at)
        if found is None:
            _refuse_damage(data, at)
            break
        frames.append(found[0])
        at += found[1]
    return frames, at


def _body_length(data: bytes, at: int) -> int:
    """What an undamaged head says; -1 for a damaged or torn one."""
    head = data[at : at + _HEAD]
    if len(head) < _HEAD or not head.startswith(MAGIC) or crc32(head[:-4]) != int.from_bytes(head[-4:], "big"):
        return -1
    return int.from_bytes(head[4:8], "big")


def frame_at(data: bytes, at: int) -> tuple[tuple[Record, ...], int] | None:
    """The records of the whole frame that begins here and its length, or None."""
    length = _body_length(data, at)
    body = data[at + _HEAD : at + _HEAD + length]
    if length < 0 or len(body) < length or crc32(body) != int.from_bytes(data[at + 8 : at + 12], "big"):
        return None
    try:
        records: tuple[Record, ...] = decode(body, tuple[Record, ...], FRAME_BYTES_MAX)
    except RemoteFault:
        return None
    return records, _HEAD + length


def next_frame(data: bytes, at: int) -> int:
    """Where the first whole frame behind the bad one at `at` begins; the end of `data` for none."""
    length = _body_length(data, at)
    behind = data.find(MAGIC, at + 1 if length < 0 else at + _HEAD + length)
    while behind != -1:
        if frame_at(data, behind) is not None:
            return behind
        behind = data.find(MAGIC, behind + 1)
    return len(data)


def _refuse_damage(data: bytes, at: int) -> None:
    """A whole frame anywhere behind a bad one shows that the bad one was synced once."""
    behind = next_frame(data, at)
    if behind < len(data):
        raise LocalFault(ConsensusCode.WAL_CORRUPT, "wal", damaged_at=at, good_frame_at=behind)
