"""What a request says, as httpx sends it.

Rule: a request that is given up half-way leaves nothing behind. httpx's own body is an asynchronous generator, which
then waits for ever where it was left, and trio warns of it when it is collected. Knows nothing of what is said.
"""

from collections.abc import AsyncIterator

import httpx


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


async def send_whole(request: httpx.Request) -> None:
    """A hook for requests: `event_hooks=SENDING`."""
    request.stream = WholeBody(request.content)


SENDING = {"request": [send_whole]}
