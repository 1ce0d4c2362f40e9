"""Calls of the API: how a topic declares its routes beside their handlers, and the checks of one call.

Rule: a handler's return type is the type of the answer, and its docstring the description; server and OpenAPI are made
from both. A parameter that is not declared is refused. Refusals have one JSON shape, and slow answers run in worker
threads. Another member's account and an unknown one are refused alike.
"""

import inspect
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, TypeVarTuple, get_type_hints

import msgspec
import trio
from starlette.responses import Response

from clearing.base import plain_json
from clearing.base.errors import CodeBook, CrossclearError, Detail, Rejected
from clearing.base.token_bucket import TokenBucket
from clearing.state.state import State
from member.api.receipts import RECEIPTS_MAX
from member.api.types import Problem
from member.codes import NodeCode
from node.api.view import NodeView
from node.store.records import NEWEST, OLDEST, ReceiptsAsked

if TYPE_CHECKING:
    from node.api.stream_hub import StreamHub


class ApiRefusal(Exception):
    """Raised while a request is handled; the server turns it into a response."""

    def __init__(self, status: int, code: CodeBook, at: str, /, **values: Detail) -> None:
        super().__init__(status, code, at)
        self.status = status
        self.problem = problem_of(Rejected(code, at, tuple(values.items())))
        self.headers: dict[str, str] = {}


def problem_of(refusal: Rejected | CrossclearError) -> Problem:
    """The JSON shape of a business refusal or a fault."""
    return Problem(code=refusal.code.label, message=str(refusal), at=refusal.at, remedy=refusal.code.remedy)


def respond(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")


def respond_refusal(refusal: ApiRefusal) -> Response:
    """The response to a refusal."""
    return respond(refusal.problem, refusal.status, refusal.headers)


def too_many(at: str, wait_ms: int, /, **values: Detail) -> ApiRefusal:
    """Refusal 429: more is asked for than there is room for. It states when to ask again, in whole seconds."""
    refusal = ApiRefusal(429, NodeCode.API_RATE, at, **values)
    refusal.headers["Retry-After"] = str(-(-wait_ms // 1000))
    return refusal


def internal_refusal() -> ApiRefusal:
    """All that a caller learns of an internal failure."""
    return ApiRefusal(500, NodeCode.API_INTERNAL, "request")


THREADS = 1
WAITING_MAX = 8
WORKER_WAIT_MS = 1_000
"""When there may be room again; what runs there takes a fraction of it."""
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_workers = trio.CapacityLimiter(THREADS)


async def run_in_worker(work: Callable[[*Ts], T], *inputs: *Ts) -> T:
    """The result of `work`. Raises ApiRefusal 429 when too many wait."""
    if _workers.statistics().tasks_waiting >= WAITING_MAX:
        raise too_many("request", WORKER_WAIT_MS, waiting=WAITING_MAX)
    return await trio.to_thread.run_sync(work, *inputs, limiter=_workers)


class Turnstile:
    """One call every `seconds`, from all callers together."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._bucket = TokenBucket(1, seconds, clock())

    def wait_ms(self) -> int:
        """Take the turn: 0 when it was free, else how long until it is."""
        now = self._clock()
        if self._bucket.take(now, self._seconds):
            return 0
        return math.ceil(self._bucket.wait(now, self._seconds) * 1000)


RECEIPTS_PAGE = 100


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A checked request. `signer` is set exactly for signed requests, which some routes take beside unsigned ones
    or ones with a token.
    `submitter` names the one who signed or sent the token, on routes that take tokens."""

    view: NodeView
    parameters: Mapping[str, str]
    body: bytes = b""
    media: str = ""
    signer: bytes = b""
    submitter: str = ""
    client: str = ""
    """The address that asks, as far as the node can see."""
    streams: "StreamHub | None" = None
    """Where streams are opened; None while the API serves none."""

    @property
    def state(self) -> State:
        """The decided state."""
        return self.view.state


def page_of(call: ApiCall) -> ReceiptsAsked:
    """The page of receipts that is asked for."""
    limit = min(int(call.parameters.get("limit", str(RECEIPTS_PAGE))), RECEIPTS_MAX)
    newest_first = call.parameters.get("order") == "newest"
    height, _, index = call.parameters.get("after", "").partition(":")
    first = NEWEST if newest_first else OLDEST
    return ReceiptsAsked(limit, (int(height), int(index)) if height else first, newest_first=newest_first)


def owner_of(state: State, account: int) -> bytes | None:
    """Address of the trade key of the account's member; None for no such account."""
    record = state.accounts.get(account)
    member = state.members.get(record.member) if record else None
    return member.trade_address if member else None


def member_of(state: State, address: bytes) -> int | None:
    """The member with this trade key; None: no member's."""
    return next((member for member, record in state.members.ordered() if record.trade_address == address), None)


def own_account(call: ApiCall) -> int:
    """The account that the request names. Raises ApiRefusal 403 when it is not the signer's."""
    wanted = int(call.parameters["account"])
    # An unknown account and another's are refused alike: nobody learns who is a client of whom.
    if owner_of(call.state, wanted) != call.signer:
        raise ApiRefusal(403, NodeCode.API_FORBIDDEN, "account", account=wanted)
    return wanted


def ready(answer: T | None, at: str) -> T:
    """The answer. Raises ApiRefusal 503 where the node has none yet."""
    if answer is None:
        raise ApiRefusal(503, NodeCode.API_NOT_READY, at)
    return answer


def known(answer: T | None, at: str, /, **values: Detail) -> T:
    """The answer. Raises ApiRefusal 404 for None."""
    if answer is None:
        raise ApiRefusal(404, NodeCode.API_NOT_FOUND, at, **values)
    return answer


def check_wait(wait_ms: int, at: str) -> None:
    """Raises ApiRefusal 429 with the time to wait, unless that is 0."""
    if wait_ms:
        raise too_many(at, wait_ms, wait_ms=wait_ms)


def number_or_latest(text: str) -> int | None:
    """A height or epoch; None for `latest`."""
    return None if text == "latest" else int(text)


def read_json(data: bytes, kind: type[T]) -> T:
    """A body of this shape. Raises ApiRefusal 400."""
    try:
        return plain_json.read_json(data, kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ApiRefusal(400, NodeCode.API_BODY, "body", why=str(error)) from None


JSON = "application/json"
MSGPACK = "application/msgpack"
OCTETS = "application/octet-stream"
Handler: TypeAlias = Callable[[ApiCall], object | Awaitable[object]]
HandlerT = TypeVar("HandlerT", bound=Handler)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A path or query parameter, or a header; `pattern` must match all of it."""

    name: str
    where: str
    pattern: str
    description: str
    required: bool = True
    format: str = ""
    """A JSON Schema format that the handler checks beside the pattern."""


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
    refusals: tuple[int, ...] = ()
    """Statuses of the refusals that the handler raises, beside those of the checks before it."""
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    body_media: tuple[str, ...] = ()
    signed: bool = False
    may_sign: bool = False
    """Whether a route that anybody may ask shows more to a signed request."""
    takes_token: bool = False
    """Whether a signed route also takes the token of a submitter that the operator listed."""
    secret: bool = False
    """Whether answers contain a secret: never cached, and refused where the API is reachable unencrypted."""
    limited: bool = True
    """Whether requests count against the client's rate; health checks do not."""

    @property
    def refusal_statuses(self) -> tuple[int, ...]:
        """Every status of a refusal: of the server's checks, in their order, of the handler, and of a failure."""
        checks = {
            429: self.limited or self.signed or self.may_sign,
            403: self.secret or self.takes_token,
            400: True,
            404: any(parameter.where == "path" for parameter in self.parameters),
            415: self.body is not None,
            413: True,
            401: self.signed or self.may_sign,
            500: True,
        }
        found = {status for status, applies in checks.items() if applies} | set(self.refusals)
        return tuple(sorted(found - set(self.statuses)))


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
    Parameter("order", "query", "oldest|newest", "what comes first; default `oldest`", required=False),
    Parameter("limit", "query", "[1-9][0-9]{0,2}", "receipts a page; default 100", required=False),
)
