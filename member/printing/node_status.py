"""What a node answers about itself and its peers, as text."""

from collections.abc import Sequence

from member.api.state import PeerView
from member.client.status import NodeStatus


def status_text(status: NodeStatus) -> str:
    """Height, each check of readiness, each peer, and the verdict."""
    state, readiness = status.state, status.readiness
    lines = [] if state is None else [f"height {state.height}, epoch {state.epoch}, state root {state.state_root}"]
    lines += [f"{'ok  ' if check.ok else 'FAIL'} {check.name:<20} {check.detail}" for check in readiness.checks]
    lines += peer_lines(status.peers)
    return "\n".join([*lines, "ready" if readiness.ready else "NOT READY"])


def peer_lines(peers: Sequence[PeerView]) -> list[str]:
    """A line for each peer: whether it is connected, its key, role, score, ban and last fault."""
    return [_line(peer) for peer in peers]


def _line(peer: PeerView) -> str:
    connected = f"{peer.rtt_ms} ms" if peer.connected else "not connected"
    line = f"{'ok  ' if peer.connected else '-   '} peer {peer.key[:16]} {peer.role:<10} score {peer.score:>3}"
    line += f"  {connected}"
    if peer.banned_ms:
        line += f", banned for {peer.banned_ms / 1000:.0f} s"
    return line + (f"; last fault: {peer.last_fault}" if peer.last_fault else "")
