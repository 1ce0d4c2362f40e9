"""A worker thread for answers that take more than a moment.

Rule: one thread (more would take more of the one interpreter from consensus), few waiting; whoever comes beyond that is
refused, so that nobody can pile up work. Only frozen values go in.
"""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import trio

from node.api.problems import ApiRefusal
from node.codes import NodeCode

THREADS = 1
WAITING_MAX = 8
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_workers = trio.CapacityLimiter(THREADS)


async def run_in_worker(work: Callable[[*Ts], T], *inputs: *Ts) -> T:
    """The result of `work`. Raises ApiRefusal 429 when too many wait."""
    if _workers.statistics().tasks_waiting >= WAITING_MAX:
        raise ApiRefusal(429, NodeCode.API_RATE, "request", waiting=WAITING_MAX)
    return await trio.to_thread.run_sync(work, *inputs, limiter=_workers)
