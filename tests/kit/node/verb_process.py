"""A process of `crossclear` that ends when its standard input does, and the events that it logs."""

import json
import queue
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from devnet.testnet import Testnet

ROOT = Path(__file__).resolve().parents[3]


def start_words(net: Testnet, ports: list[int], index: int, peers_max: int = 100) -> list[str]:
    """`start` of one of a network's nodes on these ports, without API, relayer and proofs. It knows so many others."""
    peers = [
        {"key": each.envelope_key.hex(), "host": "127.0.0.1", "port": ports[each.index]}
        for each in net.nodes
        if each.index != index
    ][:peers_max]
    settings = {
        "p2p.port": str(ports[index]),
        "p2p.peers": json.dumps(peers),
        "consensus.heartbeat_ms": "60",
        "api.enabled": "false",
        "relayer.enabled": "false",
        "proofs.enabled": "false",
        "logging.format": "json",
    }
    given = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    return ["start", "--config", str(net.nodes[index].home / "node.toml"), *given]


class VerbProcess:
    """One verb, which takes `--until-stdin-closes`. Its log is read all the time: a full pipe would stop a node."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli", *arguments, "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.lines: list[str] = []
        self._unread: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def until(self, event: str) -> dict[str, Any]:
        """The first event of this name from now on."""
        while line := self._unread.get():
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                if answer["event"] == event:
                    return answer
        pytest.fail(f"ended without {event!r}: {''.join(self.lines[-20:])}")

    def ended(self) -> tuple[int, list[str]]:
        """Exit code, and the codes in what it said, once it has ended by itself."""
        self._reader.join()
        self._close()
        return self.process.wait(), re.findall(r"R0[0-9]{3}", "".join(self.lines))

    def kill(self) -> None:
        """SIGKILL. Afterwards `lines` has all that it said."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self._close()

    def stop(self) -> None:
        """End it in order."""
        self._close()
        self._reader.join()
        self.process.wait()

    def _close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as errors:
            for line in errors:
                self.lines.append(line)
                self._unread.put(line)
        self._unread.put("")
