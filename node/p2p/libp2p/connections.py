"""`Dialer`: keeps every peer with an address connected; and the start and end of libp2p's own services.

Rule: one attempt at a time for each peer, with a growing, slightly random pause. A peer that refused us by name is
tried less often; one that we banned, or that left the set, not until that ends. libp2p's services end by awaiting, so
our own cancellation must not reach them: see `node.ending`.
"""

import math
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import trio
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

from node.p2p.codes import P2pCode
from node.p2p.config import NetworkConfig, Peer
from node.p2p.libp2p.session import Session, close_connection

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
    """Connect and shake hands. Returns why it failed; None when it did not, or no peer answered."""

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
    """An IP address of a host, any of several; names are resolved again with each attempt. Raises OSError."""
    found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
    return str(secrets.choice(found)[4][0])


def welcome_in(*, listed: bool, banned_seconds: float) -> float:
    """See `Dialer.welcome_in`."""
    return banned_seconds if listed else math.inf


class Notifee:
    """Starts the session of each new connection, and ends it with the connection."""

    def __init__(self, start: Callable[[Any], Session | None], session_of: Callable[[Any], Session | None]) -> None:
        """`start(connection)` gives its session, a new one if need be; None: it is not wanted."""
        self._start = start
        self._session_of = session_of

    async def connected(self, network: Any, conn: Any) -> None:  # noqa: ARG002
        """libp2p: a connection is open."""
        if self._start(conn) is None:
            await close_connection(conn)

    async def disconnected(self, network: Any, conn: Any) -> None:  # noqa: ARG002
        """libp2p: a connection is gone."""
        session = self._session_of(conn)
        if session is not None:
            session.close(P2pCode.STREAM_ENDED)

    async def _nothing(self, network: Any, what: Any) -> None:  # noqa: ARG002
        return None

    opened_stream = closed_stream = listen = listen_close = _nothing


async def run_services(services: Sequence[Any], stopping: trio.Event, task_status: Any) -> None:
    """Run libp2p's services until stopped, as a `ShieldedTask`."""
    async with AsyncExitStack() as stack:
        for service in services:
            await stack.enter_async_context(background_trio_service(service))
        task_status.started()
        await stopping.wait()


async def close_all(swarm: Any) -> None:
    """Close every connection and listener, all at once: one that does not end keeps no other open."""
    async with trio.open_nursery() as nursery:
        for connections in list(swarm.connections.values()):
            for connection in list(connections):
                nursery.start_soon(close_connection, connection)
        for listener in list(swarm.listeners.values()):
            nursery.start_soon(listener.close)


def address_of(host: str, port: int) -> Multiaddr:
    """An IP address and a TCP port as libp2p writes them."""
    return Multiaddr(f"/ip{6 if ':' in host else 4}/{host}/tcp/{port}")
