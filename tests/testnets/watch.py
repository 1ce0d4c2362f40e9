"""`Watch`: at which height each node is, seen from outside, by what is durable in its database.

Rule: it reads files and asks no process, so a node that is held, cut off or dead is seen as well. Times are of this
process's steady clock.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import trio

from clearing.base.errors import LocalFault
from devnet.codes import DevnetCode
from tests.testnets.processes import RunningNode

POLL_SECONDS = 0.02
LEVEL_HEIGHTS = 2
"""Nodes so near to each other are level: one is always the first to decide."""


@dataclass(slots=True)
class Seen:
    """The heights of one node, as they were found: rising, with times."""

    heights: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    @property
    def top(self) -> int:
        return self.heights[-1] if self.heights else 0

    def note(self, height: int, now: float) -> None:
        """A look at the database."""
        if height > self.top:
            self.heights.append(height)
            self.times.append(now)

    def reached(self, height: int) -> float | None:
        """When it was first seen at a height or above; None: never."""
        at = bisect_left(self.heights, height)
        return self.times[at] if at < len(self.heights) else None

    def at(self, now: float) -> int:
        """The height at a time."""
        at = bisect_left(self.times, now)
        return self.heights[at - 1] if at else 0


class _Database:
    """A node's database, opened when it is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def height(self) -> int:
        """0 while there is nothing to read."""
        try:
            if self._connection is None:
                if not self._path.exists():
                    return 0
                self._connection = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=0)
            rows = self._connection.execute("SELECT COALESCE(MAX(height), 0) FROM blocks").fetchall()
            return int(rows[0][0])
        except sqlite3.Error:
            # Busy, or half made, or made anew by a node that joins by snapshot: the next look opens it again.
            self.close()
            return 0

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Watch:
    """Run it beside everything else."""

    def __init__(self, nodes: Iterable[RunningNode]) -> None:
        self._nodes = list(nodes)
        self._databases = {node.name: _Database(node.home / "node.sqlite") for node in self._nodes}
        self.seen = {node.name: Seen() for node in self._nodes}

    async def run(self) -> None:
        """Look until cancelled. Raises LocalFault NODE_DIED when a process ends by itself."""
        try:
            while True:
                self.look()
                await trio.sleep(POLL_SECONDS)
        finally:
            for database in self._databases.values():
                database.close()

    def look(self) -> None:
        for node in self._nodes:
            node.check()
            self.seen[node.name].note(self._databases[node.name].height(), trio.current_time())

    def top(self) -> int:
        return max(seen.top for seen in self.seen.values())

    def level(self, names: Collection[str], above: int) -> bool:
        """Whether these nodes are all at `above` or higher, and near the top."""
        wanted = max(above, self.top() - LEVEL_HEIGHTS)
        return all(self.seen[name].top >= wanted for name in names)

    async def until_level(self, names: Collection[str], above: int, seconds: float) -> float:
        """When they were level. Raises LocalFault STORY_STUCK telling where each is."""
        if await _becomes(lambda: self.level(names, above), seconds):
            return trio.current_time()
        tops = {name: seen.top for name, seen in self.seen.items()}
        raise LocalFault(DevnetCode.STORY_STUCK, f"level above {above}", seconds=int(seconds), heights=str(tops))

    async def until_height(self, height: int, seconds: float) -> None:
        """Until the highest node is there. Raises LocalFault STORY_STUCK."""
        if not await _becomes(lambda: self.top() >= height, seconds):
            raise LocalFault(DevnetCode.STORY_STUCK, f"height {height}", seconds=int(seconds), top=self.top())


async def _becomes(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether it came to hold in time."""
    with trio.move_on_after(seconds):
        while True:
            if holds():
                return True
            await trio.sleep(POLL_SECONDS)
    return False
