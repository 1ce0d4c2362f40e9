"""JSON-RPC over HTTP whose answers pass through a test: what `Liar` is to a quorum, this is to a whole node."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import trio

from bridge.rpc.endpoint import Refusal, Result, RpcCall


class LyingServer:
    """Serves what `source` (a `Liar`) answers, on a port of loopback."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.url = ""

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, self._serve, 0)
            self.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
            task_status.started()

    async def _serve(self, stream: trio.SocketStream) -> None:
        held = b""
        while True:
            while b"\r\n\r\n" not in held:
                piece = await stream.receive_some(1 << 16)
                if not piece:
                    return
                held += piece
            head, _, held = held.partition(b"\r\n\r\n")
            (length,) = (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            while len(held) < length:
                piece = await stream.receive_some(1 << 16)
                if not piece:
                    return
                held += piece
            body, held = held[:length], held[length:]
            answer = json.dumps(await self._answer(json.loads(body))).encode()
            await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))

    async def _answer(self, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        calls = [RpcCall(request["method"], tuple(request["params"])) for request in requests]
        results = await self.source.batch(calls)
        return [
            {"jsonrpc": "2.0", "id": request["id"], **_shown(result)}
            for request, result in zip(requests, results, strict=True)
        ]


def _shown(result: Result) -> dict[str, Any]:
    if isinstance(result, Refusal):
        return {"error": {"code": result.code, "message": result.message, "data": result.data}}
    return {"result": result}


async def served(nursery: trio.Nursery, sources: Sequence[Any]) -> tuple[str, ...]:
    """The addresses of servers of these sources, which run in the nursery."""
    servers = list(map(LyingServer, sources))
    start: Callable[..., Any] = nursery.start
    for server in servers:
        await start(server.run)
    return tuple(server.url for server in servers)
