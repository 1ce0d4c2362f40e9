"""`parsed`: large messages are read in a worker thread, so that none of them holds up consensus.

Rule: the event loop itself reads only what takes a few milliseconds. All sources share few threads: others' work does
not wait for them. One parser reads one message at a time; its caller sees to that.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import trio

from node.oracle.events import Event

AT_ONCE_BYTES = 16_384
"""Read in the event loop: some thousand levels. Changing to a thread costs more."""
THREADS = 2
T = TypeVar("T")
_threads = trio.CapacityLimiter(THREADS)


async def parsed(read: Callable[[], Sequence[Event]], size: int) -> Sequence[Event]:
    """What `read` returns for a message of so many bytes. Raises as it does.

    It is waited for even when cancelled: a message is bounded, and the parser is used again.
    """
    return read() if size <= AT_ONCE_BYTES else await threaded(read)


async def threaded(read: Callable[[], T]) -> T:
    """What `read` returns in a worker thread of the sources. Raises as it does, and is waited for in the same way."""
    return await trio.to_thread.run_sync(read, limiter=_threads)
