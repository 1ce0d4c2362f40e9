"""Peers: the keys that may connect and their roles (`Roster`), their counters, and their status for an operator.

Rule: validators come from the decided state (`admit`), observers and addresses from the configuration. A key that only
the configuration names is let in while the state may be old (`open`), because a node that is behind needs peers that
its state does not know yet; not while the state is current (`close`), nor after the key was seen to leave a set.
Counters only grow, and only the network writes them. Addresses are not published.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from clearing.base.errors import CodeBook
from node.p2p.scores import PeerScores


@dataclass(slots=True)
class PeerStats:
    """One peer, over all of its connections."""

    connected: bool = False
    connections: int = 0
    dials: int = 0
    rtt_ms: float = 0.0
    bytes_in: Counter[str] = field(default_factory=Counter)
    bytes_out: Counter[str] = field(default_factory=Counter)
    messages_in: Counter[str] = field(default_factory=Counter)
    messages_out: Counter[str] = field(default_factory=Counter)
    dropped_in: Counter[str] = field(default_factory=Counter)
    dropped_out: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    """Connections that ended, by the label of the code that says why."""


@dataclass(slots=True)
class TopicStats:
    """One gossip topic."""

    published: int = 0
    delivered: int = 0
    duplicates: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """By cause: own rate, outbound, rate, origin rate, shape, size, sender, stale, signature, validator, fault,
    consumer, not running."""


@dataclass(slots=True)
class NetworkStats:
    """Everything the network counts. Dictionary keys: envelope key in hex, topic, label of a code."""

    peers: dict[str, PeerStats] = field(default_factory=dict)
    topics: dict[str, TopicStats] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    """Connections that never became a peer, by the label of the code that says why."""

    def peer(self, key: bytes) -> PeerStats:
        """The counters of a peer, new ones when it is not known yet (only allow-listed keys are asked for)."""
        return self.peers.setdefault(key.hex(), PeerStats())

    def topic(self, topic: str) -> TopicStats:
        """The counters of a topic."""
        return self.topics.setdefault(topic, TopicStats())

    def refuse(self, code: CodeBook) -> None:
        """Count a refused connection."""
        self.refused[code.label] += 1


class Role(StrEnum):
    """As what a peer may connect."""

    VALIDATOR = "validator"
    OBSERVER = "observer"
    """Reads along and syncs; its votes count nothing."""
    CONFIGURED = "configured"
    """Named by the configuration, in no validator set that this node has seen yet."""


class Roster:
    """The allow-list of one node."""

    def __init__(self, own: bytes, configured: Collection[bytes] = (), observers: Collection[bytes] = ()) -> None:
        self._own = own
        self._configured = frozenset(configured) - {own}
        self._observers = frozenset(observers) - {own}
        self._departed: frozenset[bytes] = frozenset()
        self._told = self._closed = False
        self.validators: frozenset[bytes] = self._configured - self._observers
        """The other validators; until they are known, all that the configuration names."""
        self.keys: frozenset[bytes] = self._configured | self._observers
        """All that may connect."""

    def admit(self, keys: Collection[bytes]) -> frozenset[bytes]:
        """From now on these are the validators. Returns the keys that may connect no longer."""
        known = self.validators if self._told else frozenset()
        self._told, before = True, self.keys
        self.validators = frozenset(keys) - {self._own}
        self._departed = (self._departed | known) - self.validators
        self._list()
        return before - self.keys

    def close(self) -> frozenset[bytes]:
        """The state is current: a key in none of its sets is unknown. Returns the keys that may no longer connect."""
        before, self._closed = self.keys, True
        self._list()
        return before - self.keys

    def open(self) -> None:
        """The state may be old."""
        self._closed = False
        self._list()

    def _list(self) -> None:
        named = frozenset() if self._closed and self._told else self._configured - self._departed
        self.keys = self.validators | self._observers | named

    def would_change(self, keys: Collection[bytes]) -> bool:
        """Whether `admit` with these keys changes anything."""
        return not self._told or frozenset(keys) - {self._own} != self.validators

    @property
    def closed(self) -> bool:
        """Whether `close` was called, and not `open` since."""
        return self._closed

    def role(self, key: bytes) -> Role | None:
        """None for a key that may not connect."""
        if key in self.validators:
            return Role.VALIDATOR
        if key in self._observers:
            return Role.OBSERVER
        return Role.CONFIGURED if key in self.keys else None


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One peer. `score` is 100 for one without faults, at 0 it is banned."""

    key: bytes
    role: Role
    connected: bool
    connections: int
    """How often it was connected since start."""
    rtt_ms: float
    score: int
    faults: int
    last_fault: str
    """Empty for none."""
    bans: int
    banned_seconds: float
    """How long the present ban still lasts; 0 for none."""


def status_of(roster: Roster, scores: PeerScores, stats: NetworkStats, now: float) -> tuple[PeerStatus, ...]:
    """Everybody on the allow-list, in order of keys. `now` is the steady clock that faults are charged by."""
    statuses = []
    for key in sorted(roster.keys):
        record, peer, role = scores.record(key), stats.peer(key), roster.role(key)
        if role is None:
            continue
        statuses.append(
            PeerStatus(
                key=key,
                role=role,
                connected=peer.connected,
                connections=peer.connections,
                rtt_ms=peer.rtt_ms,
                score=scores.score(key, now),
                faults=record.faults.total(),
                last_fault=record.last_fault,
                bans=record.bans,
                banned_seconds=scores.banned_seconds(key, now),
            )
        )
    return tuple(statuses)
