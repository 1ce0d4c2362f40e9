"""Token buckets, one a client address.

Rule: bounded in number; the bucket that was quiet longest makes room, and a new one is full, so that a flood of
addresses costs memory nothing and honest clients no more than their burst.
"""

from collections import OrderedDict

CLIENTS_MAX = 10_000


class RateLimiter:
    """`per_second` requests on average, `burst` at once."""

    def __init__(self, per_second: int, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def wait_ms(self, client: str, now_ms: int) -> int:
        """Take one token: 0 when there was one, else how long until there is."""
        # In thousandths of a token, so that everything is an integer.
        level, since_ms = self._buckets.pop(client, (self._burst * 1000, now_ms))
        level = min(self._burst * 1000, level + max(0, now_ms - since_ms) * self._per_second)
        allowed = level >= 1000
        self._buckets[client] = (level - 1000 if allowed else level, now_ms)
        if len(self._buckets) > CLIENTS_MAX:
            self._buckets.popitem(last=False)
        return 0 if allowed else -(-(1000 - level) // self._per_second)
