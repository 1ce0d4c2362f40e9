"""One validator as a real process, which decides empty heights by itself: killed, stopped, asked and started again."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from devnet.testnet import create_testnet
from tests.kit.node.house_alone import house_alone
from tests.kit.ports import free_port
from tests.kit.until import until_now

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class LoneValidator:
    """A network of one without chains or feeds: it decides empty heights."""

    home: Path
    port: int
    http: httpx.Client
    output: Path
    """What it said on standard error."""

    @contextmanager
    def running(self, *settings: str) -> Iterator[subprocess.Popen[bytes]]:
        given = ["consensus.heartbeat_ms=50", "relayer.enabled=false", f"api.port={self.port}", *settings]
        arguments = ["start", "--config", str(self.home / "node.toml"), "--set", f"p2p.port={free_port()}"]
        arguments += [part for each in given for part in ("--set", each)]
        with self.output.open("ab") as output:
            node = subprocess.Popen([sys.executable, "-m", "cli", *arguments], stderr=output, cwd=ROOT)
        try:
            yield node
        finally:
            if node.poll() is None:
                node.terminate()
            node.wait()

    def get(self, path: str) -> Any:
        """The answer, or None while nobody answers."""
        try:
            answer = self.http.get(f"http://127.0.0.1:{self.port}{path}")
        except httpx.TransportError:
            return None
        return answer.json() if answer.status_code in (200, 503) else None

    @property
    def height(self) -> int:
        return int((self.get("/v1/state") or {}).get("height", 0))

    def reach(self, height: int, node: subprocess.Popen[bytes]) -> None:
        until_now(lambda: self.height >= height or node.poll() is not None)
        assert node.poll() is None, self.output.read_text()

    def hash_at(self, height: int) -> str:
        return str(self.get(f"/v1/headers/{height}")["hash"])


@contextmanager
def lone_validator(folder: Path) -> Iterator[LoneValidator]:
    """With a new home below `folder`."""
    made = create_testnet(folder / "net", partial(house_alone, time_ms=1_000), validators=1, devnet=True, seed=9)
    with httpx.Client(trust_env=False, timeout=60) as http:
        yield LoneValidator(made.nodes[0].home, free_port(), http, made.nodes[0].home / "output")
