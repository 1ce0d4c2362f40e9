"""A real node that lies: `crossclear start` with an adversary between its core and everything else.

    python -m tests.testnets.byzantine --config n3/node.toml --adversary equivocator --seed 7

Rule: everything but what leaves the core is the real node's: keys, disk, network, API. The liar signs with its own keys
and without a guard, as a machine that was taken over would. Ends with standard input.
"""

import argparse
import sys
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from clearing.base.codec import decode
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.terms.genesis import network_id
from consensus.outputs import Output
from consensus.replica.replica import Replica
from consensus.timeouts import TimerKind
from node import genesis_file
from node.agreement import engine
from node.agreement.application import PAYLOAD_BYTES_MAX, Payload, encode_payload
from node.app import process
from node.config_sources import load_config
from node.signer.local import LocalSigner
from node.signer.node_keys import open_node_keys
from tests.kit.adversaries.context import Adversary, AdversaryContext, disguise, overhear
from tests.kit.adversaries.registry import ADVERSARIES, make_adversary
from tests.kit.consensus.crypto import NoGuard


class LyingReplica(Replica):
    """A replica whose outputs pass through an adversary."""

    adversary: Adversary

    def start(self) -> list[Output]:
        return disguise(self.adversary, super().start())

    def receive(self, peer: bytes, data: bytes) -> list[Output]:
        before = overhear(self.adversary, peer, data)
        return before + disguise(self.adversary, super().receive(peer, data))

    def on_timer(self, kind: TimerKind, height: int, round_: int) -> list[Output]:
        return disguise(self.adversary, super().on_timer(kind, height, round_))

    def notify_work(self) -> list[Output]:
        return disguise(self.adversary, super().notify_work())


def vary(payload: bytes, chance: Random) -> bytes:
    """Other transactions in another order: a second valid payload for one height."""
    held: list[Transaction] = list(decode(payload, Payload, PAYLOAD_BYTES_MAX).transactions)
    if held:
        del held[chance.randrange(len(held))]
    chance.shuffle(held)
    return encode_payload(held)


def run(config_path: Path, adversary: str, seed: int) -> int:
    config = load_config(config_path, {}).config
    keys = open_node_keys(config.home, config.path(config.node.password_file), allow_weak=True)
    network = network_id(genesis_file.read_genesis(config.path(config.node.genesis)))
    signer = LocalSigner(network, keys.envelope, keys.validator, NoGuard())

    def build(*parts: Any, **options: Any) -> LyingReplica:
        replica = LyingReplica(*parts, **options)
        context = AdversaryContext(network, signer, Random(seed), lambda: replica, vary)
        replica.adversary = make_adversary(adversary, context)
        return replica

    # The engine names the class; the liar is the same node with this one part exchanged.
    with mock.patch.object(engine, "Replica", build):
        return process.run(config, until_stdin_closes=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.testnets.byzantine", description="A node that lies.")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--adversary", choices=sorted(ADVERSARIES), required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    return run(arguments.config, arguments.adversary, arguments.seed)


if __name__ == "__main__":
    sys.exit(main())
