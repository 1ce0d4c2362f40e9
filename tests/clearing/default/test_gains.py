"""Gains while a member was short of margin: from when they count, whose they are, and how they rank who is ended."""

from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.default import deleveraging
from clearing.default.variation_gains import gains_since
from clearing.genesis.effective_terms import Terms
from clearing.schema.blocks.block import BlockResult
from clearing.schema.receipts.default import DefaultEnded, Deleveraged, LossAllocated, WaterfallLayer
from clearing.schema.records.default import PositionChangesRecord
from clearing.schema.terms.default import DefaultTerms
from clearing.schema.transfers import TransferCode
from clearing.state.state import State
from clearing.state.table import Table
from tests.kit.clearing.defaults import NOTHING, without_fund
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC_FUT,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH_PERP,
    START_MS,
    USD,
    USDC_1,
)
from tests.kit.clearing.world import World, of_all

PEOPLE = (ALICE, BOB, CAROL, DAVE)
MARKED = (BTC_PERP, BTC_FUT, ETH_PERP)
story = st.lists(
    st.one_of(
        st.tuples(st.just("price"), st.integers(90, 110), st.integers(90, 110)),
        st.tuples(
            st.sampled_from(PEOPLE), st.sampled_from(PEOPLE), st.tuples(st.sampled_from(MARKED), st.integers(1, 900))
        ),
    ),
    max_size=14,
)
LOSS = 16_000 * DOLLAR


def paid_in_variation(world: World, after_height: int) -> Counter[int]:
    """Micros by account, out of the ledger's own transfers."""
    paid: Counter[int] = Counter()
    for result in world.results:
        if result.height > after_height:
            for each in result.transfers:
                if each.code in (TransferCode.VARIATION_MARGIN, TransferCode.SETTLEMENT) and each.cause in MARKED:
                    paid[each.credit] += each.amount
                    paid[each.debit] -= each.amount
    return paid


def act(world: World, steps: list) -> None:
    for first, second, third in steps:
        if first == "price":
            world.prices(world.ticks[1] * second // 100, world.ticks[2] * third // 100)
        elif first != second:
            instrument, lots = third
            world.block(world.perp_trade(first, second, lots, instrument, world.state.marks[instrument].ticks))


@given(story, story, st.booleans())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_gains_are_what_was_paid_since_the_window_was_opened(before: list, after: list, expires: bool) -> None:
    world = without_fund()
    act(world, before)
    world.block(world.perp_trade(ALICE, BOB, 40_000, ticks=world.state.marks[BTC_PERP].ticks))
    world.prices(world.ticks[1] * 79 // 100, world.ticks[2])
    if 1 not in world.state.gains_windows:
        return
    window = world.state.gains_windows[1]
    act(world, after)
    if expires:
        world.block(after_ms=START_MS + 3_600_001 - world.time_ms)
    if world.state.gains_windows.get(1) != window:
        return
    gains: Counter[int] = Counter()
    for each in gains_since(world.state, window.height, window.marks).values():
        gains.update(each)
    paid = paid_in_variation(world, window.height)
    assert {each: gains[each] for each in PEOPLE} == {each: paid[each] for each in PEOPLE}
    world.read_back()


def test_every_window_counts_from_its_own_block() -> None:
    world = without_fund(bob=100_000)
    world.block(world.perp_trade(ALICE, BOB, 42_000), world.perp_trade(DAVE, BOB, 39_000))
    world.prices(670_000)
    assert [member for member, _ in world.state.gains_windows.ordered()] == [1]
    world.block(world.perp_trade(BOB, CAROL, 20_000, ticks=670_000))
    world.prices(660_000)
    assert [member for member, _ in world.state.gains_windows.ordered()] == [1, 4]
    world.block(world.perp_trade(BOB, CAROL, 10_000, ticks=660_000))
    world.prices(658_000)
    for window in (world.state.gains_windows[member] for member in (1, 4)):
        paid = paid_in_variation(world, window.height)
        gains = gains_since(world.state, window.height, window.marks)[BTC_PERP]
        assert {each: gains[each] for each in PEOPLE} == {each: paid[each] for each in PEOPLE}


def called(**dollars: int) -> World:
    """Alice is short of initial margin, so that gains since then count."""
    world = without_fund(**dollars)
    world.block(world.perp_trade(ALICE, BOB, 45_000))
    world.prices(700_000)
    world.prices(680_000)
    assert 1 in world.state.gains_windows
    return world


def test_windows_are_forgotten_when_defaults_are_turned_off() -> None:
    world = called()
    world.block(world.perp_trade(BOB, CAROL, 10, ticks=680_000))
    assert list(world.state.position_changes.ordered())
    off = msgspec.structs.replace(world.genesis.crisis, default=DefaultTerms())
    world.state.terms = Terms(msgspec.structs.replace(world.genesis, crisis=off), world.genesis)
    world.block()
    assert not list(world.state.gains_windows.ordered())
    assert not list(world.state.position_changes.ordered())


def test_windows_that_come_and_go_leave_few_entries_behind() -> None:
    world = called(carol=100_000)
    for _ in range(6):
        world.bring(dave=1)
        world.block(world.perp_trade(DAVE, CAROL, 80_000, ETH_PERP, 20_000))
        world.prices(680_000, 18_000)
        world.prices(680_000, 20_000)
        world.block(world.perp_trade(CAROL, DAVE, 80_000, ETH_PERP, 20_000))
        world.block()
    heights = {window.height for _, window in world.state.gains_windows.ordered()}
    for _, shifts in world.state.position_changes.ordered():
        assert len(shifts.changes) <= len(MARKED) * (len(heights) + 1)
    assert world.cash(DAVE) > DOLLAR


def ended(move: int, lots: tuple[int, int] = (40_000, 0)) -> tuple[World, int, list[LossAllocated], BlockResult]:
    """Bob, and Carol, gain what Alice loses; then Bob moves dollars to a second account of his own, before the cut.

    The house takes Alice's lots over, so that the gainers' own margin stays bound.
    """
    world = without_fund(DefaultTerms(enabled=True, auction_blocks=4))
    second = world.open_account(BOB)
    trades = [world.perp_trade(ALICE, each, size) for each, size in zip((BOB, CAROL), lots, strict=True) if size]
    assert not world.refusals(*trades)
    world.fall(500_000)
    if move:
        assert not world.refusals(world.transfer(BOB, second, move * DOLLAR))
    results = world.until_ended()
    return world, second, of_all(results, LossAllocated), results[-1]


@pytest.mark.parametrize("move", [0, 170_000])
def test_what_a_gainer_moved_to_another_account_of_its_own_bears_its_share(move: int) -> None:
    world, second, allocated, last = ended(move)
    (over,) = of_all([last], DefaultEnded)
    assert (over.loss, over.house, over.by_layer) == (LOSS, 0, ((int(WaterfallLayer.GAINS), LOSS),))
    (step,) = [step for each in allocated for step in each.steps if step.layer is WaterfallLayer.GAINS]
    assert [(share.payer, share.amount) for share in step.shares] == [(BOB, LOSS)]
    assert world.cash(BOB) + world.cash(second) == 200_000 * DOLLAR
    paid = [
        (account, micros)
        for each in allocated
        for layer, account, _, micros in each.paid
        if layer == WaterfallLayer.GAINS
    ]
    assert sum(micros for _, micros in paid) == LOSS
    assert {account for account, _ in paid} == {BOB}, "its margin bears, too"


def test_nobody_pays_more_because_another_moved_its_cash() -> None:
    world, second, allocated, _ = ended(135_000, (20_000, 20_000))
    (step,) = [step for each in allocated for step in each.steps if step.layer is WaterfallLayer.GAINS]
    assert [(share.payer, share.amount) for share in step.shares] == [(BOB, LOSS // 2), (CAROL, LOSS // 2)]
    paid = {account: micros for each in allocated for _, account, group, micros in each.paid if group == USD}
    assert paid[CAROL] == paid.get(BOB, 0) + paid.get(second, 0) == LOSS // 2
    assert world.everything() + world.cash(second) == 500_000 * DOLLAR


def closed(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Deleveraged], int]:
    """Alice and both of her clients ended against three shorts; how often gains were worked out."""
    asked: list[int] = []

    def counted(state: State, height: int, marks: tuple[tuple[int, int], ...]) -> dict[int, dict[int, int]]:
        asked.append(height)
        return gains_since(state, height, marks)

    monkeypatch.setattr(deleveraging, "gains_since", counted)
    world = without_fund(NOTHING, client=50_000, keyed=50_000)
    assert not world.refusals(world.withdrawal(0, USDC_1, 99_000 * DOLLAR))
    assert not world.refusals(
        world.perp_trade(ALICE, BOB, 20_000),
        world.perp_trade(ALICE, CAROL, 20_000),
        world.perp_trade(ALICE_CLIENT, DAVE, 3_000),
        world.perp_trade(KEYED_CLIENT, DAVE, 2_000),
    )
    world.fall(500_000)
    receipts = world.every(Deleveraged)
    assert [each.account for each in receipts] == [ALICE, ALICE_CLIENT, KEYED_CLIENT]
    assert not any(world.lots(each, BTC_PERP) for each in (*PEOPLE, ALICE_CLIENT, KEYED_CLIENT))
    return receipts, len(asked)


def test_each_side_is_ranked_once_for_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleveraging many accounts costs what the other side is long, once, and not once for each of them."""
    assert closed(monkeypatch)[1] == 1


def test_who_was_asked_in_part_is_ranked_anew_by_what_it_still_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    receipts, _ = closed(monkeypatch)
    taken: Counter[int] = Counter()
    for each in receipts:
        keys = [
            (-(profit * worth // max(equity, 1)), account)
            for account, profit, equity, worth, _, _ in each.counterparties
        ]
        assert keys == sorted(keys)
        assert sum(lots for *_, lots, _ in each.counterparties) == each.lots
        for account, *_, lots, _ in each.counterparties:
            taken[account] += lots
    assert taken == {BOB: 20_000, CAROL: 20_000, DAVE: 5_000}


def test_changes_of_positions_are_read_once_however_many_instruments_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten thousand accounts may have changed each of a hundred instruments since a member was called."""
    world = without_fund(NOTHING)
    world.block(world.perp_trade(ALICE, BOB, 1_000), world.perp_trade(BOB, CAROL, 10, ETH_PERP, 20_000))
    marks = tuple((each, mark.ticks - 100) for each, mark in world.state.marks.ordered())
    changes = PositionChangesRecord(((0, BTC_PERP, 5, (5 * 789_950).to_bytes(32, "big")),))
    world.state.position_changes.put(CAROL, changes)
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
