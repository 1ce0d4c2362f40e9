"""`PeerScores`: each peer's recent faults, the cost of each kind of fault, and the bans.

Rule: a fault that the peer itself provably committed costs much; one that being late, behind or of another version also
causes costs little; a broken path costs nothing. The caller states the time; points halve with time, and a ban ends by
itself. At most a third of the validators is banned at a time: a node that finds more liars is more likely wrong itself.
Nothing is kept over a restart.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum

from clearing.base.errors import BaseCode, CodeBook, CrossclearError
from consensus.codes import ConsensusCode
from node.p2p.codes import P2pCode

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


class FaultResponse(Enum):
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
    """The scores of all admitted peers, and of no others."""

    def __init__(self) -> None:
        self._records: dict[bytes, PeerRecord] = {}
        self._validators: frozenset[bytes] = frozenset()

    def admit(self, validators: Collection[bytes], others: Collection[bytes] = ()) -> None:
        """Who has a score from now on. `validators` are the other ones, without ourselves; the rest is forgotten."""
        self._validators = frozenset(validators)
        known = self._validators | frozenset(others)
        self._records = {key: self._records.get(key) or PeerRecord() for key in sorted(known)}

    def charge(self, key: bytes, fault: CrossclearError, now: float) -> FaultResponse:
        """Count a fault at `now` seconds of a steady clock; no effect for a banned or unknown key."""
        record = self._records.get(key)
        if record is None:
            return FaultResponse.KEEP
        record.faults[fault.code.label] += 1
        record.last_fault = str(fault)
        if now < record.banned_until:
            return FaultResponse.KEEP
        before = self._points(record, now)
        record.points, record.at = before + points_of(fault.code), now
        if round(record.points) >= BAN_POINTS:
            return self._ban(key, record, now)
        return (
            FaultResponse.DISCONNECT
            if round(before) < DISCONNECT_POINTS <= round(record.points)
            else FaultResponse.KEEP
        )

    def score(self, key: bytes, now: float) -> int:
        """From `PERFECT` down to 0, where a ban begins."""
        record = self._records.get(key)
        return max(0, PERFECT - round(self._points(record, now))) if record else PERFECT

    def banned_seconds(self, key: bytes, now: float) -> float:
        """How long a ban still lasts; 0 for none."""
        record = self._records.get(key)
        return max(0.0, record.banned_until - now) if record else 0.0

    def record(self, key: bytes) -> PeerRecord:
        """A peer's record, to be read; an empty one for an unknown key."""
        return self._records.get(key) or PeerRecord()

    def _points(self, record: PeerRecord, now: float) -> float:
        return float(record.points * 0.5 ** (max(0.0, now - record.at) / HALF_LIFE_SECONDS))

    def _ban(self, key: bytes, record: PeerRecord, now: float) -> FaultResponse:
        record.points = DISCONNECT_POINTS - 1  # comes back on probation
        validator = key in self._validators
        if validator:
            banned = sum(now < self._records[other].banned_until for other in self._validators)
            # We are one of them: of n validators, len + 1, fewer than a third may be faulty.
            if banned >= len(self._validators) // 3:
                record.spared += 1
                return FaultResponse.DISCONNECT
        if now - record.banned_until > FORGIVEN_SECONDS:
            record.bans_in_a_row = 0
        longest = BAN_SECONDS_MAX_VALIDATOR if validator else BAN_SECONDS_MAX_OBSERVER
        seconds = min(longest, BAN_SECONDS_FIRST * 2 ** min(record.bans_in_a_row, 16))
        record.bans += 1
        record.bans_in_a_row += 1
        record.banned_until = record.at = now + seconds
        return FaultResponse.BAN


DEFAULT_POINTS = 10
PROVABLE = 100
"""Signed by the peer itself, and forbidden: one is enough."""
FORGED = 50
"""No honest program sends it to us over its own connection."""
NONSENSE = 25
STALE = 1
"""Honest peers send it when sets, heights or versions differ for a moment."""

POINTS: dict[CodeBook, int] = {
    ConsensusCode.DOUBLE_SIGN: PROVABLE,
    ConsensusCode.BAD_SHARE: FORGED,
    ConsensusCode.BAD_ENVELOPE: FORGED,
    ConsensusCode.WRONG_HEIGHT: STALE,
    ConsensusCode.WRONG_ROUND: STALE,
    ConsensusCode.NOT_A_VALIDATOR: STALE,
    ConsensusCode.WRONG_PROPOSER: STALE,
    BaseCode.MALFORMED: NONSENSE,
    BaseCode.NON_CANONICAL: NONSENSE,
    BaseCode.OVERSIZE: NONSENSE,
    BaseCode.BAD_POINT: NONSENSE,
    BaseCode.WRONG_VALIDATOR_SET: STALE,
    P2pCode.OVERSIZE_FRAME: FORGED,
    P2pCode.UNEXPECTED_STREAM: NONSENSE,
    P2pCode.FLOOD: NONSENSE,
    P2pCode.BAD_GOSSIP: DEFAULT_POINTS,
    P2pCode.HEARTBEAT_LOST: 0,
    P2pCode.WRITE_STALLED: 0,
    P2pCode.HANDSHAKE_TIMEOUT: 0,
    P2pCode.STREAM_ENDED: 0,
    P2pCode.REPLACED: 0,
    P2pCode.MISBEHAVED: 0,
    P2pCode.BANNED: 0,
    P2pCode.NO_LONGER_ADMITTED: 0,
    P2pCode.WRONG_NETWORK: 0,
    P2pCode.WRONG_VERSION: 0,
}


def points_of(code: CodeBook) -> int:
    """The points that one fault of this code costs."""
    return POINTS.get(code, DEFAULT_POINTS)
