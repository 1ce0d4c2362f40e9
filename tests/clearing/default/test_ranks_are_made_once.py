"""Deleveraging many accounts costs what the other side is long, once, and not once for each of them."""

from collections.abc import Iterator

import pytest

from clearing.default import deleveraging
from clearing.default.variation_gains import gains_since
from clearing.schema.receipts.default import Deleveraged
from clearing.schema.records.default import PositionChangesRecord
from clearing.state.state import State
from clearing.state.table import Table
from tests.kit.clearing.defaults import NO_FUND, NOTHING, default_world
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC_PERP, CAROL, DOLLAR, ETH_PERP, USDC_1
from tests.kit.clearing.world import codes, of_kind


def closed(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Deleveraged], int]:
    """Alice and both of her clients ended against three shorts; how often gains were worked out."""
    asked: list[int] = []

    def counted(state: State, height: int, marks: tuple[tuple[int, int], ...]) -> dict[int, dict[int, int]]:
        asked.append(height)
        return gains_since(state, height, marks)

    monkeypatch.setattr(deleveraging, "gains_since", counted)
    world = default_world(NOTHING, fund=NO_FUND)
    world.bring(client=50_000, keyed=50_000)
    assert codes(world.block(world.withdrawal(0, USDC_1, 99_000 * DOLLAR))) == []
    assert not codes(
        world.block(
            world.perp_trade(ALICE, BOB, 20_000),
            world.perp_trade(ALICE, CAROL, 20_000),
            world.perp_trade(ALICE_CLIENT, DAVE, 3_000),
            world.perp_trade(KEYED_CLIENT, DAVE, 2_000),
        )
    )
    world.fall(500_000)
    told = [each for result in world.results for each in of_kind(result, Deleveraged)]
    assert [each.account for each in told] == [ALICE, ALICE_CLIENT, KEYED_CLIENT]
    assert not any(world.lots(each, BTC_PERP) for each in (ALICE, BOB, CAROL, DAVE, ALICE_CLIENT, KEYED_CLIENT))
    return told, len(asked)


def test_each_side_is_ranked_once_for_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    _, asked = closed(monkeypatch)
    assert asked == 1


def test_who_was_asked_in_part_is_ranked_anew_by_what_it_still_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    told, _ = closed(monkeypatch)
    for each in told:
        keys = [
            (-(profit * worth // max(equity, 1)), account)
            for account, profit, equity, worth, _, _ in each.counterparties
        ]
        assert keys == sorted(keys)
        assert sum(lots for *_, lots, _ in each.counterparties) == each.lots
    lots: dict[int, int] = {}
    for each in told:
        for account, _, _, _, taken, _ in each.counterparties:
            lots[account] = lots.get(account, 0) + taken
    assert lots == {BOB: 20_000, CAROL: 20_000, DAVE: 5_000}


def test_changes_of_positions_are_read_once_however_many_instruments_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten thousand accounts may have changed each of a hundred instruments since a member was called."""
    world = default_world(NOTHING, fund=NO_FUND)
    world.block(world.perp_trade(ALICE, BOB, 1_000), world.perp_trade(BOB, CAROL, 10, ETH_PERP, 20_000))
    marks = tuple((each, mark.ticks - 100) for each, mark in world.state.marks.ordered())
    world.state.position_changes.put(
        CAROL, PositionChangesRecord(((0, BTC_PERP, 5, (5 * 789_950).to_bytes(32, "big")),))
    )
    read: list[object] = []
    ordered = Table.ordered

    def counted(table: Table[int, PositionChangesRecord]) -> Iterator[tuple[int, PositionChangesRecord]]:
        if table is world.state.position_changes:
            read.append(table)
        return ordered(table)

    monkeypatch.setattr(Table, "ordered", counted)
    gains = gains_since(world.state, 0, marks)
    assert len(marks) > 2
    assert len(read) == 1
    assert gains[BTC_PERP] == {ALICE: 1_000_000, BOB: -1_000_000, CAROL: -(5 * 789_950 - 5 * 789_900) * 10}
    assert gains[ETH_PERP] == {BOB: 100_000, CAROL: -100_000}
