"""What a replica requests from its driver, in order: the driver is the only one with a network, a disk and a clock.

Rule: a `Persist` must be durable before any output after it is performed.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, TypeAlias

from clearing.base.errors import RemoteFault
from consensus.messages import CommittedBlock
from consensus.timeouts import TimerKind
from consensus.wal import Record


class Lane(IntEnum):
    """Which of a peer's streams a message takes, so that votes never wait behind blocks."""

    CONSENSUS = 1
    DATA = 2
    SYNC = 3


@dataclass(frozen=True, slots=True)
class Persist:
    """Append these records as one frame and sync."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send an envelope to every peer."""

    lane: Lane
    data: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """Send an envelope to one peer, by envelope key."""

    to: bytes
    lane: Lane
    data: bytes


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Call `on_timer(kind, height, round)` after this time; a running timer of the kind is replaced."""

    kind: TimerKind
    height: int
    round: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Decided:
    """A height is decided, stored and applied. The log before it is no longer needed."""

    committed: CommittedBlock
    rounds: int
    duration_ms: int
    """Since the height started here; 0 for a block that was fetched."""
    fetched: bool


@dataclass(frozen=True, slots=True)
class PeerFault:
    """A peer lied or sent malformed data: score it."""

    peer: bytes
    fault: RemoteFault


@dataclass(frozen=True, slots=True)
class RuleFired:
    """A line of the paper applied: for traces and metrics."""

    line: int
    height: int
    round: int


Output: TypeAlias = Persist | Broadcast | Send | StartTimer | Decided | PeerFault | RuleFired


class Clock(Protocol):
    """The driver's clocks, in ms."""

    def wall_ms(self) -> int:
        """Since the Unix epoch; used only for the own vote extension and the own prevotes."""
        ...

    def steady_ms(self) -> int:
        """Never runs backwards: for pacing and latencies."""
        ...
