"""Rules of what services hear: anything that passes the topic's validator may be absurd, and nothing of it may hurt."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from clearing.accounts.signatories import signing_addresses
from clearing.base import ed25519
from clearing.base.codec import encode
from clearing.base.errors import Rejected
from clearing.schema.blocks.block import BlockInput, PriceReport
from clearing.schema.facts import DepositSeen, WithdrawalExecuted
from clearing.schema.records.accounts import Book
from clearing.state.state import Module
from member.codes import NodeCode
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
from node.pool import transaction_service
from node.pool.mempool import Accepted, Mempool
from node.pool.transaction_service import TransactionService, make_batch, valid_batch_size
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, START_MS
from tests.kit.clearing.world import World, funded

PEER, OTHER = b"p" * 32, b"o" * 32
HUGE = 2**63 - 1
VALIDATORS = (valid_positions, valid_gossip, valid_collateral, valid_batch_size)


class Loudspeaker:
    """A network that keeps what is published."""

    def __init__(self) -> None:
        self.said: list[tuple[Topic, bytes]] = []

    def publish(self, topic: Topic, data: bytes) -> None:
        self.said.append((topic, data))


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
    deposit = DepositSeen(HUGE, b"v" * 20, HUGE, b"t" * 20, HUGE, b"\xff" * 32, HUGE, bytes(32), bytes(32))
    paid = WithdrawalExecuted(HUGE, b"v" * 20, HUGE, HUGE, bytes(32), bytes(32))
    for event in (deposit, paid):
        data = encode(CollateralGossip(event))
        assert valid_collateral(Incoming(PEER, data))
        await _hear(bridge.listen, data)


def _decided(world: World, height: int, root: bytes, receipts: tuple[Any, ...] = ()) -> DecidedHeight:
    class Roots:
        module_roots = tuple(root for _ in Module)

    Roots.height = height  # type: ignore[attr-defined]
    result = msgspec.structs.replace(world.results[-1], receipts=receipts)
    return DecidedHeight(Roots(), BlockInput(height, START_MS, (), 1, ()), result, world.state)  # type: ignore[arg-type]


def test_a_liar_about_positions_is_noted_once_a_height_and_memory_is_bounded() -> None:
    world, watch, network = funded(), PositionWatch(), Loudspeaker()
    for height in range(1, 2 * HEIGHTS_KEPT):
        watch.decided(_decided(world, height, b"a" * 32), network)  # type: ignore[arg-type]
        for _ in range(5):
            watch.compare(PEER, PositionGossip(height, b"b" * 32, ()))
        watch.compare(OTHER, PositionGossip(height, b"a" * 32, ()))
    assert {each.peer for each in watch.disagreements} == {PEER}
    assert len(watch.disagreements) <= DISAGREEMENTS_KEPT
    assert len({each.height for each in watch.disagreements}) == len(watch.disagreements)
    assert watch.disagreed == 2 * HEIGHTS_KEPT - 1


def test_what_a_peer_says_of_heights_to_come_is_compared_when_they_come() -> None:
    world, watch, network = funded(), PositionWatch(), Loudspeaker()
    watch.compare(PEER, PositionGossip(7, b"b" * 32, ()))
    watch.compare(OTHER, PositionGossip(7, b"a" * 32, ()))
    watch.compare(OTHER, PositionGossip(HUGE, b"a" * 32, ()))
    assert not watch.disagreements
    watch.decided(_decided(world, 7, b"a" * 32), network)  # type: ignore[arg-type]
    assert [(each.height, each.peer) for each in watch.disagreements] == [(7, PEER)]


def test_heights_that_nobody_reaches_are_not_kept_for_ever() -> None:
    watch = PositionWatch()
    for height in range(10_000):
        watch.compare(PEER, PositionGossip(HUGE - height, bytes(32), ()))
    assert len(watch.heard) == 1


def test_own_position_gossip_fits_what_peers_accept(monkeypatch: pytest.MonkeyPatch) -> None:
    world, watch, network = funded(), PositionWatch(), Loudspeaker()
    lots = tuple((instrument, -(2**62)) for instrument in range(1, 200))

    class Books:
        def get(self, _: int) -> Book:
            return Book(lots)

    class Full:
        books = Books()

    monkeypatch.setattr(position_check, "_moved", lambda receipt: (receipt,))
    decided = _decided(world, 3, b"a" * 32, tuple(range(300)))
    watch.decided(DecidedHeight(decided.header, decided.block, decided.result, Full()), network)  # type: ignore[arg-type]
    ((topic, data),) = network.said
    assert topic is Topic.POSITIONS
    assert valid_positions(Incoming(PEER, data))
    assert 0 < len(msgspec.msgpack.decode(data)[2]) < 300


async def test_a_batch_that_brings_nothing_new_wakes_nobody() -> None:
    world = funded()
    secret = b"\x05" * 32
    woken: list[None] = []
    pool = Mempool(world.network, lambda who: () if who.id > 3 else signing_addresses(world.state, who))
    service = TransactionService(
        pool,
        world.network,
        b"\x06" * 32,
        lambda: frozenset((ed25519.public_key(secret),)),
        lambda: world.time_ms,
        lambda: woken.append(None),
    )
    good = world.trade(ALICE, BOB, BTC_PERP, 1, 790_000)
    unsigned = msgspec.structs.replace(good, venue_trade_id=99)
    await _hear(service.listen, encode(make_batch(world.network, secret, 1, [good])))
    assert (len(pool), len(woken)) == (1, 1)
    again = [encode(make_batch(world.network, secret, each, [good, unsigned])) for each in range(2, 20)]
    await _hear(service.listen, *again)
    assert (len(pool), len(woken)) == (1, 1)
    foreign = encode(make_batch(world.network, b"\x07" * 32, 1, [world.trade(ALICE, BOB, BTC_PERP, 2, 790_000)]))
    await _hear(service.listen, foreign)
    assert (len(pool), len(woken)) == (1, 1)


def test_a_node_whose_batches_nobody_takes_accepts_nothing_until_it_is_a_validator() -> None:
    world = funded()
    secret = b"\x06" * 32
    set_now: set[bytes] = {PEER}
    pool = Mempool(world.network, lambda who: signing_addresses(world.state, who))
    service = TransactionService(
        pool, world.network, secret, lambda: frozenset(set_now), lambda: world.time_ms, lambda: None
    )
    trade = world.trade(ALICE, BOB, BTC_PERP, 1, 790_000)
    told = service.submit(trade)
    assert isinstance(told, Rejected)
    assert told.code is NodeCode.BATCH_SENDER
    assert len(pool) == 0
    set_now.add(ed25519.public_key(secret))
    assert isinstance(service.submit(trade), Accepted)


async def test_what_is_gossiped_together_fits_one_message(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    world, network = funded(), Loudspeaker()
    pool = Mempool(world.network, lambda who: signing_addresses(world.state, who))
    secret = b"\x06" * 32
    own = frozenset((ed25519.public_key(secret),))
    service = TransactionService(pool, world.network, secret, lambda: own, lambda: world.time_ms, lambda: None)
    for _ in range(300):
        service.submit(world.trade(ALICE, BOB, BTC_PERP, 2**62, 2**62))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.run, network, 20)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert len(network.said) > 1
    assert all(valid_batch_size(Incoming(PEER, data)) for _, data in network.said)
    assert transaction_service.GOSSIP_TRANSACTIONS_MAX <= 100
