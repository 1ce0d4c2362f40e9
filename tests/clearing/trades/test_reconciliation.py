"""A venue's statement of a day against what was novated."""

from typing import Any

import msgspec
import pytest

from clearing.base.codec import encode
from clearing.base.units import DAY_MS
from clearing.schema.blocks.transaction import TRANSACTION_BYTES_MAX
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.trades import BreakKind as K
from clearing.schema.receipts.trades import ReconciliationBreak, StatementCompared, VenueDayClosed
from clearing.schema.requests.trades import STATEMENT_LINES_MAX, StatementLine, TradeReport
from tests.kit.clearing.desk import finish_day, venue_genesis, venue_world
from tests.kit.clearing.genesis import ALICE, BOB, CAROL
from tests.kit.clearing.requests import TODAY, VENUE, line_of
from tests.kit.clearing.world import World, of_kind


def traded(desk: World, count: int = 4) -> list[TradeReport]:
    reports = [desk.report(ALICE, BOB, 1 + each) for each in range(count)]
    assert desk.refused(*reports) == []
    return reports


def day_over(count: int = 4, **market: int) -> tuple[World, list[TradeReport]]:
    """So many trades of a day whose statement may come."""
    desk = venue_world(venue_genesis(**market))
    reports = traded(desk, count)
    finish_day(desk)
    return desk, reports


def closed(desk: World, **more: Any) -> VenueDayClosed:
    (receipt,) = of_kind(desk.block(**more), VenueDayClosed)
    return receipt


def test_a_statement_that_agrees_leaves_nothing_to_tell() -> None:
    desk, reports = day_over()
    result = desk.block(desk.statement(map(line_of, reports)))
    (read,) = of_kind(result, StatementCompared)
    assert (read.lines, read.matched, read.missing_here, read.differing) == (4, 4, 0, 0)
    assert not of_kind(result, ReconciliationBreak)
    day = closed(desk)
    assert (day.statement_complete, day.trades, day.matched, day.missing_there) == (True, 4, 4, 0)
    assert not list(desk.state.day_trades.ordered())
    assert not list(desk.state.day_trade_ids.ordered())


def test_differences_are_told_once_each_way() -> None:
    desk = venue_world()
    same, wrong, unknown_there, held = *traded(desk, 3), desk.report(ALICE, BOB, hold_ms=80_000_000)
    desk.block(held)
    finish_day(desk)
    lines = [line_of(same), line_of(wrong, lots=99), line_of(held), StatementLine(70, 1, ALICE, CAROL, 5, 5)]
    first = of_kind(desk.block(desk.statement(lines)), ReconciliationBreak)
    rest = desk.block()
    breaks = [(each.venue_trade_id, each.kind) for each in first + of_kind(rest, ReconciliationBreak)]
    assert breaks == [
        (wrong.venue_trade_id, K.DIFFERING),
        (held.venue_trade_id, K.PENDING_HERE),
        (70, K.MISSING_HERE),
        (unknown_there.venue_trade_id, K.MISSING_THERE),
    ]
    assert (first[0].novated.lots, first[0].reported.lots) == (2, 99)
    assert (first[2].buyer, first[2].seller) == (ALICE, CAROL)
    (day,) = of_kind(rest, VenueDayClosed)
    assert (day.matched, day.differing, day.missing_here, day.missing_there) == (1, 1, 2, 1)


def test_parts_come_in_order_with_rising_ids() -> None:
    desk, reports = day_over()
    one, two, three, four = map(line_of, reports)
    assert desk.refused(desk.statement([one], part=1, last=False)) == [C.BAD_STATEMENT]
    assert desk.refused(desk.statement([two, one]), desk.statement([one, one])) == [C.BAD_STATEMENT] * 2
    assert desk.refused(desk.statement([], last=False)) == [C.BAD_STATEMENT]
    first = desk.statement([one, two], last=False)
    assert desk.refused(first, first) == [C.BAD_STATEMENT]
    assert desk.refused(desk.statement([two, three], part=1)) == [C.BAD_STATEMENT]
    assert desk.refused(desk.statement([three, four], part=1, last=False)) == []
    assert desk.refused(desk.statement([], part=2)) == []
    assert closed(desk).matched == 4
    assert desk.refused(desk.statement([one], part=3)) == [C.STATEMENT_DAY]


def test_a_statement_waits_until_no_trade_of_the_day_can_come() -> None:
    desk = venue_world()
    traded(desk)
    ends = (TODAY + 1) * DAY_MS + 600_000
    desk.block(after_ms=ends - desk.time_ms - 1_000)
    assert desk.refused(desk.statement([]), after_ms=1_000) == [C.STATEMENT_DAY]
    assert desk.refused(desk.statement([]), after_ms=1) == []


def test_a_day_without_a_statement_is_told_and_forgotten() -> None:
    desk = venue_world()
    reports = traded(desk)
    desk.block(after_ms=7 * DAY_MS)
    assert desk.refused(desk.statement([line_of(reports[0])], last=False)) == []
    day = closed(desk, after_ms=DAY_MS)
    assert (day.statement_complete, day.trades, day.matched, day.missing_there) == (False, 4, 1, 3)
    assert desk.refused(desk.statement([])) == [C.STATEMENT_DAY]
    desk.block()
    for table in ("venue_days", "day_trades", "day_trade_ids"):
        assert not list(getattr(desk.state, table).ordered())


def test_a_statement_is_the_venues_own() -> None:
    desk, _ = day_over()
    good = desk.statement([])
    changed, forged = msgspec.structs.replace(good, last=False), desk.sign(good, signature=b"\x01" * 32)
    assert desk.refused(changed, forged) == [C.WRONG_SIGNER] * 2
    assert desk.refused(msgspec.structs.replace(good, venue=99)) == [C.UNKNOWN_VENUE]


def test_a_give_up_is_no_difference() -> None:
    desk = venue_world()
    report = desk.report(ALICE, BOB, hold_ms=5_000)
    desk.block(report, desk.give_up(report, ALICE, CAROL))
    desk.block(after_ms=5_000)
    finish_day(desk)
    desk.block(desk.statement([line_of(report)]))
    assert closed(desk).matched == 1


def test_trades_beyond_what_a_day_keeps_are_counted() -> None:
    desk, reports = day_over(5, day_trades_max=3)
    desk.block(desk.statement([line_of(each) for each in reports]))
    day = closed(desk)
    assert (day.trades, day.unrecorded, day.matched, day.missing_here) == (3, 2, 3, 2)


def test_a_statement_has_so_many_lines() -> None:
    desk, reports = day_over(5, day_trades_max=3)
    lines = [line_of(reports[0], venue_trade_id=each) for each in range(1, 8)]
    assert desk.refused(desk.statement(lines[:6], last=False)) == []
    assert desk.refused(desk.statement(lines[6:], part=1)) == [C.BAD_STATEMENT]
    assert desk.refused(desk.statement([], part=1)) == []


def test_what_is_left_over_is_told_so_much_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearing.trades.reconciliation.CLOSED_TRADES_PER_BLOCK", 3)
    desk, _ = day_over(8)
    desk.block(desk.statement([]))
    assert desk.restored().module_roots() == desk.state.module_roots()
    assert [len(of_kind(desk.block(), ReconciliationBreak)) for _ in range(4)] == [3, 3, 2, 0]


def test_a_whole_part_fits_a_transaction_whatever_its_numbers() -> None:
    huge = 2**63 - 1
    desk = venue_world()
    lines = [StatementLine(huge - 16 + each, 2**32 - 1, huge, huge, huge, huge) for each in range(STATEMENT_LINES_MAX)]
    statement = msgspec.structs.replace(desk.statement(lines), venue=huge, day=huge, part=2**32 - 1, not_after_ms=huge)
    assert len(encode((statement,))) <= TRANSACTION_BYTES_MAX


def test_each_venue_has_its_own_day() -> None:
    desk = venue_world()
    reports = traded(desk, 2)
    other = desk.report(ALICE, BOB, venue=8, venue_trade_id=reports[0].venue_trade_id, signers="vbs")
    desk.block(other)
    finish_day(desk)
    desk.block(desk.statement(map(line_of, reports)))
    assert (closed(desk).venue, desk.state.venue_days[(8, TODAY)].trades) == (VENUE, 1)
