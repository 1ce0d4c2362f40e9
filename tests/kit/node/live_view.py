"""The view of a node over a station, and commands of the program that ask it over a socket."""

from typing import Any

import trio

from clearing.base.errors import Rejected
from cli.main import run
from consensus.blocks.store import load_committed
from node.api.view import NodeView
from node.app.clock import clock_ms
from node.chains.submissions import Submission
from node.config import Api
from node.http.server import build_api, serve_api
from tests.kit.node.fake_view import FakeView
from tests.kit.node.station import Station


def live_view(station: Station, **services: Any) -> NodeView:
    committed = load_committed(station.blocks, station.application.height)
    given: dict[str, Any] = {
        "submit": lambda _: Rejected(0, "x"),  # type: ignore[arg-type]
        "journaled": trio.lowlevel.checkpoint,
        "look_for_event": lambda _: Submission.ACCEPTED,
        "submission_status": lambda *_: None,
        "submit_attack": lambda _: (),
        "checks": tuple,
        "render_metrics": bytes,
    }
    view = NodeView(
        application=station.application,
        store=station.store,
        home=station.home.path,
        newest=committed.block.header if committed is not None else None,
        **given | services,
    )
    station.application.listen(view.decided)
    return view


def run_against(view: NodeView | FakeView, *command: str) -> int:
    """The exit code of a command of which `--url` is a socket on which the view answers."""

    async def serve_and_run() -> int:
        settings = Api(port=0)
        async with trio.open_nursery() as nursery:
            urls = await nursery.start(serve_api, build_api(view, settings, clock_ms), settings)
            code = await trio.to_thread.run_sync(run, [*command, "--url", urls[0]])
            nursery.cancel_scope.cancel()
        return code

    return trio.run(serve_and_run)
