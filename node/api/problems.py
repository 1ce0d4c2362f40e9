"""Refusals of the API: an HTTP status and a stable code, as one JSON shape.

Rule: nothing of the node's inside is told; the offending value is, cut to a bounded length.
"""

import msgspec
from starlette.responses import Response

from clearing.base.errors import CodeBook, CrossclearError, Detail, Rejected
from node.api.shapes import Problem
from node.codes import NodeCode
from node.explain import remedy_of


class ApiRefusal(Exception):
    """Raised by whoever handles a request; the server turns it into a response."""

    def __init__(self, status: int, code: CodeBook, at: str, /, **values: Detail) -> None:
        super().__init__(status, code, at)
        self.status = status
        self.problem = problem_of(Rejected(code, at, tuple(values.items())))
        self.headers: dict[str, str] = {}


def problem_of(refusal: Rejected | CrossclearError) -> Problem:
    """The JSON shape of a business refusal or a fault."""
    return Problem(code=refusal.code.label, message=str(refusal), at=refusal.at, remedy=remedy_of(refusal.code))


def respond(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")


def respond_refusal(refusal: ApiRefusal) -> Response:
    """The response to a refusal."""
    return respond(refusal.problem, refusal.status, refusal.headers)


def internal_refusal() -> ApiRefusal:
    """What a caller learns of a failure of ours."""
    return ApiRefusal(500, NodeCode.API_INTERNAL, "request")
