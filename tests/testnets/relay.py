"""The relay: a process that carries bytes between nodes, one listener for each ordered pair, so that links can be cut.

Rule: it changes no byte and no order. A cut link is silent in both directions, as a cable that was pulled: what is on
its way waits, who dials reaches nobody, and nothing is told to either side. Commands come as JSON lines on standard
input, each answered by one line; the end of standard input ends it.

    python -m tests.testnets.relay      then: {"links": [{"pair": [0, 1], "port": 29500, "to": 29501, …}]}
                                              {"cut": [[0, 1], [1, 0]]}      the links that are silent from now on
"""

import json
import random
import sys
from collections import deque
from dataclasses import dataclass
from typing import Any

import trio

CHUNK_BYTES = 64 << 10
WAITING_BYTES_MAX = 1 << 20
"""Of one direction of one connection; a sender waits beyond it, as for a full window."""
Pair = tuple[int, int]


class Valve:
    """Whether a link carries."""

    def __init__(self) -> None:
        self._open = trio.Event()
        self._open.set()

    def turn(self, *, shut: bool) -> None:
        """Cut or heal it."""
        if shut and self._open.is_set():
            self._open = trio.Event()
        elif not shut:
            self._open.set()

    async def wait(self) -> None:
        """Until it carries."""
        while not self._open.is_set():
            await self._open.wait()


@dataclass(frozen=True, slots=True)
class Link:
    """From node `pair[0]`, which dials `port` here, to node `pair[1]`, which listens at `to`."""

    pair: Pair
    port: int
    to: int
    host: str = "127.0.0.1"
    """Where it listens."""
    latency_ms: int = 0
    jitter_ms: int = 0


class Relay:
    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._valves: dict[Pair, Valve] = {}

    def cut(self, pairs: set[Pair]) -> None:
        """From now on these links are silent, and no others."""
        for pair, valve in self._valves.items():
            valve.turn(shut=pair in pairs)

    async def serve(self, link: Link, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        """Carry a link's connections for ever."""
        valve = self._valves[link.pair] = Valve()

        async def carry(near: trio.SocketStream) -> None:
            await self._carry(link, valve, near)

        await trio.serve_tcp(carry, link.port, host=link.host, task_status=task_status)

    async def _carry(self, link: Link, valve: Valve, near: trio.SocketStream) -> None:
        async with near:
            await valve.wait()
            try:
                far = await trio.open_tcp_stream("127.0.0.1", link.to)
            except OSError:
                return
            async with far, trio.open_nursery() as nursery:
                nursery.start_soon(self._pump, near, far, link, valve, nursery.cancel_scope)
                nursery.start_soon(self._pump, far, near, link, valve, nursery.cancel_scope)

    async def _pump(
        self, source: trio.SocketStream, sink: trio.SocketStream, link: Link, valve: Valve, scope: trio.CancelScope
    ) -> None:
        """One direction; its end is the connection's."""
        line = _Line()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._deliver, line, sink, valve, scope)
            try:
                while data := await source.receive_some(CHUNK_BYTES):
                    delay = link.latency_ms + self._chance.uniform(0, link.jitter_ms)
                    await line.put(trio.current_time() + delay / 1000, data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            await line.put(trio.current_time() + link.latency_ms / 1000, b"")

    async def _deliver(self, line: "_Line", sink: trio.SocketStream, valve: Valve, scope: trio.CancelScope) -> None:
        """Hand on what arrived, when its time has come and the link carries; an empty piece is the end."""
        data = b"-"
        while data:
            due, data = await line.take()
            await trio.sleep_until(due)
            await valve.wait()
            try:
                await sink.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                break
        scope.cancel()


class _Line:
    """Pieces on their way, in order, bounded in bytes."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._bytes = 0
        self._changed = trio.Event()

    async def put(self, due: float, data: bytes) -> None:
        while self._bytes > WAITING_BYTES_MAX:
            await self._changed.wait()
        self._pieces.append((due, data))
        self._bytes += len(data)
        self._change()

    async def take(self) -> tuple[float, bytes]:
        while not self._pieces:
            await self._changed.wait()
        due, data = self._pieces.popleft()
        self._bytes -= len(data)
        self._change()
        return due, data

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


async def obey() -> None:
    relay = Relay(seed=0)
    lines = trio.wrap_file(sys.stdin)
    async with trio.open_nursery() as nursery:
        async for line in lines:
            command = json.loads(line)
            for each in command.get("links", ()):
                await nursery.start(relay.serve, Link(**{**each, "pair": tuple(each["pair"])}))
            if "cut" in command:
                relay.cut({(first, second) for first, second in command["cut"]})
            sys.stdout.write("done\n")
            sys.stdout.flush()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(obey)
