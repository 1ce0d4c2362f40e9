"""`TokenBucket` and `TokenBuckets`: the one rate limit that consensus, peers, state sync and the API use.

Rule: the caller passes the time; a clock that goes back adds no tokens. The number of buckets is bounded. Levels are
stored in tokens times clock ticks per second, so integers stay exact.
"""

from collections import OrderedDict
from collections.abc import Hashable

KEYS_MAX = 4096
"""Default capacity of `TokenBuckets`; beyond it the least recently used bucket is dropped, which refills it."""


class TokenBucket:
    """A rate limit of `per_second` tokens per second with bursts of at most `burst` tokens. Starts full."""

    def __init__(self, per_second: float, burst: float, now: float, ticks: int = 1) -> None:
        """`ticks`: clock ticks per second: 1 for seconds, 1000 for milliseconds."""
        self._per_second = per_second
        self._ticks = ticks
        self._capacity = burst * ticks
        self._level = self._capacity
        self._at = now

    def has(self, now: float, tokens: float = 1) -> bool:
        """Whether `take` would succeed."""
        self._refill(now)
        return self._level >= tokens * self._ticks

    def take(self, now: float, tokens: float = 1) -> bool:
        """Take tokens if enough are available. Returns whether they were taken."""
        if not self.has(now, tokens):
            return False
        self._level -= tokens * self._ticks
        return True

    def wait(self, now: float, tokens: float = 1) -> float:
        """Clock ticks until `take` would succeed; 0 if it would succeed now."""
        self._refill(now)
        return max(0, tokens * self._ticks - self._level) / self._per_second

    def charge(self, now: float, tokens: float, debt_max: float | None = None) -> float:
        """Always take tokens, with a debt of at most `debt_max`. Returns the clock ticks until it is repaid."""
        self._refill(now)
        self._level -= tokens * self._ticks
        if debt_max is not None:
            self._level = max(-debt_max * self._ticks, self._level)
        return self.wait(now, 0)

    def _refill(self, now: float) -> None:
        self._level = min(self._capacity, self._level + max(0, now - self._at) * self._per_second)
        self._at = now


class TokenBuckets:
    """One bucket per key."""

    def __init__(self, per_second: float, burst: float, ticks: int = 1, keys_max: int = KEYS_MAX) -> None:
        self._per_second, self._burst, self._ticks, self._keys_max = per_second, burst, ticks, keys_max
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def has(self, key: Hashable, now: float, tokens: float = 1) -> bool:
        """See `TokenBucket.has`."""
        return self._of(key, now).has(now, tokens)

    def take(self, key: Hashable, now: float, tokens: float = 1) -> bool:
        """See `TokenBucket.take`."""
        return self._of(key, now).take(now, tokens)

    def wait(self, key: Hashable, now: float, tokens: float = 1) -> float:
        """See `TokenBucket.wait`."""
        return self._of(key, now).wait(now, tokens)

    def charge(self, key: Hashable, now: float, tokens: float, debt_max: float | None = None) -> float:
        """See `TokenBucket.charge`."""
        return self._of(key, now).charge(now, tokens, debt_max)

    def _of(self, key: Hashable, now: float) -> TokenBucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._per_second, self._burst, now, self._ticks)
            if len(self._buckets) > self._keys_max:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        return bucket
