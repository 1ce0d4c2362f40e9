"""JSON-RPC to one endpoint.

Rule: every answer is matched to its request by id; an endpoint's nonsense is RemoteFault, its refusal of one call of a
batch is a value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias

import msgspec

from bridge.codes import BridgeCode
from bridge.evm.hexadecimal import hex_data, malformed, read_data, read_list, read_object, read_quantity
from bridge.rpc.bounded_http import TIMEOUT_SECONDS, BoundedHttp
from bridge.rpc.strict_json import read_json
from clearing.base.errors import RemoteFault

ANSWER_BYTES_MAX = 32 << 20
BATCH_MAX = 128
VALUES_MAX = 1 << 20
"""In one answer. Receipts have 40 bytes and more a value; `[[],[],…` has three, and a hundred of memory each."""


@dataclass(frozen=True, slots=True)
class RpcCall:
    """One method with its parameters, in JSON's types."""

    method: str
    params: tuple[object, ...] = ()


def view_call(to: bytes, data: bytes, at: object = "latest") -> RpcCall:
    """The call of a contract without a transaction. `at`: the block, as `eth_call` takes it."""
    return RpcCall("eth_call", ({"to": hex_data(to), "data": hex_data(data)}, at))


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
        self._http = BoundedHttp(url, timeout_seconds, answer_bytes_max, VALUES_MAX)
        self.name = self._http.name

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def batch(self, calls: Sequence[RpcCall]) -> list[Result]:
        """Results in the order of `calls` (at most BATCH_MAX), one HTTP request.

        Raises RemoteFault ENDPOINT_UNREACHABLE, ANSWER_OVERSIZE, MALFORMED_ANSWER, ENDPOINT_REFUSED (the whole batch).
        """
        requests = [
            {"jsonrpc": "2.0", "id": index, "method": call.method, "params": call.params}
            for index, call in enumerate(calls)
        ]
        answer = read_json(await self._http.post(msgspec.json.encode(requests)), self.name)
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

    async def views(self, calls: Sequence[RpcCall], size: int | None = None) -> list[bytes]:
        """What contracts return to `view_call`s, in their order; each of exactly `size` bytes, where that is given.

        Raises as `call`, and RemoteFault MALFORMED_ANSWER.
        """
        answers = await self.batch(calls)
        return [read_data(accepted(answer, "eth_call"), "eth_call", size) for answer in answers]

    async def chain_id(self) -> int:
        """Of the chain that it says it serves. Raises as `call`."""
        return read_quantity(await self.call("eth_chainId"), "eth_chainId", 63)


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
