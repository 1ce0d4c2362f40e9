"""Page "Verification", section "Freshness". All times are milliseconds of Unix time."""

from dataclasses import dataclass
from typing import Any

from tests.vectors.proofs.runner import rules
from tests.vectors.proofs.runner.encoding import Refused, need

DAY = 86_400_000
AHEAD = 300_000


@dataclass(frozen=True)
class Wanted:
    """What a caller wants of a package's age. `max_age_ms` None: any age."""

    now_ms: int
    max_age_ms: int | None = 7 * DAY
    min_height: int = 0
    set_known_ms: int | None = None
    trusting_period_ms: int = 14 * DAY


def check(header: dict[str, Any], statement: dict[str, Any], wanted: Wanted) -> None:
    """Check `freshness`."""
    need(statement["height"] >= wanted.min_height, "BELOW_MIN_HEIGHT", "snapshot")
    need(header["time_ms"] - wanted.now_ms <= AHEAD, "FROM_THE_FUTURE", "header")
    _recent(header["time_ms"], wanted)
    valued = valued_ms(statement)
    if valued is not None:
        _recent(valued, wanted)
    known = wanted.set_known_ms
    need(known is None or wanted.now_ms - known <= wanted.trusting_period_ms, "SET_EXPIRED", "validator set")


def _recent(at_ms: int, wanted: Wanted) -> None:
    need(wanted.max_age_ms is None or wanted.now_ms - at_ms <= wanted.max_age_ms, "STALE", str(at_ms))


def is_within(times_ms: list[int], wanted: Wanted | None) -> bool:
    """Whether blocks are dated within the age that is accepted: check `custody` is open else."""
    if wanted is None:
        return True
    oldest = None if wanted.max_age_ms is None else wanted.now_ms - wanted.max_age_ms
    return all((oldest is None or each >= oldest) and each <= wanted.now_ms + AHEAD for each in times_ms)


def valued_ms(statement: dict[str, Any]) -> int | None:
    """The time of the rulebook's prices; None where it has none or cannot be read, which `rules` refuses."""
    try:
        book = rules.read(statement["rules"], len(statement["slots"]))
    except Refused:
        return None
    return int(book["time_ms"]) if book["feeds"] else None
