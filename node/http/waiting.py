"""The API of a node that has no state yet: it lives, says why it is not ready, and refuses everything else.

Rule: nothing is answered that needs a state. It is closed before the whole API opens on the same port.
"""

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from member.api.state import Check, Health, Readiness
from member.codes import NodeCode
from node.api.calls import ApiRefusal, respond, respond_refusal
from node.http.server import BugAlarm


def build_waiting_api(checks: Callable[[], Sequence[Check]]) -> Starlette:
    """The ASGI application; `serve_api` serves it."""

    async def health(_: Request) -> Response:
        return respond(Health())

    async def readiness(_: Request) -> Response:
        return respond(Readiness(ready=False, checks=tuple(checks())), 503)

    async def refuse(request: Request) -> Response:
        return respond_refusal(ApiRefusal(503, NodeCode.API_NOT_READY, "state", path=request.url.path[:200]))

    everything = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
    app = Starlette(
        routes=[
            Route("/healthz", health, methods=["GET"]),
            Route("/readyz", readiness, methods=["GET"]),
            Route("/{path:path}", refuse, methods=everything),
        ]
    )
    app.state.alarm = BugAlarm()
    app.state.streams = None
    return app
