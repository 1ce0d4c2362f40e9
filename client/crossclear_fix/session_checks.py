"""What is checked of each message before it counts: header, fields, logon.

Rule: a check raises FieldFault for what a Reject answers, SessionEnds for what ends the session with a Logout.
"""

from crossclear_fix import tags
from crossclear_fix.message import FieldFault, Message
from crossclear_fix.session_state import Identity, Limits

ENDING = frozenset((tags.COMP_ID_PROBLEM, tags.SENDING_TIME_PROBLEM))
"""Reasons of a Reject after which the session ends."""
_SINGLE = frozenset(
    (
        tags.MSG_SEQ_NUM,
        tags.MSG_TYPE,
        tags.SENDER_COMP_ID,
        tags.TARGET_COMP_ID,
        tags.SENDING_TIME,
        tags.ORIG_SENDING_TIME,
        tags.POSS_DUP_FLAG,
        tags.POSS_RESEND,
        tags.BEGIN_STRING,
        tags.BODY_LENGTH,
    )
)
"""Tags of the header that decide something, and may stand once."""
_LETTERS = b"6789ABCDEFGHJKLMNPQRSTVWXYZabcdefghijklmnopqrstuvwxyz"
NUMBER_MAX = 2**31 - 1


class SessionEnds(Exception):
    """The session ends with a Logout that has this text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def check_begin_string(identity: Identity, message: Message) -> None:
    """2i. Raises SessionEnds."""
    if message.get(tags.BEGIN_STRING) != identity.begin_string:
        raise SessionEnds("incorrect BeginString")


def sequence_number(message: Message) -> int:
    """MsgSeqNum. Raises SessionEnds: without it nothing can be counted."""
    try:
        number = message.integer(tags.MSG_SEQ_NUM)
    except FieldFault:
        number = 0
    if not 0 < number <= NUMBER_MAX:
        raise SessionEnds("MsgSeqNum is missing or no number")
    return number


def check_header(identity: Identity, message: Message, now_ms: int, skew_ms: int) -> None:
    """CompIDs (2k), SendingTime (2o), possible duplicates (2f, 2g). Raises FieldFault."""
    for tag, expected in ((tags.SENDER_COMP_ID, identity.peer), (tags.TARGET_COMP_ID, identity.own)):
        if message.need(tag) != expected:
            raise FieldFault(tag, tags.COMP_ID_PROBLEM, "CompID problem")
    sending_ms = message.time_ms(tags.SENDING_TIME)
    if abs(sending_ms - now_ms) > skew_ms:
        raise FieldFault(tags.SENDING_TIME, tags.SENDING_TIME_PROBLEM, "SendingTime accuracy problem")
    if not message.flag(tags.POSS_DUP_FLAG):
        return
    if message.get(tags.ORIG_SENDING_TIME) is None and message.kind == tags.SEQUENCE_RESET:
        return  # a gap fill was never sent before
    if message.time_ms(tags.ORIG_SENDING_TIME) > sending_ms:
        why = "OrigSendingTime is after SendingTime"
        raise FieldFault(tags.ORIG_SENDING_TIME, tags.SENDING_TIME_PROBLEM, why)


def check_fields(message: Message) -> None:
    """Each field has a value, and what the session reads of the header stands once (14d, 14h). Raises FieldFault."""
    seen = set()
    for tag, value in message.fields:
        if not value:
            raise FieldFault(tag, tags.TAG_WITHOUT_VALUE, "tag without a value")
        if tag in _SINGLE:
            if tag in seen:
                raise FieldFault(tag, tags.TAG_TWICE, "tag appears more than once")
            seen.add(tag)


def check_kind(message: Message) -> None:
    """MsgType has the form of one of the standard, or is user-defined (2q). Raises FieldFault."""
    kind = message.kind
    if (len(kind) == 1 and kind in _LETTERS) or (len(kind) == 2 and kind.isalpha() and kind[:1] in b"ABCDEFU"):
        return
    raise FieldFault(tags.MSG_TYPE, tags.INVALID_MSG_TYPE, "invalid MsgType")


def check_logon(identity: Identity, message: Message, limits: Limits) -> None:
    """1S d. Raises FieldFault, SessionEnds."""
    if message.integer(tags.ENCRYPT_METHOD) != 0:
        raise FieldFault(tags.ENCRYPT_METHOD, tags.INCORRECT_VALUE, "no encryption but TLS")
    heartbeat_ms = message.integer(tags.HEART_BT_INT) * 1000
    if not limits.heartbeat_ms_min <= heartbeat_ms <= limits.heartbeat_ms_max:
        low, high = limits.heartbeat_ms_min // 1000, limits.heartbeat_ms_max // 1000
        raise FieldFault(tags.HEART_BT_INT, tags.INCORRECT_VALUE, f"HeartBtInt is from {low} to {high}")
    if identity.default_appl_ver_id and message.need(tags.DEFAULT_APPL_VER_ID) != identity.default_appl_ver_id:
        raise FieldFault(tags.DEFAULT_APPL_VER_ID, tags.INCORRECT_VALUE, "another version of the application messages")


def new_number(message: Message, number: int) -> int:
    """NewSeqNo of a SequenceReset, above `number` (10e, 11c). Raises FieldFault."""
    following = message.integer(tags.NEW_SEQ_NO)
    if not number < following <= NUMBER_MAX:
        why = f"attempt to lower sequence number, invalid value NewSeqNo={following}"
        raise FieldFault(tags.NEW_SEQ_NO, tags.INCORRECT_VALUE, why)
    return following
