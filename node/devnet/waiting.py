"""Waiting for something to become true, bounded, and saying what did not.

Rule: a node that does not answer in time is none of whom it is true yet; on a loaded machine it answers later.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from clearing.base.errors import LocalFault
from node.codes import NodeCode
from node.devnet.codes import DevnetCode

T = TypeVar("T")
POLL_SECONDS = 0.2


async def until(what: str, seconds: float, look: Callable[[], Awaitable[T | None]]) -> T:
    """The first result of `look` that is not None. Raises LocalFault STORY_STUCK naming `what` after `seconds`."""
    with trio.move_on_after(seconds):
        while True:
            try:
                found = await look()
            except LocalFault as fault:
                if fault.code is not NodeCode.NODE_UNREACHABLE:
                    raise
                found = None
            if found is not None:
                return found
            await trio.sleep(POLL_SECONDS)
    raise LocalFault(DevnetCode.STORY_STUCK, what, seconds=int(seconds))
