"""Streams under load: how long after a block its readers have it, and what a reader costs the node.

Run `python -m benchmarks.streams [--readers 1000] [--blocks 40] [--topics heights,marks]` at the top of the repository.
A node of its own process decides blocks, twice a second, and serves streams; the readers are in this process, half of
them over WebSockets, on the same cores. Times are from the moment at which the node's state has the block until a
reader has its frame, by the one clock of the machine.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import trio

from benchmarks.figures import Figure, percentile
from benchmarks.machine import this_machine
from node.config import Api
from node.http.server import build_api, serve_api
from tests.kit.node.streams import StreamingNode, streaming_node

READERS = 1000
BLOCKS = 40
BLOCK_SECONDS = 0.5
TOPICS = "heights,marks"


def serve(pipe: Connection, readers: int) -> None:
    """The node: says where it listens, decides as many blocks as it is asked for, and says when each was decided."""

    async def run(node: StreamingNode) -> None:
        api = Api(port=0, streams_max=readers, streams_per_client_max=readers, requests_burst=100_000)
        app = build_api(node.view, api, lambda: time.time_ns() // 1_000_000)
        async with trio.open_nursery() as nursery:
            (url,) = await nursery.start(serve_api, app, api)
            pipe.send(url)
            while blocks := await trio.to_thread.run_sync(pipe.recv):
                await decide(node, blocks)
            nursery.cancel_scope.cancel()

    async def decide(node: StreamingNode, blocks: int) -> None:
        decided: dict[int, float] = {}
        begun, late = trio.current_time(), []
        for number in range(blocks):
            due = begun + number * BLOCK_SECONDS
            await trio.sleep_until(due)
            late.append(trio.current_time() - due)
            node.view.followers.insert(0, lambda height: decided.update({height.header.height: time.time()}))
            node.decide(1, trades=True)
            node.view.followers.pop(0)
        await trio.sleep(3.0)
        pipe.send((decided, late))

    with tempfile.TemporaryDirectory() as folder, streaming_node(Path(folder)) as node:
        trio.run(run, node)


class Readers:
    """Raw readers: a client library would cost the cores more than the node does."""

    def __init__(self, url: str, topics: str, count: int) -> None:
        self.all_begun, self._count = trio.Event(), count
        self._host, port = url.removeprefix("http://").rsplit(":", 1)
        self._port = int(port)
        self._topics = topics
        self.begun = 0
        self.seen: dict[int, list[float]] = {}

    async def read(self, number: int) -> None:
        """One reader, until cancelled: notes when each height came."""
        head = f"GET /v1/stream?topics={self._topics} HTTP/1.1\r\nHost: localhost\r\n"
        if number % 2:
            head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            head += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        stream = await trio.open_tcp_stream(self._host, self._port)
        async with stream:
            await stream.send_all(f"{head}\r\n".encode())
            data, mark = b"", b'"topic":"heights","cursor":"'
            while b'"kind":"snapshot"' not in data:
                data += await self._more(stream)
            self.begun += 1
            if self.begun == self._count:
                self.all_begun.set()
            while True:
                data = await self._more(stream)
                at = time.time()
                for part in data.split(mark)[1:]:
                    self.seen.setdefault(int(part.partition(b":")[0]), []).append(at)

    @staticmethod
    async def _more(stream: trio.SocketStream) -> bytes:
        data = await stream.receive_some()
        if not data:
            raise trio.BrokenResourceError
        return bytes(data)


async def measure(pipe: Connection, process: psutil.Process, readers: int, blocks: int, topics: str) -> list[Figure]:
    """The figures of one run."""
    url = await trio.to_thread.run_sync(pipe.recv)
    reading = Readers(url, topics, readers)
    before = process.memory_info().rss
    async with trio.open_nursery() as nursery:
        for number in range(readers):
            nursery.start_soon(reading.read, number)
            if number % 20 == 19:
                await trio.sleep(0.05)
        await reading.all_begun.wait()
        opened, cpu = process.memory_info().rss, sum(process.cpu_times()[:2])
        began = time.monotonic()
        pipe.send(blocks)
        decided, late = await trio.to_thread.run_sync(pipe.recv)
        spent, seconds = sum(process.cpu_times()[:2]) - cpu, time.monotonic() - began
        after = process.memory_info().rss
        nursery.cancel_scope.cancel()
    pipe.send(0)
    waits = {height: [1000 * (at - decided[height]) for at in reading.seen.get(height, [])] for height in decided}
    everything = [wait for each in waits.values() for wait in each]
    p50 = [percentile(each, 0.5) for each in waits.values() if each]
    p99 = [percentile(each, 0.99) for each in waits.values() if each]
    return [
        Figure("readers", readers, ""),
        Figure("frames that came, of those that were due", len(everything) / (readers * blocks), "", goal="1"),
        Figure("block to reader p50", percentile(everything, 0.5), "ms", min(p50), max(p50)),
        Figure("block to reader p99", percentile(everything, 0.99), "ms", min(p99), max(p99)),
        Figure("blocks late because of readers, p50", 1000 * percentile(late, 0.5), "ms", 0.0, 1000 * max(late)),
        Figure("node's memory for a reader that opened", (opened - before) / readers / 1024, "KiB"),
        Figure("node's memory for a reader after all blocks", (after - before) / readers / 1024, "KiB"),
        Figure("node's processor time, of one core", spent / seconds, ""),
        Figure("node's processor time for a frame", 1e6 * spent / max(1, len(everything)), "us"),
    ]


def figures(*, quick: bool = False) -> list[Figure]:
    """For `python -m benchmarks streams`."""
    return run(100 if quick else READERS, 10 if quick else BLOCKS, TOPICS)


def run(readers: int, blocks: int, topics: str) -> list[Figure]:
    """Start the node and measure."""
    ours, theirs = multiprocessing.Pipe()
    node = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, readers))
    node.start()
    try:
        return trio.run(measure, ours, psutil.Process(node.pid), readers, blocks, topics)
    finally:
        node.join(20)
        node.kill()


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--readers", type=int, default=READERS)
    parser.add_argument("--blocks", type=int, default=BLOCKS)
    parser.add_argument("--topics", default=TOPICS)
    options = parser.parse_args()
    print(this_machine().line())
    for figure in run(options.readers, options.blocks, options.topics):
        print(figure.line())
    return 0


if __name__ == "__main__":
    sys.exit(main())
