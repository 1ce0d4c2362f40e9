"""`/v1/stream` as a WebSocket.

Rule: the same checks as every request, before the handshake is accepted; a refusal is an HTTP answer. A page can't set
headers of a WebSocket, so a signature may come as a subprotocol; and since every page may open one, its origin must be
this node's or a listed one. What the reader says ends the stream: it has nothing to say.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import trio
from starlette.requests import HTTPConnection

from member.api.streams import CLOSE_ENDING, CLOSE_REFUSED, SUBPROTOCOL, SUBPROTOCOL_SIGNED
from member.client.authorization import SCHEME
from member.codes import NodeCode
from node.api.calls import ApiCall, ApiRefusal, internal_refusal
from node.api.stream import Receive, Send, Sending, StreamEnd, Subscription, as_message, converse, subscription_of
from node.http.web_guard import refuse_socket
from node.ops.stream_counts import SOCKET

Check = Callable[[HTTPConnection, str], Awaitable[ApiCall]]


class StreamSocket:
    """The ASGI application of the route."""

    def __init__(self, check: Check, origins: tuple[str, ...], counted: Callable[[str, int], None]) -> None:
        """`check`: the checks of a connection and its authorization."""
        self._check, self._origins, self._counted = check, origins, counted

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """One connection."""
        if (await receive())["type"] != "websocket.connect":
            return
        connection = HTTPConnection(scope)
        try:
            self._check_origin(connection)
            subscription = subscription_of(await self._check(connection, _authorization(connection)))
            with subscription.open(SOCKET):
                self._counted("stream_socket", 101)
                offered = SUBPROTOCOL in scope["subprotocols"]
                await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
                await _converse(subscription, receive, send)
        except ApiRefusal as refusal:
            self._counted("stream_socket", refusal.status)
            await refuse_socket(refusal, send)
        except (trio.Cancelled, BaseExceptionGroup):
            raise
        except Exception:
            await refuse_socket(internal_refusal(), send)
            raise

    def _check_origin(self, connection: HTTPConnection) -> None:
        origin = connection.headers.get("origin", "")
        if not origin or origin in self._origins or "*" in self._origins:
            return
        if urlsplit(origin).netloc != connection.headers.get("host", ""):
            raise ApiRefusal(403, NodeCode.STREAM_ORIGIN, "origin", origin=origin[:200])


def _authorization(connection: HTTPConnection) -> str:
    """The header, or the subprotocol that stands for it; empty for none."""
    header: str = connection.headers.get("authorization", "")
    for offered in connection.scope["subprotocols"]:
        if not header and offered.startswith(SUBPROTOCOL_SIGNED):
            parts = offered.removeprefix(SUBPROTOCOL_SIGNED).split(".")
            header = f"{SCHEME} " + ":".join(parts)
    return header


async def _converse(subscription: Subscription, receive: Receive, send: Send) -> None:
    async def send_text(text: str) -> None:
        await send({"type": "websocket.send", "text": text})

    async def listen() -> StreamEnd | None:
        """Until the reader leaves, or says something."""
        is_said = (await receive())["type"] == "websocket.receive"
        return StreamEnd(NodeCode.STREAM_READ_ONLY) if is_said else None

    async def close(end: StreamEnd) -> None:
        await send(_closing(end))

    await converse(subscription, Sending(subscription, SOCKET, as_message, send_text), listen, close)


def _closing(end: StreamEnd) -> dict[str, Any]:
    code = CLOSE_ENDING if end.code is NodeCode.STREAM_ENDING else CLOSE_REFUSED
    return {"type": "websocket.close", "code": code, "reason": end.code.label}
