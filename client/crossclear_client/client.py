"""`Client`: one node, asked by a member or by anybody. Runs under asyncio and under trio.

Rule: it trusts a node with answers, never with keys: what is signed is computed here. A request is submitted with the
same bytes until its fate is known, so it is applied at most once.
"""

from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import anyio
import msgspec

from crossclear_client.errors import BadAnswer, NodeRefused, NoFate, NoKey, RequestRefused
from crossclear_client.frames import EventConnection, FrameStream
from crossclear_client.generated.answers import (
    CollateralEventView,
    Problem,
    StateView,
    SubmitResult,
    SubmitResults,
    TransactionView,
)
from crossclear_client.generated.questions import Questions
from crossclear_client.request import Request, submission
from crossclear_client.signing import Signer, signed
from crossclear_client.streams import EventStream, Watch
from crossclear_client.transport import Retries, Transport, retry_after
from crossclear_client.websocket import SocketConnection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import httpx

T = TypeVar("T")
R = TypeVar("R", bound=Request)
PACKAGE_BYTES_MAX = 64 << 20
UNKNOWN_TRANSACTION = "R0877"
UNREAD_TRANSACTIONS = "R0878"
TRY_LATER = frozenset(("R0830", "R0831", "R0832"))
"""Full or busy pools: the same bytes are good later."""
POLL_SECONDS = 0.2


class Client(Questions):
    """Use as an async context manager.

    `signer` signs for the member; without one only public questions can be asked. `network`: the id of the network, 32
    bytes, from a genesis that you trust; without it the node's word is taken, enough where the node is your own.
    """

    def __init__(
        self,
        url: str,
        signer: Signer | None = None,
        *,
        network: bytes | None = None,
        retries: Retries | None = None,
        timeout: float = 30.0,
        valid_seconds: float = 60.0,
        transport: "httpx.AsyncBaseTransport | None" = None,
    ) -> None:
        self.signer = signer
        self._retries = retries or Retries()
        self._transport = Transport(url, retries=self._retries, timeout=timeout, transport=transport)
        self._network = network
        self._valid_ms = int(valid_seconds * 1000)
        self._used: dict[int, int] = {}
        """Last nonce of each account that was given out here."""

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()

    async def network(self) -> bytes:
        """The id of the network: as given, else as the node states it."""
        if self._network is None:
            stated = (await self.state()).network
            try:
                self._network = bytes.fromhex(stated.removeprefix("0x"))
            except ValueError:
                raise BadAnswer("network", stated[:80]) from None
        return self._network

    async def ask(
        self,
        method: str,
        path: str,
        kind: type[T],
        *,
        signed: bool = False,
        body: msgspec.Struct | None = None,
        about: "Mapping[str, int | str] | None" = None,
        **query: object,
    ) -> T:
        """Ask a route; the methods of `Questions` do. `about`: what the answer repeats of the question. Raises
        ClientError, BadAnswer for an answer about something else."""
        given = {name: value for name, value in query.items() if value is not None}
        target = path + (f"?{urlencode(given)}" if given else "")
        network = await self.network() if signed else None
        content = msgspec.json.encode(body) if body is not None else b""
        accepted = frozenset((503,)) if path == "/readyz" else frozenset[int]()
        answer = await self._transport.ask(
            method, target, body=content, signer=self.signer, network=network, accepted=accepted
        )
        view = answer.read(kind)
        for name, asked in (about or {}).items():
            if asked != "latest" and str(getattr(view, name)).lower() != str(asked).lower():
                raise BadAnswer(name, f"the node answers for another {name}")
        return view

    async def download(self, path: str, *, limit: int = PACKAGE_BYTES_MAX) -> bytes:
        """The bytes of a file: a package, the terms, the amendments."""
        return (await self._transport.ask("GET", path, limit=limit)).body

    async def sign(self, request: R, **signers: Signer) -> R:
        """The request with its signatures: those of `signers`, by default `signature` with this client's key."""
        if not signers:
            if self.signer is None:
                raise NoKey(type(request).__name__)
            signers = {"signature": self.signer}
        return await signed(await self.network(), request, **signers)

    async def next_nonce(self, account: int) -> int:
        """A nonce of an own account that neither the network nor this client has used."""
        free = (await self.account(account)).next_nonce
        self._used[account] = max(free, self._used.get(account, 0) + 1)
        return self._used[account]

    def not_after_ms(self) -> int:
        """The time until which a request that is made now is valid."""
        return self._transport.clock_ms() + self._valid_ms

    async def make(self, kind: type[R], account: int, **fields: Any) -> R:
        """A signed request of an own account, with its next nonce and a not-after."""
        nonce = await self.next_nonce(account)
        return await self.sign(kind(account=account, nonce=nonce, not_after_ms=self.not_after_ms(), **fields))

    async def submit(self, *requests: Request) -> SubmitResults:
        """Hand in signed requests; each is answered on its own. Doing it again is harmless."""
        results, _ = await self._submit(requests)
        return results

    async def _submit(self, requests: tuple[Request, ...]) -> tuple[SubmitResults, float | None]:
        answer = await self._transport.ask(
            "POST",
            "/v1/submit",
            body=submission(requests),
            media="application/msgpack",
            accepted=frozenset((422,)),
        )
        results = answer.read(SubmitResults)
        if [each.hash for each in results.results] != [each.id for each in requests]:
            raise BadAnswer("hash", "the node answers for other requests than were submitted")
        return results, retry_after(answer)

    async def settle(self, request: Request, *, seconds: float = 60.0) -> TransactionView:
        """Submit a request and wait until a block has applied it.

        Sends the same bytes again when the node is busy or has forgotten them. Raises RequestRefused with the code of
        the refusal, also when it expired or was dropped; NoFate after `seconds`, when it may still be applied.
        """
        with anyio.move_on_after(seconds):
            await self._hand_in(request)
            return await self._fate(request.id, request)
        raise NoFate(request.id, seconds)

    async def fate(self, hash_: str, *, seconds: float = 60.0) -> TransactionView:
        """Wait until a block has applied the request with this id. Raises as `settle`."""
        with anyio.move_on_after(seconds):
            return await self._fate(hash_, None)
        raise NoFate(hash_, seconds)

    async def _hand_in(self, request: Request) -> SubmitResult:
        while True:
            results, wait = await self._submit((request,))
            (result,) = results.results
            problem = result.problem
            if result.status != "refused":
                return result
            if not isinstance(problem, Problem) or problem.code not in TRY_LATER:
                raise _refused(result.hash, problem)
            await anyio.sleep(wait or POLL_SECONDS)

    async def _fate(self, hash_: str, request: Request | None) -> TransactionView:
        own = self.signer is not None
        while True:
            try:
                network = await self.network() if own else None
                answer = await self._transport.ask(
                    "GET", f"/v1/transactions/{hash_}", signer=self.signer, network=network
                )
                view = answer.read(TransactionView)
            except NodeRefused as refused:
                if refused.code == UNKNOWN_TRANSACTION and request is not None:
                    await self._hand_in(request)
                elif refused.code == "R0847" and own:
                    own = False  # a session key, which reads nothing
                    continue
                elif refused.code not in (UNKNOWN_TRANSACTION, UNREAD_TRANSACTIONS):
                    raise
            else:
                if view.hash != hash_.lower():
                    raise BadAnswer("hash", "the node answers for another request")
                if view.state == "applied":
                    return view
                if view.state != "pending":
                    raise _refused(hash_, view.problem)
            await anyio.sleep(POLL_SECONDS)

    def watch(self, question: "Callable[[], Awaitable[T]]", *, seconds: float = 0.5) -> Watch[T]:
        """Answers to a question, each when it changed: `async for state in client.watch(client.state)`."""
        return Watch(question, seconds)

    def heights(self, *, seconds: float = 0.2) -> Watch[StateView]:
        """The newest decided height, each time there is one."""
        return self.watch(self.state, seconds=seconds)

    def stream(self, path: str, kind: type[T], *, signed: bool = False, last_id: str = "") -> EventStream[T]:
        """Server-sent events of a path as structures: `async with client.stream(…) as events`, then iterate."""

        async def headers() -> dict[str, str]:
            network = await self.network() if signed else None
            return await self._transport.headers("GET", path, b"", "", self.signer, network)

        return EventStream(self._transport, path, headers, kind, self._retries, last_id)

    def follow(self, *topics: str, cursor: str = "", websocket: bool = False) -> FrameStream:
        """Topics of `/v1/stream`, such as `heights`, `marks` or `receipts:1`, from snapshots or from a cursor on.

        Over server-sent events, or a WebSocket. With a signer the request is signed, which topics of members need.
        Where the node no longer keeps what followed the cursor, a frame `gap` comes and then snapshots.
        """

        async def headers(target: str) -> dict[str, str]:
            network = await self.network() if self.signer is not None else None
            return await self._transport.headers("GET", target, b"", "", self.signer, network)

        connection = SocketConnection(self._transport) if websocket else EventConnection(self._transport)
        return FrameStream(connection, topics, headers, self._retries, cursor)

    def collateral_event_steps(
        self, chain_id: int, reference: str, *, last_id: str = ""
    ) -> EventStream[CollateralEventView]:
        """The steps of a submitted deposit until it is credited or refused."""
        path = f"/v1/collateral-events/{chain_id}/{reference}/stream"
        return self.stream(path, CollateralEventView, last_id=last_id)


def _refused(hash_: str, problem: object) -> RequestRefused:
    if isinstance(problem, Problem):
        return RequestRefused(problem.code, problem.message, at=problem.at, remedy=problem.remedy, hash_=hash_)
    return RequestRefused("R0874", "the request was refused without a reason", at="", remedy="", hash_=hash_)
