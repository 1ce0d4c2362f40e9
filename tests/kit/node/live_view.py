"""The view of a node over a station."""

from typing import Any

import trio

from clearing.base.errors import Rejected
from consensus.blocks.store import load_committed
from node.api.view import NodeView
from node.chains.bridge_service import Submission
from tests.kit.node.station import Station


def live_view(station: Station, **services: Any) -> NodeView:
    committed = load_committed(station.blocks, station.application.height)
    given: dict[str, Any] = {
        "submit": lambda _: Rejected(0, "x"),  # type: ignore[arg-type]
        "journaled": trio.lowlevel.checkpoint,
        "look_for_event": lambda *_: Submission.ACCEPTED,
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
