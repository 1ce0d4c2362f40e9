"""`NodeClient`: a client of the HTTP API for members, bots and tools. Runs under trio.

Rule: it trusts the node only as far as its caller does: packages and headers are checked by `member.verifying`.
A call to any server ends with typed data of bounded size or with a CrossclearError.
"""

import secrets
import time
from typing import TypeVar

import httpx
import msgspec
import trio

from bridge.rpc.bounded_http import WHOLE_BODY_EXTENSIONS
from clearing.base.codec import decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.header import Header
from clearing.base.ids import NetworkId
from clearing.base.plain_json import read_json
from clearing.genesis.json import genesis_from_json
from clearing.governance.certified_amendments import AMENDMENTS_BYTES_MAX
from clearing.schema.blocks.transaction import Transaction, transaction_hash
from clearing.schema.requests.withdrawals import Withdrawal
from clearing.schema.terms.genesis import Genesis
from member.api.accounts import AccountView, TradingView
from member.api.chain import HeaderView, LightBlockView, ValidatorsView
from member.api.collateral_events import CollateralEventBody, CollateralEventResult, CollateralEventView
from member.api.deposits import DepositView
from member.api.governance import EffectView, GovernanceView
from member.api.margin import MarginView, SimulateBody, SimulationView
from member.api.proofs import ExitView, FundOpening, FundView, InclusionView, PackagePage, SealKeyView
from member.api.receipts import DefaultPage, FundPage, LiquidationPage, ReceiptPage
from member.api.state import PeersView, Readiness, StateView
from member.api.statements import MemberStatement
from member.api.submit import SubmitResult, SubmitResults, TransactionList
from member.api.transactions import TransactionView
from member.api.types import Problem, hexed
from member.api.withdrawals import WithdrawalProofView, WithdrawalsView
from member.client.authorization import SignedPart, authorization, token_authorization
from member.client.node_refusal import refusal_of
from member.codes import NodeCode
from member.signing.requests import UNSIGNED, signed, signed_cancellation
from proofs.epoch.package import PACKAGE_BYTES_MAX

T = TypeVar("T")
R = TypeVar("R", bound=Transaction)
TIMEOUT_SECONDS = 10.0
CALL_SECONDS_MAX = 60.0
"""Of a whole answer, however slowly it drips."""
ANSWER_BYTES_MAX = 8 << 20
REQUEST_VALID_MS = 60_000
EVENT_STEPS_MAX = 1_000
"""In one stream."""


class NodeClient:
    """One node's API. Use as an async context manager. `secret` is the trade key for signed routes."""

    def __init__(self, url: str, network: NetworkId, secret: bytes | None = None) -> None:
        self._network = network
        self._secret = secret
        self._http = httpx.AsyncClient(
            base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False, event_hooks=WHOLE_BODY_EXTENSIONS
        )

    @property
    def network(self) -> NetworkId:
        """The network that requests are signed for."""
        return self._network

    async def __aenter__(self) -> "NodeClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def state(self) -> StateView:
        """The newest decided height."""
        return await self._get("/v1/state", StateView)

    async def peers(self) -> PeersView:
        """Connections of the node."""
        return await self._get("/v1/peers", PeersView)

    async def validators(self) -> ValidatorsView:
        """The validator set, and changes of it."""
        return await self._get("/v1/validators", ValidatorsView)

    async def fund(self) -> FundView:
        """The default fund."""
        return await self._get("/v1/fund", FundView)

    async def fund_opening(self, epoch: int | None = None) -> FundOpening:
        """Seed and holdings of the account with the contributions, by default at the newest package's epoch."""
        return await self._get(f"/v1/fund/opening/{'latest' if epoch is None else epoch}", FundOpening)

    async def governance(self) -> GovernanceView:
        """Proposals, amendments, halts."""
        return await self._get("/v1/governance", GovernanceView)

    async def terms(self) -> Genesis:
        """The terms in force. Not checked here."""
        response = await self._request("GET", "/v1/governance/terms", b"", {})
        self._check(response)
        return genesis_from_json(response.content)

    async def amendments(self) -> bytes:
        """The file of all amendments, to be checked by `crossclear verify --amendments`."""
        target = "/v1/governance/amendments"
        response = await self._request("GET", target, b"", {}, AMENDMENTS_BYTES_MAX)
        self._check(response)
        return response.content

    async def effect(self, number: int) -> EffectView:
        """What a proposal would do to own accounts."""
        return await self._get(f"/v1/governance/proposals/{number}/effect", EffectView, signed=True)

    async def header(self, height: int) -> HeaderView:
        """A certified header."""
        return await self._get(f"/v1/headers/{height}", HeaderView, height=height)

    async def newest_header(self) -> Header:
        """The newest certified header, typed. Its certificate is not checked here."""
        answer = await self._get("/v1/headers/latest", HeaderView)
        try:
            return decode(bytes.fromhex(answer.header[2:]), Header)
        except ValueError as error:
            raise self._nonsense("header", str(error)) from None

    async def account(self, account: int) -> AccountView:
        """An own account."""
        return await self._get(f"/v1/accounts/{account}", AccountView, signed=True, account=account)

    async def trading(self, account: int) -> TradingView:
        """Pending trades, mandates and session keys of an own account."""
        return await self._get(f"/v1/accounts/{account}/trading", TradingView, signed=True, account=account)

    async def deposit(self, chain_id: int, vault: bytes, nonce: int) -> DepositView:
        """What became of a deposit, by its number at its vault."""
        target = f"/v1/deposits/{chain_id}/0x{vault.hex()}/{nonce}"
        return await self._get(target, DepositView, chain_id=chain_id, vault=hexed(vault), nonce=nonce)

    async def withdrawals(self, account: int) -> WithdrawalsView:
        """Withdrawals of an own account on their way, and what limits leave."""
        return await self._get(f"/v1/accounts/{account}/withdrawals", WithdrawalsView, signed=True, account=account)

    async def withdrawal_proof(self, nonce: int, count: int | None = None) -> WithdrawalProofView:
        """A released withdrawal, with its proof under the root over the first `count`, by default over all so far."""
        query = "" if count is None else f"?count={count}"
        return await self._get(f"/v1/withdrawals/{nonce}/proof{query}", WithdrawalProofView, nonce=nonce)

    async def withdraw(
        self, account: int, asset: int, units: int, to: bytes, nonce: int | None = None
    ) -> tuple[Withdrawal, SubmitResult]:
        """Request a withdrawal of clearing units to an address on the asset's chain, signed with this client's key.

        `nonce`: as for `cancel_withdrawal`.
        """
        if self._secret is None:
            raise LocalFault(NodeCode.KEY_MISSING, "withdraw", account=account)
        if nonce is None:
            nonce = (await self.account(account)).next_nonce
        not_after_ms = time.time_ns() // 1_000_000 + REQUEST_VALID_MS
        request = Withdrawal(account, asset, units, to, nonce, not_after_ms, UNSIGNED)
        request = signed(self._network, request, signature=self._secret)
        (result,) = (await self.submit((request,))).results
        return request, result

    async def submit_event(self, event: CollateralEventBody, token: str | None = None) -> CollateralEventResult:
        """Submit a collateral event with a submitter's token, or else signed with this client's key."""
        target, body = "/v1/collateral-events", msgspec.json.encode(event)
        allowed = self._signed("POST", target, body) if token is None else token_authorization(token)
        headers = {"content-type": "application/json", "authorization": allowed}
        response = await self._request("POST", target, body, headers)
        self._check(response)
        return self._read(response, CollateralEventResult)

    async def event_status(self, chain_id: int, reference: str) -> CollateralEventView:
        """How far a submitted event is."""
        target = f"/v1/collateral-events/{chain_id}/{reference}"
        return await self._get(target, CollateralEventView, chain_id=chain_id, reference=reference.lower())

    async def event_steps(self, chain_id: int, reference: str) -> tuple[CollateralEventView, ...]:
        """The steps of a submitted event from now until it ends, or until the node ends its stream; one at least."""
        response = await self._request("GET", f"/v1/collateral-events/{chain_id}/{reference}/stream", b"", {})
        self._check(response)
        steps = [line[6:] for line in response.content.split(b"\n") if line.startswith(b"data: ")]
        if not steps or len(steps) > EVENT_STEPS_MAX:
            raise self._nonsense("stream", f"{len(steps)} steps")
        views = tuple(self._read(httpx.Response(200, content=step), CollateralEventView) for step in steps)
        for view in views:
            self._check_about(view, {"chain_id": chain_id, "reference": reference.lower()})
        return views

    async def margin(self, account: int) -> MarginView:
        """Every term of an own account's margin."""
        return await self._get(f"/v1/accounts/{account}/margin", MarginView, signed=True, account=account)

    async def simulate_margin(self, account: int, shock: SimulateBody) -> SimulationView:
        """The margin of an own account before and after a shock."""
        target, body = f"/v1/accounts/{account}/margin/simulate", msgspec.json.encode(shock)
        headers = {"content-type": "application/json", "authorization": self._signed("POST", target, body)}
        response = await self._request("POST", target, body, headers)
        self._check(response)
        return self._read(response, SimulationView)

    async def statement(self, day: str) -> MemberStatement:
        """A recent day (YYYY-MM-DD, UTC) of all own accounts."""
        return await self._get(f"/v1/statements/{day}", MemberStatement, signed=True, day=day)

    async def seal_key(self) -> bytes:
        """The validators' key for seeds that owners choose."""
        return bytes.fromhex((await self._get("/v1/seal-key", SealKeyView)).seal_key.removeprefix("0x"))

    async def inclusion(self, account: int, epoch: int | None = None) -> InclusionView:
        """Seed and holdings of an own account at an epoch's snapshot, by default of the node's newest package."""
        target = f"/v1/accounts/{account}/inclusion/{'latest' if epoch is None else epoch}"
        return await self._get(target, InclusionView, signed=True)

    async def exit(self, account: int, epoch: int | None = None) -> ExitView:
        """An own account's leaves of the exit tree, by default of the newest epoch that closed."""
        query = "" if epoch is None else f"?epoch={epoch}"
        return await self._get(f"/v1/accounts/{account}/exit{query}", ExitView, signed=True)

    async def light_block(self, height: int) -> bytes:
        """The canonical bytes of a height's light block."""
        answer = await self._get(f"/v1/light/{height}", LightBlockView)
        try:
            return bytes.fromhex(answer.block[2:])
        except ValueError as error:
            raise self._nonsense("light block", str(error)) from None

    async def receipts(self, account: int, after: str = "") -> ReceiptPage:
        """One page of an own account's receipts."""
        query = f"&after={after}" if after else ""
        return await self._get(f"/v1/receipts?account={account}{query}", ReceiptPage, signed=True)

    async def liquidations(self, after: str = "") -> LiquidationPage:
        """One page of calls and liquidations; accounts of others are masked."""
        return await self._get("/v1/liquidations" + (f"?after={after}" if after else ""), LiquidationPage, signed=True)

    async def defaults(self, after: str = "") -> DefaultPage:
        """One page of defaults; accounts of others are masked."""
        return await self._get("/v1/defaults" + (f"?after={after}" if after else ""), DefaultPage, signed=True)

    async def fund_receipts(self, after: str = "") -> FundPage:
        """One page of the default fund's receipts; accounts of others are masked."""
        return await self._get("/v1/fund/receipts" + (f"?after={after}" if after else ""), FundPage, signed=True)

    async def readiness(self) -> Readiness:
        """All checks, also when the node is not ready."""
        response = await self._request("GET", "/readyz", b"", {})
        return self._read(response, Readiness)

    async def package(self, epoch: int | None = None) -> tuple[int, int, bytes] | None:
        """(epoch, snapshot height, file) of an epoch's package, by default the newest; None when there is none."""
        target = f"/v1/proofs/{'latest' if epoch is None else epoch}"
        response = await self._request("GET", target, b"", {}, PACKAGE_BYTES_MAX)
        if response.status_code == 404:
            return None
        self._check(response)
        try:
            place = int(response.headers["crossclear-epoch"]), int(response.headers["crossclear-height"])
        except (KeyError, ValueError) as error:
            raise self._nonsense(target, repr(error)) from None
        return (*place, response.content)

    async def packages(self, after: str = "") -> PackagePage:
        """One page of the packages that the node keeps."""
        return await self._get("/v1/proofs" + (f"?after={after}" if after else ""), PackagePage)

    async def submit(self, transactions: tuple[Transaction, ...]) -> SubmitResults:
        """Hand in signed transactions; each is answered on its own."""
        body = encode(TransactionList(transactions))
        headers = {"content-type": "application/msgpack"}
        response = await self._request("POST", "/v1/submit", body, headers)
        if response.status_code not in (202, 422):
            self._check(response)
        answer = self._read(response, SubmitResults)
        if [each.hash for each in answer.results] != [hexed(transaction_hash(each)) for each in transactions]:
            raise self._nonsense("hash", "the node answers for other requests than were submitted")
        return answer

    async def submit_own(self, kind: type[Transaction], account: int, *fields: int | bytes) -> SubmitResult:
        """Submit a request of this kind, signed with this client's key: `account` and `fields` in their order, then the
        account's next nonce and a not-after in a minute."""
        if self._secret is None:
            raise LocalFault(NodeCode.KEY_MISSING, kind.__name__, account=account)
        nonce = (await self.account(account)).next_nonce
        not_after_ms = time.time_ns() // 1_000_000 + REQUEST_VALID_MS
        request = kind(account, *fields, nonce, not_after_ms, UNSIGNED)  # type: ignore[call-arg, arg-type]
        (result,) = (await self.submit((signed(self._network, request, signature=self._secret),))).results
        return result

    async def transaction(self, hash_: bytes, *, as_party: bool = True) -> TransactionView:
        """What became of a transaction, with receipts where this client's key is a party's.

        `as_party`: False asks as anybody. Raises NodeRefusal TRANSACTION_UNKNOWN where the node never had it or has
        forgotten it.
        """
        signed = as_party and self._secret is not None
        view = await self._get(f"/v1/transactions/{hexed(hash_)}", TransactionView, signed=signed)
        if view.hash != hexed(hash_):
            raise self._nonsense("hash", "the node answers for another transaction")
        return view

    async def cancel_withdrawal(self, account: int, number: int, nonce: int | None = None) -> SubmitResults:
        """Cancel a delayed withdrawal, signed with this client's key: the one that signs for the account's money.

        `nonce`: of the request; by default the account's next one, which only the member's key may ask for.
        """
        if self._secret is None:
            raise LocalFault(NodeCode.KEY_MISSING, "cancel_withdrawal", account=account)
        if nonce is None:
            nonce = (await self.account(account)).next_nonce
        not_after_ms = time.time_ns() // 1_000_000 + REQUEST_VALID_MS
        request = signed_cancellation(self._network, self._secret, account, number, nonce, not_after_ms)
        return await self.submit((request,))

    async def own(self, target: str, kind: type[T], **about: object) -> T:
        """The answer of a signed route, for a topic with a module of its own. `about`: what of the question it repeats.

        Raises RemoteFault NODE_ANSWER for an answer about something else.
        """
        return await self._get(target, kind, signed=True, **about)

    def sign(self, request: R, name: str) -> R:
        """`request` with its signature of this name by this client's key. Raises LocalFault KEY_MISSING."""
        if self._secret is None:
            raise LocalFault(NodeCode.KEY_MISSING, type(request).__name__)
        return signed(self._network, request, **{name: self._secret})

    async def _get(self, target: str, kind: type[T], *, signed: bool = False, **about: object) -> T:
        headers = {"authorization": self._signed("GET", target, b"")} if signed else {}
        response = await self._request("GET", target, b"", headers)
        self._check(response)
        view = self._read(response, kind)
        self._check_about(view, about)
        return view

    def _check_about(self, view: object, about: dict[str, object]) -> None:
        """An answer repeats what it was asked for: another account's, or another deposit's, is not shown as this one's,
        and no wait ends with it."""
        for name, asked in about.items():
            if getattr(view, name) != asked:
                raise self._nonsense(name, f"the node answers for another one than {asked}")

    def _signed(self, method: str, target: str, body: bytes) -> str:
        if self._secret is None:
            raise LocalFault(NodeCode.API_UNAUTHENTICATED, target, why="no key given")
        now_ms, nonce = time.time_ns() // 1_000_000, secrets.token_bytes(32)
        return authorization(self._network, self._secret, SignedPart(method, target, body), now_ms, nonce)

    async def _request(
        self, method: str, target: str, body: bytes, headers: dict[str, str], limit: int = ANSWER_BYTES_MAX
    ) -> httpx.Response:
        """The whole answer. Compression is declined, so that the limit is one on memory."""
        headers = {"accept-encoding": "identity", **headers}
        received, oversize = bytearray(), False
        try:
            with trio.fail_after(CALL_SECONDS_MAX):
                async with self._http.stream(method, target, content=body or None, headers=headers) as response:
                    async for piece in response.aiter_raw():
                        if len(received) + len(piece) > limit:
                            # Closed under it, the iteration ends by itself; broken off, it leaves generators behind.
                            oversize = True
                            await response.aclose()
                        else:
                            received += piece
        except trio.ClosedResourceError:
            oversize = True
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, trio.TooSlowError) as error:
            if not oversize:
                raise LocalFault(NodeCode.NODE_UNREACHABLE, str(self._http.base_url), why=repr(error)) from None
        if oversize:
            raise self._nonsense(target, f"more than {limit} bytes")
        return httpx.Response(response.status_code, headers=_plain(response.headers), content=bytes(received))

    def _read(self, response: httpx.Response, kind: type[T]) -> T:
        try:
            return read_json(response.content, kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._nonsense("answer", str(error)[:200]) from None

    def _nonsense(self, at: str, why: str) -> RemoteFault:
        return RemoteFault(NodeCode.NODE_ANSWER, at, url=str(self._http.base_url), why=why)

    def _check(self, response: httpx.Response) -> None:
        if response.status_code < 300:
            return
        try:
            problem = read_json(response.content, Problem)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # A proxy's page, or no node at all.
            raise LocalFault(NodeCode.NODE_ANSWER, str(self._http.base_url), status=response.status_code) from None
        raise refusal_of(problem, response.status_code, str(self._http.base_url))


def _plain(headers: httpx.Headers) -> dict[str, str]:
    """The headers without those that describe how the body travelled."""
    return {name: value for name, value in headers.items() if name not in ("content-encoding", "transfer-encoding")}
