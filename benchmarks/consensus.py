"""Agreement between real processes: engines, libp2p, real curves, logs and databases; n = 4, 7, 16, 32 on this machine.

Run `python -m benchmarks.consensus [--nodes 4,7,16,32] [--rates 0,1000] [--seconds 10] [--stop-one] [--profile FILE]`.

One process a validator, around an application that only keeps transactions (`benchmarks.kvstore`); what clearing adds
to that is measured by `benchmarks.network`. Reported of each n and rate: heights and transactions a second; the time
between two blocks as one node tells them; how long a height takes by the nodes' own clocks (start to decision); from
sending a transaction to its block; CPU a height and node. `--stop-one` halts one of the validators while it measures
(SIGSTOP); `--profile` writes where the CPU goes, by component and function.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import trio

from benchmarks.figures import Figure, percentile
from benchmarks.kvstore import TRANSACTION_BYTES, framed
from benchmarks.load import Seen, measure
from benchmarks.sampler import report

NODES = (4, 7, 16, 32)
RATES = (0, 1000)
SECONDS = 10.0
READY_SECONDS = 240
HEIGHTS_FIRST = 3
GOALS = {4: ("< 50", "< 150"), 32: ("< 400", "")}
ROOT = Path(__file__).resolve().parents[1]


class Network:
    """Validators as processes; implements `benchmarks.load.Chain`."""

    def __init__(self, count: int, folder: Path, profile: Path | None) -> None:
        self.count = count
        self.blocks: dict[int, tuple[float, tuple[int, ...]]] = {}
        self.stopped: set[int] = set()
        self._rpc = free_ports(2 * count)
        ports = [self._rpc.pop() for _ in range(count)]
        self._streams: dict[int, trio.SocketStream] = {}
        self._processes = [
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "benchmarks.kvstore", "--index", str(index), "--ports", json.dumps(ports)),
                    *("--rpc", str(self._rpc[index]), "--folder", str(folder / str(index))),
                    *(("--profile", str(profile)) if profile else ()),
                ],
                cwd=ROOT,
                stdin=subprocess.PIPE,
            )
            for index in range(count)
        ]

    @property
    def nodes(self) -> Sequence[int]:
        """All that run."""
        return [index for index in range(self.count) if index not in self.stopped]

    async def submit(self, node: int, numbers: Sequence[int]) -> None:
        """See `Chain`."""
        data = b"".join(number.to_bytes(8, "big").ljust(TRANSACTION_BYTES, b".") for number in numbers)
        await self._streams[node].send_all(framed(b"T" + data))

    async def cpu(self) -> float:
        """See `Chain`."""
        times = [psutil.Process(process.pid).cpu_times() for process in self._processes]
        return float(sum(each.user + each.system for each in times))

    async def counts(self, node: int) -> dict[str, float | list[int]]:
        """What a node counted."""
        stream = await trio.open_tcp_stream("127.0.0.1", self._rpc[node])
        async with stream:
            await stream.send_all(framed(b"S"))
            message: dict[str, float | list[int]] = json.loads(await _frame(stream, bytearray()))
        return message

    async def watch(self) -> None:
        """Note what the first node decides, for ever."""
        stream, buffer = await self._connected(0), bytearray()
        await stream.send_all(framed(b"W"))
        while True:
            height, at, numbers = json.loads(await _frame(stream, buffer))
            self.blocks[height] = (at, tuple(numbers))

    async def connect(self) -> None:
        """Until all answer. They do when each is connected with all."""
        for node in range(self.count):
            self._streams[node] = await self._connected(node)

    def stop_one(self) -> None:
        """Halt the last validator that runs."""
        last = self.nodes[-1]
        self.stopped.add(last)
        self._processes[last].send_signal(signal.SIGSTOP)

    def restart_samples(self) -> None:
        """Let profiles begin now."""
        for process in self._processes:
            process.send_signal(signal.SIGUSR1)

    def end(self) -> None:
        """End all of them."""
        for process in self._processes:
            process.send_signal(signal.SIGCONT)
            if process.stdin is not None:
                process.stdin.close()
        for process in self._processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    async def _connected(self, node: int) -> trio.SocketStream:
        with trio.fail_after(READY_SECONDS):
            while True:
                if (code := self._processes[node].poll()) is not None:
                    raise RuntimeError(f"validator {node} ended with exit code {code}")
                try:
                    return await trio.open_tcp_stream("127.0.0.1", self._rpc[node])
                except OSError:
                    await trio.sleep(0.1)


async def _frame(stream: trio.SocketStream, buffer: bytearray) -> bytes:
    while len(buffer) < 4 or len(buffer) < 4 + int.from_bytes(buffer[:4], "big"):
        piece = await stream.receive_some()
        if not piece:
            raise EOFError("the validator ended")
        buffer += piece
    end = 4 + int.from_bytes(buffer[:4], "big")
    frame = bytes(buffer[4:end])
    del buffer[:end]
    return frame


def wall_time() -> float:
    """By the clock that both sides' figures use."""
    return time.time()


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@asynccontextmanager
async def running_network(count: int, folder: Path, profile: Path | None = None) -> AsyncIterator[Network]:
    """Connected and deciding."""
    network = Network(count, folder, profile)
    try:
        async with trio.open_nursery() as nursery:
            await network.connect()
            nursery.start_soon(network.watch)
            with trio.fail_after(READY_SECONDS):
                while len(network.blocks) < HEIGHTS_FIRST:  # noqa: ASYNC110 - other processes
                    await trio.sleep(0.05)
            yield network
            nursery.cancel_scope.cancel()
    finally:
        network.end()


async def phase(network: Network, rate: int, seconds: float) -> Seen:
    """One rate, with the nodes' own view of how long a height takes."""
    before = {node: await network.counts(node) for node in network.nodes}
    seen = await measure(network, len(network.nodes), rate, seconds)
    after = {node: await network.counts(node) for node in network.nodes}
    durations: list[float] = []
    for node, counts in after.items():
        own, decided = counts["durations_ms"], int(float(str(counts["height"])) - float(str(before[node]["height"])))
        durations += own[-decided:] if isinstance(own, list) and decided else []
    rounds = sum(
        float(str(after[node]["rounds_beyond_first"])) - float(str(before[node]["rounds_beyond_first"]))
        for node in after
    )
    of = _named(network, rate)
    goals = GOALS.get(network.count, ("", "")) if rate else ("", "")
    if network.stopped:
        goals = ("", "< 1000")
    seen.extra = [
        Figure(f"height p50, {of}", percentile(durations, 0.5), "ms", goal=goals[0]),
        Figure(f"height p99, {of}", percentile(durations, 0.99), "ms", goal=goals[1]),
        Figure(f"rounds beyond the first, {of}", rounds / max(1, len(after)) / max(1, seen.heights) * 100, "%"),
        Figure(f"generator late by, {of}", seen.late_ms, "ms"),
    ]
    return seen


def _named(network: Network, rate: int) -> str:
    stopped = ", one stopped" if network.stopped else ""
    return f"n = {network.count}{stopped}, {f'{rate}/s' if rate else 'idle'}"


async def run(
    count: int, rates: Sequence[int], seconds: float, profile: Path | None, how_many_stopped: int = 0
) -> tuple[list[Figure], str]:
    """All rates on one network, and the profile's text."""
    figures: list[Figure] = []
    heights = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        samples = Path(folder) / "samples"
        samples.mkdir()
        async with running_network(count, Path(folder), samples if profile else None) as network:
            for _ in range(how_many_stopped):
                network.stop_one()
            if profile:
                network.restart_samples()
            first = max(network.blocks)
            for rate in rates:
                seen = await phase(network, rate, seconds)
                figures += seen.figures(_named(network, rate))
            heights = max(network.blocks) - first
        return figures, f"n = {count}: {report(samples, heights)}" if profile else ""


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    measured: list[Figure] = []
    for count in (4, 7) if quick else NODES:
        found, _ = trio.run(run, count, RATES, 4.0 if quick else SECONDS, None)
        measured += found
    found, _ = trio.run(run, 4, RATES[1:], 4.0 if quick else SECONDS, None, 1)
    return measured + found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--nodes", default=",".join(map(str, NODES)))
    parser.add_argument("--rates", default=",".join(map(str, RATES)))
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--stop-one", action="store_true", help="halt one validator while measuring")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="write where the CPU goes")
    options = parser.parse_args()
    rates, profiles = [int(rate) for rate in options.rates.split(",")], []
    for count in map(int, options.nodes.split(",")):
        measured, profile = trio.run(run, count, rates, options.seconds, options.profile, int(options.stop_one))
        profiles.append(profile)
        for figure in measured:
            print(figure.line(), flush=True)
    if options.profile is not None:
        options.profile.write_text("\n".join(profiles), encoding="utf-8")
        print(f"profile in {options.profile}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
