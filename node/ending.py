"""How what our cancellation does not reach begins and ends: `shielded` and `ShieldedTask`.

Rule: the end of a node waits for a library, a peer or a disk no longer than `END_SECONDS` at one place. So every shield
has a deadline, or the task behind it is a `ShieldedTask`. No such task is begun by `nursery.start`: when the starter is
cancelled meanwhile, trio waits there for the task's end, which nobody would ask for.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from clearing.base.errors import Bug

END_SECONDS = 5.0


def shielded() -> trio.CancelScope:
    """For `with`: finish what must not be left half done, also when cancelled. After `END_SECONDS` it is cancelled."""
    return trio.CancelScope(shield=True, deadline=trio.current_time() + END_SECONDS)


class ShieldedTask:
    """A task that ends when `end` asks for it. Start `run` by `start_soon`, wait for `begun`, and `end` it in any case.

    `task(stopping, task_status=…)` reports its start as for `nursery.start`. It returns soon after `stopping` is set.
    """

    def __init__(self, task: Callable[..., Awaitable[object]]) -> None:
        self._task = task
        self._stopping = trio.Event()
        self._has_begun = trio.Event()
        self._value: Any = None
        self._scope = trio.CancelScope(shield=True)

    async def run(self) -> None:
        """Run it to its end. Raises what it raises, and Bug when it ends unasked before it reported its start."""
        with self._scope:
            await self._task(self._stopping, task_status=self)
        if not self._has_begun.is_set() and not self._stopping.is_set():
            raise Bug("a task ended before it had started")

    def started(self, value: Any = None) -> None:
        """The task's report that it has started, as trio's own."""
        self._value = value
        self._has_begun.set()

    async def begun(self) -> Any:
        """What it reported. Waits for the report, and may be cancelled."""
        await self._has_begun.wait()
        return self._value

    def end(self, *, at_once: bool = False) -> None:
        """Ask for its end. It is cancelled after `END_SECONDS`, or at once."""
        self._stopping.set()
        self._scope.deadline = trio.current_time() + (0 if at_once else END_SECONDS)
