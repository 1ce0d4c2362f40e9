"""A node that serves streams from a thread of its own, for clients under another event loop or in another process; and
a proxy that cuts connections off."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from node.app.clock import clock_ms
from tests.kit.node.streams import Served, StreamingNode, serving_streams, streaming_node
from tests.kit.ports import free_port


@dataclass
class NodeInThread:
    """Commands are from other threads than the node's, and not from inside an event loop."""

    node: StreamingNode
    settings: dict[str, Any]
    port: int = field(default_factory=free_port)
    _token: trio.lowlevel.TrioToken | None = None
    _served: Served | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def network(self) -> bytes:
        return self.node.view.network

    def start(self) -> None:
        started = threading.Event()

        async def run() -> None:
            async with serving_streams(self.node, clock_ms, port=self.port, **self.settings) as served:
                self._token, self._served = trio.lowlevel.current_trio_token(), served
                started.set()
                await trio.sleep_forever()

        self._thread = threading.Thread(target=trio.run, args=(run,))
        self._thread.start()
        started.wait()

    def end(self) -> None:
        """Its API ends, and with it all that it kept for streams."""
        assert self._token is not None
        assert self._served is not None
        assert self._thread is not None
        self._token.run_sync_soon(self._served.scope.cancel)
        self._thread.join()
        self._token = None

    def decide(self, heights: int = 1, *, trades: bool = True) -> int:
        """So many heights, while it serves or not; the newest."""

        def decided() -> int:
            return self.node.decide(heights, trades=trades)

        return decided() if self._token is None else trio.from_thread.run_sync(decided, trio_token=self._token)


@contextmanager
def node_in_thread(folder: Path, **settings: Any) -> Iterator[NodeInThread]:
    with streaming_node(folder) as node:
        served = NodeInThread(node, settings)
        served.start()
        try:
            yield served
        finally:
            served.end()


@contextmanager
def cutting_proxy(port: int, *cuts: int) -> Iterator[str]:
    """The address of a proxy that ends each connection after so many bytes of its answer: the first after the first
    number, and so on; those beyond the last number live."""
    listener = socket.create_server(("127.0.0.1", 0))
    left = list(cuts)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                node = socket.create_connection(("127.0.0.1", port))
                budget = left.pop(0) if left else 1 << 40
                threading.Thread(target=_pass_on, args=(client, node, 1 << 40), daemon=True).start()
                threading.Thread(target=_pass_on, args=(node, client, budget), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def _pass_on(source: socket.socket, sink: socket.socket, budget: int) -> None:
    with suppress(OSError):
        while budget > 0 and (data := source.recv(min(budget, 1 << 16))):
            budget -= len(data)
            sink.sendall(data)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
