"""Counters of the network, plain numbers for metrics.

Rule: counters only grow; whoever exports them reads, nobody else writes but the network itself.
"""

from collections import Counter
from dataclasses import dataclass, field

from clearing.base.errors import CodeBook


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
