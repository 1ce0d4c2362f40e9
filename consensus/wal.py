"""The write-ahead log as bytes: its records, its frames, and which part of a damaged file may be believed.

Rule: a frame is written and synced before any message in it is sent, so only the last frame can be torn (see
`clearing.base.frames`).
"""

from collections.abc import Sequence
from enum import IntEnum

from clearing.base.codec import U63, Wire, decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.frames import Frames
from consensus.codes import ConsensusCode
from consensus.messages import ENVELOPE_BYTES_MAX
from consensus.timeouts import TimerKind

FRAME_BYTES_MAX = 8 * ENVELOPE_BYTES_MAX


class RecordKind(IntEnum):
    """The content of a record."""

    RECEIVED = 1
    """An accepted envelope of another validator: an input of the core."""
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


def _read(payload: bytes) -> tuple[Record, ...]:
    records: tuple[Record, ...] = decode(payload, tuple[Record, ...], FRAME_BYTES_MAX)
    return records


FRAMES = Frames(b"XCW2", _read)


def encode_frame(records: Sequence[Record]) -> bytes:
    """These records as one frame."""
    return FRAMES.encode(encode(tuple(records)))


def read_frames(data: bytes) -> tuple[list[Record], int]:
    """All records, and how many bytes of `data` are good; what lies behind them is a torn tail.

    Raises LocalFault WAL_CORRUPT for damage before the tail.
    """
    frames, at = split_frames(data)
    return [record for frame in frames for record in frame], at


def split_frames(data: bytes) -> tuple[list[tuple[Record, ...]], int]:
    """See `read_frames`, with the records of each frame apart."""
    try:
        return FRAMES.split(data)
    except RemoteFault as fault:
        raise LocalFault(ConsensusCode.WAL_CORRUPT, "wal", **fault.values) from None
