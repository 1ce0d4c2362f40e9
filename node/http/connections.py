"""The connections of the API: the socket that listens, bodies that drip, what a WebSocket may cost, and what a
connection that fails ends.

Rule: a reader that takes nothing is left by the kernel: the server itself waits for it, also when the node ends. What
fails in one connection ends that one alone.
"""

import socket
from contextlib import aclosing

import structlog
import trio
from hypercorn.trio import run as hypercorn_run
from hypercorn.trio.tcp_server import TCPServer
from starlette.requests import Request

from member.codes import NodeCode
from node.api.calls import ApiRefusal

UNREAD_MS_MAX = 8_000
"""After so long without taking anything a connection ends; below the time within which a node ends."""
SOCKET_MESSAGE_BYTES_MAX = 4096
"""Of a WebSocket's incoming message; a stream takes none."""
PING_SECONDS = 10.0
BODY_SECONDS_MAX = 30.0
"""Of a whole body, however slowly it drips."""


class ContainedConnection(TCPServer):  # type: ignore[misc]  # it has no types
    """A connection of hypercorn, which else raises what its state machines refuse through all other connections: bytes
    behind a refused handshake are such. A `Bug` of an answer ends the node by the alarm, and never comes here."""

    async def run(self) -> None:
        """Until the connection ends or fails."""
        try:
            await super().run()
        except Exception as error:
            _note_failure(error)
        except BaseExceptionGroup as group:
            failed, others = group.split(Exception)
            if failed is not None:
                _note_failure(failed)
            if others is not None:  # the node ends
                raise others from None


def contain_connections() -> None:
    """Have hypercorn use them: it has no setting for it."""
    hypercorn_run.TCPServer = ContainedConnection


def _note_failure(error: BaseException) -> None:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    structlog.get_logger().debug("connection failed", why=repr(error)[:200])


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that is bound and does not listen yet; connections that it takes have its options."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS_MAX)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


async def read_body(request: Request, limit: int) -> bytes:
    """All of the body, never more than `limit` bytes of it in memory (and one chunk). Raises ApiRefusal 413, and 400
    for one that drips."""
    with trio.move_on_after(BODY_SECONDS_MAX):
        return await _read_all(request, limit)
    raise ApiRefusal(400, NodeCode.API_BODY, "body", why="too slow")


async def _read_all(request: Request, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async with aclosing(request.stream()) as stream:
        async for chunk in stream:
            size += len(chunk)
            if size > limit:
                raise ApiRefusal(413, NodeCode.API_BODY_TOO_LARGE, "body", limit=limit)
            chunks.append(chunk)
    return b"".join(chunks)
