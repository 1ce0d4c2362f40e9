"""What a member can do to the others by sending much: real processes, real curves, one of four validators floods.

Run `python -m benchmarks.flood [--seconds 10] [--attacks NAME,…] [--without-bans]` at the top of the repository.

Reports of attacks: heights a second of the other three before it (the fourth is connected and silent, so that the turn
of its that comes first costs a round) and during it; the resident memory of the fullest of the three before and its
greatest value during the attack; the most that ever waited in their inboxes; what the flooder got rid of; how often it
was banned, and the CPU of the three. `--without-bans` lets scores be without consequence, so that limits and bounded
queues stand alone.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import psutil
import trio

from benchmarks.consensus import ROOT, free_ports
from benchmarks.figures import Figure
from benchmarks.kvstore import Validator, framed, until_owner_ends

VALIDATORS = 4
FLOODER = 3
ATTACKS = (
    "votes of future rounds",
    "votes of future heights",
    "proposals of unknown heights",
    "bytes that are no message",
    "oversized frames",
    "gossip",
    "gossip that is refused",
)
SECONDS = 10.0
SAMPLE_SECONDS = 0.25
READY_SECONDS = 120
MIB = 1 << 20


class Victim(Validator):
    """An honest validator that also tells what its network holds."""

    def __init__(self, index: int, ports: list[int], folder: Path, *, bans: bool) -> None:
        super().__init__(index, ports, folder)
        if not bans:
            self.network.report = lambda *_: None  # type: ignore[method-assign]

    def _counts(self) -> dict[str, object]:
        messages, size = self.network.waiting
        status = self.network.status()
        topics = self.network.stats.topics.values()
        return super()._counts() | {
            "waiting_messages": messages,
            "waiting_bytes": size,
            "bans": sum(each.bans for each in status),
            "faults": sum(each.faults for each in status),
            "gossip_dropped": sum(sum(topic.dropped.values()) for topic in topics),
        }


class Sample(dict[str, float]):
    """Counts of one node at one moment, with its resident memory."""


class FloodedNetwork:
    """Three victims and the flooder, as processes."""

    def __init__(self, folder: Path, *, bans: bool) -> None:
        chosen = free_ports(VALIDATORS + FLOODER)
        self._rpc, ports = chosen[:FLOODER], json.dumps(chosen[FLOODER:])
        flags = [] if bans else ["--without-bans"]
        self._victims = [
            _python("benchmarks.flood", "--victim", index, "--ports", ports, "--rpc", rpc,
                    "--folder", folder / str(index), *flags)
            for index, rpc in enumerate(self._rpc)
        ]  # fmt: skip
        self._flooder = _python("benchmarks.flooder", "--index", FLOODER, "--ports", ports)

    async def ready(self) -> None:
        """Until all decide heights."""
        with trio.fail_after(READY_SECONDS):
            for index in range(FLOODER):
                while (await self.sample(index))["height"] < 3:  # noqa: ASYNC110 - other processes
                    await trio.sleep(0.1)

    async def sample(self, index: int) -> Sample:
        """What a victim counts now. Waits until it answers."""
        while True:
            try:
                stream = await trio.open_tcp_stream("127.0.0.1", self._rpc[index])
                async with stream:
                    await stream.send_all(framed(b"S"))
                    answer = json.loads(await _answer(stream))
                break
            except OSError:
                if self._victims[index].poll() is not None:
                    raise
                await trio.sleep(0.1)
        rss = psutil.Process(self._victims[index].pid).memory_info().rss
        return Sample({name: value for name, value in answer.items() if not isinstance(value, list)} | {"rss": rss})

    async def samples(self) -> list[Sample]:
        """Of all victims."""
        return [await self.sample(index) for index in range(FLOODER)]

    def attack(self, name: str) -> int:
        """Begin an attack, or none; how many messages the one before it got rid of."""
        stdin, stdout = self._flooder.stdin, self._flooder.stdout
        if stdin is None or stdout is None:
            return 0
        stdin.write(f"{name}\n".encode())
        stdin.flush()
        return int(json.loads(stdout.readline())["sent"])

    def end(self) -> None:
        """End all."""
        for process in (*self._victims, self._flooder):
            if process.stdin is not None:
                process.stdin.close()
        for process in (*self._victims, self._flooder):
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _python(module: str, *words: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", module, *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


async def _answer(stream: trio.SocketStream) -> bytes:
    data = bytearray()
    while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
        piece = await stream.receive_some()
        if not piece:
            raise OSError("the validator ended")
        data += piece
    return bytes(data[4:])


@asynccontextmanager
async def flooded_network(folder: Path, *, bans: bool) -> AsyncIterator[FloodedNetwork]:
    """Deciding, the flooder silent."""
    network = FloodedNetwork(folder, bans=bans)
    try:
        await network.ready()
        yield network
    finally:
        network.end()


async def measure(network: FloodedNetwork, attack: str, seconds: float) -> list[Figure]:
    """One attack after as much silence."""
    first = await network.samples()
    await trio.sleep(seconds)
    before = await network.samples()
    network.attack(attack)
    most_rss, most_messages, most_bytes = max(each["rss"] for each in before), 0.0, 0.0
    began = trio.current_time()
    while trio.current_time() < began + seconds:
        await trio.sleep(SAMPLE_SECONDS)
        for each in await network.samples():
            most_rss = max(most_rss, each["rss"])
            most_messages = max(most_messages, each["waiting_messages"])
            most_bytes = max(most_bytes, each["waiting_bytes"])
    after, lasted = await network.samples(), trio.current_time() - began
    sent = network.attack("")

    def gained(name: str, old: Sequence[Sample], new: Sequence[Sample]) -> float:
        return sum(b[name] - a[name] for a, b in zip(old, new, strict=True)) / len(old)

    return [
        Figure(f"heights before, {attack}", gained("height", first, before) / seconds, "1/s"),
        Figure(f"heights during, {attack}", gained("height", before, after) / lasted, "1/s"),
        Figure(f"CPU of a node before, {attack}", 100 * gained("cpu", first, before) / seconds, "%"),
        Figure(f"CPU of a node during, {attack}", 100 * gained("cpu", before, after) / lasted, "%"),
        Figure(f"memory before, {attack}", max(each["rss"] for each in before) / MIB, "MiB"),
        Figure(f"memory at most, {attack}", most_rss / MIB, "MiB"),
        Figure(f"messages that waited at most, {attack}", most_messages, ""),
        Figure(f"bytes that waited at most, {attack}", most_bytes / MIB, "MiB"),
        Figure(f"messages it got rid of, {attack}", sent / lasted, "1/s"),
        Figure(f"rounds beyond the first before, {attack}", gained("rounds_beyond_first", first, before), ""),
        Figure(f"rounds beyond the first during, {attack}", gained("rounds_beyond_first", before, after), ""),
        Figure(f"faults charged by a node, {attack}", gained("faults", before, after), ""),
        Figure(f"bans by a node, {attack}", gained("bans", before, after), ""),
        Figure(f"gossip dropped by a node, {attack}", gained("gossip_dropped", before, after), ""),
    ]  # fmt: skip


async def run(attack: str, seconds: float, *, bans: bool) -> list[Figure]:
    """An attack on a network of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with flooded_network(Path(folder), bans=bans) as network:
            return await measure(network, attack, seconds)


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    seconds = 4.0 if quick else SECONDS
    return [figure for attack in ATTACKS for figure in trio.run(partial(run, attack, seconds, bans=True))]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--attacks", type=lambda text: text.split(","), default=ATTACKS)
    parser.add_argument("--without-bans", action="store_true")
    for name, kind in (("--victim", int), ("--rpc", int), ("--ports", json.loads), ("--folder", Path)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.victim is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        victim = Victim(options.victim, options.ports, options.folder, bans=not options.without_bans)
        trio.run(until_owner_ends, victim, options.rpc)
        return
    for attack in options.attacks:
        for figure in trio.run(partial(run, attack, options.seconds, bans=not options.without_bans)):
            print(figure.line(), flush=True)


if __name__ == "__main__":
    main()
