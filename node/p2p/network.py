"""`Network`: what the rest of the node knows of its peers, the size limits that nodes share, and the check of gossip.

Rule: a gossip message is the canonical bytes of the type that its topic carries, or it is refused.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from typing import Protocol, TypeVar

import trio

from clearing.base.codec import Wire, decode
from clearing.base.errors import LocalFault, RemoteFault
from node.p2p.codes import P2pCode

Gossip = TypeVar("Gossip", bound=Wire)


class PeerChannel(IntEnum):
    """A direct stream, one long-lived for each peer and channel. In order, without loss while connected."""

    CONSENSUS = 1
    DATA = 2
    SYNC = 3


class Topic(StrEnum):
    """A gossip topic. No order between messages, each delivered once."""

    TRADES = "trades"
    POSITIONS = "positions"
    PRICES = "prices"
    COLLATERAL = "collateral"
    PROVIDERS = "providers"
    CONFLICTS = "conflicts"
    CHECKPOINTS = "checkpoints"
    ADDRESSES = "addresses"


class Overflow(Enum):
    """What a full queue does."""

    DROP_OLDEST = "drop oldest"
    REFUSE_NEWEST = "refuse newest"


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """Bounds of one channel, for each peer and direction."""

    message_bytes: int
    queue_messages: int
    queue_bytes: int
    overflow: Overflow
    per_second: int = 1000
    """Messages that a peer may send each second on average; above it its stream is read no faster."""
    token_bytes: int = 4 << 10
    """A message of so many bytes counts as one more."""
    burst_seconds: float = 2.0
    """How many seconds' worth of them may come at once."""


LIMITS: dict[PeerChannel, ChannelLimits] = {
    # An old vote is worth less than a new one; a half-received batch is worth nothing. Of 32 fully connected validators
    # at 20 heights a second, each sends some 150 messages a second; after a standstill they come in a burst.
    PeerChannel.CONSENSUS: ChannelLimits(256 << 10, 4096, 8 << 20, Overflow.DROP_OLDEST, 500, 4 << 10, 3.0),
    PeerChannel.DATA: ChannelLimits(8 << 20, 1024, 32 << 20, Overflow.REFUSE_NEWEST, 1000, 64 << 10),
    PeerChannel.SYNC: ChannelLimits(8 << 20, 256, 32 << 20, Overflow.REFUSE_NEWEST, 1000, 64 << 10),
}

TOPIC_MESSAGE_BYTES = 64 << 10
"""Longest gossip message."""

TOPIC_QUEUE = 4096
"""Messages that wait for a topic's consumer, and messages that wait to be published."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message and the 32-byte Ed25519 envelope key of its sender (direct) or signer (gossip)."""

    sender: bytes
    data: bytes


Validator = Callable[[Incoming], bool]
"""Whether a gossip message may be delivered and passed on. Synchronous and quick: it runs in the reader."""


def check_message(to: PeerChannel | Topic, data: bytes) -> None:
    """Raises LocalFault OVERSIZE_MESSAGE above the limit of the channel or topic."""
    limit = LIMITS[to].message_bytes if isinstance(to, PeerChannel) else TOPIC_MESSAGE_BYTES
    if len(data) > limit:
        raise LocalFault(P2pCode.OVERSIZE_MESSAGE, to.name, bytes=len(data), limit=limit)


class Network(Protocol):
    """Implemented by `libp2p.network.LibP2PNetwork`; tests have one in memory."""

    @property
    def peers(self) -> frozenset[bytes]:
        """Envelope keys of the connected peers."""
        ...

    def send(self, to: bytes, channel: PeerChannel, data: bytes) -> bool:
        """Queue a message for one peer; never blocks. False when it is not connected or its queue refuses.

        Raises LocalFault OVERSIZE_MESSAGE above the channel's limit.
        """
        ...

    def broadcast(self, channel: PeerChannel, data: bytes) -> None:
        """Queue a message for every connected peer, not for oneself. Raises LocalFault OVERSIZE_MESSAGE."""
        ...

    def publish(self, topic: Topic, data: bytes) -> None:
        """Queue a gossip message, not delivered to oneself; never blocks. Raises LocalFault OVERSIZE_MESSAGE."""
        ...

    def receive(self, channel: PeerChannel) -> trio.MemoryReceiveChannel[Incoming]:
        """The messages of a channel from all peers. One consumer."""
        ...

    def subscribe(self, topic: Topic, validator: Validator) -> trio.MemoryReceiveChannel[Incoming]:
        """The valid messages of a topic. Call once a topic, before start. Raises LocalFault ALREADY_SUBSCRIBED."""
        ...

    def admit(self, keys: Collection[bytes]) -> None:
        """From now on the validators are these envelope keys (of the last, the running and the next set; our own among
        them does no harm). Who left is disconnected at once and not let in again; observers of the configuration stay.

        Call it before the start and whenever a set of the state has changed; calling it again costs little.
        """
        ...

    def report(self, peer: bytes, fault: RemoteFault) -> None:
        """Charge a fault to a peer's score: it may be disconnected or left alone for a while. Never raises or waits.

        Reports about keys that may not connect are ignored.
        """
        ...


def carries(kind: type[Gossip], limit: int, is_valid: Callable[[Gossip], bool] = lambda _: True) -> Validator:
    """A validator that lets through what decodes as `kind` within `limit` bytes, and of that what `is_valid` takes."""

    def valid(message: Incoming) -> bool:
        try:
            gossip = decode(message.data, kind, limit)
        except RemoteFault:
            return False
        return is_valid(gossip)

    return valid
