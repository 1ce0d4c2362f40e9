"""What a ResendRequest is answered with.

Rule: each number of the range is covered once, in order: application messages as they were, marked as possible
duplicates, everything else by a gap fill. Numbers stay, the machine sends nothing new.
"""

from collections.abc import Iterator, Sequence

from crossclear_fix import tags
from crossclear_fix.message import Fields, written_time
from crossclear_fix.session_state import SentMessage


def answer_resend(begin: int, end: int, sent: Sequence[SentMessage]) -> Iterator[tuple[int, bytes, Fields]]:
    """(number, type, body) of each message to write. `sent`: application messages of the range that are still kept."""
    at = begin
    for message in sent:
        if message.number > at:
            yield _gap_fill(at, message.number)
        yield message.number, message.kind, (*_duplicate(message.sent_ms), *message.body)
        at = message.number + 1
    if at <= end:
        yield _gap_fill(at, end + 1)


def _duplicate(sent_ms: int) -> Fields:
    return ((tags.POSS_DUP_FLAG, b"Y"), (tags.ORIG_SENDING_TIME, written_time(sent_ms)))


def _gap_fill(number: int, following: int) -> tuple[int, bytes, Fields]:
    fill: Fields = (
        (tags.POSS_DUP_FLAG, b"Y"),
        (tags.GAP_FILL_FLAG, b"Y"),
        (tags.NEW_SEQ_NO, str(following).encode()),
    )
    return number, tags.SEQUENCE_RESET, fill
