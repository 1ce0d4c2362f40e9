"""JSON of venues, decoded into typed structures under limits.

Rule: whatever the bytes are, the outcome is a value of the stated type or a `RemoteFault` with a code of the oracle.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

import msgspec

from clearing.base.errors import RemoteFault
from clearing.base.plain_json import check_nesting, read_json, read_part
from node.oracle.events import HttpAnswer
from node.oracle.readings import exact_e18
from node.oracle.source import OracleCode

T = TypeVar("T")
FRAME_BYTES_MAX = 1 << 20
TEXT_SHOWN_MAX = 120
RETRY_MS_DEFAULT = 30_000
RETRY_MS_MAX = 3_600_000
MS_MAX = 2**53
"""Of a time. Larger numbers are no milliseconds."""


class Message(msgspec.Struct, frozen=True):
    """A message's fields that are read; others may come and go."""


NOTHING = msgspec.Raw()
"""Of a field that is absent."""


def is_absent(raw: msgspec.Raw) -> bool:
    """Whether the field is not there, or null."""
    return bytes(raw) in (b"", b"null")


def decode(data: bytes, kind: type[T], at: str, bytes_max: int = FRAME_BYTES_MAX) -> T:
    """Raises RemoteFault VENUE_MALFORMED."""
    if len(data) > bytes_max:
        raise RemoteFault(OracleCode.VENUE_MALFORMED, at, bytes=len(data), limit=bytes_max)
    try:
        check_nesting(data, at)
        return read_json(data, kind)
    except RemoteFault as fault:
        raise malformed(at, str(fault)) from None
    except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError, OverflowError) as error:
        why = str(error)[:TEXT_SHOWN_MAX]
        raise RemoteFault(OracleCode.VENUE_MALFORMED, at, why=why, begin=data[:24].decode("utf-8", "replace")) from None


def again(data: bytes | msgspec.Raw, kind: type[T], at: str) -> T:
    """Another reading of what `decode` accepted. Raises RemoteFault VENUE_MALFORMED."""
    try:
        return read_part(data, kind)
    except (msgspec.DecodeError, ValueError, ArithmeticError, OverflowError) as error:
        raise malformed(at, str(error)) from None


def malformed(at: str, why: str) -> RemoteFault:
    """The refusal of a message that is not of its form."""
    return RemoteFault(OracleCode.VENUE_MALFORMED, at, why=why[:TEXT_SHOWN_MAX])


def refused(at: str, code: object, message: str) -> RemoteFault:
    """The venue's own error."""
    return RemoteFault(OracleCode.VENUE_REFUSED, at, code=str(code)[:40], message=message[:TEXT_SHOWN_MAX])


def rate_limited(at: str, retry_after_ms: int) -> RemoteFault:
    """The venue limits requests; it may be asked again after so long."""
    wait = min(max(retry_after_ms, 1_000), RETRY_MS_MAX)
    return RemoteFault(OracleCode.VENUE_RATE_LIMITED, at, retry_after_ms=wait)


def price(number: Decimal | str, at: str) -> int:
    """In units of 10^-18; an empty text is an absent price, 0. Raises RemoteFault VENUE_MALFORMED."""
    if isinstance(number, Decimal):
        return exact_e18(number, at)
    if not number:
        return 0
    if len(number) > 80 or not number.isascii():
        raise malformed(at, f"not a price: {number[:40]!r}")
    try:
        return exact_e18(Decimal(number), at)
    except ArithmeticError:
        raise malformed(at, f"not a price: {number!r}") from None


def moment(number: int | str, at: str) -> int:
    """Milliseconds since 1970, written as a number or as its digits. Raises RemoteFault VENUE_MALFORMED."""
    if isinstance(number, str):
        if not (number.isascii() and number.isdigit() and len(number) <= 16):
            raise malformed(at, f"not a time: {number[:40]!r}")
        number = int(number)
    if not 0 < number <= MS_MAX:
        raise malformed(at, f"not a time: {number}")
    return number


def rfc3339(text: str, at: str) -> int:
    """Milliseconds since 1970, rounded down. Raises RemoteFault VENUE_MALFORMED unless it is a time in UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise malformed(at, f"not a time: {text[:40]!r}") from None
    if time.tzinfo is None or time.year < 1971:
        raise malformed(at, f"not a time in UTC: {text[:40]!r}")
    elapsed = time - datetime(1970, 1, 1, tzinfo=UTC)
    return elapsed.days * 86_400_000 + elapsed.seconds * 1_000 + elapsed.microseconds // 1_000


def check_status(answer: HttpAnswer, at: str) -> None:
    """Refuse what only the status of an answer over HTTP says. An error's body is the venue's parser's to read first.

    Raises RemoteFault VENUE_RATE_LIMITED for 429 and 418, VENUE_UNREACHABLE for 5xx, else VENUE_REFUSED.
    """
    if answer.status == 200:
        return
    if answer.status in (418, 429):
        text = answer.retry_after
        known = text.isascii() and text.isdigit() and len(text) < 9
        raise rate_limited(at, int(text) * 1_000 if known else RETRY_MS_DEFAULT)
    if answer.status >= 500:
        raise RemoteFault(OracleCode.VENUE_UNREACHABLE, at, status=answer.status)
    raise refused(at, answer.status, answer.body[:TEXT_SHOWN_MAX].decode("utf-8", "replace"))
