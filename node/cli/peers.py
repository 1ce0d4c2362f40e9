"""The peers in `crossclear status`: one line each, faults first seen."""

from collections.abc import Sequence

from node.api.peer_shapes import PeerView


def peer_lines(peers: Sequence[PeerView]) -> list[str]:
    """One line a peer: whether it is connected, its key, role, score, ban and last fault."""
    return [_line(peer) for peer in peers]


def _line(peer: PeerView) -> str:
    connected = f"{peer.rtt_ms} ms" if peer.connected else "not connected"
    told = f"{'ok  ' if peer.connected else '-   '} peer {peer.key[:16]} {peer.role:<10} score {peer.score:>3}"
    told += f"  {connected}"
    if peer.banned_ms:
        told += f", banned for {peer.banned_ms / 1000:.0f} s"
    return told + (f"; last fault: {peer.last_fault}" if peer.last_fault else "")
