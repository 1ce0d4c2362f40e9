"""`Bucket` and `Buckets`: how fast somebody may come.

Rule: time is handed in, in seconds of a steady clock; what is kept is bounded however many come.
"""

from collections import OrderedDict
from collections.abc import Hashable

KEPT_MAX = 4096
"""Buckets kept by `Buckets`; beyond it whoever came longest ago is forgotten, which refills it."""


class Bucket:
    """So many tokens a second, and a burst of `burst_seconds` worth of them. Starts full."""

    def __init__(self, per_second: float, now: float, burst_seconds: float = 2.0) -> None:
        self._rate = per_second
        self._most = per_second * burst_seconds
        self._tokens = self._most
        self._at = now

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Take tokens if they are there."""
        self._refill(now)
        if self._tokens < tokens:
            return False
        self._tokens -= tokens
        return True

    def has(self, now: float, tokens: float = 1.0) -> bool:
        """Whether `take` would."""
        self._refill(now)
        return self._tokens >= tokens

    def owe(self, now: float, tokens: float) -> float:
        """Take tokens, there or not. Returns the seconds until the debt is paid; 0 without one."""
        self._refill(now)
        self._tokens -= tokens
        return max(0.0, -self._tokens / self._rate)

    def _refill(self, now: float) -> None:
        self._tokens = min(self._most, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now


class Buckets:
    """A bucket for each key."""

    def __init__(self, per_second: float, burst_seconds: float = 2.0) -> None:
        self._rate = per_second
        self._burst_seconds = burst_seconds
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: Hashable, now: float, tokens: float = 1.0) -> bool:
        """Take tokens of a key's bucket if they are there."""
        return self._of(key, now).take(now, tokens)

    def has(self, key: Hashable, now: float, tokens: float = 1.0) -> bool:
        """Whether `take` would."""
        return self._of(key, now).has(now, tokens)

    def owe(self, key: Hashable, now: float, tokens: float) -> float:
        """See `Bucket.owe`."""
        return self._of(key, now).owe(now, tokens)

    def _of(self, key: Hashable, now: float) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._rate, now, self._burst_seconds)
            if len(self._buckets) > KEPT_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        return bucket
