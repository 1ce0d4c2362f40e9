"""A fake of the node behind the API, its keys and clock, and clients that ask it."""

import json
import secrets
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
import trio

from clearing.base import secp256k1
from clearing.base.errors import Rejected, RemoteFault
from clearing.base.ids import NetworkId
from clearing.margin_explanation import MarginInputs
from clearing.opening import initial_state
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.accounts import CashTransferred
from clearing.schema.terms.genesis import Genesis
from clearing.state.state import State
from consensus.application import Misbehaviour
from consensus.codes import ConsensusCode
from consensus.evidence.attack import LightClientAttack
from consensus.light_client import LightBlock
from member.api.accounts import AccountView, TradingView, WithdrawalsView
from member.api.chain import HeaderView, ValidatorsView
from member.api.governance import EffectView, GovernanceView
from member.api.proofs import FundView, PackageLine
from member.api.receipts import DefaultUnderWay, InstrumentTicks, ReceiptAt, Series, SliceSale
from member.api.state import Check, StateView
from member.api.types import Problem
from member.client.authorization import SignedPart, authorization
from member.codes import NodeCode
from member.explaining.masking import Masks
from member.statements.statement import StatementInputs
from node.api.fund import fund_of
from node.api.governance import governance_of
from node.api.view import PackageAt
from node.config import Api
from node.epochs.exits import ExitQuestion
from node.epochs.holdings import HoldingsQuestion
from node.http.server import build_api
from node.ops.metrics import Metrics
from node.p2p.peers import PeerStatus, Role
from node.pool.mempool import Accepted, transaction_hash
from tests.kit.clearing.world import make_genesis

NETWORK = NetworkId(b"n" * 32)


ALICE, BOB, STRANGER = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32


NOW = 1_700_000_000_000


HASH = "0x" + "ab" * 32


GOVERNED = make_genesis()


class FakeView:
    """A node at height 3 with two accounts: 1 of Alice, 2 of Bob."""

    def __init__(self) -> None:
        self.submitted: list[Transaction] = []
        self.events: set[tuple[int, bytes]] = set()
        self.ready = True
        self.empty = False
        self.broken = False
        self.instruments = Metrics()

    @property
    def network(self) -> NetworkId:
        return NETWORK

    def state(self) -> StateView | None:
        if self.broken:
            raise ZeroDivisionError("a secret inside")
        view = StateView(
            network=HASH,
            height=3,
            time_ms=NOW,
            header_hash=HASH,
            state_root=HASH,
            epoch=1,
            validators=4,
            package_epoch=1,
        )
        return None if self.empty else view

    def validators(self) -> ValidatorsView:
        return ValidatorsView(
            network=HASH, height=3, number=0, hash=HASH, total_power=0, validators=(), agreeing_hash=HASH
        )

    def governance(self) -> GovernanceView:
        return governance_of(initial_state(GOVERNED, bytes(32)))

    def terms(self) -> Genesis:
        return GOVERNED

    def amendments(self) -> bytes | None:
        return None

    def effect(self, number: int, address: bytes) -> EffectView | None:
        return None if number != 1 else EffectView(proposal=1, height=3, refusal=address.hex(), accounts=())

    def header(self, height: int | None) -> HeaderView | None:
        if height not in (None, 3):
            return None
        return HeaderView(
            height=3, hash=HASH, time_ms=NOW, state_root=HASH, signers=(0, 1, 2), header="0x01", certificate="0x02"
        )

    def fund(self) -> FundView:
        return fund_of(State.empty(make_genesis(), bytes(32)))

    def light_block(self, height: int | None) -> LightBlock | None:
        return None

    def submit_attack(self, attack: LightClientAttack) -> Sequence[Misbehaviour]:
        raise RemoteFault(ConsensusCode.BAD_EVIDENCE, "fake")

    def owner(self, account: int) -> bytes | None:
        return {1: secp256k1.address(ALICE), 2: secp256k1.address(BOB)}.get(account)

    def is_member(self, address: bytes) -> bool:
        return address in (secp256k1.address(ALICE), secp256k1.address(BOB))

    def account(self, account: int) -> AccountView | None:
        return AccountView(
            account=account,
            member=1,
            height=3,
            equity_micros="-5",
            initial_margin_micros="7",
            maintenance_margin_micros="6",
            called=True,
            next_nonce=1,
        )

    def statement_inputs(self, address: bytes, day: int) -> StatementInputs | None:
        return None

    def trading(self, account: int) -> TradingView | None:
        return None

    def withdrawals(self, account: int) -> WithdrawalsView | None:
        return None

    def margin_inputs(self, account: int) -> MarginInputs | None:
        return None

    def receipts(self, account: int, after: tuple[int, int], limit: int) -> Sequence[ReceiptAt]:
        everything = [
            ReceiptAt(height, index, CashTransferred(index, account, 2, 1, 5, height))
            for height in (1, 2)
            for index in (0, 1)
        ]
        return [each for each in everything if (each.height, each.index) > after][:limit]

    def inclusion(self, account: int, epoch: int | None) -> HoldingsQuestion | Rejected:
        return Rejected(NodeCode.API_NO_SEEDS, "fake")

    def crisis_receipts(self, series: Series, after: tuple[int, int], limit: int) -> Sequence[ReceiptAt]:
        return []

    def masks(self, address: bytes) -> Masks:
        return Masks(bytes(32), lambda account: True)

    def instrument_ticks(self) -> Sequence[InstrumentTicks]:
        return ()

    def slice_sales(self) -> Sequence[SliceSale]:
        return ()

    def defaults_under_way(self) -> Sequence[DefaultUnderWay]:
        return ()

    def exit(self, account: int, epoch: int | None) -> ExitQuestion | None:
        return None

    def package(self, epoch: int | None) -> PackageAt | None:
        return PackageAt(1, 3, b"d" * 32, b"package") if epoch in (None, 1) else None

    def packages(self, after: int, limit: int) -> Sequence[PackageLine]:
        epochs = range(max(1, after + 1), 700)
        return [PackageLine(epoch=e, height=3 * e, bytes=7, sha256="0x" + "64" * 32) for e in epochs][:limit]

    def submit(self, transaction: Transaction) -> Accepted | Rejected:
        if transaction.not_after_ms == 0:
            return reject(ClearingCode.REQUEST_EXPIRED, "not_after_ms", not_after_ms=0)
        known = transaction in self.submitted
        self.submitted.append(transaction)
        return Accepted(transaction_hash(transaction), known)

    async def kept(self) -> None:
        await trio.lowlevel.checkpoint()

    def submit_collateral_event(self, chain_id: int, transaction_hash: bytes) -> bool | Rejected:
        if chain_id != 1:
            return reject(ClearingCode.UNKNOWN_ASSET, "chain_id", chain_id=chain_id)
        new = (chain_id, transaction_hash) not in self.events
        self.events.add((chain_id, transaction_hash))
        return new

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

    def readiness(self) -> Sequence[Check]:
        return (Check(name="peers", ok=self.ready, detail="3 of 3"), Check(name="oracle", ok=True))

    def metrics(self) -> bytes:
        self.instruments.height.set(3)
        return self.instruments.render()


def client_of(view: FakeView, **settings: Any) -> httpx.AsyncClient:
    app = build_api(view, Api(**({"requests_burst": 100_000} | settings)), lambda: NOW)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node")


def signed(key: bytes, target: str, *, method: str = "GET", time_ms: int = NOW, nonce: bytes = b"") -> dict[str, str]:
    value = authorization(NETWORK, key, SignedPart(method, target, b""), time_ms, nonce or secrets.token_bytes(32))
    return {"Authorization": value}


async def asked(client: httpx.AsyncClient, target: str, key: bytes = ALICE, body: Any = None) -> httpx.Response:
    data = b"" if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    value = authorization(NETWORK, key, SignedPart(method, target, data), NOW, secrets.token_bytes(32))
    headers = {"Authorization": value, "Content-Type": "application/json"}
    return await client.request(method, target, content=data or None, headers=headers)


def status_and_code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, msgspec.json.decode(response.content, type=Problem).code
