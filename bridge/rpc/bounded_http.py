"""HTTP to one endpoint under trio, for JSON that somebody hostile may have written.

Rule: every answer is bounded in size, in values and in time. URLs may contain secrets: only host and port are ever
shown. Bodies are sent whole, so that an abandoned request leaves nothing behind: httpx's own body is an asynchronous
generator, which would then wait for ever and make trio warn when it is collected.
"""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import trio

from bridge.codes import BridgeCode
from bridge.evm.hexadecimal import malformed
from clearing.base.errors import RemoteFault

TIMEOUT_SECONDS = 5.0
"""Without a byte."""
PATIENCE = 4
"""Timeouts that one answer may take as a whole, however steadily it drips."""


class BoundedHttp:
    """Requests to `url`. `answer_bytes_max` and `values_max`: of one answer."""

    def __init__(self, url: str, timeout_seconds: float, answer_bytes_max: int, values_max: int) -> None:
        parts = urlsplit(url)
        self.name = f"{parts.hostname}:{parts.port}" if parts.port else f"{parts.hostname}"
        self._url = url
        self._limit = answer_bytes_max
        self._values_max = values_max
        self._seconds = timeout_seconds * PATIENCE
        # Compression is declined so that the size limit is a limit on memory; proxies are never taken from the
        # environment, because an endpoint's answers decide on money.
        self._client = httpx.AsyncClient(
            timeout=timeout_seconds,
            trust_env=False,
            verify=parts.scheme == "https",
            headers={"content-type": "application/json", "accept-encoding": "identity"},
            limits=httpx.Limits(max_connections=4, max_keepalive_connections=2),
            event_hooks=WHOLE_BODY_EXTENSIONS,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def post(self, body: bytes) -> bytes:
        """The answer to `body` at the address itself. Raises as `get`."""
        return await self._bounded("POST", self._url, body)

    async def get(self, path: str) -> bytes:
        """The answer at `path` under the address.

        Raises RemoteFault ENDPOINT_UNREACHABLE, ENDPOINT_REFUSED, ANSWER_OVERSIZE, MALFORMED_ANSWER.
        """
        return await self._bounded("GET", self._url.rstrip("/") + path, b"")

    async def _bounded(self, method: str, url: str, body: bytes) -> bytes:
        """The answer, if it comes in time and is not of very many small values. Commas inside strings count too."""
        answer: bytes | None = None
        with trio.move_on_after(self._seconds):
            answer = await self._exchange(method, url, body)
        if answer is None:
            raise RemoteFault(BridgeCode.ENDPOINT_UNREACHABLE, self.name, why="slow")
        values = sum(map(answer.count, (b",", b"[", b"{")))
        if values > self._values_max:
            raise RemoteFault(BridgeCode.ANSWER_OVERSIZE, self.name, values=values, limit=self._values_max)
        return answer

    async def _exchange(self, method: str, url: str, body: bytes) -> bytes:
        received = bytearray()
        oversize = False
        try:
            async with self._client.stream(method, url, content=body) as response:
                if "content-encoding" in response.headers:
                    raise malformed(f"{self.name} encoding", response.headers["content-encoding"])
                async for piece in response.aiter_raw():
                    if len(received) + len(piece) > self._limit:
                        # httpx leaves generators behind when its iteration is broken off, which trio warns of;
                        # closed under it, the iteration ends by itself with an error.
                        oversize = True
                        await response.aclose()
                    else:
                        received += piece
                if response.status_code != 200:
                    raise RemoteFault(
                        BridgeCode.ENDPOINT_REFUSED,
                        self.name,
                        code=response.status_code,
                        message=bytes(received[:120]),
                    )
        except trio.ClosedResourceError:
            oversize = True
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            if not oversize:
                raise RemoteFault(BridgeCode.ENDPOINT_UNREACHABLE, self.name, why=type(error).__name__) from None
        if oversize:
            raise RemoteFault(BridgeCode.ANSWER_OVERSIZE, self.name, limit=self._limit)
        return bytes(received)


class WholeBody(httpx.AsyncByteStream):
    """Bytes in one piece."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Pieces([self._data] if self._data else [])


class _Pieces(AsyncIterator[bytes]):
    def __init__(self, left: list[bytes]) -> None:
        self._left = left

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


async def _send_whole(request: httpx.Request) -> None:
    """A hook for requests: `event_hooks=SENDING`."""
    request.stream = WholeBody(request.content)


WHOLE_BODY_EXTENSIONS = {"request": [_send_whole]}
