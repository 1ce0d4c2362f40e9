"""Ending on request: SIGINT (Ctrl-C), SIGTERM and SIGHUP cancel what runs, and cleaning up is never cut short.

Rule: a signal's handler raises nothing. A handler that raises KeyboardInterrupt raises it between any two instructions,
and Python drops an exception that is raised inside the callback of a weak reference. trio's list of asynchronous
generators has such callbacks, which run at the end of every HTTP response: a signal that came there was lost.
"""

import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import trio

T = TypeVar("T")

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def run_interruptibly(work: Callable[[], Awaitable[T]]) -> T:
    """The result of `work`. Raises KeyboardInterrupt when a signal ended it, after everything in it was cleaned up.

    The first signal cancels `work`; later ones change nothing. Works in the main thread only.
    """
    with trio.CancelScope() as scope, _cancelled_by_signals(scope):
        return await work()
    raise KeyboardInterrupt


@contextmanager
def _cancelled_by_signals(scope: trio.CancelScope) -> Iterator[None]:
    """The handlers that were there before are given back at the end."""
    token = trio.lowlevel.current_trio_token()

    def cancel(_number: int, _frame: object) -> None:
        token.run_sync_soon(scope.cancel, idempotent=True)

    before = [(number, signal.signal(number, cancel)) for number in ENDING_SIGNALS]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
