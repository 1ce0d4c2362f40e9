"""Load of one shape for two chains: transactions of one size at a steady rate, to one node after another.

Rule: the generator knows a chain only as `Chain`, so that what it measures of one it measures of the other: from the
sending of a transaction to the moment when the first node tells its block, by one clock.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import trio

from benchmarks.figures import Figure, percentile

POSTS_PER_SECOND = 25
NUMBERS_FROM = 1 << 40
SETTLE_SECONDS = 1.0
DRAIN_SECONDS = 20.0


class Chain(Protocol):
    """A running network."""

    async def submit(self, node: int, numbers: Sequence[int]) -> None:
        """Hand transactions to a node."""
        ...

    @property
    def nodes(self) -> Sequence[int]:
        """Those that take load."""
        ...

    @property
    def blocks(self) -> dict[int, tuple[float, tuple[int, ...]]]:
        """By height: when the first node reported it (wall time), and the numbers of its transactions. Grows."""
        ...

    async def cpu(self) -> float:
        """CPU seconds of all nodes together so far."""
        ...


@dataclass(slots=True)
class Seen:
    """What one phase showed."""

    rate: int
    seconds: float
    heights: int
    cpu_ms: float
    """A height and node."""
    gaps_ms: list[float]
    """Between the news of two blocks."""
    waits_ms: list[float]
    """From sending a transaction to the news of its block."""
    missing: int
    busy_seconds: float
    late_ms: float = 0.0
    extra: list[Figure] = field(default_factory=list)

    def figures(self, of: str, goals: tuple[str, str] = ("", "")) -> list[Figure]:
        """For the report."""
        measured = [
            Figure(f"heights, {of}", self.heights / self.seconds, "1/s"),
            Figure(f"between blocks p50, {of}", percentile(self.gaps_ms, 0.5), "ms", goal=goals[0]),
            Figure(f"between blocks p99, {of}", percentile(self.gaps_ms, 0.99), "ms", goal=goals[1]),
            Figure(f"CPU a height and node, {of}", self.cpu_ms, "ms"),
        ]
        if self.rate:
            measured += [
                Figure(f"sent to block p50, {of}", percentile(self.waits_ms, 0.5), "ms"),
                Figure(f"sent to block p99, {of}", percentile(self.waits_ms, 0.99), "ms"),
                Figure(f"trades, {of}", len(self.waits_ms) / self.busy_seconds, "1/s"),
                Figure(f"not in a block, {of}", self.missing, "trades"),
            ]
        return measured + self.extra


async def measure(chain: Chain, count: int, rate: int, seconds: float) -> Seen:
    """Load `count` nodes at `rate` for so long, then wait until all that was sent is in a block."""
    await trio.sleep(SETTLE_SECONDS)
    first, cpu, began = max(chain.blocks, default=0) + 1, await chain.cpu(), trio.current_time()
    sent: dict[int, float] = {}
    late = 0.0
    if rate:
        late = await _load(chain, rate, seconds, sent)
        with trio.move_on_after(DRAIN_SECONDS):
            while not sent.keys() <= _found(chain, first).keys():  # noqa: ASYNC110 - other processes
                await trio.sleep(0.05)
    else:
        await trio.sleep(seconds)
    spent, used = trio.current_time() - began, await chain.cpu() - cpu
    seen = {height: blocks for height, (blocks, _) in sorted(chain.blocks.items()) if height >= first}
    found = {number: at for number, at in _found(chain, first).items() if number in sent}
    return Seen(
        rate=rate,
        seconds=spent,
        heights=len(seen),
        cpu_ms=1000 * used / max(1, len(seen)) / count,
        gaps_ms=[1000 * (b - a) for a, b in pairwise(seen.values())],
        waits_ms=[1000 * (at - sent[number]) for number, at in found.items()],
        missing=len(sent) - len(found),
        busy_seconds=max(found.values()) - min(sent.values()) if found else 1.0,
        late_ms=1000 * late,
    )


def _found(chain: Chain, first: int) -> dict[int, float]:
    blocks = [block for height, block in chain.blocks.items() if height >= first]
    return {number: at for at, numbers in blocks for number in numbers}


async def _load(chain: Chain, rate: int, seconds: float, sent: dict[int, float]) -> float:
    """Send; the seconds by which the generator fell behind its own rate."""
    each, began, late = max(1, rate // POSTS_PER_SECOND), trio.current_time(), 0.0
    start = NUMBERS_FROM + time.time_ns() // 1000
    async with trio.open_nursery() as nursery:
        for post in range(int(rate * seconds) // each):
            due = began + post * each / rate
            await trio.sleep_until(due)
            late = max(late, trio.current_time() - due)
            numbers = range(start + post * each, start + (post + 1) * each)
            sent.update(dict.fromkeys(numbers, time.time()))
            nursery.start_soon(chain.submit, chain.nodes[post % len(chain.nodes)], numbers)
    return late
