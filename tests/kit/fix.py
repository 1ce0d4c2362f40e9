"""FIX sessions without sockets: a session under test, messages that a peer sends it, and two sessions that talk."""

from dataclasses import dataclass, field

from crossclear_fix import tags
from crossclear_fix.message import Fields, Message, decode, encode, written_time
from crossclear_fix.session import Session
from crossclear_fix.session_state import (
    Deliver,
    Disconnect,
    Effect,
    Identity,
    Limits,
    Reset,
    Send,
    SentMessage,
    SessionState,
)

NOW_MS = 1_764_000_000_000
APPLICATION = b"AE"
"""A kind of application message."""


def header(kind: bytes, number: int, now_ms: int = NOW_MS, begin: bytes = b"FIX.4.4", **other: bytes) -> Fields:
    """Standard header of a message from VENUE to HOUSE; `other` replaces `sender`, `target`, `sending`."""
    return (
        (tags.BEGIN_STRING, begin),
        (tags.BODY_LENGTH, b"1"),
        (tags.MSG_TYPE, kind),
        (tags.SENDER_COMP_ID, other.get("sender", b"VENUE")),
        (tags.TARGET_COMP_ID, other.get("target", b"HOUSE")),
        (tags.MSG_SEQ_NUM, str(number).encode()),
        (tags.SENDING_TIME, other.get("sending", written_time(now_ms))),
    )


def without(fields: Fields, *left_out: int) -> Fields:
    return tuple((tag, value) for tag, value in fields if tag not in left_out)


@dataclass
class Kept:
    """What a driver keeps for a session."""

    state: SessionState = field(default_factory=SessionState)
    sent: dict[int, SentMessage] = field(default_factory=dict)

    def read(self, begin: int, end: int) -> list[SentMessage]:
        return [self.sent[number] for number in sorted(self.sent) if begin <= number <= end]


@dataclass
class Side:
    """A session with its driver: what it wrote, delivered and why it ended."""

    identity: Identity
    limits: Limits = field(default_factory=Limits)
    kept: Kept = field(default_factory=Kept)
    written: list[Message] = field(default_factory=list)
    delivered: list[Message] = field(default_factory=list)
    ended: str = ""
    now_ms: int = NOW_MS

    def __post_init__(self) -> None:
        self.session = Session(self.identity, self.kept.state, self.limits, self.kept.read)

    def connect(self) -> list[Message]:
        self.session = Session(self.identity, self.kept.state, self.limits, self.kept.read)
        self.ended = ""
        return self.carry_out(self.session.connected(self.now_ms))

    def take(self, fields: Fields) -> list[Message]:
        """Receive a message; what is written in answer."""
        return self.carry_out(self.session.received(Message(fields), self.now_ms))

    def say(self, kind: bytes, number: int, *body: tuple[int, bytes]) -> list[Message]:
        """The peer sends a message of these fields now."""
        return self.take((*header(kind, number, self.now_ms), *body))

    def wait(self, milliseconds: int) -> list[Message]:
        self.now_ms += milliseconds
        return self.carry_out(self.session.tick(self.now_ms))

    def send(self, text: bytes) -> list[Message]:
        body = ((tags.TEXT, text),)
        return self.carry_out(self.session.send(APPLICATION, body, self.now_ms))

    def carry_out(self, effects: list[Effect]) -> list[Message]:
        written = []
        for effect in effects:
            match effect:
                case Send(number, kind, body, sent_ms, fields, kept):
                    if kept:
                        self.kept.sent[number] = SentMessage(number, kind, body, sent_ms)
                    message = decode(encode(self.identity.begin_string, fields))
                    assert message is not None
                    written.append(message)
                case Deliver(message):
                    self.delivered.append(message)
                case Reset():
                    self.kept.sent.clear()
                case Disconnect(why):
                    self.ended = why
        self.written += written
        return written


HOUSE = Identity(b"FIX.4.4", b"HOUSE", b"VENUE")
VENUE = Identity(b"FIX.4.4", b"VENUE", b"HOUSE", is_initiator=True)
LOGON = ((tags.ENCRYPT_METHOD, b"0"), (tags.HEART_BT_INT, b"30"))


def logged_on(incoming: int = 1) -> Side:
    """An acceptor whose next message has number 1 more than `incoming`."""
    side = Side(HOUSE, kept=Kept(SessionState(incoming=incoming)))
    side.connect()
    (answer,) = side.say(tags.LOGON, incoming, *LOGON)
    assert answer.kind == tags.LOGON
    side.written.clear()
    return side


def kinds(messages: list[Message]) -> list[bytes]:
    return [message.kind for message in messages]
