"""Starting and ending what libp2p runs by itself.

Rule: libp2p's services end by awaiting, so that our own cancellation must not reach them; they are told to stop.
"""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import trio
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

from node.p2p.codes import P2pCode
from node.p2p.session import Session, close_connection

STOP_SECONDS = 5.0


class Notifee:
    """Starts the session of each new connection, and ends it with the connection."""

    def __init__(self, start: Callable[[Any], Session | None], session_of: Callable[[Any], Session | None]) -> None:
        """`start(connection)` gives its session, a new one if need be; None: nobody wants it."""
        self._start = start
        self._session_of = session_of

    async def connected(self, network: Any, conn: Any) -> None:  # noqa: ARG002
        """libp2p: a connection stands."""
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


async def run_services(services: Sequence[Any], stop: trio.Event, task_status: Any) -> None:
    """Run libp2p's services until told to stop. Our own cancellation must not reach them: they end by awaiting."""
    with trio.CancelScope(shield=True) as scope:
        async with AsyncExitStack() as stack:
            for service in services:
                await stack.enter_async_context(background_trio_service(service))
            task_status.started()
            await stop.wait()
            scope.deadline = trio.current_time() + STOP_SECONDS


async def close_all(swarm: Any) -> None:
    """Close every connection and listener."""
    async with trio.open_nursery() as nursery:
        for connections in list(swarm.connections.values()):
            for connection in list(connections):
                nursery.start_soon(close_connection, connection)
    for listener in list(swarm.listeners.values()):
        await listener.close()


def address_of(host: str, port: int) -> Multiaddr:
    """An IP address and a TCP port as libp2p writes them."""
    return Multiaddr(f"/ip{6 if ':' in host else 4}/{host}/tcp/{port}")
