"""A node's API on a socket of its own, in a thread of its own, over any view."""

import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import trio

from node.api.view import NodeView
from node.config_sources import parse_config
from node.http.server import build_api, serve_api
from tests.kit.node.fake_view import FakeView
from tests.kit.node.rewriting import Rewrite, RewritingApi


@contextmanager
def served_api(
    view: FakeView | NodeView,
    clock_ms: Callable[[], int],
    beside: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
    rewrite: Rewrite | None = None,
    **settings: Any,
) -> Iterator[str]:
    """The address of the API. `beside`: runs on the same thread; `rewrite`: changes its answers; `settings`: of the
    section `api`, any free port by default."""
    started: queue.Queue[str] = queue.Queue()
    ended = trio.Event()
    token: list[trio.lowlevel.TrioToken] = []

    async def run() -> None:
        token.append(trio.lowlevel.current_trio_token())
        api = parse_config({"api": {"port": 0} | settings}).api
        async with trio.open_nursery() as nursery:
            app = build_api(view, api, clock_ms)
            served = app if rewrite is None else RewritingApi(app, rewrite)
            (url,) = await nursery.start(partial(serve_api, served, api))
            nursery.start_soon(beside)
            started.put(url)
            await ended.wait()
            nursery.cancel_scope.cancel()

    thread = threading.Thread(target=trio.run, args=(run,))
    thread.start()
    try:
        yield started.get()
    finally:
        token[0].run_sync_soon(ended.set)
        thread.join()
