"""A node that serves streams on a socket, heights that it decides when it is asked to, and readers of streams."""

import json
import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection, wrap_client_stream

from clearing.schema.blocks.transaction import Transaction
from node.api.stream_hub import StreamHub
from node.api.view import NodeView
from node.config import Api
from node.http.server import build_api, serve_api
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, DOLLAR, USDC_1
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World
from tests.kit.node.fake_view import NOW, signed
from tests.kit.node.live_view import live_view
from tests.kit.node.proving import decided
from tests.kit.node.rewriting import Rewrite, RewritingApi
from tests.kit.node.station import Station, new_station
from tests.kit.until import PATIENCE_SECONDS, until

Frame = Mapping[str, Any]


class StreamingNode:
    """Alice and Bob have cash from height 3 on; each further height has a trade, if it is asked for."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.view: NodeView = live_view(station)

    @property
    def height(self) -> int:
        return self.station.application.height

    def decide(self, heights: int = 1, *, trades: bool = False) -> int:
        """So many heights; the newest."""

        def deposits(words: World, height: int) -> tuple[Any, ...]:
            return tuple(words.deposit_fact(each, USDC_1, 100_000 * DOLLAR) for each in (ALICE, BOB) if height == 2)

        def requests(words: World, height: int) -> tuple[Transaction, ...]:
            if not trades or height < 4:
                return ()
            return (words.trade(ALICE, BOB, BTC_PERP, 1, 790_000, trade_id=1_000 + height),)

        for _ in decided(self.station, heights, deposits, requests):
            pass
        return self.height


@contextmanager
def streaming_node(folder: Path, heights: int = 3) -> Iterator[StreamingNode]:
    with new_station(folder) as station:
        node = StreamingNode(station)
        node.decide(heights)
        yield node


@dataclass
class Served:
    """Where the node serves, and its streams."""

    node: StreamingNode
    url: str
    hub: StreamHub
    scope: trio.CancelScope

    def stream_url(self, topics: str, cursor: str = "") -> str:
        return f"{self.url}{target(topics, cursor)}"

    def headers(self, topics: str, key: bytes | None, cursor: str = "") -> dict[str, str]:
        """Those of a request that this key signs."""
        return signed(key, target(topics, cursor), network=self.node.view.network) if key else {}

    @asynccontextmanager
    async def read(
        self, topics: str, key: bytes | None = None, cursor: str = "", more: dict[str, str] | None = None
    ) -> AsyncIterator["Reader"]:
        """Server-sent events."""
        headers = self.headers(topics, key, cursor)
        async with (
            httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client,
            client.stream("GET", self.stream_url(topics, cursor), headers=headers | (more or {})) as response,
            trio.open_nursery() as nursery,
        ):
            send, receive = trio.open_memory_channel[str](math.inf)
            nursery.start_soon(_pump, response, send)
            yield Reader(response, receive)
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def socket(
        self, topics: str, key: bytes | None = None, cursor: str = ""
    ) -> AsyncIterator[WebSocketConnection]:
        headers = [(name, value.encode()) for name, value in self.headers(topics, key, cursor).items()]
        async with open_socket(self.stream_url(topics, cursor), headers) as socket:
            yield socket


@asynccontextmanager
async def open_socket(
    url: str, headers: list[tuple[str, bytes]], subprotocols: list[str] | None = None, host: str = "localhost"
) -> AsyncIterator[WebSocketConnection]:
    """A WebSocket whose connection is closed in any case. Raises ConnectionRejected."""
    place = httpx.URL(url)
    stream = await trio.open_tcp_stream(place.host, int(place.port or 0))
    ended: Exception | None = None
    try:
        async with trio.open_nursery() as nursery:
            socket = await wrap_client_stream(
                nursery, stream, host, place.raw_path.decode(), subprotocols=subprotocols, extra_headers=headers
            )
            yield socket
            nursery.cancel_scope.cancel()
    except* (ConnectionRejected, ConnectionClosed) as group:
        ended = group.exceptions[0]
        while isinstance(ended, ExceptionGroup):
            ended = ended.exceptions[0]
    finally:
        await trio.aclose_forcefully(stream)
    if ended is not None:
        raise ended


def target(topics: str, cursor: str = "") -> str:
    """Path and query of a stream."""
    return f"/v1/stream?topics={topics}" + (f"&cursor={cursor}" if cursor else "")


@dataclass
class Reader:
    """Reads the frames of a stream, one after another."""

    response: httpx.Response
    lines: trio.MemoryReceiveChannel[str]
    frames: list[Frame] = field(default_factory=list)

    async def next(self, *, heartbeats: bool = False) -> Frame:
        """The next frame that is no heartbeat, or also one. Raises EOFError at the end."""
        identity = ""
        async for line in self.lines:
            if line.startswith("id: "):
                identity = line[4:]
            if line.startswith("data: "):
                frame: Frame = json.loads(line[6:])
                assert frame["cursor"] == identity
                if heartbeats or frame["kind"] != "heartbeat":
                    self.frames.append(frame)
                    return frame
        raise EOFError

    async def several(self, count: int) -> list[Frame]:
        return [await self.next() for _ in range(count)]


async def _pump(response: httpx.Response, send: trio.MemorySendChannel[str]) -> None:
    """In a task that can be cancelled: httpx's generators must not be left unfinished."""
    rest = b""
    with send:
        async for piece in response.aiter_raw():
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                send.send_nowait(line.decode())  # no place to be cancelled at but in the generators


@asynccontextmanager
async def serving_streams(
    node: StreamingNode, clock: Callable[[], int] = lambda: NOW, rewrite: Rewrite | None = None, **settings: Any
) -> AsyncIterator[Served]:
    api = Api(**({"port": 0, "requests_burst": 10_000, "requests_per_second": 10_000} | settings))
    app = build_api(node.view, api, clock)
    async with trio.open_nursery() as nursery:
        (url,) = await nursery.start(serve_api, app if rewrite is None else RewritingApi(app, rewrite), api)
        hub: StreamHub = app.state.streams
        await until(lambda: hub.is_live, "streams are served")
        yield Served(node, url, hub, nursery.cancel_scope)
        nursery.cancel_scope.cancel()


ALICE_KEY, BOB_KEY = secret(1), secret(2)
