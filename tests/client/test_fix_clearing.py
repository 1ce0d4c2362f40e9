"""Reports on their way: each has one trade id and is traded once, whatever node, line and process do."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trio

from crossclear_client import Client, Key
from crossclear_client.signing import recover
from crossclear_fix.clearing_house import ClearingHouse, Signing
from crossclear_fix.errors import FATE_CHANGED, GatewayError
from crossclear_fix.session_state import Send, SessionState
from crossclear_fix.store import BookedReport, Fate, Store
from crossclear_fix.trade_report import Report
from tests.kit.fix_node import NETWORK, FixNode

VENUE_KEY, BOB_KEY = Key(b"\x07" * 32), Key(b"\x02" * 32)
FACTS = {"venue": "7", "network": NETWORK.hex()}
TRADE = Report("T-1", "BTC-PERP", 2, 3, 1, 5, 800_010, 0)


def now_ms() -> int:
    """By the test's clock, which jumps over what is waited for."""
    return 1_764_000_000_000 + int(trio.current_time() * 1000)


@dataclass
class Desk:
    """A store, a node and what was answered. `restart` begins a new process with the same store."""

    path: Path
    node: FixNode = field(default_factory=lambda: FixNode(now_ms))
    fates: list[tuple[Fate, str]] = field(default_factory=list)
    sides: dict[int, Key] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = Store(self.path, FACTS, kept_max=10)

    def restart(self) -> None:
        self.store.close()
        self.store = Store(self.path, FACTS, kept_max=10)

    def book(self, report: Report = TRADE) -> BookedReport:
        with self.store.transaction():
            return self.store.add_report("S", report, (), now_ms(), 1)

    def known(self) -> BookedReport:
        found = self.store.report("S", TRADE.report_id)
        assert found is not None
        return found

    async def follow(self, booked: BookedReport) -> None:
        async with self.node.client() as client:
            await self.house(client).follow(booked)

    def house(self, client: Client) -> ClearingHouse:
        signing = Signing(7, VENUE_KEY, self.sides, valid_ms=15_000, renew_ms=300_000)
        return ClearingHouse(client, self.store, signing, self._notify, now_ms, 4)

    def _notify(self, booked: BookedReport) -> None:
        self.fates.append((booked.fate, booked.code))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "store")


async def test_a_report_is_signed_by_the_venue_and_novated(desk: Desk, autojump_clock: object) -> None:
    await desk.follow(desk.book())
    (request,) = desk.node.submitted
    assert (request.venue, request.venue_trade_id, request.buyer, request.seller) == (7, 1, 2, 3)
    assert (request.lots, request.ticks, request.not_before_ms) == (5, 800_010, 0)
    assert recover(request.digest(NETWORK), request.venue_signature) == VENUE_KEY.address
    assert request.buyer_signature == request.seller_signature == b""
    assert desk.fates == [(Fate.NOVATED, "")]
    assert (desk.known().height, desk.known().is_open) == (101, False)


async def test_an_account_with_a_key_here_signs_itself(desk: Desk, autojump_clock: object) -> None:
    desk.sides[2] = BOB_KEY
    await desk.follow(desk.book())
    (request,) = desk.node.submitted
    assert recover(request.digest(NETWORK), request.buyer_signature) == BOB_KEY.address
    assert request.seller_signature == b""


async def test_trade_ids_rise_and_begin_where_the_settings_say(desk: Desk) -> None:
    with desk.store.transaction():
        first = desk.store.add_report("S", TRADE, (), 0, 500)
        second = desk.store.add_report("other", TRADE, (), 0, 500)
    assert (first.trade_id, second.trade_id) == (500, 501)


async def test_lost_answers_trade_nothing_twice(desk: Desk, autojump_clock: object) -> None:
    desk.node.lose_answers = 2
    await desk.follow(desk.book())
    assert len({each.digest(NETWORK) for each in desk.node.submitted}) == 1
    assert len(desk.node.trades) == 1
    assert desk.fates == [(Fate.NOVATED, "")]


async def test_a_node_that_is_down_is_waited_for_and_the_trade_signed_again_under_its_id(
    desk: Desk, autojump_clock: object
) -> None:
    desk.node.down = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.follow, desk.book())
        await trio.sleep(60)
        assert desk.fates == []
        desk.node.down = False
    assert {each.venue_trade_id for each in desk.node.submitted} == {1}
    assert len({each.not_after_ms for each in desk.node.submitted}) == 2
    assert len(desk.node.trades) == 1
    assert desk.fates == [(Fate.NOVATED, "")]


async def test_a_trade_is_not_signed_again_for_ever(desk: Desk, autojump_clock: object) -> None:
    desk.node.down = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.follow, desk.book())
        await trio.sleep(301)
        desk.node.down = False
    assert desk.node.trades == {}
    assert desk.fates == [(Fate.REFUSED, "R0201")]


@pytest.mark.parametrize("where", ["block", "door"])
async def test_a_refusal_has_its_code_at_once_and_is_final_after_the_not_after(
    desk: Desk, where: str, autojump_clock: object
) -> None:
    (desk.node.refusals if where == "block" else desk.node.doors)[TRADE.ticks] = "R0203"
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.follow, desk.book())
        await trio.sleep(1)
        assert desk.fates == [(Fate.REFUSED, "R0203")]
        assert desk.known().is_open
    assert not desk.known().is_open
    assert trio.current_time() - begun >= 15
    assert desk.fates == [(Fate.REFUSED, "R0203")]


async def test_a_refused_trade_that_a_later_block_applies_is_reported_as_novated(
    desk: Desk, autojump_clock: object
) -> None:
    desk.node.refusals[TRADE.ticks] = "R0203"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.follow, desk.book())
        await trio.sleep(1)
        desk.node.refusals.clear()
        (request,) = desk.node.submitted
        desk.node.decide(request, request.id)
    assert desk.fates == [(Fate.REFUSED, "R0203"), (Fate.NOVATED, FATE_CHANGED)]


@pytest.mark.parametrize("when", ["before it was signed", "while it was sent", "after a refusal"])
async def test_a_restart_follows_what_is_open(desk: Desk, when: str, autojump_clock: object) -> None:
    booked = desk.book()
    if when == "while it was sent":
        desk.node.forgets = True
    elif when == "after a refusal":
        desk.node.refusals[TRADE.ticks] = "R0203"
    if when != "before it was signed":
        with trio.move_on_after(5):
            await desk.follow(booked)
        desk.node.forgets = False
    desk.restart()
    (again,) = desk.store.open_reports()
    await desk.follow(again)
    assert len({each.digest(NETWORK) for each in desk.node.submitted}) == 1
    assert len(desk.node.trades) == (when != "after a refusal")
    assert desk.fates == [(Fate.REFUSED, "R0203") if when == "after a refusal" else (Fate.NOVATED, "")]
    assert desk.store.open_reports() == []


async def test_a_node_that_forgot_what_it_applied_does_not_turn_the_trade_into_a_refused_one(
    desk: Desk, autojump_clock: object
) -> None:
    desk.node.forgets = True
    booked = desk.book()
    with trio.move_on_after(5):
        await desk.follow(booked)
    desk.node.applied.clear()
    await desk.follow(desk.known())
    assert desk.fates == [(Fate.NOVATED, "")]
    assert desk.known().height == 0


async def test_an_id_that_another_trade_has_is_refused(desk: Desk, autojump_clock: object) -> None:
    """A store that was lost: the ids begin below those of the network."""
    desk.node.trades[1] = None  # type: ignore[assignment]
    await desk.follow(desk.book())
    assert desk.fates == [(Fate.REFUSED, "R0209")]


async def test_a_trade_that_cannot_be_signed_is_refused(desk: Desk, autojump_clock: object) -> None:
    """Nothing that a counterparty reports may end the gateway."""
    await desk.follow(desk.book(replace(TRADE, traded_ms=-1)))
    assert desk.fates == [(Fate.REFUSED, "R0940")]
    assert desk.store.open_reports() == []


async def test_an_answer_is_kept_with_the_fate_or_not_at_all(desk: Desk, autojump_clock: object) -> None:
    def broken(_: BookedReport) -> None:
        raise OSError("the disk is full")

    async with desk.node.client() as client:
        house = ClearingHouse(client, desk.store, Signing(7, VENUE_KEY, {}, 15_000, 0), broken, now_ms, 4)
        with pytest.raises(OSError, match="full"):
            await house.follow(desk.book())
    assert desk.known().fate is Fate.WAITING
    assert desk.store.open_count() == 1


def test_one_process_has_a_store(desk: Desk) -> None:
    with pytest.raises(GatewayError) as raised:
        Store(desk.path, FACTS, kept_max=10)
    assert raised.value.code == "R0977"


@pytest.mark.parametrize("facts", [{**FACTS, "venue": "8"}, {**FACTS, "network": "00"}])
def test_a_store_is_of_one_venue_and_one_network(desk: Desk, facts: dict[str, str]) -> None:
    desk.store.close()
    with pytest.raises(GatewayError) as raised:
        Store(desk.path, facts, kept_max=10)
    assert raised.value.code == "R0977"


@pytest.mark.parametrize("damage", [b"no database", b"SQLite format 3\0" + b"\xff" * 5_000])
def test_a_damaged_store_is_refused(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "store").write_bytes(damage)
    with pytest.raises(GatewayError) as raised:
        Store(tmp_path / "store", FACTS, kept_max=10)
    assert raised.value.code == "R0977"


def test_a_store_is_readable_by_its_owner_alone(desk: Desk) -> None:
    assert [path.stat().st_mode & 0o077 for path in desk.path.parent.iterdir()] == [0] * 2


def sent(number: int) -> Send:
    return Send(number, b"AR", ((58, b"%d" % number),), number, (), kept=True)


def test_the_last_messages_are_kept_for_resends(desk: Desk) -> None:
    with desk.store.transaction():
        for number in range(1, 31):
            desk.store.keep_sent("S", sent(number))
        desk.store.keep_sent("other", sent(1))
    assert [each.number for each in desk.store.sent("S", 1, 999)] == list(range(21, 31))
    assert [each.number for each in desk.store.sent("other", 1, 999)] == [1]
    with desk.store.transaction():
        desk.store.forget_sent("S")
    assert desk.store.sent("S", 1, 999) == []
    assert len(desk.store.sent("other", 1, 999)) == 1


def test_numbers_and_answers_that_wait_survive_a_restart(desk: Desk) -> None:
    with desk.store.transaction():
        desk.store.save_state("S", SessionState(7, 9))
        for number in range(3):
            desk.store.queue("S", b"AR", ((58, b"%d" % number),))
        desk.store.queue("other", b"AE", ())
    desk.restart()
    assert desk.store.state("S") == SessionState(7, 9)
    assert desk.store.state("new") == SessionState(1, 1)
    with desk.store.transaction():
        assert desk.store.take_queued("S", 2) == [(b"AR", ((58, b"0"),)), (b"AR", ((58, b"1"),))]
        assert desk.store.take_queued("S", 2) == [(b"AR", ((58, b"2"),))]


def test_a_transaction_that_fails_changes_nothing(desk: Desk) -> None:
    def fail(change: Callable[[], object]) -> None:
        with desk.store.transaction():
            change()
            raise KeyError

    with pytest.raises(KeyError):
        fail(lambda: desk.store.save_state("S", SessionState(7, 9)))
    assert desk.store.state("S") == SessionState(1, 1)
