"""CometBFT's kvstore beside ours: four nodes of each, one after the other in one run, under the same load.

Run `python -m benchmarks.comet [--rates 0,1000] [--seconds 10] [--binary PATH]`. Needs Go: the binary is built in a
temporary folder out of the module proxy, and nothing of it is kept. Both make blocks 50 ms apart at least (ours from
start to start, theirs from a block's end, `timeout_commit`), empty ones too, with transactions of 250 bytes. Theirs is
measured twice: with its own pauses of gossip, and with short ones.
"""

import argparse
import base64
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import trio

from benchmarks import consensus
from benchmarks.figures import Figure
from benchmarks.kvstore import BLOCK_INTERVAL_MS, TRANSACTION_BYTES
from benchmarks.load import measure

MODULE = "github.com/cometbft/cometbft/cmd/cometbft@v0.38.19"
COUNT = 4
TUNED = (
    (r'^peer_gossip_sleep_duration = ".*"$', 'peer_gossip_sleep_duration = "2ms"'),
    (r'^flush_throttle_timeout = ".*"$', 'flush_throttle_timeout = "2ms"'),
)
"""By default peers wait 100 ms between looking for what to gossip, and as long before they write: its heights take
0.4 s on one machine. Both settings are reported, that one and one for a local network."""
POLL_SECONDS = 0.002
READY_SECONDS = 60
HEIGHTS_FIRST = 3
BUILD_SECONDS = 1800
MEMPOOL_FULL = "mempool is full"
"""In CometBFT's error of that name."""


def build(folder: Path) -> Path:
    """The program, built in `folder`. Raises RuntimeError without Go, and what building it raises."""
    go = shutil.which("go")
    if go is None:
        raise RuntimeError("Go is not installed")
    settings = {**os.environ, "GOBIN": str(folder), "GOPATH": str(folder / "go"), "GOFLAGS": "-buildvcs=false"}
    subprocess.run([go, "install", MODULE], env=settings, check=True, timeout=BUILD_SECONDS)
    subprocess.run([go, "clean", "-modcache"], env=settings, check=True, timeout=BUILD_SECONDS)
    return folder / "cometbft"


class CometNetwork:
    """Four nodes; implements `benchmarks.load.Chain`."""

    nodes = range(COUNT)

    def __init__(self, program: Path, folder: Path, *, tuned: bool) -> None:
        self.tuned = tuned
        self.blocks: dict[int, tuple[float, tuple[int, ...]]] = {}
        ports = consensus.free_ports(2 * COUNT)
        self._p2p, self._rpc = ports[:COUNT], ports[COUNT:]
        hosts = [word for _ in range(COUNT) for word in ("--hostname", "127.0.0.1")]
        subprocess.run([program, "testnet", "--v", str(COUNT), "--o", folder, *hosts], check=True, capture_output=True)
        self._homes = [folder / f"node{index}" for index in range(COUNT)]
        self._configure()
        self._clients = [httpx.AsyncClient(timeout=30.0, trust_env=False) for _ in range(COUNT)]
        self._processes = [
            subprocess.Popen(
                [program, "start", "--home", home, "--proxy_app", "kvstore", "--log_level", "error"],
                stdout=subprocess.DEVNULL,
            )
            for home in self._homes
        ]

    def _configure(self) -> None:
        for index, home in enumerate(self._homes):
            file = home / "config" / "config.toml"
            text = file.read_text(encoding="utf-8")
            listed = re.search(r'^persistent_peers = "(.*)"$', text, re.MULTILINE)
            keys = [peer.partition("@")[0] for peer in listed.group(1).split(",")] if listed else []
            peers = ",".join(f"{key}@127.0.0.1:{port}" for key, port in zip(keys, self._p2p, strict=True))
            for pattern, value in (
                (r'^persistent_peers = ".*"$', f'persistent_peers = "{peers}"'),
                (r'^laddr = "tcp://127.0.0.1:26657"$', f'laddr = "tcp://127.0.0.1:{self._rpc[index]}"'),
                (r'^laddr = "tcp://0.0.0.0:26656"$', f'laddr = "tcp://127.0.0.1:{self._p2p[index]}"'),
                (r'^timeout_commit = ".*"$', f'timeout_commit = "{BLOCK_INTERVAL_MS}ms"'),
                (r"^max_request_batch_size = .*$", "max_request_batch_size = 0"),
                (r"^size = 5000$", "size = 50000"),  # as many as ours may wait
                *(TUNED if self.tuned else ()),
            ):
                text, found = re.subn(pattern, value, text, count=1, flags=re.MULTILINE)
                if not found:
                    raise RuntimeError(f"{file} has nothing like {pattern}")
            file.write_text(text, encoding="utf-8")

    async def submit(self, node: int, numbers: Sequence[int]) -> None:
        """See `Chain`. What a full mempool refuses comes into no block. Raises RuntimeError for another refusal."""
        calls = [
            {
                "jsonrpc": "2.0",
                "id": at,
                "method": "broadcast_tx_async",
                "params": {"tx": base64.b64encode(f"{number}=".encode().ljust(TRANSACTION_BYTES, b".")).decode()},
            }
            for at, number in enumerate(numbers)
        ]
        answers = (await self._clients[node].post(self._url(node), json=calls)).json()
        refused = [str(each["error"]) for each in answers if "error" in each]
        for why in refused:
            if MEMPOOL_FULL not in why:
                raise RuntimeError(f"a transaction was refused: {why}")

    async def cpu(self) -> float:
        """See `Chain`."""
        times = [psutil.Process(process.pid).cpu_times() for process in self._processes]
        return float(sum(each.user + each.system for each in times))

    async def watch(self) -> None:
        """Ask the first node for one block after the other, for ever."""
        async with httpx.AsyncClient(timeout=30.0, trust_env=False) as client:
            height = 1
            while True:
                block = await self._block(client, height)
                if block is None:
                    await trio.sleep(POLL_SECONDS)
                    continue
                at = consensus.wall_time()
                numbers = (base64.b64decode(each).partition(b"=")[0] for each in block["data"]["txs"] or ())
                self.blocks[height] = (at, tuple(map(int, numbers)))
                height += 1

    async def _block(self, client: httpx.AsyncClient, height: int) -> dict[str, dict[str, list[str] | None]] | None:
        try:
            answer = (await client.get(f"{self._url(0)}/block?height={height}")).json()
        except httpx.HTTPError:
            return None
        block: dict[str, dict[str, list[str] | None]] | None = answer.get("result", {}).get("block")
        return block

    def _url(self, node: int) -> str:
        return f"http://127.0.0.1:{self._rpc[node]}"

    def end(self) -> None:
        """End all of them."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@asynccontextmanager
async def running(program: Path, folder: Path, *, tuned: bool) -> AsyncIterator[CometNetwork]:
    """Four nodes that make blocks."""
    network = CometNetwork(program, folder, tuned=tuned)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(network.watch)
            with trio.fail_after(READY_SECONDS):
                while len(network.blocks) < HEIGHTS_FIRST:  # noqa: ASYNC110 - other processes
                    await trio.sleep(0.05)
            yield network
            nursery.cancel_scope.cancel()
    finally:
        network.end()


async def run(program: Path, rates: Sequence[int], seconds: float) -> list[Figure]:
    """Theirs, then ours."""
    measured: list[Figure] = []
    for tuned in (False, True):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            async with running(program, Path(folder), tuned=tuned) as network:
                for rate in rates:
                    seen = await measure(network, COUNT, rate, seconds)
                    measured += seen.figures(f"CometBFT{', tuned' if tuned else ''}, {f'{rate}/s' if rate else 'idle'}")
    ours, _ = await consensus.run(COUNT, rates, seconds, None)
    return measured + ours


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`. Raises RuntimeError without Go."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return trio.run(run, build(Path(folder)), consensus.RATES, 4.0 if quick else consensus.SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rates", default=",".join(map(str, consensus.RATES)))
    parser.add_argument("--seconds", type=float, default=consensus.SECONDS)
    parser.add_argument("--binary", type=Path, help="a cometbft that is built already")
    options = parser.parse_args()
    rates = [int(rate) for rate in options.rates.split(",")]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        program = options.binary or build(Path(folder))
        for figure in trio.run(run, program.resolve(), rates, options.seconds):
            print(figure.line())


if __name__ == "__main__":
    main()
