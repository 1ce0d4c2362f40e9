"""Freshness: whether a certified package is recent enough at a stated time, and its validator set still to be trusted.

Rule: pure; the caller states the time, because a verifier has no clock. What a set signed proves nothing about now: an
old package stays certified for ever, and validators that have left the set lose nothing by signing anew, with any time
in the header. So the header and the prices behind the margin must be recent, and the trusted set must have been known
to be in force within the trusting period. It runs after `certificate` and `roots`, which vouch for what it reads.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from clearing.base.errors import CrossclearError
from clearing.base.header import Header
from clearing.margin.statement.snapshot import RiskStatement
from proofs.errors import ProofCode, VerificationFailed

DAY_MS = 86_400_000
MAX_AGE_MS = 7 * DAY_MS
"""The default: half of the trusting period, and longer than any market is closed."""
TRUSTING_PERIOD_MS = 14 * DAY_MS
"""As a light client's: shorter than validators that left the set can still be made liable."""
AHEAD_MS_MAX = 5 * 60_000
"""How far a header's time may be ahead of the stated time: clocks differ."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """What a caller wants of a package's age; all times in milliseconds of Unix time."""

    now_ms: int
    """The time at which the package is judged."""
    max_age_ms: int | None = MAX_AGE_MS
    """None: any age."""
    min_height: int = 0
    """Of the snapshot."""
    set_known_ms: int | None = None
    """When the trusted validator set was last known to be in force, such as a genesis' time. None: the caller vouches
    that it is at `now_ms`."""
    trusting_period_ms: int = TRUSTING_PERIOD_MS


def check_freshness(header: Header, statement: RiskStatement, wanted: Freshness) -> str:
    """Compare header, prices and set with what is wanted; returns the result as text.

    Raises VerificationFailed BELOW_MIN_HEIGHT, FROM_THE_FUTURE, STALE, SET_EXPIRED.
    """
    if statement.height < wanted.min_height:
        raise VerificationFailed(
            ProofCode.BELOW_MIN_HEIGHT, "snapshot", height=statement.height, least=wanted.min_height
        )
    age = wanted.now_ms - header.time_ms
    if age < -AHEAD_MS_MAX:
        raise VerificationFailed(ProofCode.FROM_THE_FUTURE, "header", time_ms=header.time_ms, now_ms=wanted.now_ms)
    _check_age("header", header.time_ms, wanted)
    valued_ms = _valued_at(statement)
    if valued_ms is not None:
        _check_age("prices", valued_ms, wanted)
    check_set_in_force(wanted)
    valued = "" if valued_ms is None else f", prices {duration(wanted.now_ms - valued_ms)}"
    limit = "any age is accepted" if wanted.max_age_ms is None else f"at most {duration(wanted.max_age_ms)} is accepted"
    return f"the header is {duration(age)} old{valued}; {limit}"


def outside_of_age(times_s: Iterable[int], wanted: Freshness | None) -> str:
    """How blocks of these times, in seconds, miss the age that is accepted; empty where all are within it, or where no
    time is stated. A chain may stand still, so such a block is no fault: it leaves open what is in its vaults now."""
    times_ms = [1000 * each for each in times_s]
    if wanted is None or not times_ms:
        return ""
    age, ahead = wanted.now_ms - min(times_ms), max(times_ms) - wanted.now_ms
    if wanted.max_age_ms is not None and age > wanted.max_age_ms:
        return f"; its oldest block is {duration(age)} old, at most {duration(wanted.max_age_ms)} is accepted"
    return f"; a block is {duration(ahead)} ahead of the stated time" if ahead > AHEAD_MS_MAX else ""


def freshness_limits(wanted: Freshness | None, *, trusted: bool) -> tuple[str, ...]:
    """What is not known about the package's age, one sentence each. `trusted`: whether the caller named a set."""
    if wanted is None:
        return ("How old the package is was not checked, nor whether its validator set is still in force.",)
    limits: tuple[str, ...] = ("What has happened since the snapshot is not known; there may be a newer package.",)
    if wanted.max_age_ms is None:
        limits = ("The age was not limited: all that is shown may have been overtaken.", *limits)
    return (*limits, *set_limits(wanted, trusted=trusted))


def set_limits(wanted: Freshness | None, *, trusted: bool) -> tuple[str, ...]:
    """Who says that the trusted set is in force, where that is not known: one that has retired loses nothing by
    signing. Without a trusted set there is nothing to say: its certificate is open."""
    if not trusted:
        return ()
    if wanted is None:
        return (
            "Whether the trusted validator set was in force lately: no time was stated, and retired sets sign anew.",
        )
    return () if wanted.set_known_ms is not None else (_VOUCHED,)


_VOUCHED = "That the trusted validator set was in force rests on the caller's word."


def duration(milliseconds: int) -> str:
    """A length of time in its largest whole unit: `3 days`; less than a second, and a time ahead, is `0 seconds`."""
    seconds = max(milliseconds, 0) // 1000
    for name, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:,} {name}"
    return f"{seconds} seconds"


def _check_age(what: str, time_ms: int, wanted: Freshness) -> None:
    if wanted.max_age_ms is not None and wanted.now_ms - time_ms > wanted.max_age_ms:
        raise VerificationFailed(
            ProofCode.STALE,
            what,
            age=duration(wanted.now_ms - time_ms),
            accepted=duration(wanted.max_age_ms),
            time_ms=time_ms,
        )


def check_set_in_force(wanted: Freshness) -> None:
    """The trusted set was known to be in force within the trusting period: who has left it loses nothing by signing.

    Raises VerificationFailed SET_EXPIRED.
    """
    known_ms = wanted.set_known_ms
    if known_ms is not None and wanted.now_ms - known_ms > wanted.trusting_period_ms:
        raise VerificationFailed(
            ProofCode.SET_EXPIRED,
            "validator set",
            known=duration(wanted.now_ms - known_ms) + " ago",
            trusted_for=duration(wanted.trusting_period_ms),
        )


def _valued_at(statement: RiskStatement) -> int | None:
    """Time of the prices behind the rows; None without a price, or without a rulebook, which check `rules` refuses."""
    from clearing.margin.statement.rulebook import read_rulebook  # here: needs parameters and pricing

    try:
        book = read_rulebook(statement.rules, len(statement.slots))
    except CrossclearError:
        return None
    return book.time_ms if book.feeds else None
