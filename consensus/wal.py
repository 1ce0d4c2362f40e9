"""The write-ahead log as bytes: its records, its frames, and how an operator inspects a damaged file.

Rule: a frame is written and synced before any message in it is sent, so only the last frame can be torn (see
`clearing.base.frames`). Only the frames before the first damage are kept. Later frames may be whole, but a height
replayed with a gap could lose its lock; the sign state counts the frames and forbids signing if some are missing. Pure;
it knows no file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from clearing.base.certificate import NIL
from clearing.base.codec import U63, Wire, decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.frames import Frames
from consensus.codes import ConsensusCode
from consensus.messages import (
    ENVELOPE_BYTES_MAX,
    CertificateMessage,
    Envelope,
    Message,
    Proposal,
    Vote,
    read_envelope,
    read_message,
)
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
    """All records, and how many bytes of `data` are good; the rest is a torn tail.

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


@dataclass(frozen=True, slots=True)
class Piece:
    """A whole frame, or a stretch of damaged bytes."""

    at: int
    length: int
    records: tuple[Record, ...] | None
    """None for damage."""


@dataclass(frozen=True, slots=True)
class LogSummary:
    """The content of a log."""

    frames: int
    good_bytes: int
    """Before the first damage, or all."""
    torn_bytes: int
    """A tail that a crash left: the node cuts it by itself."""
    damaged_at: int
    """Where a bad frame with a whole one behind it begins, or a whole one that cannot be read; -1 for none."""
    frames_behind: int
    """Whole frames behind the damage, which a repair discards."""


@dataclass(frozen=True, slots=True)
class LoggedRecord:
    """One record as text. Numbers are -1 and texts empty if the record has none."""

    height: int
    kind: str
    description: str
    round: int
    value: str
    sender: str
    bytes: int


def pieces(data: bytes) -> Iterator[Piece]:
    """The log from its first byte to its last. Linear but for bytes that look like heads of frames."""
    at = 0
    while at < len(data):
        found = FRAMES.at(data, at)
        if found is not None:
            yield Piece(at, found[1], found[0])
            at += found[1]
            continue
        end = FRAMES.after(data, at)
        yield Piece(at, end - at, None)
        at = end


def summarize_log(data: bytes) -> LogSummary:
    """Count frames and damage."""
    found = list(pieces(data))
    frames = next((number for number, piece in enumerate(found) if piece.records is None), len(found))
    if frames == len(found):
        return LogSummary(frames, len(data), 0, -1, 0)
    at, behind = found[frames].at, found[frames + 1 :]
    if not behind and not FRAMES.is_whole(data, at):
        return LogSummary(frames, at, len(data) - at, -1, 0)
    return LogSummary(frames, at, 0, at, sum(piece.records is not None for piece in behind))


def describe_record(record: Record) -> LoggedRecord:
    """A record as text; one that does not decode is `unreadable`."""
    kind = record.kind.name.lower()
    if record.kind is RecordKind.TIMEOUT:
        try:
            elapsed = decode(record.data, TimeoutRecord)
        except RemoteFault:
            return LoggedRecord(record.height, kind, "unreadable", -1, "", "", len(record.data))
        return LoggedRecord(record.height, kind, elapsed.kind.name.lower(), elapsed.round, "", "", len(record.data))
    try:
        envelope = read_envelope(record.data)
        message = read_message(envelope)
    except RemoteFault:
        return LoggedRecord(record.height, kind, "unreadable", -1, "", "", len(record.data))
    what, round_, value = _describe_message(message)
    return LoggedRecord(record.height, kind, what, round_, value, _sender(envelope), len(record.data))


def _describe_message(message: Message) -> tuple[str, int, str]:
    if isinstance(message, Vote):
        return message.kind.name.lower(), message.round, "nil" if message.value == NIL else message.value.hex()
    if isinstance(message, Proposal):
        return "proposal", message.round, message.block.header.hash.hex()
    if isinstance(message, CertificateMessage):
        certificate = message.certificate
        return f"{certificate.kind.name.lower()}s", certificate.round, certificate.value.hex()
    return type(message).__name__, -1, ""


def _sender(envelope: Envelope) -> str:
    return envelope.sender.hex()
