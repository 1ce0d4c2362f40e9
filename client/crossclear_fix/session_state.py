"""What a session is made of: identity, limits, numbers, and the effects that its driver carries out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from crossclear_fix.message import Fields, Message


class Phase(Enum):
    """Of one connection."""

    CLOSED = auto()
    LOGGING_ON = auto()
    ON = auto()
    LOGGING_OUT = auto()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who talks to whom. `begin_string`: FIX.4.4 or FIXT.1.1; the latter needs `default_appl_ver_id`.

    `authenticated`: whether the driver knows who is on the other side before the logon is judged, so that a wrong logon
    may be answered.
    """

    begin_string: bytes
    own: bytes
    peer: bytes
    default_appl_ver_id: bytes = b""
    is_initiator: bool = False
    credentials: Fields = ()
    authenticated: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in ms. `heartbeat_ms` is an initiator's; an acceptor takes what is asked within the two bounds."""

    heartbeat_ms: int = 30_000
    heartbeat_ms_min: int = 1_000
    heartbeat_ms_max: int = 300_000
    logon_ms: int = 10_000
    logout_ms: int = 5_000
    skew_ms: int = 120_000
    """How far SendingTime may be from the clock here."""
    gap_ms: int = 10_000
    """Without progress a gap is asked for again after this."""
    gap_requests_max: int = 3


@dataclass(slots=True)
class SessionState:
    """The next number to come in and to go out."""

    incoming: int = 1
    outgoing: int = 1


@dataclass(frozen=True, slots=True)
class SentMessage:
    """An application message that was sent under this number."""

    number: int
    kind: bytes
    body: Fields
    sent_ms: int


ReadSent = Callable[[int, int], Sequence[SentMessage]]
"""Application messages of a range of numbers, both ends included, by number."""


@dataclass(frozen=True, slots=True)
class Send:
    """Write `fields`. `kept`: save it first, for resends."""

    number: int
    kind: bytes
    body: Fields
    sent_ms: int
    fields: Fields
    kept: bool


@dataclass(frozen=True, slots=True)
class Deliver:
    """An application message, once."""

    message: Message


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection, after what is to be sent before."""

    why: str


@dataclass(frozen=True, slots=True)
class Reset:
    """Both sides begin at 1: forget what was sent."""


Effect = Send | Deliver | Disconnect | Reset
