"""What gossip refuses before libp2p acts on it: unbounded control messages, and sequence numbers seen before.

Rule: our topics only, each id once, counts bounded, no addresses. An origin's numbers are its clock in nanoseconds and
rise by at least one with each message, so that a restarted process needs no memory of its own. Of each origin the
`WINDOW` newest are kept; numbers older than all of these, or than `TOLERANCE_NS` before our own start, are stale. A new
process of the origin, announced by its hello, starts afresh: its clock may have been set back.
"""

import heapq
from collections.abc import Collection, Iterable
from typing import Any

from libp2p.pubsub.pb import rpc_pb2

IDS_MAX = 1024
"""Message ids in one control message, of each kind."""
ID_BYTES_MAX = 64
"""A peer id and a sequence number are 46."""
BACKOFF_SECONDS_MAX = 600


def bounded_control(control: Any, topics: Collection[str]) -> Any | None:
    """A copy with what libp2p may act on; None when nothing is left. Wanted ids are not in it: see `wanted_ids`."""
    kept = rpc_pb2.ControlMessage()
    room = IDS_MAX
    for topic, ihaves in _by_topic(control.ihave, topics).items():
        ids = _ids((ihave.messageIDs for ihave in ihaves), room)
        room -= len(ids)
        if ids:
            kept.ihave.append(rpc_pb2.ControlIHave(topicID=topic, messageIDs=ids))
    for topic in _by_topic(control.graft, topics):
        kept.graft.append(rpc_pb2.ControlGraft(topicID=topic))
    for topic, prunes in _by_topic(control.prune, topics).items():
        kept.prune.append(rpc_pb2.ControlPrune(topicID=topic, backoff=min(prunes[0].backoff, BACKOFF_SECONDS_MAX)))
    return kept if kept.ByteSize() else None


def wanted_ids(control: Any) -> list[bytes]:
    """The message ids that a neighbour wants, each once."""
    return _ids((wanted.messageIDs for wanted in control.iwant), IDS_MAX)


def _by_topic(items: Iterable[Any], topics: Collection[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in items:
        if item.topicID in topics:
            found.setdefault(item.topicID, []).append(item)
    return found


def _ids(lists: Iterable[Iterable[bytes]], most: int) -> list[bytes]:
    """The first different ids; `most` of them."""
    found: dict[bytes, None] = {}
    for ids in lists:
        for id_ in ids:
            if len(found) >= most:
                return list(found)
            if len(id_) <= ID_BYTES_MAX:
                found[id_] = None
    return list(found)


WINDOW = 4096
TOLERANCE_NS = 600 * 1_000_000_000


class _Window:
    def __init__(self) -> None:
        self.boot = b""
        self.seen: set[int] = set()
        self.oldest_first: list[int] = []


class ReplayWindows:
    """One node's windows; origins must be bounded by the caller (the allow-list)."""

    def __init__(self, start_ns: int) -> None:
        self._floor = start_ns - TOLERANCE_NS
        self._windows: dict[bytes, _Window] = {}

    def is_stale(self, origin: bytes, number: int) -> bool:
        """Whether a number is too old to know whether it was seen."""
        window = self._windows.get(origin)
        full = window is not None and len(window.seen) >= WINDOW
        return number < self._floor or (full and window is not None and number < window.oldest_first[0])

    def is_seen(self, origin: bytes, number: int) -> bool:
        """Whether a number was taken before."""
        window = self._windows.get(origin)
        return window is not None and number in window.seen

    def take(self, origin: bytes, number: int) -> None:
        """Note a number that is neither stale nor seen, of a message with a valid signature."""
        window = self._windows.setdefault(origin, _Window())
        window.seen.add(number)
        heapq.heappush(window.oldest_first, number)
        if len(window.seen) > WINDOW:
            window.seen.discard(heapq.heappop(window.oldest_first))

    def booted(self, origin: bytes, boot: bytes) -> None:
        """The origin's hello: with another boot than last time it is another process."""
        window = self._windows.setdefault(origin, _Window())
        if window.boot not in (b"", boot):
            self._windows[origin] = window = _Window()
        window.boot = boot

    def keep(self, origins: frozenset[bytes]) -> None:
        """Forget all others."""
        self._windows = {origin: window for origin, window in self._windows.items() if origin in origins}
