"""A member that floods costs the others bounded memory, and they go on: engines with real curves, network in memory.

Virtual time: what a flood costs in CPU on real sockets is measured by `python -m benchmarks.flood`.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from clearing.base import ed25519
from clearing.base.certificate import VoteKind
from clearing.base.codec import encode
from consensus.messages import Envelope, Message, Proposal, Vote, envelope_digest, kind_of, read_envelope, read_message
from consensus.replica.inbox import EARLY_VOTES, LATER_ROUND_VOTES
from node.p2p.network import LIMITS, PeerChannel
from tests.kit.consensus.crypto import VALIDATORS, secrets_of
from tests.kit.consensus.engines import NETWORK, Peer, check_same_chain, reach, running
from tests.kit.node.memory_network import Hub, MemoryNetwork

FLOODER = 3
SECRET = secrets_of(4)[FLOODER][0]
KEY = ed25519.public_key(SECRET)
PER_TURN = 20
TURN_SECONDS = 0.01
HEIGHTS = 5

Made = Callable[[int, int, random.Random, Proposal | None], Message | bytes | None]
"""A message of the flood: running height, number, chance, the last proposal that was seen."""


def sealed(message: Message) -> bytes:
    kind, body = kind_of(message), encode(message)
    return encode(
        Envelope(
            sender=KEY,
            kind=kind,
            body=body,
            signature=ed25519.sign(SECRET, envelope_digest(NETWORK, KEY, kind, body)),
        )
    )


def vote(height: int, round_: int, chance: random.Random) -> Vote:
    return Vote(
        kind=VoteKind.PREVOTE,
        height=height,
        round=round_,
        value=chance.randbytes(32),
        validator=FLOODER,
        share=chance.randbytes(96),
    )


def of_future_rounds(height: int, number: int, chance: random.Random, _: Proposal | None) -> Message:
    return vote(height, 2 + number, chance)


def of_future_heights(height: int, number: int, chance: random.Random, _: Proposal | None) -> Message:
    return vote(height + 1 + number % 50, number % 7, chance)


def proposals_of_unknown_heights(height: int, number: int, _: random.Random, seen: Proposal | None) -> Message | None:
    return None if seen is None else msgspec.structs.replace(seen, height=height + 1 + number % 50)


def nonsense(_: int, __: int, chance: random.Random, ___: Proposal | None) -> bytes:
    return chance.randbytes(300)


class Flooder:
    """The fourth member: a key, a network, and no replica."""

    def __init__(self, hub: Hub, made: Made) -> None:
        self.network: MemoryNetwork = hub.join(KEY)
        self.sent = 0
        self._made = made
        self._seen: Proposal | None = None
        self._height = 1

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.network.run)
            for channel in PeerChannel:
                nursery.start_soon(self._listen, channel)
            await self._flood()

    async def _listen(self, channel: PeerChannel) -> None:
        async for incoming in self.network.receive(channel):
            message = read_message(read_envelope(incoming.data))
            if isinstance(message, Proposal):
                self._seen, self._height = message, message.height

    async def _flood(self) -> None:
        chance = random.Random(7)
        while True:
            for data in self._messages(chance):
                for peer in sorted(self.network.peers):
                    self.sent += self.network.send(peer, PeerChannel.CONSENSUS, data)
            await trio.sleep(TURN_SECONDS)

    def _messages(self, chance: random.Random) -> Iterator[bytes]:
        for _ in range(PER_TURN):
            message = self._made(self._height, self.sent, chance, self._seen)
            if message is not None:
                yield message if isinstance(message, bytes) else sealed(message)


@pytest.mark.parametrize("made", [of_future_rounds, of_future_heights, proposals_of_unknown_heights, nonsense])
async def test_three_go_on_while_the_fourth_floods(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, made: Made
) -> None:
    hub = Hub(delay=lambda _, __: 0.003)
    peers = [Peer(index, tmp_path / str(index), hub) for index in range(3)]
    flooder = Flooder(hub, made)
    async with running(peers) as nursery:
        nursery.start_soon(flooder.run)
        for height in range(1, HEIGHTS + 1):
            await reach(peers, height)
            for peer in peers:
                check_bounded(peer)
    check_same_chain(peers)
    assert flooder.sent > 20
    if made is nonsense:
        assert all(network_of(peer).scores.record(KEY).bans for peer in peers)


def network_of(peer: Peer) -> MemoryNetwork:
    assert peer.engine is not None
    network = peer.engine._network
    assert isinstance(network, MemoryNetwork)
    return network


def check_bounded(peer: Peer) -> None:
    """Everything that a member's messages may fill."""
    engine = peer.engine
    assert engine is not None
    assert engine._replica is not None
    intake, state = engine._replica._inbox, engine._replica.run.state
    limits = LIMITS[PeerChannel.CONSENSUS]
    messages, size = network_of(peer)._inboxes[PeerChannel.CONSENSUS].waiting
    assert messages <= 4 * limits.queue_messages
    assert size <= 4 * limits.queue_bytes
    assert len(intake._early.get(KEY, ())) <= EARLY_VOTES + 1
    assert intake._later_round_counts.get(KEY, 0) <= LATER_ROUND_VOTES
    # A height is short: with what is regained each second, of its rounds no more than some of these are ever kept.
    assert len({round_ for round_, _ in state.votes._tallies if round_ > state.round + 1}) <= 4 * LATER_ROUND_VOTES
    assert {each for each in intake._early if each not in VALIDATORS.index_of} == set()
