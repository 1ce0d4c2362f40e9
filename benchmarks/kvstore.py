"""One validator of `benchmarks.consensus`: the node's engine, network, log, sign state and block store around an
application that only keeps transactions, as CometBFT's kvstore does.

    python -m benchmarks.kvstore --index 0 --ports '[26000, …]' --rpc 27000 --folder /tmp/x [--profile FOLDER]

Its RPC is a stream of frames, each a 4-byte length and a kind: T takes transactions of `TRANSACTION_BYTES` each, S
answers with counts as JSON, W pushes each decided height from then on (height, wall time, transaction numbers).
"""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import trio

from benchmarks.sampler import Sampler
from clearing.base.hashing import sha256, tagged_hash
from clearing.base.header import Header
from clearing.base.ids import ZERO_HASH, Hash32
from clearing.base.validators import ValidatorSet
from consensus.application import AppRoots, ExecutionContext, MisbehaviourKind
from consensus.chain_state import ApplicationPosition
from consensus.outputs import Decided
from consensus.replica.replica import ReplicaConfig
from node.agreement.engine import ConsensusGenesis, Engine, Hooks
from node.app.service_settings import tune_gc
from node.p2p.config import NetworkConfig, Peer
from node.p2p.libp2p.network import LibP2PNetwork
from node.p2p.network import TOPIC_MESSAGE_BYTES, Incoming, Topic
from node.signer.local import LocalSigner
from node.signer.sign_state import SignStateFile
from node.store.blocks import StoredBlocks
from node.store.store import Store
from node.store.wal import WalFile
from tests.kit.consensus.crypto import secrets_of, validator_set

NETWORK = bytes(range(32))
TRANSACTION_BYTES = 250
"""The first eight number it."""
BLOCK_TRANSACTIONS_MAX = 4000
BATCH_SECONDS = 0.02
EXTENSION = bytes(400)
"""As long as a report of twelve prices."""
LENGTH_BYTES = 4
BLOCK_INTERVAL_MS = 50


def split(data: bytes) -> dict[int, bytes]:
    """Transactions by number."""
    parts = [data[at : at + TRANSACTION_BYTES] for at in range(0, len(data), TRANSACTION_BYTES)]
    return {int.from_bytes(part[:8], "big"): part for part in parts}


class KeyValueApplication:
    """Implements `consensus.application.Application`: its state is a hash chain over what was decided."""

    def __init__(self, validators: ValidatorSet) -> None:
        self._validators = validators
        self._root = ZERO_HASH
        self._executed: tuple[Hash32, bytes] | None = None
        self.pool: dict[int, bytes] = {}
        self.taken = 0
        self.height = 0

    @property
    def position(self) -> ApplicationPosition:
        """Genesis."""
        return ApplicationPosition(0, self._validators, self._validators, self._validators)

    def add(self, data: bytes) -> None:
        """Let transactions wait for a block."""
        self.pool.update(split(data))

    def prepare(self, context: ExecutionContext) -> tuple[bytes, AppRoots]:
        """What waits, in order of arrival."""
        chosen = [data for _, data in zip(range(BLOCK_TRANSACTIONS_MAX), self.pool.values(), strict=False)]
        payload = b"".join(chosen)
        return payload, self.process(context, payload)

    def process(self, context: ExecutionContext, payload: bytes) -> AppRoots:
        """Hash what is to be kept."""
        observed = b"".join(sha256(item.data) for item in context.extensions)
        root = tagged_hash("benchmark", self._root, sha256(payload), sha256(observed))
        self._executed = (root, payload)
        return AppRoots((root,), ZERO_HASH, 0, ZERO_HASH, 0, ZERO_HASH, 0, ())

    def extend(self, height: int, value: Hash32) -> bytes:  # noqa: ARG002 - the same at all heights
        """As long as prices."""
        return EXTENSION

    def verify_extension(self, height: int, data: bytes) -> None:
        """Anything goes."""

    def commit(self, header: Header) -> ValidatorSet:
        """Forget what waited and is decided."""
        if self._executed is None or header.module_roots != (self._executed[0],):
            raise ValueError("commit of a block that was not executed")
        self._root, payload = self._executed
        self.height, self.taken = header.height, self.taken + len(payload) // TRANSACTION_BYTES
        for number in split(payload):
            self.pool.pop(number, None)
        return self._validators

    def validators_at(self, height: int) -> ValidatorSet | None:
        """Always the same."""
        return self._validators if 1 <= height <= self.height + 2 else None

    def missing_version(self, height: int) -> int | None:  # noqa: ARG002
        return None

    def is_reported(self, envelope_key: bytes, height: int, kind: MisbehaviourKind) -> bool:  # noqa: ARG002
        """Nobody misbehaves."""
        return False


class Validator:
    """One node and its RPC."""

    def __init__(self, index: int, ports: list[int], folder: Path) -> None:
        validators, secrets = validator_set(len(ports)), secrets_of(len(ports))
        envelope, share = secrets[index]
        peers = tuple(
            Peer(each.envelope_key, port=port)
            for at, (each, port) in enumerate(zip(validators.validators, ports, strict=True))
            if at != index
        )
        self.application = KeyValueApplication(validators)
        self.network = LibP2PNetwork(NetworkConfig(envelope, NETWORK, peers, port=ports[index]))
        self._outbox = bytearray()
        self._watchers: list[trio.MemorySendChannel[bytes]] = []
        self._store = Store(folder / "node.sqlite", NETWORK)
        guard = SignStateFile(folder / "sign-state", sync=False)
        self.engine = Engine(
            ConsensusGenesis(NETWORK, 1_700_000_000_000),
            self.application.position,
            self.application,
            StoredBlocks(self._store),
            LocalSigner(NETWORK, envelope, share, guard),
            WalFile(folder / "consensus.wal"),
            self.network,
            ReplicaConfig(block_interval_ms_min=BLOCK_INTERVAL_MS, heartbeat_ms=BLOCK_INTERVAL_MS),
            Hooks(on_decided=self._decided, has_work=lambda: True),
        )

    async def run(self, rpc: int) -> None:
        """For ever."""
        feed = self.network.subscribe(Topic.TRADES, lambda message: len(message.data) % TRANSACTION_BYTES == 0)
        async with trio.open_nursery() as nursery:
            await nursery.start(self.network.run)
            nursery.start_soon(self._listen, feed)
            nursery.start_soon(self._spread)
            while len(self.network.peers) < len(self.network.config.peers):  # noqa: ASYNC110 - other processes
                await trio.sleep(0.05)
            await nursery.start(self.engine.run)
            tune_gc()
            await trio.serve_tcp(self._serve, rpc, host="127.0.0.1")

    async def _listen(self, feed: trio.MemoryReceiveChannel[Incoming]) -> None:
        async for message in feed:
            self.application.add(message.data)

    async def _spread(self) -> None:
        room = TOPIC_MESSAGE_BYTES // TRANSACTION_BYTES * TRANSACTION_BYTES
        while True:
            await trio.sleep(BATCH_SECONDS)
            while self._outbox:
                self.network.publish(Topic.TRADES, bytes(self._outbox[:room]))
                del self._outbox[:room]

    def _decided(self, decided: Decided) -> None:
        block = decided.committed.block
        if self._watchers:
            noted = [block.header.height, time.time(), list(split(block.payload))]
            for watcher in self._watchers:
                watcher.send_nowait(framed(json.dumps(noted).encode()))

    async def _serve(self, stream: trio.SocketStream) -> None:
        async for kind, data in frames(stream):
            if kind == b"T":
                self.application.add(data)
                self._outbox += data
                self.engine.notify_work()
            elif kind == b"S":
                await stream.send_all(framed(json.dumps(self._counts()).encode()))
            else:
                to_watcher, watched = trio.open_memory_channel[bytes](1 << 16)
                self._watchers.append(to_watcher)
                async for each in watched:
                    await stream.send_all(each)

    def _counts(self) -> dict[str, object]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        stats = self.engine.stats
        return {
            "height": self.application.height,
            "taken": self.application.taken,
            "waiting": len(self.application.pool),
            "cpu": used.ru_utime + used.ru_stime,
            "durations_ms": list(stats.durations_ms),
            "rounds_beyond_first": stats.rounds_beyond_first,
            "fetched": stats.heights_fetched,
        }


def framed(data: bytes) -> bytes:
    """With its length in front."""
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


async def frames(stream: trio.SocketStream) -> AsyncIterator[tuple[bytes, bytes]]:
    """(kind, data) of each frame until the end."""
    buffer = bytearray()
    async for piece in stream:
        buffer += piece
        while len(buffer) >= LENGTH_BYTES:
            end = LENGTH_BYTES + int.from_bytes(buffer[:LENGTH_BYTES], "big")
            if len(buffer) < end:
                break
            frame = bytes(buffer[LENGTH_BYTES:end])
            del buffer[:end]
            yield frame[:1], frame[1:]


async def until_owner_ends(validator: Validator, rpc: int) -> None:
    """Run a validator until standard input closes."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(validator.run, rpc)
        while True:
            await trio.lowlevel.wait_readable(sys.stdin.fileno())
            if not os.read(sys.stdin.fileno(), 4096):
                nursery.cancel_scope.cancel()
                return


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--index", type=int, required=True)
    parser.add_argument("--ports", type=json.loads, required=True)
    parser.add_argument("--rpc", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--profile", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    sampler = Sampler() if options.profile else None
    if sampler is not None:
        sampler.start()
    validator = Validator(options.index, options.ports, options.folder)
    try:
        trio.run(until_owner_ends, validator, options.rpc)
    finally:
        if sampler is not None:
            sampler.write(options.profile)


if __name__ == "__main__":
    main()
