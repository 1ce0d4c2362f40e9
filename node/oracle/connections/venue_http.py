"""`VenueHttp`: questions to one venue over HTTP, each answer bounded in size and in time.

Rule: it judges nothing but that there is an answer; status and body are the parser's. Redirects are not followed and
proxies of the environment are not used: the address in the settings is the one that is asked.
"""

from collections.abc import Awaitable, Callable

import httpx
import trio

from bridge.rpc.bounded_http import WHOLE_BODY_EXTENSIONS
from clearing.base.errors import RemoteFault
from node.oracle.events import HttpAnswer
from node.oracle.source import OracleCode

TIMEOUT_SECONDS = 5.0
"""Without a byte."""
WHOLE_SECONDS = 15.0
"""Of one answer, however steadily it drips."""
CLOSE_SECONDS = 2.0
ANSWER_BYTES_MAX = 4 << 20
AGENT = "crossclear"


class VenueHttp:
    """The venue at `url`. Raises RemoteFault VENUE_UNREACHABLE, VENUE_MALFORMED."""

    def __init__(self, url: str, at: str) -> None:
        self._url, self._at = url.rstrip("/"), at
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            verify=url.startswith("https"),
            headers={"accept-encoding": "identity", "user-agent": AGENT},
            limits=httpx.Limits(max_connections=2, max_keepalive_connections=1),
            event_hooks=WHOLE_BODY_EXTENSIONS,
        )

    async def aclose(self) -> None:
        """Close the connections within `CLOSE_SECONDS`, also when cancelled."""
        with trio.CancelScope(deadline=trio.current_time() + CLOSE_SECONDS, shield=True):
            await self._client.aclose()

    async def ask(self, path: str, body: bytes = b"") -> HttpAnswer:
        """The answer at `path`: to GET, or to `body` posted as JSON."""
        answer: HttpAnswer | None = None
        with trio.move_on_after(WHOLE_SECONDS):
            answer = await self._exchange(path, body)
        if answer is None:
            raise RemoteFault(OracleCode.VENUE_UNREACHABLE, self._at, why="slow")
        return answer

    async def _exchange(self, path: str, body: bytes) -> HttpAnswer:
        received, is_oversize = bytearray(), False
        method, headers = ("POST", {"content-type": "application/json"}) if body else ("GET", {})
        status, retry_after = 0, ""
        try:
            async with self._client.stream(method, self._url + path, content=body, headers=headers) as response:
                status, retry_after = response.status_code, response.headers.get("retry-after", "")
                if response.headers.get("content-encoding", "identity") != "identity":
                    raise RemoteFault(OracleCode.VENUE_MALFORMED, self._at, why="compressed")
                async for piece in response.aiter_raw():
                    if len(received) + len(piece) > ANSWER_BYTES_MAX:
                        # Closed under it, the iteration ends by itself; httpx leaves a broken one behind.
                        is_oversize = True
                        await response.aclose()
                    else:
                        received += piece
        except trio.ClosedResourceError:
            is_oversize = True
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            if not is_oversize:
                raise RemoteFault(OracleCode.VENUE_UNREACHABLE, self._at, why=type(error).__name__) from None
        if is_oversize:
            raise RemoteFault(OracleCode.VENUE_MALFORMED, self._at, limit=ANSWER_BYTES_MAX)
        return HttpAnswer(status, bytes(received), retry_after)


async def ask_for_ever(url: str, at: str, ask_round: Callable[[VenueHttp], Awaitable[int]]) -> None:
    """One round of questions after the other over one connection; each returns the milliseconds until the next."""
    http = VenueHttp(url, at)
    try:
        while True:
            wait_ms = await ask_round(http)
            await trio.sleep(wait_ms / 1000)
    finally:
        await http.aclose()
