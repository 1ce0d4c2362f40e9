"""How a topic declares its routes, beside their handlers: path, parameters, answer, body and authentication.

Rule: a handler's return type is the type of the answer, and its docstring the description; server and OpenAPI are made
from both. A parameter that is not declared is refused.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, get_type_hints

from starlette.responses import Response

from node.api.calls import ApiCall

JSON = "application/json"
MSGPACK = "application/msgpack"
OCTETS = "application/octet-stream"

Handler: TypeAlias = Callable[[ApiCall], object | Awaitable[object]]

HandlerT = TypeVar("HandlerT", bound=Handler)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A path or query parameter; `pattern` must match all of it."""

    name: str
    where: str
    pattern: str
    description: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """One operation."""

    method: str
    path: str
    name: str
    description: str
    handler: Handler
    answer: Any
    """The type of the JSON answer, or None for bytes of `media`."""
    media: str = JSON
    statuses: tuple[int, ...] = (200,)
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    body_media: tuple[str, ...] = ()
    signed: bool = False
    secret: bool = False
    """Whether answers contain a secret: never cached, and refused where the API is reachable unencrypted."""
    limited: bool = True
    """Whether requests count against the client's rate; health checks do not."""


class Routes:
    """The routes of one topic, in order of declaration."""

    def __init__(self) -> None:
        self._routes: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def get(self, path: str, *parameters: Parameter, name: str = "", **more: Any) -> Callable[[HandlerT], HandlerT]:
        """Declare a GET. `name` is the operation's, by default the handler's; `more` are fields of `Route`.

        A handler that returns a `Response` states the type of its JSON as `answer`.
        """
        return self._declare("GET", path, parameters, name, more)

    def post(self, path: str, *parameters: Parameter, name: str = "", **more: Any) -> Callable[[HandlerT], HandlerT]:
        """Declare a POST, as `get`; with `body`, and with `body_media` where that is not JSON."""
        return self._declare("POST", path, parameters, name, {"body_media": (JSON,)} | more)

    def _declare(
        self, method: str, path: str, parameters: tuple[Parameter, ...], name: str, more: dict[str, Any]
    ) -> Callable[[HandlerT], HandlerT]:
        def declare(handler: HandlerT) -> HandlerT:
            returned = get_type_hints(handler)["return"]
            fields: dict[str, Any] = {"answer": None if returned is Response else returned} | more
            operation = name or getattr(handler, "__name__", "")
            description = " ".join((inspect.getdoc(handler) or "").split())
            self._routes.append(Route(method, path, operation, description, handler, parameters=parameters, **fields))
            return handler

        return declare


NUMBER = "0|[1-9][0-9]{0,17}"

ACCOUNT = Parameter("account", "path", NUMBER, "account id")

HEIGHT = Parameter("height", "path", "latest|[1-9][0-9]{0,17}", "height, or `latest`")

PAGED = (
    Parameter("after", "query", "[0-9]{1,18}:[0-9]{1,9}", "`next` of the page before", required=False),
    Parameter("limit", "query", "[1-9][0-9]{0,2}", "receipts a page; default 100", required=False),
)
