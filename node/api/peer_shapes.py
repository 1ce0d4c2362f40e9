"""What the API tells of peers.

Rule: keys, roles and scores of the allow-list; no addresses.
"""

from node.api.shapes import Body


class PeerView(Body, frozen=True):
    """A peer that may connect. `score` is 100 without faults and falls to 0, where a ban begins."""

    key: str
    role: str
    """validator, observer, or configured: in node.toml, and in no validator set that this node has seen."""
    connected: bool
    connections: int
    rtt_ms: int
    score: int
    faults: int
    last_fault: str
    bans: int
    banned_ms: int
    """How long the present ban still lasts; 0 for none."""


class PeersView(Body, frozen=True):
    """All peers that may connect, in order of keys."""

    peers: tuple[PeerView, ...]
