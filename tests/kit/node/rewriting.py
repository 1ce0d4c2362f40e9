"""Between a node and who asks it: a function is handed each JSON answer and each frame of a stream, and changes it."""

import json
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.types import Message, Receive, Scope, Send

Rewrite = Callable[[str, int, Any], tuple[int, Any]]
"""Of the path, status and value of an answer; of a frame's, the status is 200."""


class RewritingApi(Starlette):
    """The API behind it, but for what `rewrite` makes of its answers under `/v1`."""

    def __init__(self, behind: Starlette, rewrite: Rewrite) -> None:
        super().__init__()
        self.state, self._behind, self._rewrite = behind.state, behind, rewrite

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI says."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1"):
            await self._behind(scope, receive, send)
            return
        await self._behind(scope, receive, _Answer(scope["path"], self._rewrite, send).take)


class _Answer:
    """One answer on its way: JSON is held back until it is whole, frames pass line by line."""

    def __init__(self, path: str, rewrite: Rewrite, send: Send) -> None:
        self._path, self._rewrite, self._send = path, rewrite, send
        self._start: Message = {}
        self._media, self._body = b"", b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._media = dict(message["headers"]).get(b"content-type", b"").partition(b";")[0]
            self._start = message
            if self._media != b"application/json":
                await self._send(message)
        elif self._media == b"text/event-stream":
            await self._send(message | {"body": b"\n".join(map(self._line, message.get("body", b"").split(b"\n")))})
        elif self._media != b"application/json":
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish()

    async def _finish(self) -> None:
        status, value = self._rewrite(self._path, self._start["status"], json.loads(self._body))
        body = json.dumps(value).encode()
        headers = [each for each in self._start["headers"] if each[0].lower() != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await self._send(self._start | {"status": status, "headers": [*headers, length]})
        await self._send({"type": "http.response.body", "body": body})

    def _line(self, line: bytes) -> bytes:
        """A frame is sent whole. Its cursor stays: the next question carries it."""
        if not line.startswith(b"data: "):
            return line
        frame = json.loads(line[6:])
        if frame.get("data") is not None:
            frame["data"] = self._rewrite(self._path, 200, frame["data"])[1]
        return b"data: " + json.dumps(frame).encode()
