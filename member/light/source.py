"""Sources of light blocks: a node's HTTP API, or any object with the same methods.

Rule: an answer is bounded in bytes and time and typed before it is looked at, and is evidence of nothing else. An
unreachable server is `LocalFault NODE_UNREACHABLE`; one that lacks the height is `LocalFault LIGHT_LACKING`; one
that answers nonsense is a `RemoteFault`.
"""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any, Protocol

import msgspec

from clearing.base.codec import decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.plain_json import read_json
from consensus.codes import ConsensusCode
from consensus.evidence.attack import LightClientAttack
from consensus.light_client import LightBlock
from member.api.chain import LIGHT_BLOCK_BYTES_MAX, EvidenceResult, LightBlockView
from member.codes import NodeCode

ANSWER_BYTES_MAX = 2 * LIGHT_BLOCK_BYTES_MAX + 4096
TIMEOUT_S = 10.0
CALL_S_MAX = 30.0
"""Of a whole answer, however slowly it drips."""
BUSY_WAITS = 20
BUSY_S_MAX = 5.0
"""How often, and how long at once, a server that asks for patience gets it: checking every height asks a lot."""


class LightSource(Protocol):
    """A server of light blocks."""

    @property
    def name(self) -> str:
        """For the user."""
        ...

    def block(self, height: int | None) -> LightBlock:
        """The block of a height, by default the newest. Raises LocalFault, RemoteFault; see above."""
        ...

    def submit(self, attack: LightClientAttack) -> int:
        """How many validators the evidence accuses, by the server's answer. Raises LocalFault, RemoteFault."""
        ...

    def close(self) -> None:
        """Release its connection."""
        ...


class HttpSource:
    """One node's API."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S, sleep: Callable[[float], None] = time.sleep) -> None:
        import httpx

        self.name = url
        self._http = httpx.Client(timeout=timeout_s, trust_env=False, follow_redirects=False)
        self._socket: socket.socket | None = None
        self._url = url.rstrip("/")
        self._sleep = sleep

    def block(self, height: int | None) -> LightBlock:
        """See `LightSource`."""
        status, body = self._ask("GET", f"/v1/light/{'latest' if height is None else height}", None)
        if status == 404:
            raise LocalFault(ConsensusCode.LIGHT_LACKING, self.name, height=height or 0)
        self._check(status, body)
        try:
            view = read_json(body, LightBlockView)
            data = bytes.fromhex(view.block[2:])
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise RemoteFault(NodeCode.NODE_ANSWER, self.name, why=str(error)[:200]) from None
        block = decode(data, LightBlock, LIGHT_BLOCK_BYTES_MAX)
        if height is not None and block.header.height != height:
            raise RemoteFault(NodeCode.NODE_ANSWER, self.name, asked=height, shown=block.header.height)
        return block

    def protocol(self) -> bytes:
        """The file of `clearing.governance.shown_protocol` for its newest height. Raises LocalFault LIGHT_LACKING when
        no upgrade was ever scheduled."""
        status, body = self._ask("GET", "/v1/governance/protocol", None)
        if status == 404:
            raise LocalFault(ConsensusCode.LIGHT_LACKING, self.name, why="no upgrade was ever scheduled")
        self._check(status, body)
        return body

    def submit(self, attack: LightClientAttack) -> int:
        """See `LightSource`."""
        status, body = self._ask("POST", "/v1/evidence", encode(attack))
        self._check(status, body, 202)
        try:
            return len(read_json(body, EvidenceResult).accused)
        except (msgspec.DecodeError, RecursionError) as error:
            raise RemoteFault(NodeCode.NODE_ANSWER, self.name, why=str(error)[:200]) from None

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _check(self, status: int, body: bytes, wanted: int = 200) -> None:
        if status == wanted:
            return
        if status == 429 or status >= 500:
            raise LocalFault(NodeCode.NODE_UNREACHABLE, self.name, status=status)
        raise RemoteFault(NodeCode.NODE_ANSWER, self.name, status=status, body=body[:200].decode(errors="replace"))

    def _ask(self, method: str, path: str, content: bytes | None) -> tuple[int, bytes]:
        """Status and body; waits for a server that answers too many requests."""
        for _ in range(BUSY_WAITS):
            status, body, wait_s = self._ask_once(method, path, content)
            if status != 429:
                break
            self._sleep(wait_s)
        return status, body

    def _ask_once(self, method: str, path: str, content: bytes | None) -> tuple[int, bytes, float]:
        import httpx

        headers = {"accept-encoding": "identity"}
        if content is not None:
            headers["content-type"] = "application/msgpack"
        body = bytearray()
        # The client's own limits are of one read each: headers that drip would hold it for days.
        call = _BoundedCall(self._socket)
        watch = Timer(CALL_S_MAX, call.hang_up)
        watch.daemon = True
        watch.start()
        seen = {"trace": call.see}
        try:
            with self._http.stream(
                method, self._url + path, content=content, headers=headers, extensions=seen
            ) as response:
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > ANSWER_BYTES_MAX:
                        raise RemoteFault(NodeCode.NODE_ANSWER, self.name, bytes_max=ANSWER_BYTES_MAX)
                asked = response.headers.get("retry-after", "")
                wait_s = min(float(asked), BUSY_S_MAX) if asked.isascii() and asked.isdigit() else 1.0
                return response.status_code, bytes(body), wait_s
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise LocalFault(NodeCode.NODE_UNREACHABLE, self.name, why=str(error)[:200]) from None
        finally:
            watch.cancel()
            self._socket = call.socket


class _BoundedCall:
    """One request that a timer may end, also before there is a connection: then it ends as soon as there is one.

    Either thread first notes what it knows and then looks at what the other knows, so that one of them hangs up.
    """

    def __init__(self, kept: socket.socket | None) -> None:
        """`kept`: of the connection that is kept from the call before."""
        self.socket = kept
        self._is_over = False

    def see(self, event: str, info: dict[str, Any]) -> None:
        """Learn the socket of a connection as soon as there is one."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self.socket = info["return_value"].get_extra_info("socket")
            if self._is_over:
                self.hang_up()

    def hang_up(self) -> None:
        """End the request: its time is over."""
        self._is_over = True
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)


@contextmanager
def http_sources(urls: Sequence[str]) -> Iterator[list[HttpSource]]:
    """A source for each address, closed at the end."""
    sources = [HttpSource(url) for url in urls]
    try:
        yield sources
    finally:
        for source in sources:
            source.close()
