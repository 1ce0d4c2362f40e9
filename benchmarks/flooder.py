"""The member that floods: one validator's key on the real network, with no replica behind it.

    python -m benchmarks.flooder --index 3 --ports '[26000, …]'

It connects and is silent. A line on its standard input names an attack, which lasts until the next line; an empty one
is silence. Everything it sends is well formed and signed with its own key, but for the attacks that say otherwise.
"""

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import trio

from benchmarks.kvstore import NETWORK, TRANSACTION_BYTES
from clearing.base import ed25519
from clearing.base.certificate import VoteKind
from clearing.base.codec import encode
from clearing.base.errors import RemoteFault
from consensus.messages import (
    Envelope,
    Message,
    Proposal,
    Status,
    Vote,
    envelope_digest,
    kind_of,
    read_envelope,
    read_message,
)
from node.p2p.config import NetworkConfig, Peer
from node.p2p.libp2p.network import LibP2PNetwork
from node.p2p.network import LIMITS, PeerChannel, Topic
from tests.kit.consensus.crypto import secrets_of, validator_set

PER_TURN = 100
TURN_SECONDS = 0.01
"""Ten thousand messages a second."""


class Flooder:
    """One member's key."""

    def __init__(self, index: int, ports: list[int]) -> None:
        validators = validator_set(len(ports)).validators
        self._secret = secrets_of(len(ports))[index][0]
        self._index = index
        peers = tuple(
            Peer(each.envelope_key, port=port)
            for at, (each, port) in enumerate(zip(validators, ports, strict=True))
            if at != index
        )
        self.network = LibP2PNetwork(
            NetworkConfig(self._secret, NETWORK, peers, port=ports[index], gossip_per_second=10**6)
        )
        self._height = 1
        self._proposal: Proposal | None = None
        self._random = random.Random(index)
        self._attack = ""
        self._number = 0
        self.sent: Counter[str] = Counter()

    async def run(self) -> None:
        """Until standard input closes."""
        self.network.subscribe(Topic.TRADES, lambda _: True)
        async with trio.open_nursery() as nursery:
            await nursery.start(self.network.run)
            for channel in PeerChannel:
                nursery.start_soon(self._listen, channel)
            nursery.start_soon(self._flood)
            await self._obey()
            nursery.cancel_scope.cancel()

    async def _obey(self) -> None:
        text = b""
        while True:
            await trio.lowlevel.wait_readable(sys.stdin.fileno())
            piece = os.read(sys.stdin.fileno(), 4096)
            if not piece:
                return
            text += piece
            while b"\n" in text:
                line, _, text = text.partition(b"\n")
                print(json.dumps({"attack": self._attack, "sent": self.sent[self._attack]}), flush=True)
                self._attack = line.decode()

    async def _listen(self, channel: PeerChannel) -> None:
        async for incoming in self.network.receive(channel):
            try:
                message = read_message(read_envelope(incoming.data))
            except RemoteFault:
                continue
            match message:
                case Proposal(height):
                    self._height, self._proposal = max(self._height, height), message
                case Vote(_, height) | Status(height):
                    self._height = max(self._height, height)

    async def _flood(self) -> None:
        attacks: dict[str, Callable[[], Iterator[tuple[PeerChannel, bytes]]]] = {
            "votes of future rounds": self._future_rounds,
            "votes of future heights": self._future_heights,
            "proposals of unknown heights": self._unknown_heights,
            "bytes that are no message": self._no_message,
        }
        while True:
            began = trio.current_time()
            if self._attack in attacks:
                for channel, data in attacks[self._attack]():
                    self._send(channel, data)
            elif self._attack == "oversized frames":
                self._oversized()
            elif self._attack == "gossip":
                self._gossip(bytes(TRANSACTION_BYTES))
            elif self._attack == "gossip that is refused":
                self._gossip(b"odd")
            await trio.sleep(max(0.0, began + TURN_SECONDS - trio.current_time()))

    def _send(self, channel: PeerChannel, data: bytes) -> None:
        for peer in self.network.peers:
            stats = self.network.stats.peer(peer)
            before = stats.dropped_out[channel.name]
            if self.network.send(peer, channel, data) and stats.dropped_out[channel.name] == before:
                self.sent[self._attack] += 1

    def _future_rounds(self) -> Iterator[tuple[PeerChannel, bytes]]:
        for _ in range(PER_TURN // 4):
            self._number += 1
            yield PeerChannel.CONSENSUS, self._vote(self._height, 2 + self._number % 2**30)

    def _future_heights(self) -> Iterator[tuple[PeerChannel, bytes]]:
        for _ in range(PER_TURN // 4):
            self._number += 1
            yield PeerChannel.CONSENSUS, self._vote(self._height + 1 + self._number % 1000, self._number % 100)

    def _unknown_heights(self) -> Iterator[tuple[PeerChannel, bytes]]:
        if self._proposal is None:
            return
        for _ in range(PER_TURN // 4):
            self._number += 1
            proposal = msgspec.structs.replace(self._proposal, height=self._height + 2 + self._number)
            yield PeerChannel.CONSENSUS, self._sealed(proposal)

    def _no_message(self) -> Iterator[tuple[PeerChannel, bytes]]:
        for _ in range(PER_TURN):
            yield PeerChannel.CONSENSUS, self._random.randbytes(200)

    def _oversized(self) -> None:
        for channel in PeerChannel:
            for session in list(self.network._sessions.values()):  # noqa: SLF001 - no honest way to send it
                announced = (LIMITS[channel].message_bytes + 1).to_bytes(4, "big")
                session._outboxes[channel].put(announced + bytes(32 << 10))  # noqa: SLF001
                self.sent[self._attack] += 1

    def _gossip(self, data: bytes) -> None:
        topic = self.network.stats.topic(Topic.TRADES.value)
        for _ in range(PER_TURN):
            self._number += 1
            before = topic.dropped["outbound"]
            self.network.publish(Topic.TRADES, self._number.to_bytes(8, "big") + data[8:])
            self.sent[self._attack] += len(self.network.peers) - (topic.dropped["outbound"] - before)

    def _vote(self, height: int, round_: int) -> bytes:
        return self._sealed(
            Vote(
                kind=VoteKind.PREVOTE,
                height=height,
                round=round_,
                value=self._random.randbytes(32),
                validator=self._index,
                share=self._random.randbytes(96),
            )
        )

    def _sealed(self, message: Message) -> bytes:
        kind, body, sender = kind_of(message), encode(message), self.network.key
        signature = ed25519.sign(self._secret, envelope_digest(NETWORK, sender, kind, body))
        return encode(Envelope(sender=sender, kind=kind, body=body, signature=signature))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--index", type=int, required=True)
    parser.add_argument("--ports", type=json.loads, required=True)
    options = parser.parse_args()
    random.seed(time.time())
    trio.run(Flooder(options.index, options.ports).run)


if __name__ == "__main__":
    main()
