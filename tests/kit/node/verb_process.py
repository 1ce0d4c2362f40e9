"""A process of `crossclear` that ends when its standard input does, and the events that it logs."""

import json
import re
import sys
from typing import Any

import pytest

from devnet.testnet import Testnet
from tests.kit.node.logged_process import LoggedProcess


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


class VerbProcess(LoggedProcess):
    """One verb, which takes `--until-stdin-closes`."""

    def __init__(self, *arguments: str) -> None:
        super().__init__([sys.executable, "-m", "tests.kit.node.dumping_cli", *arguments, "--until-stdin-closes"])

    def until(self, event: str) -> dict[str, Any]:
        """The first event of this name from now on."""
        while line := self.next_line():
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                if answer["event"] == event:
                    return answer
        pytest.fail(f"ended without {event!r}: {''.join(self.lines[-20:])}")

    def ended(self) -> tuple[int, list[str]]:
        """Exit code, and the codes in what it said, once it has ended by itself."""
        code = self.wait()
        return code, re.findall(r"R0[0-9]{3}", "".join(self.lines))
