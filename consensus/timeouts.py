"""How long each step waits: bases for a local network, growth with the round, and a cap on that growth.

Rule: the round alone never makes a timeout longer than the cap: an outage must not be followed by an hour of silence.
Only what votes were seen to take does (`consensus.core.adaptive_timeouts`).
"""

from dataclasses import dataclass
from enum import IntEnum


class TimerKind(IntEnum):
    """Every timer there is; at most one of a kind runs. The first three are the paper's."""

    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3
    PACE = 4
    """The minimum time between heights has passed."""
    HEARTBEAT = 5
    """A height starts although there is nothing to do."""
    REBROADCAST = 6
    STATUS = 7
    SYNC = 8
    APPLY = 9
    """Go on with fetched blocks."""
    COLLECT = 10
    """Collectors have had half a timeout: check whether that was enough."""
    ASK = 11
    """Ask peers for a block or votes that have not arrived."""
    LINKS = 12
    """A validator is heard for the first time: announce it."""


PAPER_TIMERS = (TimerKind.PROPOSE, TimerKind.PREVOTE, TimerKind.PRECOMMIT)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Milliseconds. A step of round r waits base + r × `growth_ms`, at most `cap_ms` or the base."""

    propose_ms: int = 400
    prevote_ms: int = 150
    precommit_ms: int = 150
    growth_ms: int = 150
    cap_ms: int = 3000
    adaptive: bool = True
    """Whether the bases adapt to measured heights (`consensus.core.adaptive_timeouts`); these are the first values."""
    propose_ms_min: int = 400
    vote_ms_min: int = 150
    base_ms_max: int = 1500

    def duration_ms(self, kind: TimerKind, round_: int) -> int:
        """How long the step of `kind` waits in a round."""
        base = {
            TimerKind.PROPOSE: self.propose_ms,
            TimerKind.PREVOTE: self.prevote_ms,
            TimerKind.PRECOMMIT: self.precommit_ms,
        }[kind]
        return min(max(self.cap_ms, base), base + round_ * self.growth_ms)

    def collect_ms(self, round_: int) -> int:
        """How long collectors have before votes go to all: half a proposal's time, at least one vote step's."""
        votes = max(self.duration_ms(kind, round_) for kind in (TimerKind.PREVOTE, TimerKind.PRECOMMIT))
        return max(self.duration_ms(TimerKind.PROPOSE, round_) // 2, votes)

    def bounded(self, base_ms: int, min_ms: int, votes_ms: int) -> int:
        """A base within the bounds; the upper ones win. They rise to `votes_ms`, which votes were seen to need."""
        return min(max(votes_ms, min(self.cap_ms, self.base_ms_max)), max(min_ms, base_ms))
