"""`PeerBudgets`: how much of this node's work each peer may cause.

Rule: one bucket a peer, refilled with time up to a burst; an empty one affects only its peer. It knows no messages and
no clock: the caller gives cost and time.
"""

from dataclasses import dataclass

PEERS_MAX = 1024


@dataclass(slots=True)
class _Bucket:
    left: int
    at_ms: int


class PeerBudgets:
    """Units of any kind: `per_second` of them, at most `burst` at once."""

    def __init__(self, per_second: int, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._buckets: dict[bytes, _Bucket] = {}

    def has(self, peer: bytes, now_ms: int) -> bool:
        """Whether anything is left."""
        bucket = self._buckets.get(peer)
        if bucket is None:
            return True
        gained = (now_ms - bucket.at_ms) * self._per_second // 1000
        if gained > 0:
            bucket.left = min(self._burst, bucket.left + gained)
            bucket.at_ms = now_ms
        return bucket.left > 0

    def charge(self, peer: bytes, units: int, now_ms: int) -> None:
        """Take a cost, even if it is more than what is left: the peer then waits longer, at most for one burst."""
        self.has(peer, now_ms)
        bucket = self._buckets.get(peer)
        if bucket is None:
            if len(self._buckets) >= PEERS_MAX:
                self._buckets.clear()
            bucket = self._buckets[peer] = _Bucket(self._burst, now_ms)
        bucket.left = max(-self._burst, bucket.left - units)
