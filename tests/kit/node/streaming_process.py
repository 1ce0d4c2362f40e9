"""A node that serves streams as a process of its own: killed, and started again over the same store at the same port.

It is a program, too: `python -m tests.kit.node.streaming_process HOME PORT SECONDS` restores the node of this home,
serves its API, and decides a height with a trade of Alice each so many seconds.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import trio

from clearing.genesis.json import genesis_from_json
from node.app.clock import clock_ms
from node.config_sources import load_config
from node.signer.node_keys import open_node_keys
from node.store.store import Store
from tests.kit.node.station import Home, Station, make_home
from tests.kit.node.streams import StreamingNode, serving_streams
from tests.kit.ports import free_port
from tests.kit.until import until_now

ROOT = Path(__file__).resolve().parents[3]
BLOCK_SECONDS = 1.0


@dataclass
class StreamingProcess:
    """At most one process at a time."""

    home: Path
    port: int
    node: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it answers. Raises AssertionError if it ends before."""
        command = ["-m", "tests.kit.node.streaming_process", str(self.home), str(self.port), str(BLOCK_SECONDS)]
        self.node = node = subprocess.Popen([sys.executable, *command], cwd=ROOT)
        until_now(lambda: self._answers() or node.poll() is not None)
        assert node.poll() is None, "it ended"

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/v1/state", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """Without a chance to write or to say anything."""
        assert self.node is not None
        self.node.kill()
        self.node.wait()


@contextmanager
def streaming_process(folder: Path) -> Iterator[StreamingProcess]:
    """Started, with a new home below `folder`."""
    process = StreamingProcess(make_home(folder / "net").path, free_port())
    process.start()
    try:
        yield process
    finally:
        process.kill()


def _opened(home: Path) -> Home:
    genesis = genesis_from_json((home / "genesis.json").read_bytes())
    keys = open_node_keys(home, home / "password", allow_weak=True)
    return Home(genesis, keys, home, load_config(home / "node.toml", {}).config)


async def _serve(home: Path, port: int, seconds: float) -> None:
    opened = _opened(home)
    with Store(home / "node.sqlite", opened.network) as store:
        node = StreamingNode(Station(opened, store))
        async with serving_streams(node, clock_ms, port=port), trio.open_nursery() as nursery:
            nursery.start_soon(node.station.recorder.run)
            while True:
                node.decide(trades=True)
                await trio.sleep(seconds)


if __name__ == "__main__":
    trio.run(_serve, Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
