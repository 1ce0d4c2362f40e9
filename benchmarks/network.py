"""The whole network under load: four validators as processes on this machine, signed trades through their HTTP APIs.

Run `python -m benchmarks.network [--rates 0,500,1000,2000] [--bundle 24] [--seconds 10] [--profile FILE]` at the top of
the repository. `--bundle`: so many trades at most are signed together by the same two members; by default each alone.

What is reported of each rate: heights a second; how long a height takes, by the nodes' own clocks (start of the height
to its decision) and from outside (between two blocks durable on the first node's disk); from POST to its answer, and to
the trade's block being durable there; from a validator's reading of a moved price to the block that carries it being
durable; novated trades a second, counted in receipts; CPU of the nodes and of their proof workers, in percent of one
core, and of a node for each height. Prices move all the time. The load generator runs on the same cores.
"""

import argparse
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx
import psutil
import trio

from benchmarks.figures import Figure, percentile
from benchmarks.sampler import report
from clearing.base.codec import decode, encode
from clearing.base.errors import RemoteFault
from clearing.schema.blocks.block import decode_extension
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.requests.trades import BundledTrade, Trade, TradeBundle
from consensus.messages import Block
from devnet.demo.story import DevnetStory
from devnet.members import now_ms, signed_bundle, signed_trade
from devnet.network import Devnet, running_devnet
from devnet.options import DevnetOptions
from member.api.submit import TransactionList
from node.agreement.application import PAYLOAD_BYTES_MAX, Payload
from node.oracle.source import Schedule, write_schedule
from node.store.records import ReceiptRecord, receipt_at

RATES = (0, 500, 1000, 2000)
SECONDS = 10.0
BATCHES_PER_SECOND = 25
TRADES_PER_POST = 100
POLL_SECONDS = 0.002
BLOCK_BYTES_MAX = 16 << 20
SPEED = 60.0
"""Recorded hours pass in minutes: a price moves at nearly every reading, and never by much."""
AVOID = ("house", "erin")


@dataclass(slots=True)
class Phase:
    """What was seen at one rate."""

    rate: int
    submitted: dict[int, float] = field(default_factory=dict)
    """Wall time of the POST of each trade, by its venue's number."""
    refused: Counter[str] = field(default_factory=Counter)
    answers_ms: list[float] = field(default_factory=list)
    """From each POST to its answer."""
    first: int = 0
    last: int = 0
    seconds: float = 0.0
    late: float = 0.0
    """By how much the generator fell behind its own rate."""
    durations: tuple[dict[float, float], ...] = ()
    cpu: dict[str, float] = field(default_factory=dict)


class Disk:
    """The first node's database, read from outside: what is in it is decided and durable."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        self.seen: dict[int, float] = {}
        """Wall time at which a height was found."""

    def close(self) -> None:
        self._connection.close()

    def height(self) -> int:
        return int(self._connection.execute("SELECT MAX(height) FROM blocks").fetchone()[0] or 0)

    def block(self, height: int) -> Block:
        (data,) = self._connection.execute("SELECT block FROM blocks WHERE height = ?", (height,)).fetchone()
        return decode(data, Block, BLOCK_BYTES_MAX)

    def novated(self, first: int, last: int) -> int:
        rows = self._connection.execute(
            "SELECT height, position, data FROM receipts WHERE height BETWEEN ? AND ?", (first, last)
        )
        found = (receipt_at(ReceiptRecord(height, index, (), data)).receipt for height, index, data in rows)
        return sum(isinstance(receipt, TradeNovated) for receipt in found)

    async def watch(self) -> None:
        last = self.height()
        while True:
            height, now = self.height(), time.time()
            for each in range(last + 1, height + 1):
                self.seen[each] = now
            last = height
            await trio.sleep(POLL_SECONDS)


class Generator:
    """Signs beforehand, then submits at a rate, to one node after another."""

    def __init__(self, devnet: Devnet, seed: int) -> None:
        self._devnet = devnet
        self._chance = random.Random(seed)
        self._able = [member for member in devnet.members if member.name not in AVOID]
        self._next = 1_000_000
        self._clients = [
            httpx.AsyncClient(base_url=devnet.url(name), timeout=30.0, trust_env=False) for name in devnet.nodes
        ]

    def _trade(self, marks: Sequence[tuple[int, int]]) -> Trade:
        buyer, seller = self._chance.sample(self._able, 2)
        instrument, ticks = self._chance.choice(marks)
        self._next += 1
        return signed_trade(
            self._devnet.network, self._next, buyer, seller, instrument, self._chance.randint(1, 3), ticks, now_ms()
        )

    def _bundle(self, marks: Sequence[tuple[int, int]], count: int) -> TradeBundle:
        account, counterparty = self._chance.sample(self._able, 2)
        first, self._next = self._next + 1, self._next + count
        trades = []
        for number in range(first, first + count):
            instrument, ticks = self._chance.choice(marks)
            trades.append(BundledTrade(number, instrument, self._chance.choice((-3, -2, -1, 1, 2, 3)), ticks))
        return signed_bundle(self._devnet.network, account, counterparty, tuple(trades), now_ms())

    def _transactions(
        self, marks: Sequence[tuple[int, int]], count: int, bundle: int
    ) -> tuple[Trade | TradeBundle, ...]:
        """So many trades, in bundles of at most `bundle`, or each by itself for 0."""
        if not bundle:
            return tuple(self._trade(marks) for _ in range(count))
        return tuple(self._bundle(marks, min(bundle, count - at)) for at in range(0, count, bundle))

    async def submit(self, phase: Phase, seconds: float, bundle: int = 0) -> None:
        """Submit for so long at the phase's rate; small requests, so that load comes evenly."""
        per_post = min(TRADES_PER_POST, max(1, phase.rate // BATCHES_PER_SECOND))
        count = int(phase.rate * seconds)
        state = await next(iter(self._devnet.clients.values())).state()
        marks = [(mark.instrument, int(mark.mark_ticks)) for mark in state.marks]
        posts = []
        for at in range(0, count, per_post):
            made = self._transactions(marks, min(per_post, count - at), bundle)
            posts.append((tuple(trade_ids(each) for each in made), encode(TransactionList(made))))
            await trio.lowlevel.checkpoint()
        # Signing cost the machine time: let it settle.
        await trio.sleep(1.0)
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for number, (numbers, body) in enumerate(posts):
                due = began + number * per_post / phase.rate
                await trio.sleep_until(due)
                phase.late = max(phase.late, trio.current_time() - due)
                client = self._clients[number % len(self._clients)]
                nursery.start_soon(self._post, client, phase, numbers, body)

    async def _post(
        self, client: httpx.AsyncClient, phase: Phase, numbers: tuple[tuple[int, ...], ...], body: bytes
    ) -> None:
        """`numbers`: the trade ids of each transaction."""
        at, count = time.time(), sum(map(len, numbers))
        try:
            response = await client.post("/v1/submit", content=body, headers={"content-type": "application/msgpack"})
        except httpx.HTTPError as error:
            phase.refused[type(error).__name__] += count
            return
        phase.answers_ms.append(1000 * (time.time() - at))
        if response.status_code >= 400 and response.status_code != 422:
            phase.refused[f"HTTP {response.status_code}"] += count
            return
        for ids, result in zip(numbers, response.json()["results"], strict=True):
            if result["status"] == "refused":
                phase.refused[result["problem"]["code"]] += len(ids)
            else:
                phase.submitted.update(dict.fromkeys(ids, at))


async def measure(
    devnet: Devnet, generator: Generator, disk: Disk, rate: int, seconds: float, bundle: int = 0
) -> Phase:
    """One rate, until all that was submitted is in a block (or does not come any more)."""
    phase = Phase(rate)
    pids = process_ids(devnet)
    before = [await durations(devnet.url(name)) for name in devnet.nodes]
    cpu, began, phase.first = cpu_seconds(pids), time.monotonic(), disk.height() + 1
    if rate:
        await generator.submit(phase, seconds, bundle)
    else:
        await trio.sleep(seconds)
    with trio.move_on_after(20):
        while rate and await waiting(devnet):  # noqa: ASYNC110 - the nodes are other processes
            await trio.sleep(0.05)
    phase.last, phase.seconds = disk.height(), time.monotonic() - began
    after = [await durations(devnet.url(name)) for name in devnet.nodes]
    phase.durations = tuple({le: b[le] - a[le] for le in b} for a, b in zip(before, after, strict=True))
    used = cpu_seconds(process_ids(devnet))
    phase.cpu = {name: 100 * (used[name] - cpu.get(name, 0.0)) / phase.seconds for name in used}
    await trio.sleep(1.0)  # receipts are written beside
    return phase


@dataclass(frozen=True, slots=True)
class Summary:
    """One rate, as it is reported."""

    rate: int
    heights: int
    seconds: float
    latency: dict[float, float]
    """Of the nodes' own clocks: heights by upper bound in seconds, cumulative."""
    gaps_ms: list[float]
    prices_ms: list[float]
    answers_ms: list[float]
    waits_ms: list[float]
    novated_per_second: float
    missing: int
    refused: int
    late_ms: float
    cpu_share: float
    """Of one core, a node."""
    workers_share: float

    @property
    def cpu_ms(self) -> float:
        """A node, in all."""
        return 1000 * self.seconds * self.cpu_share

    def figures(self) -> list[Figure]:
        """For the report."""
        at = f"at {self.rate}/s" if self.rate else "idle"
        loaded = self.rate == 1000
        found = [
            Figure(f"heights, {at}", self.heights / self.seconds, "1/s"),
            Figure(f"height p50, {at}", quantile(self.latency, 0.5) * 1e3, "ms", goal="< 50" if loaded else ""),
            Figure(f"height p99, {at}", quantile(self.latency, 0.99) * 1e3, "ms", goal="< 150" if loaded else ""),
            Figure(f"between blocks p50, {at}", percentile(self.gaps_ms, 0.5), "ms"),
            Figure(f"between blocks p99, {at}", percentile(self.gaps_ms, 0.99), "ms"),
            Figure(f"price to agreed block p50, {at}", percentile(self.prices_ms, 0.5), "ms", goal="< 100"),
            Figure(f"price to agreed block p99, {at}", percentile(self.prices_ms, 0.99), "ms", goal="< 300"),
        ]
        if self.rate:
            found += [
                Figure(f"POST to answer p50, {at}", percentile(self.answers_ms, 0.5), "ms"),
                Figure(f"POST to answer p99, {at}", percentile(self.answers_ms, 0.99), "ms"),
                Figure(f"POST to block p50, {at}", percentile(self.waits_ms, 0.5), "ms"),
                Figure(f"POST to block p99, {at}", percentile(self.waits_ms, 0.99), "ms"),
                Figure(f"novated, {at}", self.novated_per_second, "1/s", goal="> 2000" if self.rate == 2000 else ""),
                Figure(f"not in a block, {at}", self.missing, "trades"),
                Figure(f"refused at the door, {at}", self.refused, "trades"),
                Figure(f"generator late by, {at}", self.late_ms, "ms"),
            ]
        return [
            *found,
            Figure(f"CPU a node, {at}", 100 * self.cpu_share, "%"),
            Figure(f"CPU its proof workers, {at}", 100 * self.workers_share, "%"),
            Figure(f"CPU a height and node, {at}", self.cpu_ms / max(1, self.heights), "ms"),
        ]


def summary(phase: Phase, disk: Disk) -> Summary:
    """What the phase showed, with what the first node's disk has of it."""
    heights = range(phase.first, phase.last + 1)
    blocks = {height: disk.block(height) for height in heights}
    waits = list(trade_waits(phase, disk, blocks))
    seen = [disk.seen[height] for height in heights if height in disk.seen]
    times = [disk.seen[h] for h in heights if h in disk.seen and decode_payload(blocks[h]).transactions]
    busy = times[-1] - min(phase.submitted.values()) if phase.submitted and times else 0.0
    nodes = [used for name, used in phase.cpu.items() if not name.endswith("/workers")]
    workers = [used for name, used in phase.cpu.items() if name.endswith("/workers")]
    return Summary(
        rate=phase.rate,
        heights=len(heights),
        seconds=phase.seconds,
        latency={le: sum(each[le] for each in phase.durations) for le in phase.durations[0]},
        gaps_ms=[1000 * (b - a) for a, b in pairwise(seen)],
        prices_ms=list(price_waits(disk, blocks)),
        answers_ms=phase.answers_ms,
        waits_ms=waits,
        novated_per_second=disk.novated(phase.first, phase.last) / busy if busy else 0.0,
        missing=len(phase.submitted) - len(waits),
        refused=sum(phase.refused.values()),
        late_ms=1000 * phase.late,
        cpu_share=sum(nodes) / len(nodes) / 100,
        workers_share=sum(workers) / len(nodes) / 100,
    )


class House:
    """A devnet that is funded, and whose prices move."""

    def __init__(self, devnet: Devnet, generator: Generator, disk: Disk) -> None:
        self._devnet, self._generator, self._disk = devnet, generator, disk

    @property
    def height(self) -> int:
        """The first node's."""
        return self._disk.height()

    async def at(self, rate: int, seconds: float, bundle: int = 0) -> Summary:
        """Measure one rate, with trades in bundles of at most `bundle`, or each by itself for 0."""
        return summary(await measure(self._devnet, self._generator, self._disk, rate, seconds, bundle), self._disk)


@asynccontextmanager
async def running_house(options: DevnetOptions) -> AsyncIterator[House]:
    """Bring a devnet up and fund it."""
    async with running_devnet(options) as devnet:
        story = DevnetStory(devnet, lambda _: None)
        await story.fund()
        write_schedule(devnet.schedule_path, Schedule(start_ms=now_ms(), speed=SPEED))
        home = next(iter(devnet.nodes.values())).home
        with closing(Disk(home / "node.sqlite")) as disk:
            for node in devnet.nodes.values() if options.launcher else ():
                node.send_signal(signal.SIGUSR1)  # samples begin now
            async with trio.open_nursery() as nursery:
                nursery.start_soon(disk.watch)
                yield House(devnet, Generator(devnet, options.seed), disk)
                nursery.cancel_scope.cancel()


async def run(
    options: DevnetOptions, rates: Sequence[int], seconds: float, bundle: int = 0
) -> tuple[list[Summary], int]:
    """Each rate on one devnet; also how many heights that took."""
    async with running_house(options) as house:
        first = house.height
        found = [await house.at(rate, seconds, bundle) for rate in rates]
        return found, house.height - first


def decode_payload(block: Block) -> Payload:
    return decode(block.payload, Payload, PAYLOAD_BYTES_MAX)


def trade_waits(phase: Phase, disk: Disk, blocks: dict[int, Block]) -> Iterator[float]:
    """Milliseconds from the POST of each trade to its block."""
    for height, block in blocks.items():
        for transaction in decode_payload(block).transactions:
            for number in trade_ids(transaction):
                if number in phase.submitted and height in disk.seen:
                    yield 1000 * (disk.seen[height] - phase.submitted[number])


def trade_ids(transaction: Transaction) -> tuple[int, ...]:
    """The ids of the trades that a transaction asks for."""
    if isinstance(transaction, TradeBundle):
        return tuple(each.venue_trade_id for each in transaction.trades)
    return (transaction.venue_trade_id,) if isinstance(transaction, Trade) else ()


def price_waits(disk: Disk, blocks: dict[int, Block]) -> Iterator[float]:
    """Milliseconds from each validator's reading of a price to the first block that carries that reading."""
    carried: set[tuple[int, int]] = set()
    for height in sorted(blocks):
        for signed in blocks[height].extended_commit:
            try:
                reports = decode_extension(signed.extension.data).prices
            except RemoteFault:
                continue
            for price in reports:
                key = (signed.validator, price.time_ms)
                if price.feed == 1 and key not in carried and height in disk.seen:
                    carried.add(key)
                    yield 1000 * disk.seen[height] - price.time_ms


async def waiting(devnet: Devnet) -> bool:
    """Whether any node's pool holds transactions."""
    sizes = [(await scrape(devnet.url(name)))["crossclear_mempool_size"] for name in devnet.nodes]
    return any(sizes)


async def scrape(url: str) -> dict[str, float]:
    """A node's metrics by name with labels."""
    async with httpx.AsyncClient(base_url=url, timeout=30.0, trust_env=False) as client:
        text = (await client.get("/metrics")).text
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


async def durations(url: str) -> dict[float, float]:
    """Cumulative counts of the latency histogram by upper bound in seconds."""
    start = 'crossclear_consensus_block_latency_seconds_bucket{le="'
    found = await scrape(url)
    return {float(name[len(start) : -2]): value for name, value in found.items() if name.startswith(start)}


def quantile(cumulative: dict[float, float], share: float) -> float:
    """As Prometheus' histogram_quantile: linear within the bucket."""
    bounds = sorted(cumulative)
    wanted, low, below = share * cumulative[bounds[-1]], 0.0, 0.0
    for bound in bounds:
        if cumulative[bound] >= wanted and cumulative[bound] > below:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (wanted - below) / (cumulative[bound] - below)
        low, below = bound, cumulative[bound]
    return low


def process_ids(devnet: Devnet) -> dict[str, psutil.Process]:
    """The processes of this devnet's nodes, by name."""
    homes = {str(node.home / "node.toml"): name for name, node in devnet.nodes.items()}
    named = {word: process for process in psutil.Process().children() for word in process.cmdline() if word in homes}
    return {homes[word]: process for word, process in named.items()}


def cpu_seconds(processes: dict[str, psutil.Process]) -> dict[str, float]:
    """CPU seconds so far, of each node and of its workers."""
    used = {}
    for name, process in processes.items():
        times = process.cpu_times()
        used[name] = times.user + times.system
        workers = [child.cpu_times() for child in process.children(recursive=True)]
        used[f"{name}/workers"] = sum(each.user + each.system for each in workers)
    return used


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    return measured(RATES if not quick else (0, 1000), SECONDS if not quick else 4.0)


def measured(
    rates: Sequence[int], seconds: float, keep: Path | None = None, profile: Path | None = None, bundle: int = 0
) -> list[Figure]:
    """All rates on one devnet in a folder of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        samples = Path(folder) / "samples"
        samples.mkdir()
        launcher = (sys.executable, "-m", "benchmarks.sampler", str(samples), "cli") if profile else ()
        options = DevnetOptions(keep or Path(folder) / "net", members=12, launcher=launcher)
        found, heights = trio.run(run, options, rates, seconds, bundle)
        if profile is not None:
            profile.write_text(report(samples, heights), encoding="utf-8")
        return [figure for each in found for figure in each.figures()]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rates", default=",".join(map(str, RATES)))
    parser.add_argument("--bundle", type=int, default=0, help="trades in each bundle at most; 0: each by itself")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--keep", type=Path, help="keep the devnet's folder here")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="write where the CPU of all rates goes")
    options = parser.parse_args()
    rates = [int(rate) for rate in options.rates.split(",")]
    for figure in measured(rates, options.seconds, options.keep, options.profile, options.bundle):
        print(figure.line())


if __name__ == "__main__":
    main()
