"""`PeerStatus`: what an operator is told of each peer that may connect.

Rule: read from what the network keeps anyway; addresses are not told.
"""

from dataclasses import dataclass

from node.p2p.roster import Role, Roster
from node.p2p.scores import PeerScores
from node.p2p.stats import NetworkStats


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
    told = []
    for key in sorted(roster.keys):
        record, peer, role = scores.record(key), stats.peer(key), roster.role(key)
        if role is None:
            continue
        told.append(
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
    return tuple(told)
