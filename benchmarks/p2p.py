"""How fast peers talk: `python benchmarks/p2p.py`. Two processes on loopback, as on one machine in the devnet.

Measured: round trip of a 200-byte message on an open stream, idle and beside 2 MB bulk messages; messages a second in
one direction; bulk throughput; gossip with CPU a message; CPU of an idle node with three peers.
"""

import argparse
import hashlib
import json
import resource
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import trio

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


from benchmarks.figures import Figure  # noqa: E402
from clearing.base import ed25519  # noqa: E402
from node.p2p.config import NetworkConfig, Peer  # noqa: E402
from node.p2p.libp2p import muxer  # noqa: E402
from node.p2p.libp2p.network import LibP2PNetwork  # noqa: E402
from node.p2p.network import LIMITS, PeerChannel, Topic  # noqa: E402

# How fast it can go, not how fast a peer is let go.
LIMITS.update({channel: replace(limits, per_second=10**9) for channel, limits in LIMITS.items()})
muxer.TOKENS_PER_SECOND = 1e9
MESSAGE = 200
BULK = 2 << 20


def network(number: int, ports: list[int]) -> LibP2PNetwork:
    secrets = [hashlib.sha256(bytes((i,))).digest() for i in range(len(ports))]
    peers = tuple(Peer(ed25519.public_key(secrets[i]), port=ports[i]) for i in range(len(ports)) if i != number)
    config = NetworkConfig(
        secret=secrets[number], network=bytes(32), peers=peers, port=ports[number], gossip_per_second=100_000
    )
    return LibP2PNetwork(config)


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def child(number: int, ports: list[int]) -> None:
    """Echo CONSENSUS; swallow DATA and answer each with its size; swallow SYNC and tell the count when asked."""
    net = network(number, ports)
    feed = net.subscribe(Topic.TRADES, lambda _: True)
    counted = 0
    gossiped = 0

    async def echo() -> None:
        async for one in net.receive(PeerChannel.CONSENSUS):
            answer = one.data
            if answer == b"?":
                answer = json.dumps({"counted": counted, "gossiped": gossiped, "cpu": cpu()}).encode()
            net.send(one.sender, PeerChannel.CONSENSUS, answer)

    async def bulk() -> None:
        async for one in net.receive(PeerChannel.DATA):
            net.send(one.sender, PeerChannel.DATA, len(one.data).to_bytes(4, "big"))

    async def count() -> None:
        nonlocal counted
        async for _ in net.receive(PeerChannel.SYNC):
            counted += 1

    async def gossip() -> None:
        nonlocal gossiped
        async for _ in feed:
            gossiped += 1

    async with net.running(), trio.open_nursery() as nursery:
        for task in (echo, bulk, count, gossip):
            nursery.start_soon(task)
        await trio.to_thread.run_sync(sys.stdin.buffer.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()


class Bench:
    def __init__(self, net: LibP2PNetwork) -> None:
        self.net = net
        self.to = sorted(net.peers)[0]
        self.inbox = net.receive(PeerChannel.CONSENSUS)
        self.results: dict[str, float] = {}

    async def ask(self) -> dict[str, float]:
        self.net.send(self.to, PeerChannel.CONSENSUS, b"?")
        return json.loads((await self.inbox.receive()).data)

    async def round_trips(self, count: int, pause: float = 0.0) -> list[float]:
        times = []
        for _ in range(count):
            began = time.perf_counter()
            self.net.send(self.to, PeerChannel.CONSENSUS, bytes(MESSAGE))
            await self.inbox.receive()
            times.append(1000 * (time.perf_counter() - began))
            await trio.sleep(pause)
        return sorted(times)

    async def bulk(self, count: int) -> None:
        began = time.perf_counter()
        answers = self.net.receive(PeerChannel.DATA)
        for number in range(count + 4):
            if number < count:
                self.net.send(self.to, PeerChannel.DATA, bytes(BULK))
            if number >= 4:
                await answers.receive()
        self.results["bulk MB/s"] = count * BULK / 1e6 / (time.perf_counter() - began)

    async def stream(self, seconds: float) -> None:
        before = await self.ask()
        began, sent = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            sent += sum(self.net.send(self.to, PeerChannel.SYNC, bytes(MESSAGE)) for _ in range(100))
            await trio.lowlevel.checkpoint()
        while (after := await self.ask())["counted"] - before["counted"] < sent:  # noqa: ASYNC110
            await trio.sleep(0.001)
        self.results["messages/s"] = sent / (time.perf_counter() - began)
        self.results["µs CPU a message, receiver"] = 1e6 * (after["cpu"] - before["cpu"]) / sent

    async def gossip(self, count: int) -> None:
        before, own = await self.ask(), cpu()
        began = time.perf_counter()
        for number in range(count):
            self.net.publish(Topic.TRADES, number.to_bytes(4, "big") + bytes(MESSAGE))
            if number % 10 == 9:
                await trio.lowlevel.checkpoint()
        while (after := await self.ask())["gossiped"] - before["gossiped"] < count:  # noqa: ASYNC110
            await trio.sleep(0.001)
        self.results["gossip messages/s, 4 nodes"] = count / (time.perf_counter() - began)
        self.results["ms CPU a gossip message, sender"] = 1000 * (cpu() - own) / count
        self.results["ms CPU a gossip message, receiver"] = 1000 * (after["cpu"] - before["cpu"]) / count


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def parent(ports: list[int]) -> dict[str, float]:
    net = network(0, ports)
    net.subscribe(Topic.TRADES, lambda _: True)
    began = time.perf_counter()
    async with net.running():
        while len(net.peers) < len(ports) - 1:  # noqa: ASYNC110
            await trio.sleep(0.01)
        bench = Bench(net)
        out = bench.results
        out["s until all are connected"] = time.perf_counter() - began
        await bench.round_trips(200)
        idle = await bench.round_trips(2000)
        out["round trip ms p50"], out["round trip ms p99"] = percentile(idle, 0.5), percentile(idle, 0.99)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.bulk, 30)
            loaded = await bench.round_trips(200, pause=0.002)
        out["round trip beside bulk ms p50"] = percentile(loaded, 0.5)
        out["round trip beside bulk ms p99"] = percentile(loaded, 0.99)
        await bench.stream(2.0)
        await trio.sleep(1.0)
        await bench.gossip(1000)
        own = cpu()
        await trio.sleep(5.0)
        out["idle CPU of a node with 3 peers, %"] = 100 * (cpu() - own) / 5
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.add_argument("--child", type=int)
    parser.add_argument("--ports", type=json.loads)
    options = parser.parse_args()
    if options.child is not None:
        trio.run(child, options.child, options.ports)
        return
    results = measured()
    if options.output == "json":
        print(json.dumps(results))
    else:
        for name, value in results.items():
            print(f"{name:40} {value:12,.3f}")


def figures(*, quick: bool = False) -> list[Figure]:  # noqa: ARG001 - it is quick
    """See `benchmarks.__main__`."""
    return [Figure(name, value, "") for name, value in measured().items()]


def measured() -> dict[str, float]:
    """Start the other peers, measure, end them."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    command = [sys.executable, __file__, "--ports", json.dumps(ports), "--child"]
    children = [subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE) for number in range(1, len(ports))]
    try:
        return trio.run(parent, ports)
    finally:
        for one in children:
            one.communicate()


if __name__ == "__main__":
    main()
