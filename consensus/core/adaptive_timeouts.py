"""Timeouts that adapt to the network: how long a proposal and the quorums of the last heights took here.

Rule: an estimate is a quantile of the last heights, never a mean: an outage is one height and moves nothing, and
slow proposers of less than a third of the power move nothing either. Bases stay within the configured bounds and grow
with the round to the cap, unless the votes of a quorum were seen to take longer. Honest votes alone are a quorum, so
liars can't make them late, and an outage makes one step of one round late, not both. Knows no clock: times are given.
It changes when a validator gives up waiting, never what it may sign.
"""

from collections import deque
from dataclasses import dataclass, replace

from consensus.core.rules import Rule
from consensus.timeouts import Timeouts

WINDOW = 16
"""Heights that are remembered."""
SLACK_MS = 50
"""Added to twice the usual time."""


@dataclass(frozen=True, slots=True)
class RoundTiming:
    """How long the steps of the deciding round took here, in ms; None for steps that were not observed completely."""

    propose_ms: int | None = None
    """From the start of the round to its proposal, executed."""
    prevote_ms: int | None = None
    """From the own prevote to the polka."""
    precommit_ms: int | None = None
    """From the own precommit to the decision."""
    votes_ms: int | None = None
    """From the own vote to a quorum's votes, for whatever: the shorter one of the two steps."""


class AdaptiveTimeouts:
    """Observes one height at a time.

    It starts from the configured bases; a third of the window is needed to move them.
    """

    def __init__(self, configured: Timeouts) -> None:
        self._configured = configured
        starts = (configured.propose_ms, configured.prevote_ms, configured.precommit_ms)
        self._samples = tuple(deque([_usual(start)] * WINDOW, WINDOW) for start in starts)
        self._votes = deque([0] * WINDOW, WINDOW)
        self.current = configured
        """The timeouts of the next height."""

    def observe(self, seen: RoundTiming) -> None:
        """A height was decided here, not fetched and not replayed."""
        given = self._configured
        if not given.adaptive:
            return
        for samples, value in zip(self._samples, (seen.propose_ms, seen.prevote_ms, seen.precommit_ms), strict=True):
            if value is not None:
                samples.append(max(0, value))
        if seen.votes_ms is not None:
            self._votes.append(max(0, seen.votes_ms))
        propose, prevote, precommit = (2 * _upper(samples) + SLACK_MS for samples in self._samples)
        votes = 2 * _upper(self._votes)
        self.current = replace(
            given,
            propose_ms=given.bounded(propose, given.propose_ms_min, votes),
            prevote_ms=given.bounded(prevote, given.vote_ms_min, votes),
            precommit_ms=given.bounded(precommit, given.vote_ms_min, votes),
        )


class StepWatch:
    """Times the steps of one height. Only those of the round that is decided count for later heights.

    Those of a round that failed count for the next round of the same height.
    """

    def __init__(self) -> None:
        self._round = -1
        self._began: dict[str, int] = {}
        self._took: dict[str, int] = {}
        self._quorum: dict[str, int] = {}
        """From the own vote of a step to a quorum's votes."""
        self._votes_before: int | None = None
        """`votes_ms` of the last round."""
        self._waited_ms = 0
        """How long a proposal was waited for in the last round."""
        self.observed = RoundTiming()
        """Set once decided; empty if the decision was in a round that this validator had left or not reached."""

    def proposed(self, round_: int, now_ms: int) -> None:
        """The proposal of a round is here and executed."""
        if round_ == self._round:
            self._end("propose", now_ms)

    def patience(self, duration_ms: int) -> int:
        """How long to wait for the proposal of a round: `duration_ms`, or twice as long as votes needed in the last
        round, but at most twice as long as was waited there.
        """
        enough = 2 * (self._votes_before or 0)
        self._waited_ms = max(duration_ms, min(2 * self._waited_ms, enough))
        return self._waited_ms

    def fired(self, rule: Rule, round_: int, now_ms: int) -> None:
        """A rule applied."""
        if rule is Rule.L11_START_ROUND:
            self._votes_before = self._votes_ms
            self._round, self._began = round_, {"propose": now_ms}
            self._took.clear()
            self._quorum.clear()
        elif rule in (Rule.L22_PREVOTE, Rule.L28_PREVOTE_AGAIN, Rule.L57_PROPOSE_TIMEOUT):
            self._began["prevote"] = now_ms
        elif rule is Rule.L34_WAIT_PREVOTES:
            self._reach("prevote", now_ms)
        elif rule is Rule.L47_WAIT_PRECOMMITS and round_ == self._round:
            self._reach("precommit", now_ms)
        elif rule in (Rule.L36_LOCK, Rule.L44_NIL_POLKA):
            self._reach("prevote", now_ms)
            self._end("prevote", now_ms)
            self._began.setdefault("precommit", now_ms)
        elif rule is Rule.L61_PREVOTE_TIMEOUT:
            self._began.setdefault("precommit", now_ms)
        elif rule is Rule.L49_DECIDE and round_ == self._round:
            self._reach("precommit", now_ms)
            self._end("precommit", now_ms)
            took = self._took.get
            self.observed = RoundTiming(took("propose"), took("prevote"), took("precommit"), self._votes_ms)

    @property
    def _votes_ms(self) -> int | None:
        return min(self._quorum.values()) if len(self._quorum) == 2 else None

    def _reach(self, step: str, now_ms: int) -> None:
        if step in self._began:
            self._quorum.setdefault(step, now_ms - self._began[step])

    def _end(self, step: str, now_ms: int) -> None:
        if step in self._began:
            self._took.setdefault(step, now_ms - self._began[step])


def _usual(base_ms: int) -> int:
    """The usual time that gives this base."""
    return max(0, base_ms - SLACK_MS) // 2


def _upper(samples: deque[int]) -> int:
    """Exceeded by less than a third of the samples."""
    return sorted(samples)[2 * len(samples) // 3]
