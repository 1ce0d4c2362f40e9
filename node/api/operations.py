"""Health, readiness, metrics and peers."""

from starlette.responses import Response

from member.api.state import Health, PeersView, PeerView, Readiness
from node.api.calls import ApiCall, respond
from node.ops.metrics import CONTENT_TYPE
from node.p2p.peers import PeerStatus


def peers(call: ApiCall) -> object:
    """Every peer of the allow-list."""
    return PeersView(peers=tuple(peer_view(peer) for peer in call.view.peers()))


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


def health(_: ApiCall) -> object:
    """The process answers."""
    return Health()


def readiness(call: ApiCall) -> Response:
    """All checks, and whether all hold."""
    checks = tuple(call.view.readiness())
    ready = bool(checks) and all(check.ok for check in checks)
    return respond(Readiness(ready=ready, checks=checks), 200 if ready else 503)


def metrics(call: ApiCall) -> Response:
    """Prometheus' text."""
    return Response(call.view.metrics(), media_type=CONTENT_TYPE)
