"""Bounded queues: `Outbox` towards one peer's stream, `FairInbox` from all peers to one consumer.

Rule: putting never waits. Bounds count messages and bytes; a peer that floods fills its own share only, and the caller
counts what is dropped.
"""

from collections import deque
from collections.abc import Callable

import trio

from node.p2p.network import ChannelLimits, Incoming, Overflow

HANDOVER = 4
"""Messages that lie between the inbox and its consumer, beyond the reach of the overflow policy."""


class BoundedDeque:
    """A deque of byte strings with bounds and an overflow policy."""

    def __init__(self, limits: ChannelLimits) -> None:
        self._limits = limits
        self._items: deque[bytes] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def size(self) -> int:
        """Bytes of all that waits."""
        return self._bytes

    def put(self, data: bytes) -> int:
        """Append. Returns how many messages were lost: 0, or those dropped, or 1 for `data` itself refused."""
        lost = 0
        while self._over(len(data)):
            if self._limits.overflow is Overflow.REFUSE_NEWEST or not self._items:
                return 1
            self.take()
            lost += 1
        self._items.append(data)
        self._bytes += len(data)
        return lost

    def has_room(self, size: int) -> bool:
        """Whether a message of `size` bytes would be taken without loss."""
        return not self._over(size)

    def take(self) -> bytes:
        """The oldest. Raises IndexError when empty."""
        data = self._items.popleft()
        self._bytes -= len(data)
        return data

    def _over(self, more: int) -> bool:
        limits = self._limits
        return len(self._items) >= limits.queue_messages or self._bytes + more > limits.queue_bytes


class Outbox:
    """Messages on their way to one stream, joined into writes of about `coalesce` bytes."""

    def __init__(self, limits: ChannelLimits, coalesce: int) -> None:
        self._queue = BoundedDeque(limits)
        self._coalesce = coalesce
        self._rest = memoryview(b"")
        self._wake = trio.Event()

    def put(self, frame: bytes) -> int:
        """Queue a frame. Returns how many were lost by it."""
        lost = self._queue.put(frame)
        self._wake.set()
        return lost

    async def next_write(self) -> bytes:
        """Wait until there is something, then as many frames, or as much of a long one, as fit one write."""
        while not self._rest and not self._queue:
            self._wake = trio.Event()
            await self._wake.wait()
        parts: list[bytes | memoryview] = []
        room = self._coalesce
        while room > 0 and (self._rest or self._queue):
            if not self._rest:
                self._rest = memoryview(self._queue.take())
            parts.append(self._rest[:room])
            room -= len(parts[-1])
            self._rest = self._rest[len(parts[-1]) :]
        return b"".join(parts)


class FairInbox:
    """Messages from many senders for one consumer: a bounded queue for each sender, served in turn."""

    def __init__(self, limits: ChannelLimits, lost: Callable[[bytes, int], None]) -> None:
        """`lost(sender, count)` is called for what the policy drops."""
        self._limits = limits
        self._lost = lost
        self._queues: dict[bytes, BoundedDeque] = {}
        self._turns: deque[bytes] = deque()
        self._wake = trio.Event()
        self._taken = trio.Event()
        self._stuck: set[bytes] = set()
        self._to_consumer, self.consumer = trio.open_memory_channel[Incoming](HANDOVER)

    @property
    def waiting(self) -> tuple[int, int]:
        """Messages and bytes that wait, of all senders."""
        queues = self._queues.values()
        return sum(len(queue) for queue in queues), sum(queue.size for queue in queues)

    def put(self, sender: bytes, data: bytes) -> None:
        """Queue a message; never waits."""
        if not self._turns and self._handed_over(sender, data):
            return
        queue = self._queues.get(sender)
        if queue is None:
            queue = self._queues[sender] = BoundedDeque(self._limits)
            self._turns.append(sender)
        lost = queue.put(data)
        if lost:
            self._lost(sender, lost)
        self._wake.set()

    async def wait_for_room(self, sender: bytes, size: int, seconds: float) -> None:
        """Delay the reader of a sender whose queue is full, so that a burst is not refused; once, and not for long.

        A stream that is read no more is reset by libp2p after 5 s, so a consumer that stands still is not waited for
        again until it has moved.
        """
        queue = self._queues.get(sender)
        if queue is None or queue.has_room(size) or sender in self._stuck:
            return
        with trio.move_on_after(seconds):
            while sender in self._queues and not self._queues[sender].has_room(size):
                await self._taken.wait()
            return
        self._stuck.add(sender)

    def _handed_over(self, sender: bytes, data: bytes) -> bool:
        """The short way, when nothing waits in front."""
        try:
            self._to_consumer.send_nowait(Incoming(sender, data))
        except trio.WouldBlock:
            return False
        except trio.BrokenResourceError:  # the consumer is gone: what it does not want is lost
            self._lost(sender, 1)
        return True

    async def pump(self) -> None:
        """Hand over what waits, sender by sender, for ever."""
        while True:
            while not self._turns:
                self._wake = trio.Event()
                await self._wake.wait()
            # The sender keeps its turn until the message is away, or `put` would overtake it by the short way.
            sender = self._turns[0]
            queue = self._queues[sender]
            if queue:
                try:
                    await self._to_consumer.send(Incoming(sender, queue.take()))
                except trio.BrokenResourceError:
                    self._lost(sender, 1)
            self._turns.popleft()
            self._stuck.clear()
            self._taken.set()
            self._taken = trio.Event()
            if queue:
                self._turns.append(sender)
            else:
                del self._queues[sender]
