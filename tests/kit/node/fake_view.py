"""A fake of the node behind the API, its keys and clock, and clients that ask it."""

import json
import secrets
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import httpx
import msgspec
import trio

from clearing.base.errors import Rejected, RemoteFault
from clearing.base.header import Header
from clearing.base.ids import NetworkId
from clearing.initial_state import initial_state
from clearing.schema.blocks.transaction import Transaction, transaction_hash
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.accounts import CashTransferred
from clearing.schema.terms.genesis import network_id
from clearing.state.state import State
from consensus.application import Misbehaviour
from consensus.codes import ConsensusCode
from consensus.evidence.attack import LightClientAttack
from consensus.light_client import LightBlock
from member.api.receipts import ReceiptAt
from member.api.state import Check, ProvingView
from member.api.types import Problem
from member.client.authorization import SignedPart, authorization
from member.codes import NodeCode
from member.statements.days import StatementDays
from node.agreement.application import DecidedHeight
from node.api.view import NodeView, PackageAt
from node.chains.submissions import CollateralEvent, Submission, Submissions, SubmissionStatus
from node.config import Api
from node.http.server import build_api
from node.ops.metrics import Metrics
from node.oracle.several_sources import FeedStanding
from node.p2p.peers import PeerStatus, Role
from node.pool.mempool import Accepted
from node.store.fate_table import FateRecord
from node.store.records import PackageRecord, ReceiptsAsked
from tests.kit.clearing.genesis import make_genesis
from tests.kit.clearing.signer import secret
from tests.kit.node.light_chain import chain_of, set_of
from tests.kit.node.receipt_page import page_of_receipts

GOVERNED = msgspec.structs.replace(make_genesis(), validators=set_of(frozenset(range(4))))
NETWORK = network_id(GOVERNED)
ALICE, BOB, STRANGER = secret(1), secret(2), b"\x03" * 32
NOW = 1_700_000_000_000
HASH = "0x" + "ab" * 32


@cache
def decided_blocks() -> list[LightBlock]:
    """Heights 1 to 3."""
    return chain_of([range(4)] * 3, network=NETWORK)


class FakeView:
    """A node at height 3 with the accounts of the small genesis: 1 of Alice, 2 of Bob."""

    def __init__(self, state: State | None = None, holdings: Any = None, exits: Any = None) -> None:
        self._state = state or initial_state(GOVERNED, bytes(32))
        self.holdings, self.exits = holdings, exits
        self.statements = StatementDays(self._state)
        self.submitted: list[Transaction] = []
        self.busy_ms = 0
        self.submissions = Submissions()
        self.ready = True
        self.empty = False
        self.refuses_events: Submission | None = None
        self.fault: Exception | None = None
        self.instruments = Metrics()
        self.ticks_per_unit: dict[int, int] = {}
        self.standings: Sequence[FeedStanding] = ()
        self.followers: list[Callable[[DecidedHeight], None]] = []

    @property
    def network(self) -> NetworkId:
        return NETWORK

    @property
    def state(self) -> State:
        if self.fault is not None:
            raise self.fault
        return self._state

    @property
    def newest(self) -> Header | None:
        return None if self.empty else decided_blocks()[-1].header

    def light_block(self, height: int | None) -> LightBlock | None:
        return decided_blocks()[-1] if height in (None, 3) else None

    def submit_attack(self, attack: LightClientAttack) -> Sequence[Misbehaviour]:
        raise RemoteFault(ConsensusCode.BAD_EVIDENCE, "fake")

    def receipts(self, key: int, page: ReceiptsAsked) -> Sequence[ReceiptAt]:
        everything = [
            ReceiptAt(height, index, CashTransferred(index, key, 2, 1, 5, height))
            for height in (1, 2)
            for index in (0, 1)
        ]
        return page_of_receipts(everything, page) if key > 0 else []

    def package(self, epoch: int | None) -> PackageAt | None:
        return PackageAt(1, 3, b"d" * 32, b"package") if epoch in (None, 1) else None

    def packages(self, after: int, limit: int) -> Sequence[PackageRecord]:
        epochs = range(max(1, after + 1), 700)
        return [PackageRecord(epoch, 3 * epoch, "", 7, b"d" * 32) for epoch in epochs][:limit]

    def newest_package(self) -> int:
        return 1

    def proving(self) -> ProvingView | None:
        return ProvingView(done=7, total=20, seconds_left=65)

    def has_package(self, epoch: int) -> bool:
        return epoch == 1

    def submit(self, transaction: Transaction) -> Accepted | Rejected:
        if transaction.not_after_ms == 0:
            return reject(ClearingCode.REQUEST_EXPIRED, "not_after_ms", not_after_ms=0)
        if self.busy_ms:
            return Rejected(NodeCode.POOL_BUSY, "submit", (("wait_ms", self.busy_ms),))
        known = transaction in self.submitted
        self.submitted.append(transaction)
        return Accepted(transaction_hash(transaction), known)

    async def journaled(self) -> None:
        await trio.lowlevel.checkpoint()

    def fate(self, hash_: bytes) -> FateRecord | None:
        return None

    def fates_complete(self) -> bool:
        return self.ready

    def look_for_event(self, event: CollateralEvent) -> Submission:
        return self.refuses_events or self.submissions.submit(event)

    def submission_status(self, chain_id: int, reference: bytes, state: State) -> SubmissionStatus | None:
        return self.submissions.status(chain_id, reference, state)

    def peers(self) -> Sequence[PeerStatus]:
        return (
            PeerStatus(
                key=b"p" * 32,
                role=Role.VALIDATOR,
                connected=True,
                connections=2,
                rtt_ms=0.6,
                score=75,
                faults=1,
                last_fault="R0102 malformed at vote",
                bans=1,
                banned_seconds=0.25,
            ),
        )

    def checks(self) -> Sequence[Check]:
        return (Check(name="peers", ok=self.ready, detail="3 of 3"), Check(name="oracle", ok=True))

    def feeds(self) -> Sequence[FeedStanding]:
        return self.standings

    def render_metrics(self) -> bytes:
        self.instruments.height.set(3)
        return self.instruments.render()


def client_of(
    view: FakeView | NodeView, clock_ms: Callable[[], int] = lambda: NOW, **settings: Any
) -> httpx.AsyncClient:
    app = build_api(view, Api(**({"requests_burst": 100_000} | settings)), clock_ms)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node")


def signed(
    key: bytes,
    target: str,
    body: bytes = b"",
    *,
    method: str = "GET",
    time_ms: int = NOW,
    network: NetworkId = NETWORK,
) -> dict[str, str]:
    """The header of a request by the owner of this key."""
    part = SignedPart(method, target, body)
    return {"Authorization": authorization(network, key, part, time_ms, secrets.token_bytes(32))}


async def asked(client: httpx.AsyncClient, target: str, key: bytes = ALICE, body: Any = None) -> httpx.Response:
    if body is None:
        return await client.get(target, headers=signed(key, target))
    data = json.dumps(body).encode()
    headers = signed(key, target, data, method="POST") | {"Content-Type": "application/json"}
    return await client.post(target, content=data, headers=headers)


async def ask_view(
    view: FakeView | NodeView, target: str, key: bytes = ALICE, body: Any = None, **settings: Any
) -> httpx.Response:
    """The answer to one request of the owner of a key."""
    async with client_of(view, **settings) as client:
        return await asked(client, target, key, body)


def status_and_code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, msgspec.json.decode(response.content, type=Problem).code


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and code of an answer that nobody on the way may keep."""
    assert response.headers["cache-control"] == "no-store"
    return status_and_code(response)
