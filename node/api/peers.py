"""`GET /v1/peers`: who may connect, who is connected, and what is held against whom."""

from node.api.handlers import Call
from node.api.peer_shapes import PeersView, PeerView
from node.p2p.status import PeerStatus


def peers(call: Call) -> object:
    """Every peer of the allow-list."""
    return PeersView(peers=tuple(peer_view(each) for each in call.view.peers()))


def peer_view(status: PeerStatus) -> PeerView:
    """One peer as the API tells it."""
    return PeerView(
        key=status.key.hex(),
        role=status.role.value,
        connected=status.connected,
        connections=status.connections,
        rtt_ms=round(status.rtt_ms),
        score=status.score,
        faults=status.faults,
        last_fault=status.last_fault[:300],
        bans=status.bans,
        banned_ms=round(1000 * status.banned_seconds),
    )
