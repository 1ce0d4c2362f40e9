"""What every connection of the API passes before anything else, and what every answer states to anybody.

Rule: an API that listens on this machine alone answers to the machine's own names: a web page whose name was bound to
it later (DNS rebinding) is of another name. A body has one length. No answer is framed by another page, nor read as
anything but what its media type says. No WebSocket is compressed: a window for each reader costs more memory than a
stream saves bytes, and a small message could grow beyond bounds.
"""

from typing import Any

import msgspec
from wsproto.connection import ConnectionState
from wsproto.frame_protocol import CloseReason

from member.client.authorization import is_loopback
from member.codes import NodeCode
from node.api.calls import ApiRefusal, respond_refusal
from node.config import Api

HEADERS = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}
"""Of answers that state no other. A page of a listed origin reads answers by CORS, which this does not touch."""


def guarded(app: Any, settings: Api) -> Any:
    """The ASGI application behind these checks."""
    is_own_machine = is_loopback(settings.host) and not settings.proxies and not settings.behind_tls

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await app(scope, receive, send)
            return
        headers = scope["headers"]

        async def send_stated(message: Any) -> None:
            if message["type"] == "http.response.start":
                stated = {name.lower() for name, _ in message["headers"]}
                more = [(name, value) for name, value in HEADERS.items() if name not in stated]
                message = message | {"headers": [*message["headers"], *more]}
            await send(message)

        refusal = _refusal(headers, is_own_machine=is_own_machine)
        if refusal is None and scope["type"] == "http":
            await app(scope, receive, send_stated)
        elif refusal is None:
            # hypercorn accepts permessage-deflate by itself and has no setting for it.
            send.__self__.handshake.extensions = None
            await app(scope, receive, _until_closing(send))
        elif scope["type"] == "http":
            refusal.headers["Connection"] = "close"
            await respond_refusal(refusal)(scope, receive, send_stated)
        else:
            await receive()
            await refuse_socket(refusal, send)

    return serve


def _until_closing(send: Any) -> Any:
    """`send` of a WebSocket. A message that is too long closes it, and hypercorn says nothing of that to the
    application: what is sent next ends it, so that nobody keeps a place who does not answer the close."""

    async def send_open(message: Any) -> None:
        socket = send.__self__
        if message["type"] == "websocket.send" and socket.connection.state is not ConnectionState.OPEN:
            await socket.app_put({"type": "websocket.disconnect", "code": CloseReason.MESSAGE_TOO_BIG.value})
        else:
            await send(message)

    return send_open


def _refusal(headers: list[tuple[bytes, bytes]], *, is_own_machine: bool) -> ApiRefusal | None:
    hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if is_own_machine and not all(is_loopback(_without_port(host)) for host in hosts):
        return ApiRefusal(421, NodeCode.API_HOST, "host", host=hosts[0][:200])
    names = {name for name, _ in headers}
    if b"transfer-encoding" in names and b"content-length" in names:
        return ApiRefusal(400, NodeCode.API_FRAMING, "content-length")
    return None


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host


async def refuse_socket(refusal: ApiRefusal, send: Any) -> None:
    """Before the handshake of a WebSocket: an HTTP answer."""
    body = msgspec.json.encode(refusal.problem)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in refusal.headers.items()]
    await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
