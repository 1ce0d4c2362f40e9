"""What a venue's messages say, once decoded; and the two kinds of parsers that decode them.

Rule: an event is about the parser's own market. What must be sent to the venue is an event, too, so that a parser needs
no connection.
"""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from node.oracle.readings import Reading


@dataclass(frozen=True, slots=True)
class PriceRead:
    """The market has this price now."""

    reading: Reading


@dataclass(frozen=True, slots=True)
class MarketHalted:
    """The market doesn't trade, or not freely: its last price is frozen."""

    why: str


@dataclass(frozen=True, slots=True)
class MarketOpened:
    """The market trades; also said at every start."""


@dataclass(frozen=True, slots=True)
class BookLost:
    """Updates were lost. There is no price until the book is complete again."""

    why: str


@dataclass(frozen=True, slots=True)
class FrameWanted:
    """This text must be sent to the venue."""

    text: str


@dataclass(frozen=True, slots=True)
class SnapshotWanted:
    """This path must be asked for over HTTP, and the answer given to `snapshot`."""

    path: str


@dataclass(frozen=True, slots=True)
class ClosingSoon:
    """The venue ends this connection: connect anew."""

    why: str


Event: TypeAlias = PriceRead | MarketHalted | MarketOpened | BookLost | FrameWanted | SnapshotWanted | ClosingSoon


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer over HTTP. `retry_after`: the header's text, empty without one."""

    status: int
    body: bytes
    retry_after: str = ""


class StreamParser(Protocol):
    """The messages of one market over a WebSocket."""

    frame_bytes_max: int
    """The longest message that the venue sends."""
    silence_ms_max: int
    """After so long without any message the connection is dead."""
    keepalive_ms: int
    """How often `keepalive` must be sent; 0: never."""
    keepalive: str

    def opening(self) -> tuple[str, ...]:
        """What is sent first. It forgets what an earlier connection said."""
        ...

    def receive(self, frame: bytes) -> tuple[Event, ...]:
        """The events of one message. A kind that is not known has none.

        Raises RemoteFault VENUE_MALFORMED, VENUE_REFUSED, VENUE_RATE_LIMITED (`retry_after_ms`); the connection is of
        no use then.
        """
        ...

    def snapshot(self, answer: HttpAnswer) -> tuple[Event, ...]:
        """The events of the answer to `SnapshotWanted`. Raises as `receive`."""
        ...


class WithoutSnapshots:
    """Of a `StreamParser` that never wants one: whole books come by the stream."""

    def snapshot(self, answer: HttpAnswer) -> tuple[Event, ...]:  # noqa: ARG002 - never asked for
        """Nothing."""
        return ()


class AnswerParser(Protocol):
    """The same over HTTP, one question at a time."""

    path: str
    """Under the venue's address."""
    body: bytes
    """Empty: GET; else it is posted as JSON."""

    def read(self, answer: HttpAnswer) -> tuple[Event, ...]:
        """The events of one answer. Raises as `StreamParser.receive`."""
        ...
