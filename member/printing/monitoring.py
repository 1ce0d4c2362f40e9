"""What a monitoring system gets of a node: a level and one line, by the Monitoring Plugins Development Guidelines
(2.2: exit codes 0 to 3; 2.3: text and performance data on one line, divided by a bar)."""

from dataclasses import dataclass
from enum import IntEnum

from member.client.ask import NodeStatus

TEXT_MAX = 200
"""Characters of reasons: some systems cut a longer line in the middle of the performance data."""


class Level(IntEnum):
    """Exit codes of a plugin."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class AgeLimits:
    """From how old a newest block on, in seconds, there is a warning, and an alarm."""

    warning: float
    critical: float


def judge(status: NodeStatus, now_ms: int, limits: AgeLimits) -> tuple[Level, str]:
    """CRITICAL for a node that is not ready or whose newest block is too old; WARNING for a block that is rather old
    and for validators that it is not connected to; else OK.
    """
    age = None if status.state is None else max(0, now_ms - status.state.time_ms) / 1000
    failing = [f"{check.name}: {check.detail}" for check in status.readiness.checks if not check.ok]
    apart = [peer.key[:10] for peer in status.peers if peer.role == "validator" and not peer.connected]
    reasons, level = [], Level.OK
    if apart:
        reasons, level = [f"not connected to {', '.join(apart)}"], Level.WARNING
    if age is None or age >= limits.warning:
        reasons = ["no block" if age is None else f"newest block is {age:.0f} s old", *reasons]
        level = Level.CRITICAL if age is None or age >= limits.critical else Level.WARNING
    if not status.readiness.ready:
        reasons, level = [*(failing or ["not ready"]), *reasons], Level.CRITICAL
    height = 0 if status.state is None else status.state.height
    text = "; ".join(reasons)[:TEXT_MAX].replace("|", "/").replace("\n", " ") or f"height {height}"
    return level, plugin_line(level, text, _performance(status, height, age, limits))


def plugin_line(level: Level, text: str, performance: str = "") -> str:
    """The line."""
    return f"CROSSCLEAR {level.name} - {text}" + (f" | {performance}" if performance else "")


def _performance(status: NodeStatus, height: int, age: float | None, limits: AgeLimits) -> str:
    connected = sum(peer.connected for peer in status.peers)
    values = [f"height={height}c", f"peers={connected};;;0;{len(status.peers)}", f"ready={int(status.readiness.ready)}"]
    values += [] if age is None else [f"age={age:.1f}s;{limits.warning:g};{limits.critical:g};0"]
    return " ".join(values)
