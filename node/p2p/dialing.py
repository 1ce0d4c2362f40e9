"""`Dialer`: keeps every peer with an address connected, for ever.

Rule: one attempt at a time for each peer, with a growing pause and a little chance in it; a peer that refused us by
name is left alone for longer, one that we banned or that left the set until that ends.
"""

import math
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from node.p2p.codes import P2pCode
from node.p2p.config import NetworkConfig, Peer

HIGHER_KEY_WAITS_SECONDS = 0.2
"""The higher key of a pair dials this much later, so that mostly one of the two dials."""
REFUSED_BY_NAME = (P2pCode.WRONG_NETWORK, P2pCode.WRONG_VERSION, P2pCode.BAD_HELLO, P2pCode.OVERSIZE_FRAME)


@dataclass(frozen=True, slots=True)
class Dialer:
    """What it asks of the network."""

    config: NetworkConfig
    welcome_in: Callable[[bytes], float]
    """Seconds until a key may be connected: 0 for now, infinity for not while nothing changes."""
    connected: Callable[[bytes], bool]
    changed: Callable[[bytes], trio.Event]
    """Set when a key was connected, disconnected, admitted or left."""
    dial: Callable[[Peer], Awaitable[P2pCode | None]]
    """Connect and shake hands. Why it failed; None when it did not, or when nobody is there."""

    async def keep_connected(self, peer: Peer) -> None:
        """For ever."""
        config, first = self.config, self.config.key < peer.key
        delay = config.redial_seconds_min
        while True:
            await self._until_welcome(peer.key)
            if not first:
                with trio.move_on_after(HIGHER_KEY_WAITS_SECONDS):
                    await self._until_connected(peer.key)
            while self.connected(peer.key):
                delay = config.redial_seconds_min
                await self.changed(peer.key).wait()
            if await self.dial(peer) in REFUSED_BY_NAME:
                delay = config.refused_seconds
            with trio.move_on_after(delay * (1 + secrets.randbelow(1000) / 4000)):
                await self._until_connected(peer.key)
            delay = min(2 * delay, config.redial_seconds_max)

    async def _until_connected(self, key: bytes) -> None:
        while not self.connected(key):
            await self.changed(key).wait()

    async def _until_welcome(self, key: bytes) -> None:
        while seconds := self.welcome_in(key):
            changed = self.changed(key)
            with trio.move_on_after(seconds):
                await changed.wait()


async def resolved(host: str, port: int) -> str:
    """An IP address of a host, any of several; names are asked for anew with each attempt. Raises OSError."""
    found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
    return str(secrets.choice(found)[4][0])


def welcome_in(*, listed: bool, banned_seconds: float) -> float:
    """See `Dialer.welcome_in`."""
    return banned_seconds if listed else math.inf
