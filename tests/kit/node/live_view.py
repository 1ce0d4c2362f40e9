"""The view of a node over a station."""

import trio

from clearing.base.errors import Rejected
from node.api.live_view import LiveView
from tests.kit.node.station import Station


def live_view(station: Station) -> LiveView:
    return LiveView(
        station.home.genesis,
        station.application,
        station.store,
        station.blocks,
        station.home.path,
        submit=lambda _: Rejected(0, "x"),  # type: ignore[arg-type]
        kept=trio.lowlevel.checkpoint,
        look_for_event=lambda *_: True,
        submit_attack=lambda _: (),
        checks=tuple,
        render_metrics=bytes,
    )
