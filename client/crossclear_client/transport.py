"""One node's HTTP: bounded answers, repeated questions, refusals as errors.

Rule: every question may be asked again: reading changes nothing, and a request that is submitted twice is applied once.
A question that is repeated is signed again, because a node takes a signature's nonce once. httpx is imported with the
first client, so that signing alone starts fast.
"""

import random
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import anyio

from crossclear_client.answer_json import read_json
from crossclear_client.errors import BadAnswer, NodeRefused, NodeUnreachable, NoKey
from crossclear_client.generated.answers import Problem
from crossclear_client.signing import Signer, authorization

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
ANSWER_BYTES_MAX = 8 << 20
REFUSAL_BYTES_MAX = 1 << 16
"""Of what a node answers in the place of a stream."""
BUSY = frozenset((429, 502, 503, 504))
END_SECONDS = 5.0
"""Connections that do not close are left after so long, also where the client is cancelled."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and when a question is asked again. Times in seconds."""

    attempts: int = 6
    first_wait: float = 0.1
    longest_wait: float = 5.0
    longest_asked_wait: float = 60.0
    """Of a node's `Retry-After`; a longer one ends the attempts."""

    def wait(self, attempt: int, asked: float | None) -> float | None:
        """Before the next attempt, after so many failed ones; None: no more. Half of it is chance, so that clients that
        failed together do not come back together."""
        if attempt >= self.attempts or (asked is not None and asked > self.longest_asked_wait):
            return None
        longest = min(self.first_wait * 2.0 ** (attempt - 1), self.longest_wait)
        return max(asked or 0.0, longest * (0.5 + random.random() / 2))


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers in lower case, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def read(self, kind: type[T]) -> T:
        """The body as this structure; unknown fields are left out. Raises BadAnswer."""
        return read_json(self.body, kind, "body")


class Transport:
    """Asks one node. `clock_ms`: for signed questions, and for tests."""

    def __init__(
        self,
        url: str,
        *,
        retries: Retries,
        timeout: float,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        transport: "httpx.AsyncBaseTransport | None" = None,
    ) -> None:
        import httpx

        self._httpx = httpx
        self.url = url
        self._retries = retries
        self._timeout = timeout
        self.clock_ms = clock_ms
        self.http = httpx.AsyncClient(base_url=url, timeout=timeout, trust_env=False, transport=transport)

    async def close(self) -> None:
        """Close all connections, also when cancelled."""
        with anyio.move_on_after(END_SECONDS, shield=True):
            await self.http.aclose()

    async def headers(
        self, method: str, target: str, body: bytes, media: str, signer: Signer | None, network: bytes | None
    ) -> dict[str, str]:
        """Of one attempt. `network`: None for what is not signed. Raises NoKey."""
        headers = {"accept-encoding": "identity"}
        if body:
            headers["content-type"] = media
        if network is not None:
            if signer is None:
                raise NoKey(target)
            nonce = secrets.token_bytes(32)
            headers["authorization"] = await authorization(
                network, signer, method, target, body, self.clock_ms(), nonce
            )
        return headers

    async def ask(
        self,
        method: str,
        target: str,
        *,
        body: bytes = b"",
        media: str = "application/json",
        signer: Signer | None = None,
        network: bytes | None = None,
        limit: int = ANSWER_BYTES_MAX,
        accepted: frozenset[int] = frozenset(),
    ) -> Answer:
        """Ask until there is an answer. `accepted`: statuses beside 2xx that are answers.

        Raises NodeUnreachable, NodeRefused, BadAnswer, NoKey.
        """
        attempt = 0
        while True:
            attempt += 1
            headers = await self.headers(method, target, body, media, signer, network)
            try:
                answer = await self._once(method, target, body, headers, limit)
            except (self._httpx.TransportError, TimeoutError) as error:
                wait = self._retries.wait(attempt, None)
                if wait is None:
                    raise NodeUnreachable(self.url, repr(error)[:200]) from None
            except (self._httpx.InvalidURL, self._httpx.StreamError) as error:
                raise NodeUnreachable(self.url, repr(error)[:200]) from None
            else:
                if answer.status < 300 or answer.status in accepted:
                    return answer
                wait = self._retries.wait(attempt, retry_after(answer)) if answer.status in BUSY else None
                if wait is None:
                    raise refusal(answer)
            await anyio.sleep(wait)

    async def _once(self, method: str, target: str, body: bytes, headers: dict[str, str], limit: int) -> Answer:
        """One whole answer within the time, however slowly it drips."""
        with anyio.fail_after(self._timeout):
            async with self.http.stream(method, target, content=body or None, headers=headers) as response:
                return await self._whole(response, target, limit)

    async def open(self, target: str, headers: dict[str, str], status: int) -> "httpx.Response | Answer":
        """A response of this status, not read yet; any other answer whole. Raises BadAnswer, httpx.TransportError."""
        try:
            with anyio.fail_after(self._timeout):
                request = self.http.build_request("GET", target, headers=headers)
                response = await self.http.send(request, stream=True)
                if response.status_code == status:
                    return response
                try:
                    return await self._whole(response, target, REFUSAL_BYTES_MAX)
                finally:
                    with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                        await response.aclose()
        except TimeoutError:
            raise self._httpx.ReadTimeout(f"no answer within {self._timeout} s") from None

    async def _whole(self, response: "httpx.Response", target: str, limit: int) -> Answer:
        """The answer as it was sent, never unpacked: nobody asks for compression. Raises BadAnswer beyond the limit."""
        received, oversize = bytearray(), False
        try:
            async for piece in response.aiter_raw():
                if len(received) + len(piece) > limit:
                    # Closed under it, the iteration ends by itself; broken off, it leaves generators behind.
                    oversize = True
                    await response.aclose()
                else:
                    received += piece
        except (self._httpx.TransportError, self._httpx.StreamError, anyio.ClosedResourceError, _closed()):
            if not oversize:
                raise
        if oversize:
            raise BadAnswer(target, f"more than {limit} bytes")
        return Answer(response.status_code, dict(response.headers), bytes(received))


def _closed() -> type[Exception]:
    """What the event loop raises for a connection that was closed under a reader."""
    trio = sys.modules.get("trio")
    found: type[Exception] = trio.ClosedResourceError if trio is not None else anyio.ClosedResourceError
    return found


def retry_after(answer: Answer) -> float | None:
    """The seconds that a node asks to wait; None where it asks for nothing."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


def refusal(answer: Answer) -> NodeRefused | BadAnswer:
    """The node's refusal with its code; BadAnswer where a proxy or something else answered."""
    try:
        problem = answer.read(Problem)
    except BadAnswer:
        return BadAnswer("body", f"status {answer.status}")
    return NodeRefused(problem.code, problem.message, at=problem.at, remedy=problem.remedy, status=answer.status)
