"""`Message`: the fields of one FIX message, and its bytes by simplefix.

Rule: values stay bytes as they arrived. What we write is ASCII without the separator, so that no text of a node or of a
peer can begin a field.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import simplefix

from crossclear_fix import tags

Fields = tuple[tuple[int, bytes], ...]
_TIME = re.compile(rb"(\d{8})-(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?", re.ASCII)
_TAG = re.compile(rb"[1-9][0-9]{0,8}", re.ASCII)
_INTEGER = re.compile(rb"-?[0-9]{1,18}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEADER = (tags.BEGIN_STRING, tags.BODY_LENGTH, tags.MSG_TYPE)


class FieldFault(Exception):
    """A field of a message that breaks a rule of FIX. `reason` is a SessionRejectReason (373)."""

    def __init__(self, tag: int, reason: int, why: str) -> None:
        super().__init__(f"{why} (tag {tag})")
        self.tag = tag
        self.reason = reason
        self.why = why


@dataclass(frozen=True, slots=True)
class Message:
    """Fields in order. A tag may repeat in groups; `get` finds the first."""

    fields: Fields

    def get(self, tag: int) -> bytes | None:
        """The first value of a tag."""
        return next((value for found, value in self.fields if found == tag), None)

    def need(self, tag: int) -> bytes:
        """The value of a tag that must be there. Raises FieldFault."""
        value = self.get(tag)
        if value is None:
            raise FieldFault(tag, tags.REQUIRED_TAG_MISSING, "required tag missing")
        return value

    def integer(self, tag: int, default: int | None = None) -> int:
        """A whole number. Raises FieldFault; `default` where the field is missing."""
        value = self.get(tag)
        if value is None and default is not None:
            return default
        text = self.need(tag)
        if not _INTEGER.fullmatch(text):
            raise FieldFault(tag, tags.INCORRECT_FORMAT, "not a whole number")
        return int(text)

    def flag(self, tag: int) -> bool:
        """Y or N; N where the field is missing. Raises FieldFault."""
        value = self.get(tag)
        if value not in (None, b"Y", b"N"):
            raise FieldFault(tag, tags.INCORRECT_VALUE, "neither Y nor N")
        return value == b"Y"

    def time_ms(self, tag: int) -> int:
        """A UTCTimestamp in ms since 1970, cut to whole ms. Raises FieldFault."""
        found = read_time(self.need(tag))
        if found is None:
            raise FieldFault(tag, tags.INCORRECT_FORMAT, "not a UTC timestamp")
        return found

    @property
    def kind(self) -> bytes:
        """MsgType (35)."""
        return self.get(tags.MSG_TYPE) or b""


def read_time(text: bytes) -> int | None:
    """ms since 1970 of `YYYYMMDD-HH:MM:SS[.fraction]`; None for anything else. Second 60 counts as 59."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    day, hour, minute, second, fraction = found.groups()
    try:
        at = datetime.strptime(day.decode(), "%Y%m%d").replace(
            hour=int(hour), minute=int(minute), second=min(int(second), 59), tzinfo=UTC
        )
    except ValueError:
        return None
    if int(second) > 60:
        return None
    return int((at - _EPOCH).total_seconds()) * 1000 + int((fraction or b"0").ljust(3, b"0")[:3])


def written_time(at_ms: int) -> bytes:
    """A UTCTimestamp with ms."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y%m%d-%H:%M:%S}.{at_ms % 1000:03d}".encode()


def text_value(text: str, limit: int = 250) -> bytes:
    """A text as a value: printable ASCII, at most `limit` characters; anything else is shown as `?`."""
    return "".join(char if " " <= char <= "~" else "?" for char in text)[:limit].encode() or b"-"


def decode(frame: bytes) -> Message | None:
    """The fields of one frame; None for what is garbled all the same: a tag that is no number, or a wrong order."""
    parser = simplefix.FixParser(allow_empty_values=True)
    parser.append_buffer(frame)
    try:
        found = parser.get_message()
    except (simplefix.errors.ParsingError, ValueError):
        return None
    # Something after the checksum, or before it and swallowed: the frame is not one message.
    if found is None or parser.get_buffer():
        return None
    fields = []
    for tag, value in found.pairs:
        if not _TAG.fullmatch(tag):
            return None
        fields.append((int(tag), value))
    if tuple(tag for tag, _ in fields[:3]) != _HEADER:
        return None
    return Message(tuple(fields))


def encode(begin_string: bytes, fields: Iterable[tuple[int, bytes]]) -> bytes:
    """The bytes of a message: length and checksum are added. `fields` begin with MsgType (35)."""
    message = simplefix.FixMessage()
    message.append_pair(tags.BEGIN_STRING, begin_string)
    for tag, value in fields:
        message.append_pair(tag, value)
    encoded: bytes = message.encode()
    return encoded
