"""What a node's API does to the network when much is asked of it, well and badly formed: four validators as processes.

Run `python -m benchmarks.api_load [--rate 500] [--seconds 60] [--nodes 1]` at the top of the repository. The first
`--nodes` nodes are asked: reads of all kinds, unknown paths, methods that a path does not have, bodies that are no
JSON, too large or of other types, trades with forged signatures, and trades that hold. Prices move all the time.

Reports: answers by status and how long they took; the time between blocks before and during; the resident memory of the
fullest of the nodes asked, before and at most during; and how many of their answers were not one of ours. The load
generator runs on the same cores.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import psutil
import trio

from benchmarks.figures import Figure, percentile
from benchmarks.machine import this_machine
from benchmarks.network import SPEED, Disk, process_ids
from clearing.base.codec import encode
from devnet.demo.story import DevnetStory
from devnet.members import now_ms, signed_trade
from devnet.network import Devnet, running_devnet
from devnet.options import DevnetOptions
from member.api.submit import TransactionList
from node.oracle.source import Schedule, write_schedule

RATE = 500
SECONDS = 60.0
BEFORE_SECONDS = 20.0
OPEN_MAX = 32
"""Connections to a node: with as many requests under way the generator is late."""
MSGPACK = {"content-type": "application/msgpack"}
JSON = {"content-type": "application/json"}
READS = (
    "/v1/state",
    "/v1/peers",
    "/readyz",
    "/healthz",
    "/v1/fund",
    "/v1/governance",
    "/v1/headers/1",
    "/v1/proofs/latest",
)
BAD = (
    ("GET", "/v1/nothing", b"", {}),
    ("GET", "/v1/headers/-1", b"", {}),
    ("GET", "/v1/headers/" + "9" * 400, b"", {}),
    ("GET", "/v1/accounts/1", b"", {}),
    ("GET", "/v1/transactions/zz", b"", {}),
    ("DELETE", "/v1/state", b"", {}),
    ("POST", "/v1/submit", b"{", JSON),
    ("POST", "/v1/submit", b'{"transactions":[{"type":"nothing"}]}', JSON),
    ("POST", "/v1/submit", b"[" * 20_000, JSON),
    ("POST", "/v1/submit", b"\xc1", MSGPACK),
    ("POST", "/v1/submit", bytes(200_000), MSGPACK),
    ("POST", "/v1/submit", b"{}", {"content-type": "text/plain"}),
)
Request = tuple[str, str, bytes, dict[str, str]]


@dataclass(slots=True)
class Answers:
    """What came back."""

    by_status: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    """Of requests without an answer, by kind."""
    waits_ms: list[float] = field(default_factory=list)
    memory_max: int = 0
    late: float = 0.0
    seconds: float = 0.0


def requests(devnet: Devnet, marks: Sequence[tuple[int, int]], count: int, seed: int) -> Iterator[Request]:
    """So many, half of them reads, a quarter badly formed, an eighth forged trades, an eighth good ones."""
    chance, number = random.Random(seed), 5_000_000
    able = [member for member in devnet.members if member.name not in ("house", "erin")]
    for _ in range(count):
        kind = chance.randrange(8)
        if kind < 4:
            yield "GET", chance.choice(READS), b"", {}
        elif kind < 6:
            yield chance.choice(BAD)
        else:
            number += 1
            buyer, seller = chance.sample(able, 2)
            instrument, ticks = chance.choice(marks)
            trade = signed_trade(devnet.network, number, buyer, seller, instrument, 1, ticks, now_ms())
            if kind == 6:
                trade = msgspec.structs.replace(trade, buyer_signature=chance.randbytes(65))
            yield "POST", "/v1/submit", encode(TransactionList((trade,))), MSGPACK


def as_bytes(request: Request) -> bytes:
    """The request on the wire."""
    method, path, body, headers = request
    lines = [f"{method} {path} HTTP/1.1", "host: node", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection:
    """A connection that is kept. A client library costs the cores more than the nodes do: its part is done by hand."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._stream: trio.SocketStream | None = None

    async def status(self, request: bytes) -> int:
        """Of the answer, once all of it is here. Raises trio.BrokenResourceError, and ValueError where it is none."""
        stream = self._stream or await trio.open_tcp_stream(self._host, self._port)
        self._stream = None
        await stream.send_all(request)
        data = await self._more(stream, b"")
        while (end := data.find(b"\r\n\r\n")) < 0:
            data = await self._more(stream, data)
        head = data[:end].lower()
        length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        while len(data) < end + 4 + length:
            data = await self._more(stream, data)
        if b"\r\nconnection: close" in head:
            await stream.aclose()
        else:
            self._stream = stream
        return int(head.split(b" ", 2)[1])

    @staticmethod
    async def _more(stream: trio.SocketStream, data: bytes) -> bytes:
        more = await stream.receive_some()
        if not more:
            raise trio.BrokenResourceError
        return data + more


async def ask(devnet: Devnet, urls: Sequence[str], rate: int, seconds: float) -> Answers:
    """Send at the rate, whether or not answers come, as long as a connection is free."""
    state = await next(iter(devnet.clients.values())).state()
    marks = [(mark.instrument, int(mark.mark_ticks)) for mark in state.marks]
    made = [as_bytes(each) for each in requests(devnet, marks, int(rate * seconds), devnet.options.seed)]
    answers = Answers()
    places = [urlsplit(url) for url in urls]
    free = [Connection(str(place.hostname), int(place.port or 0)) for place in places for _ in range(OPEN_MAX)]
    queued, waiting = trio.open_memory_channel[tuple[float, bytes]](len(made))

    async def one(connection: Connection) -> None:
        async for due, request in waiting.clone():
            at = trio.current_time()
            answers.late = max(answers.late, at - due)
            try:
                status = await connection.status(request)
            except (trio.BrokenResourceError, OSError, ValueError) as error:
                answers.failures[type(error).__name__] += 1
                continue
            answers.waits_ms.append(1000 * (trio.current_time() - at))
            answers.by_status[status] += 1

    await trio.sleep(1.0)  # signing cost the machine time
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for connection in free:
            nursery.start_soon(one, connection)
        with queued:
            for position, request in enumerate(made):
                due = began + position / rate
                await trio.sleep_until(due)
                queued.send_nowait((due, request))
    answers.seconds = trio.current_time() - began
    return answers


async def watch_memory(processes: Sequence[psutil.Process], answers: list[int]) -> None:
    """Keep the greatest resident memory of any of them, in bytes."""
    while True:
        answers[0] = max(answers[0], *(process.memory_info().rss for process in processes))
        await trio.sleep(0.2)


def gaps_ms(disk: Disk, first: int, last: int) -> list[float]:
    """Milliseconds between blocks on disk."""
    seen = [disk.seen[height] for height in range(first, last + 1) if height in disk.seen]
    return [1000 * (after - before) for before, after in pairwise(seen)]


async def run(rate: int, seconds: float, nodes: int) -> list[Figure]:
    """The figures of one run."""
    with tempfile.TemporaryDirectory() as folder:
        async with running_devnet(DevnetOptions(Path(folder) / "net", members=12)) as devnet:
            await DevnetStory(devnet, lambda _: None).fund()
            write_schedule(devnet.schedule_path, Schedule(start_ms=now_ms(), speed=SPEED))
            names = list(devnet.nodes)[:nodes]
            asked = [process_ids(devnet)[name] for name in names]
            before_bytes = max(process.memory_info().rss for process in asked)
            with closing(Disk(devnet.nodes["n0"].home / "node.sqlite")) as disk:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(disk.watch)
                    first = disk.height() + 1
                    await trio.sleep(BEFORE_SECONDS)
                    middle, greatest = disk.height(), [0]
                    nursery.start_soon(watch_memory, asked, greatest)
                    answers = await ask(devnet, [devnet.url(name) for name in names], rate, seconds)
                    last = disk.height()
                    nursery.cancel_scope.cancel()
                quiet, loaded = gaps_ms(disk, first, middle), gaps_ms(disk, middle + 1, last)
    return figures(rate, answers, quiet, loaded, before_bytes, greatest[0])


def figures(
    rate: int, answers: Answers, quiet: Sequence[float], loaded: Sequence[float], before: int, greatest: int
) -> list[Figure]:
    """For the report."""
    p50, p50_quiet = percentile(loaded, 0.5), percentile(quiet, 0.5)
    ours = sum(count for status, count in answers.by_status.items() if status < 500 or status == 503)
    return [
        *(Figure(f"answers {status}", count, "") for status, count in sorted(answers.by_status.items())),
        Figure("answers that are none of ours", sum(answers.by_status.values()) - ours, "", goal="0"),
        *(Figure(f"requests without an answer: {kind}", count, "") for kind, count in answers.failures.items()),
        Figure("answers a second", sum(answers.by_status.values()) / answers.seconds, "1/s", goal=str(rate)),
        Figure(f"answer p50 at {rate}/s", percentile(answers.waits_ms, 0.5), "ms"),
        Figure(f"answer p99 at {rate}/s", percentile(answers.waits_ms, 0.99), "ms"),
        Figure("generator late by", 1000 * answers.late, "ms"),
        Figure("between blocks p50, before", p50_quiet, "ms"),
        Figure("between blocks p50, during", p50, "ms"),
        Figure("between blocks p50, during / before", p50 / p50_quiet, "", goal="< 1.5"),
        Figure("memory of the fullest node asked, before", before / 2**20, "MiB"),
        Figure("memory of the fullest node asked, at most", greatest / 2**20, "MiB"),
    ]


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=int, default=RATE)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--nodes", type=int, default=1, help="How many of the four are asked.")
    options = parser.parse_args()
    print(this_machine())
    for figure in trio.run(run, options.rate, options.seconds, options.nodes):
        print(figure.line())
    return 0


if __name__ == "__main__":
    sys.exit(main())
