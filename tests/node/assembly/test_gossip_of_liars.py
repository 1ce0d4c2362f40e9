"""Rules of what services hear: anything that passes the topic's validator may be absurd, and nothing of it may hurt."""

from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.codec import encode
from clearing.schema.blocks.block import BlockInput, PriceReport
from clearing.schema.facts import DepositSeen, WithdrawalExecuted
from clearing.schema.records.accounts import Book
from clearing.state.modules import Module
from node.agreement import position_check
from node.agreement.application import DecidedHeight
from node.agreement.position_check import (
    DISAGREEMENTS_KEPT,
    GOSSIP_BYTES_MAX,
    HEIGHTS_KEPT,
    AccountPositions,
    PositionGossip,
    PositionWatch,
    valid_positions,
)
from node.chains import bridge_service
from node.chains.bridge_service import CollateralGossip, valid_collateral
from node.oracle.service import OracleService, PriceGossip, valid_gossip
from node.p2p.network import TOPIC_MESSAGE_BYTES, Incoming, Topic
from node.pool.mempool import Mempool
from node.pool.transaction_service import TransactionService, valid_batch_size
from tests.kit.clearing.genesis import START_MS
from tests.kit.clearing.world import funded

PEER, OTHER = b"p" * 32, b"o" * 32
HUGE = 2**63 - 1
VALIDATORS = (valid_positions, valid_gossip, valid_collateral, valid_batch_size)


async def _hear(listen: Callable[[Any], Awaitable[None]], *messages: bytes) -> None:
    """Have a service listen to messages, validated or not, to the end of the channel."""
    send, receive = trio.open_memory_channel[Incoming](len(messages))
    for data in messages:
        send.send_nowait(Incoming(PEER, data))
    send.close()
    await listen(receive)


@given(st.binary(max_size=200))
def test_validators_refuse_or_accept_any_bytes_without_failing(data: bytes) -> None:
    for validator in VALIDATORS:
        assert validator(Incoming(PEER, data)) in (True, False)


def test_validators_refuse_what_is_too_long() -> None:
    books = tuple(AccountPositions(account, ((1, 5),)) for account in range(GOSSIP_BYTES_MAX // 4))
    assert not valid_positions(Incoming(PEER, encode(PositionGossip(1, bytes(32), books))))
    many = tuple(PriceReport(feed, 1, 1, 1, 1) for feed in range(1, 1000))
    assert not valid_gossip(Incoming(PEER, encode(PriceGossip(1, many))))
    assert not valid_batch_size(Incoming(PEER, bytes(TOPIC_MESSAGE_BYTES + 1)))
    assert not valid_batch_size(Incoming(PEER, b""))


async def test_listeners_outlive_bytes_that_no_validator_would_let_in() -> None:
    world = funded()
    oracle = OracleService(_Quiet(), lambda: 0)
    watch = PositionWatch()
    pool = Mempool(world.network, lambda _: ())
    trades = TransactionService(pool, world.network, bytes(32), lambda: frozenset((PEER,)), lambda: 0, lambda: None)
    bridge = bridge_service.BridgeService.__new__(bridge_service.BridgeService)
    for listen in (oracle.listen, watch.listen, trades.listen, bridge.listen):
        await _hear(listen, b"", b"\xc1" * 40, encode(PriceGossip(HUGE, ())), encode(PositionGossip(1, bytes(32), ())))


class _Quiet:
    def read(self, now_ms: int) -> tuple[()]:
        return ()


async def test_absurd_prices_of_a_peer_are_kept_apart_and_bounded() -> None:
    oracle = OracleService(_Quiet(), lambda: 5)
    absurd = PriceGossip(HUGE, (PriceReport(2**32 - 1, HUGE, HUGE, 2**32 - 1, HUGE), PriceReport(1, 0, 0, 0, 0)))
    await _hear(oracle.listen, *[encode(msgspec.structs.replace(absurd, sent_ms=each)) for each in range(500)])
    assert list(oracle.heard) == [PEER]
    assert oracle.reports == ()


async def test_collateral_that_a_peer_invents_reaches_no_pool() -> None:
    bridge = bridge_service.BridgeService.__new__(bridge_service.BridgeService)
    deposit = DepositSeen(HUGE, b"v" * 20, HUGE, b"t" * 20, HUGE, b"\xff" * 32, HUGE, bytes(32), bytes(32), b"d" * 20)
    paid = WithdrawalExecuted(HUGE, b"v" * 20, HUGE, HUGE, bytes(32), bytes(32))
    for event in (deposit, paid):
        data = encode(CollateralGossip(event))
        assert valid_collateral(Incoming(PEER, data))
        await _hear(bridge.listen, data)


OURS, FALSE = b"a" * 32, b"b" * 32
"""The root of a height as executed here, and another."""


class Positions:
    """What a node compares positions with, and a network that keeps what it publishes."""

    def __init__(self) -> None:
        self.watch = PositionWatch()
        self.published: list[tuple[Topic, bytes]] = []
        self.state: Any = None

    def publish(self, topic: Topic, data: bytes) -> None:
        self.published.append((topic, data))

    def hear(self, peer: bytes, height: int, root: bytes = OURS) -> None:
        self.watch.compare(peer, PositionGossip(height, root, ()))

    def decide(self, height: int, receipts: Sequence[Any] = ()) -> None:
        header = SimpleNamespace(height=height, module_roots=tuple(OURS for _ in Module))
        result = SimpleNamespace(receipts=receipts)
        self.watch.decided(DecidedHeight(header, BlockInput(height, START_MS, (), 1, ()), result, self.state), self)


def test_a_liar_about_positions_is_noted_once_a_height_and_memory_is_bounded() -> None:
    positions = Positions()
    for height in range(1, 2 * HEIGHTS_KEPT):
        positions.decide(height)
        for _ in range(5):
            positions.hear(PEER, height, FALSE)
        positions.hear(OTHER, height)
    found = positions.watch.disagreements
    assert {each.peer for each in found} == {PEER}
    assert len({each.height for each in found}) == len(found) <= DISAGREEMENTS_KEPT
    assert positions.watch.disagreed == 2 * HEIGHTS_KEPT - 1


def test_what_a_peer_says_of_heights_to_come_is_compared_when_they_come() -> None:
    positions = Positions()
    positions.hear(PEER, 7, FALSE)
    positions.hear(OTHER, 7)
    positions.hear(OTHER, HUGE)
    assert not positions.watch.disagreements
    positions.decide(7)
    assert [(each.height, each.peer) for each in positions.watch.disagreements] == [(7, PEER)]


def test_heights_that_nobody_reaches_are_not_kept_for_ever() -> None:
    positions = Positions()
    for height in range(10_000):
        positions.hear(PEER, HUGE - height)
    assert len(positions.watch.heard) == 1


def test_own_position_gossip_fits_what_peers_accept(monkeypatch: pytest.MonkeyPatch) -> None:
    positions = Positions()
    lots = tuple((instrument, -(2**62)) for instrument in range(1, 200))
    positions.state = SimpleNamespace(books=dict.fromkeys(range(300), Book(lots)))
    monkeypatch.setattr(position_check, "_moved", lambda receipt: (receipt,))
    positions.decide(3, range(300))
    ((topic, data),) = positions.published
    assert topic is Topic.POSITIONS
    assert valid_positions(Incoming(PEER, data))
    assert 0 < len(msgspec.msgpack.decode(data)[2]) < 300
