"""JSON-RPC to one endpoint, over HTTP under trio.

Rule: every answer is bounded in size and time and matched to its request by id; an endpoint's nonsense is
RemoteFault, its refusal of one call of a batch is a value. URLs may contain secrets: only host and port are ever shown.
Bodies are sent whole, so that an abandoned request leaves nothing behind: httpx's own body is an asynchronous
generator, which would then wait for ever and make trio warn when it is collected.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias
from urllib.parse import urlsplit

import httpx
import msgspec
import trio

from bridge.codes import BridgeCode
from bridge.evm.hexadecimal import malformed, read_list, read_object, read_quantity
from clearing.base.errors import RemoteFault

ANSWER_BYTES_MAX = 32 << 20
BATCH_MAX = 128
VALUES_MAX = 1 << 20
"""In one answer. Receipts have 40 bytes and more a value; `[[],[],…` has three, and a hundred of memory each."""
TIMEOUT_SECONDS = 5.0
"""Without a byte."""
PATIENCE = 4
"""Timeouts that one answer may take as a whole, however steadily it drips."""


@dataclass(frozen=True, slots=True)
class RpcCall:
    """One method with its parameters, in JSON's types."""

    method: str
    params: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """An endpoint's error object for one call. `data` is its data field, unchanged (usually revert data)."""

    code: int
    message: str
    data: object = None

    @property
    def is_revert(self) -> bool:
        """Whether the contract refused, not the endpoint. Nodes name a revert by code 3, by data or in words."""
        return self.code == 3 or isinstance(self.data, str) or "revert" in self.message.lower()

    @property
    def selector(self) -> bytes:
        """The first four bytes of the revert data: which error of the contract; empty where there is none."""
        text = self.data if isinstance(self.data, str) else ""
        try:
            return bytes.fromhex(text.removeprefix("0x")[:8])
        except ValueError:
            return b""

    def fault(self, at: str) -> RemoteFault:
        """As an error, for callers that need the result."""
        return RemoteFault(BridgeCode.ENDPOINT_REFUSED, at, code=self.code, message=self.message)


Result: TypeAlias = object
"""JSON's value, or a `Refusal`."""


def accepted(result: Result, at: str) -> object:
    """The value of an answer. Raises RemoteFault ENDPOINT_REFUSED for a refusal."""
    if isinstance(result, Refusal):
        raise result.fault(at)
    return result


class Endpoint:
    """One endpoint of one chain. Use as an async context manager, or `aclose` it."""

    def __init__(
        self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS, answer_bytes_max: int = ANSWER_BYTES_MAX
    ) -> None:
        parts = urlsplit(url)
        self.name = f"{parts.hostname}:{parts.port}" if parts.port else f"{parts.hostname}"
        self._url = url
        self._limit = answer_bytes_max
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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def batch(self, calls: Sequence[RpcCall]) -> list[Result]:
        """Results in the order of `calls` (at most BATCH_MAX), one HTTP request.

        Raises RemoteFault ENDPOINT_UNREACHABLE, ANSWER_OVERSIZE, MALFORMED_ANSWER, ENDPOINT_REFUSED (the whole batch).
        """
        requests = [
            {"jsonrpc": "2.0", "id": index, "method": call.method, "params": call.params}
            for index, call in enumerate(calls)
        ]
        try:
            answer = msgspec.json.decode(self._bounded(await self._post(msgspec.json.encode(requests))))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RemoteFault(BridgeCode.MALFORMED_ANSWER, self.name, why=str(error)[:120]) from None
        if isinstance(answer, dict):
            refused = _read_result(answer)
            raise refused.fault(self.name) if isinstance(refused, Refusal) else malformed(self.name, answer)
        results: dict[int, Result] = {}
        for item in read_list(answer, self.name, len(calls)):
            fields = read_object(item, self.name)
            index = fields.get("id")
            if type(index) is not int or not 0 <= index < len(calls) or index in results:
                raise malformed(f"{self.name} id", index)
            results[index] = _read_result(fields)
        if len(results) != len(calls):
            raise malformed(f"{self.name} batch", len(results))
        return [results[index] for index in range(len(calls))]

    async def call(self, method: str, *params: object) -> object:
        """One call's result. Raises RemoteFault, ENDPOINT_REFUSED for an error object."""
        (result,) = await self.batch((RpcCall(method, params),))
        if isinstance(result, Refusal):
            raise result.fault(f"{self.name} {method}")
        return result

    async def chain_id(self) -> int:
        """Of the chain that it says it serves. Raises as `call`."""
        return read_quantity(await self.call("eth_chainId"), "eth_chainId", 63)

    def _bounded(self, answer: bytes) -> bytes:
        """The answer, if it is not of very many small values. Commas inside strings count too."""
        values = sum(map(answer.count, (b",", b"[", b"{")))
        if values > VALUES_MAX:
            raise RemoteFault(BridgeCode.ANSWER_OVERSIZE, self.name, values=values, limit=VALUES_MAX)
        return answer

    async def _post(self, body: bytes) -> bytes:
        with trio.move_on_after(self._seconds):
            return await self._exchange(body)
        raise RemoteFault(BridgeCode.ENDPOINT_UNREACHABLE, self.name, why="slow")

    async def _exchange(self, body: bytes) -> bytes:
        received = bytearray()
        oversize = False
        try:
            async with self._client.stream("POST", self._url, content=body) as response:
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


def _read_result(fields: dict[str, object]) -> Result:
    error = fields.get("error")
    if error is None:
        if "result" not in fields:
            raise malformed("result", fields)
        return fields["result"]
    details = read_object(error, "error")
    code, message = details.get("code"), details.get("message")
    return Refusal(
        code=code if type(code) is int else 0,
        message=message[:300] if isinstance(message, str) else "",
        data=details.get("data"),
    )


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
