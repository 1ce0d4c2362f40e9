"""The HTTP server: starlette's router over the table of routes, served by hypercorn under trio.

Rule: every request passes the same checks in one place, cheapest first: 1. rate; 2. parameters; 3. body size and type;
4. signature or token; 5. handler. Every failure is answered in one shape, and nothing that a client sends ends the
server. The time of a signed request must be near the node's clock, and a nonce is accepted once within that window;
only members' nonces are remembered, so that strangers cannot fill the memory.
"""

import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
import structlog
import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.routing import Route as StarletteRoute

from clearing.base import secp256k1
from clearing.base.errors import Bug, RemoteFault
from clearing.base.token_bucket import TokenBuckets
from member.client.authorization import HEADER_PATTERN, SignedPart, is_bearer, request_digest
from member.codes import NodeCode
from node.api.calls import (
    ApiCall,
    ApiRefusal,
    Route,
    check_wait,
    internal_refusal,
    member_of,
    respond,
    respond_refusal,
    too_many,
)
from node.api.stream_hub import StreamHub
from node.api.view import NodeView
from node.config import Api
from node.ending import ShieldedTask, shielded
from node.http.connections import (
    PING_SECONDS,
    SOCKET_MESSAGE_BYTES_MAX,
    contain_connections,
    listening_socket,
    read_body,
)
from node.http.page import PageFile, page_files, page_response
from node.http.routes import ROUTES, openapi
from node.http.stream_socket import StreamSocket
from node.http.submitters import Submitters, is_encrypted
from node.http.tls import tls_files
from node.http.web_guard import guarded
from node.ops.stream_counts import StreamCounts

log = structlog.get_logger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]
CLIENTS_MAX = 10_000
STREAM_ROUTE = next(route for route in ROUTES if route.path == "/v1/stream")
_SHUTDOWN_S = 2.0


class Authenticator:
    """Remembers the nonces of one node's API."""

    def __init__(self, view: NodeView, skew_ms_max: int) -> None:
        self._view = view
        self._skew_ms_max = skew_ms_max
        self._seen: dict[tuple[bytes, bytes], int] = {}

    def check(self, header: str | None, part: SignedPart, now_ms: int) -> bytes:
        """The member's address. Raises ApiRefusal 401, or 429 when too many nonces are remembered."""
        match = HEADER_PATTERN.fullmatch(header or "")
        if match is None:
            raise ApiRefusal(401, NodeCode.API_UNAUTHENTICATED, "authorization")
        time_ms = int(match["time"])
        nonce = bytes.fromhex(match["nonce"])
        if abs(time_ms - now_ms) > self._skew_ms_max:
            raise ApiRefusal(401, NodeCode.API_STALE_REQUEST, "authorization.time", time_ms=time_ms, now_ms=now_ms)
        try:
            digest = request_digest(self._view.network, part, time_ms, nonce)
            address = secp256k1.recover(digest, bytes.fromhex(match["signature"]))
        except RemoteFault:
            raise ApiRefusal(401, NodeCode.API_UNAUTHENTICATED, "authorization.signature") from None
        if member_of(self._view.state, address) is None:
            raise ApiRefusal(401, NodeCode.API_UNAUTHENTICATED, "authorization.signature", signer=address)
        self._remember(address, nonce, now_ms)
        return address

    def _remember(self, address: bytes, nonce: bytes, now_ms: int) -> None:
        if (address, nonce) in self._seen:
            raise ApiRefusal(401, NodeCode.API_REPLAYED, "authorization.nonce")
        if len(self._seen) >= NONCES_MAX:
            self._seen = {key: until for key, until in self._seen.items() if until >= now_ms}
        if len(self._seen) >= NONCES_MAX:
            raise too_many("authorization", 2 * self._skew_ms_max)
        # A request signed `skew` ahead of the clock stays acceptable for twice the skew.
        self._seen[(address, nonce)] = now_ms + 2 * self._skew_ms_max


@dataclass(frozen=True, slots=True)
class ApiContext:
    """What every route shares."""

    view: NodeView
    settings: Api
    clock_ms: Callable[[], int]
    limiter: TokenBuckets
    authenticator: Authenticator
    submitters: Submitters
    counted: Callable[[str, int], None]
    """Called with the route's name and the status of each answer."""
    alarm: "BugAlarm"
    streams: StreamHub


class BugAlarm:
    """A broken invariant that a request met: the server ends with it at once."""

    def __init__(self) -> None:
        self._rung = trio.Event()
        self._bug: Bug | None = None

    def ring(self, bug: Bug) -> None:
        """Keep the first one."""
        self._bug = self._bug or bug
        self._rung.set()

    async def wait(self) -> None:
        """Raise it once there is one."""
        await self._rung.wait()
        if self._bug is not None:
            raise self._bug


def build_api(
    view: NodeView,
    settings: Api,
    clock_ms: Callable[[], int],
    counted: Callable[[str, int], None] = lambda _name, _status: None,
    stream_counts: StreamCounts | None = None,
) -> Starlette:
    """The ASGI application. `stream_counts`: where the streams count what they do, if anybody reads it."""
    served = ApiContext(
        view=view,
        settings=settings,
        clock_ms=clock_ms,
        limiter=TokenBuckets(settings.requests_per_second, settings.requests_burst, ticks=1000, keys_max=CLIENTS_MAX),
        authenticator=Authenticator(view, settings.clock_skew_ms_max),
        submitters=Submitters(settings),
        counted=counted,
        alarm=BugAlarm(),
        streams=StreamHub(view, settings.streams_max, settings.streams_per_client_max, stream_counts),
    )
    description = msgspec.json.encode(openapi())

    async def describe(_: Request) -> Response:
        return Response(description, media_type="application/json")

    routes: list[BaseRoute] = [
        StarletteRoute(route.path, _endpoint(route, served), methods=[route.method]) for route in ROUTES
    ]
    routes.append(StarletteRoute("/openapi.json", describe, methods=["GET"]))
    if settings.page:
        routes += [StarletteRoute(path, _page(file, served), methods=["GET"]) for path, file in page_files().items()]
    sockets = StreamSocket(partial(_check_stream, served), settings.origins, served.counted)
    routes.append(WebSocketRoute(STREAM_ROUTE.path, sockets))
    cross_origin = Middleware(
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_methods=("GET", "POST"),
        allow_headers=("Authorization", "Content-Type"),
        expose_headers=("Retry-After",),
    )
    app = Starlette(
        routes=routes,
        exception_handlers={HTTPException: _routing_refusal},
        middleware=[cross_origin] if settings.origins else [],
    )
    # A slash more is another path. A redirection would name the host that the client stated.
    app.router.redirect_slashes = False
    app.state.alarm = served.alarm
    app.state.streams = served.streams
    return app


async def serve_api(
    app: Starlette,
    settings: Api,
    home: Path = Path(),
    task_status: Any = trio.TASK_STATUS_IGNORED,  # the stubs of trio lack TaskStatus
) -> None:
    """Serve until cancelled; `started` with the addresses that are listened on. `home`: of the files for TLS.

    Raises a `Bug` that a request met, and LocalFault TLS_UNUSABLE.
    """
    config = Config()
    config.bind = [f"fd://{listening_socket(settings.host, settings.port).detach()}"]
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    config.graceful_timeout = _SHUTDOWN_S
    config.shutdown_timeout = _SHUTDOWN_S
    config.h11_max_incomplete_size = 1 << 15
    config.keep_alive_timeout = 30
    """Of a connection without a request, and of the head of one; a body has its own time."""
    config.websocket_max_message_size = SOCKET_MESSAGE_BYTES_MAX
    config.websocket_ping_interval = PING_SECONDS
    if settings.tls_certificate:
        certificate, key = tls_files(settings, home)
        config.certfile, config.keyfile = str(certificate), str(key)
        config.alpn_protocols = ["http/1.1"]
    contain_connections()
    streams: StreamHub | None = app.state.streams

    async def serve_until_ended(stopping: trio.Event, task_status: Any) -> None:  # noqa: ARG001 - it is cancelled
        await serve(guarded(app, settings), config, shutdown_trigger=trio.sleep_forever, task_status=task_status)

    serving = ShieldedTask(serve_until_ended)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(app.state.alarm.wait)
        try:
            if streams is not None:
                nursery.start_soon(streams.run)
            nursery.start_soon(serving.run)
            task_status.started(await serving.begun())
            await trio.sleep_forever()
        finally:
            # Streams end with a last frame; what else is under way ends as it is.
            with shielded():
                if streams is not None:
                    await streams.end()
            serving.end(at_once=True)


def _page(file: PageFile, served: ApiContext) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            _check_rate(served, request, served.clock_ms())
        except ApiRefusal as refusal:
            return respond_refusal(refusal)
        return page_response(file, request)

    return endpoint


def _endpoint(route: Route, served: ApiContext) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            response = await _answer(route, served, request)
        except ApiRefusal as refusal:
            response = respond_refusal(refusal)
        except Bug as bug:
            served.alarm.ring(bug)
            response = respond_refusal(internal_refusal())
        except ClientDisconnect:
            raise
        except Exception:
            log.exception("request failed", route=route.name)
            response = respond_refusal(internal_refusal())
        if route.secret:
            response.headers["Cache-Control"] = "no-store"
        served.counted(route.name, response.status_code)
        return response

    return endpoint


async def _check_stream(served: ApiContext, connection: HTTPConnection, header: str) -> ApiCall:
    """The checks of a request that opens a WebSocket; `header`: its authorization. Raises ApiRefusal."""
    now_ms, route = served.clock_ms(), STREAM_ROUTE
    _check_rate(served, connection, now_ms)
    parameters, signer = _parameters(route, connection), b""
    if header:
        signer = served.authenticator.check(header, SignedPart("GET", _target(connection), b""), now_ms)
    client = _client(connection, served.settings.proxies)
    return ApiCall(served.view, parameters, signer=signer, client=client, streams=served.streams)


def _target(connection: HTTPConnection) -> str:
    """Path and query as sent. Of the request line alone: headers could make another URL of it."""
    path, query = connection.scope["raw_path"], connection.scope["query_string"]
    return str((path + (b"?" + query if query else b"")).decode("latin-1"))


async def _answer(route: Route, served: ApiContext, request: Request) -> Response:
    now_ms = served.clock_ms()
    if route.limited:
        _check_rate(served, request, now_ms)
    if route.secret and not is_encrypted(served.settings):
        raise ApiRefusal(403, NodeCode.API_IN_CLEAR, "request")
    parameters = _parameters(route, request)
    media = _media(route, request)
    body = await read_body(request, served.settings.body_bytes_max if route.body is not None else 0)
    signer, submitter = b"", ""
    header = request.headers.get("authorization", "")
    if route.takes_token and is_bearer(header):
        submitter = served.submitters.check_token(header)
    elif route.signed or (route.may_sign and header):
        part = SignedPart(request.method, _target(request), body)
        signer = served.authenticator.check(header, part, now_ms)
        submitter = signer.hex()
    if route.takes_token:
        served.submitters.check_rate(submitter, now_ms)
    client = _client(request, served.settings.proxies)
    answer = route.handler(ApiCall(served.view, parameters, body, media, signer, submitter, client, served.streams))
    if isinstance(answer, Awaitable):
        answer = await answer
    return answer if isinstance(answer, Response) else respond(answer)


def _check_rate(served: ApiContext, request: HTTPConnection, now_ms: int) -> None:
    client = _client(request, served.settings.proxies)
    if not served.limiter.take(client, now_ms):
        check_wait(math.ceil(served.limiter.wait(client, now_ms)), "request")


def _client(request: HTTPConnection, proxies: int) -> str:
    """Whose rate counts: the peer, or whom the outermost of our proxies saw; the peer where that is no address."""
    peer = request.client.host if request.client else ""
    if not proxies:
        return peer
    claimed = [each.strip() for line in request.headers.getlist("x-forwarded-for") for each in line.split(",")]
    address = claimed[-proxies] if len(claimed) >= proxies else ""
    host = address[1 : address.find("]")] if address.startswith("[") else address
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return ip_address(host).compressed
    except ValueError:
        return peer


def _parameters(route: Route, request: HTTPConnection) -> dict[str, str]:
    known = {parameter.name: parameter for parameter in route.parameters}
    given = dict(request.path_params)
    for name, value in request.query_params.multi_items():
        if name in given or name not in known or known[name].where != "query":
            raise ApiRefusal(400, NodeCode.API_PARAMETER, "query", parameter=name)
        given[name] = value
    headers = {name for name, parameter in known.items() if parameter.where == "header"}
    given |= {name: request.headers[name] for name in headers if name in request.headers}
    for name, parameter in known.items():
        if name in given and re.fullmatch(parameter.pattern, given[name], re.ASCII) is None:
            raise ApiRefusal(400, NodeCode.API_PARAMETER, name, value=given[name])
        if name not in given and parameter.required:
            raise ApiRefusal(400, NodeCode.API_PARAMETER, name, why="missing")
    return given


def _media(route: Route, request: Request) -> str:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if route.body is not None and media not in route.body_media:
        raise ApiRefusal(415, NodeCode.API_MEDIA_TYPE, "content-type", found=media)
    return media


async def _routing_refusal(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    codes = {404: NodeCode.API_NOT_FOUND, 405: NodeCode.API_METHOD}
    if status not in codes:
        return respond_refusal(internal_refusal())
    refusal = ApiRefusal(status, codes[status], "path", path=request.url.path[:200])
    if isinstance(error, HTTPException):
        refusal.headers.update(error.headers or {})  # of 405: the methods that the path takes
    return respond_refusal(refusal)


NONCES_MAX = 100_000
