"""How long misbehaviour can be proven: at least as long as light clients trust the signatures of a set.

Rule: an offence is too old only when it is so in blocks and in time. The state knows the time of genesis and of every
100,000th height (`EVIDENCE_HEIGHTS`). All heights from the last of them that is older than `EVIDENCE_MS` can be proven,
so that none is refused too early. Source of the rule of two ages: CometBFT, evidence parameters.
"""

from clearing.schema.records.validators import HeightTimesRecord
from clearing.state.state import State

EVIDENCE_HEIGHTS = 100_000
"""Misbehaviour at so many last heights can be proven, however long they took."""
EVIDENCE_MS = 15 * 86_400_000
"""Misbehaviour of so long can be proven, however many heights that are: the default trusting period of 14 days, and a
day in which a block takes the evidence."""
HEIGHT_TIMES_MAX = 1024
"""It bounds the state. More are needed only when a height takes less than 12.7 ms for `EVIDENCE_MS`."""


def oldest_provable_height(state: State) -> int:
    """The lowest height at which misbehaviour can be proven in the next block; 1 or more."""
    return min(_height_times(state)[0][0], max(1, state.now.height - EVIDENCE_HEIGHTS))


def note_height_time(state: State) -> None:
    """At the start of a block: keep its time when its height is a multiple of `EVIDENCE_HEIGHTS`; drop older ones."""
    now = state.now
    if now.height % EVIDENCE_HEIGHTS:
        return
    marks = (*_height_times(state), (now.height, now.time_ms))
    too_old = sum(time_ms + EVIDENCE_MS <= now.time_ms for _, time_ms in marks)
    state.height_times.put(0, HeightTimesRecord(marks[max(0, too_old - 1) :][-HEIGHT_TIMES_MAX:]))


def _height_times(state: State) -> tuple[tuple[int, int], ...]:
    known = state.height_times.get(0)
    return known.marks if known else ((1, state.terms.original_genesis.time_ms),)
