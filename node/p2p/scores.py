"""`PeerScores`: what each peer did wrong lately, and whom we leave alone for a while because of it.

Rule: time is handed in; points halve with time, a ban ends by itself, and never more than a third of the validators is
banned at one moment: whoever finds more liars than that is more likely wrong itself, and would cut itself off. Nothing
is kept over a restart: a ban is short, and a liar earns the next one with its next lies.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum

from clearing.base.errors import CrossclearError
from node.p2p.penalties import points_of

PERFECT = 100
"""A score is this less the points, never under 0."""
DISCONNECT_POINTS = 50
BAN_POINTS = 100
HALF_LIFE_SECONDS = 60.0
BAN_SECONDS_FIRST = 10.0
BAN_SECONDS_MAX_VALIDATOR = 300.0
BAN_SECONDS_MAX_OBSERVER = 3600.0
FORGIVEN_SECONDS = 3600.0
"""After so long without a ban the next one is short again."""


class Verdict(Enum):
    """What follows from one more fault."""

    KEEP = "keep"
    DISCONNECT = "disconnect"
    BAN = "ban"


@dataclass(slots=True)
class PeerRecord:
    """One peer's account."""

    points: float = 0.0
    at: float = 0.0
    """When `points` was right."""
    banned_until: float = 0.0
    bans: int = 0
    bans_in_a_row: int = 0
    spared: int = 0
    """Bans that were not imposed, because a third of the validators was banned already."""
    last_fault: str = ""
    faults: Counter[str] = field(default_factory=Counter)
    """By the label of the code."""


class PeerScores:
    """The scores of all admitted peers; who is not admitted has none."""

    def __init__(self) -> None:
        self._records: dict[bytes, PeerRecord] = {}
        self._validators: frozenset[bytes] = frozenset()

    def admit(self, validators: Collection[bytes], others: Collection[bytes] = ()) -> None:
        """Who has a score from now on. `validators` are the other ones, without ourselves; the rest is forgotten."""
        self._validators = frozenset(validators)
        everybody = self._validators | frozenset(others)
        self._records = {key: self._records.get(key) or PeerRecord() for key in sorted(everybody)}

    def charge(self, key: bytes, fault: CrossclearError, now: float) -> Verdict:
        """Count a fault at `now` seconds of a steady clock; one of who is not admitted or banned changes nothing."""
        record = self._records.get(key)
        if record is None:
            return Verdict.KEEP
        record.faults[fault.code.label] += 1
        record.last_fault = str(fault)
        if now < record.banned_until:
            return Verdict.KEEP
        before = self._points(record, now)
        record.points, record.at = before + points_of(fault.code), now
        if round(record.points) >= BAN_POINTS:
            return self._ban(key, record, now)
        return Verdict.DISCONNECT if round(before) < DISCONNECT_POINTS <= round(record.points) else Verdict.KEEP

    def score(self, key: bytes, now: float) -> int:
        """From `PERFECT` down to 0, where a ban begins."""
        record = self._records.get(key)
        return max(0, PERFECT - round(self._points(record, now))) if record else PERFECT

    def banned_seconds(self, key: bytes, now: float) -> float:
        """How long a ban still lasts; 0 for none."""
        record = self._records.get(key)
        return max(0.0, record.banned_until - now) if record else 0.0

    def record(self, key: bytes) -> PeerRecord:
        """A peer's account, to be read; an empty one for who has none."""
        return self._records.get(key) or PeerRecord()

    def _points(self, record: PeerRecord, now: float) -> float:
        return float(record.points * 0.5 ** (max(0.0, now - record.at) / HALF_LIFE_SECONDS))

    def _ban(self, key: bytes, record: PeerRecord, now: float) -> Verdict:
        record.points = DISCONNECT_POINTS - 1  # comes back on probation
        validator = key in self._validators
        if validator:
            banned = sum(now < self._records[other].banned_until for other in self._validators)
            # We are one of them: of n validators, len + 1, fewer than a third may be faulty.
            if banned >= len(self._validators) // 3:
                record.spared += 1
                return Verdict.DISCONNECT
        if now - record.banned_until > FORGIVEN_SECONDS:
            record.bans_in_a_row = 0
        longest = BAN_SECONDS_MAX_VALIDATOR if validator else BAN_SECONDS_MAX_OBSERVER
        seconds = min(longest, BAN_SECONDS_FIRST * 2 ** min(record.bans_in_a_row, 16))
        record.bans += 1
        record.bans_in_a_row += 1
        record.banned_until = record.at = now + seconds
        return Verdict.BAN
