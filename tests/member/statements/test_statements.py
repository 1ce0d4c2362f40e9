"""Statements of a random run over several days reconcile to the ledger, exactly."""

import csv
import io

import msgspec
import pytest

from clearing.base.errors import BaseCode, Bug
from clearing.base.units import DAY_MS
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.settlement import Settled
from clearing.schema.receipts.trades import TradeNovated
from member.api.statements import MemberStatement
from member.statements.days import StatementDays
from member.statements.saved_days import resume_days, save_days
from member.statements.statement import as_csv, day_number, day_text, member_statement
from tests.kit.clearing.genesis import ALICE, BOB, HOUSE, START_MS, USD, USDC_1
from tests.kit.clearing.world import of_kind
from tests.kit.node.statement_runs import ACCOUNTS, CURRENCIES, Followed, random_run
from tests.kit.refusals import refused


def statement(world: Followed, day: int, account: int) -> MemberStatement:
    found = world.days.day(day)
    assert found is not None
    return member_statement(world.state.terms, 0, [account], found)


@pytest.mark.parametrize("seed", [0, 2, 4, 5])
@pytest.mark.parametrize("restarts", [False, True])
def test_statements_of_a_random_run_reconcile_to_the_ledger(seed, restarts):
    world = random_run(seed, restarts=restarts)
    numbers = world.days.numbers
    assert len(numbers) >= 2
    receipts = {result.height: result.receipts for result in world.results}
    opening = dict.fromkeys(world.closes[numbers[0]]["balances"], 0)
    lots: dict[int, dict[int, int]] = {account: {} for account in ACCOUNTS}
    for day in numbers:
        close = world.closes[day]
        for account in ACCOUNTS:
            made = statement(world, day, account)
            own = made.accounts[0]
            assert made.complete is (day != numbers[-1])
            assert made.last_height == close["height"]
            shown = {line.currency: line for line in own.balances}
            for name in CURRENCIES:
                line = shown.get(name)
                figures = (int(line.opening), int(line.closing)) if line else (0, 0)
                assert figures == (opening[account, name], close["balances"][account, name])
                moved = [each for each in own.transfers if each.currency == name]
                net = sum(int(each.credits) - int(each.debits) for each in moved)
                assert figures[0] + net == figures[1]
            assert {
                each.instrument: int(each.opening_lots) for each in own.positions if each.opening_lots != "0"
            } == lots[account]
            after = {each.instrument: int(each.closing_lots) for each in own.positions if each.closing_lots != "0"}
            assert after == close["lots"][account]
            margin = close["margins"][account]
            if own.margin is not None:
                assert int(own.margin.equity_micros) == margin.equity
                assert int(own.margin.initial_margin_micros) == margin.initial
            else:
                assert account == HOUSE or not (margin.equity or margin.initial)
            check_links(own, receipts, account)
        opening, lots = close["balances"], close["lots"]
    assert any(of_kind(result, Liquidated) for result in world.results)
    assert any(of_kind(result, Settled) for result in world.results)


@pytest.mark.parametrize("lines_max", [None, 60])
def test_statements_after_restarts_are_those_without(lines_max):
    plain, restarted = (random_run(3, lines_max=lines_max, restarts=each) for each in (False, True))
    assert plain.days.numbers == restarted.days.numbers
    for day in plain.days.numbers:
        for account in ACCOUNTS:
            if account not in plain.days.day(day).left_out:
                assert statement(restarted, day, account) == statement(plain, day, account)
        assert restarted.days.day(day).left_out == plain.days.day(day).left_out


def test_a_record_of_another_state_is_refused():
    world = random_run(0, blocks=10)
    saved = save_days(world.days, 1)
    last = saved.days[-1]
    (account, currency, amount), *others = last.opening or ((ALICE, 1, 0),)
    lying = msgspec.structs.replace(last, opening=((account, currency, amount + 1), *others))
    for wrong in (
        msgspec.structs.replace(saved, height=saved.height - 1),
        msgspec.structs.replace(saved, days=(*saved.days[:-1], lying)),
    ):
        with refused(BaseCode.MALFORMED):
            resume_days(wrong, world.state)


def check_links(own, receipts, account: int) -> None:
    """Every line names heights, and every receipt it names is there and is of it."""
    for line in own.transfers:
        assert line.first_height <= line.last_height
        assert line.receipts
        for place in line.receipts:
            height, _, index = place.partition(":")
            receipt = receipts[int(height)][int(index)]
            if line.code in ("trade_variation", "premium", "trade_fee"):
                assert isinstance(receipt, TradeNovated)
                assert receipt.venue_trade_id == int(line.cause)
    for change in own.changes:
        height, _, index = change.receipt.partition(":")
        receipt = receipts[int(height)][int(index)]
        assert type(receipt).__name__ == change.kind
        if isinstance(receipt, TradeNovated):
            assert account in (receipt.buyer, receipt.seller)
            assert abs(int(change.lots)) == receipt.lots


def test_lines_are_bounded_by_leaving_out_the_longest():
    """A day at a thousand trades a second would be gigabytes. What is left is what an unbounded book has."""
    whole, bounded = random_run(4), random_run(4, lines_max=60)
    assert sum(whole.days.day(number).size(ACCOUNTS) for number in whole.days.numbers) > 120
    assert sum(bounded.days.day(number).size(ACCOUNTS) for number in bounded.days.numbers) <= 60
    kept = 0
    for number in whole.days.numbers:
        all_of, some_of = whole.days.day(number), bounded.days.day(number)
        assert (some_of.opening, some_of.closing) == (all_of.opening, all_of.closing)
        assert some_of.closing_books == all_of.closing_books
        assert some_of.left_out.isdisjoint({*some_of.lines, *some_of.changes})
        for account in {*all_of.lines, *all_of.changes} - some_of.left_out:
            assert some_of.lines.get(account) == all_of.lines.get(account)
            assert some_of.changes.get(account) == all_of.changes.get(account)
            kept += some_of.size((account,))
    assert kept


def test_a_bound_that_is_not_reached_leaves_nothing_out():
    days = random_run(4, lines_max=100_000).days
    assert not any(days.day(number).left_out for number in days.numbers)


def test_fees_are_those_of_the_trades():
    world = random_run(9)
    for day in world.days.numbers:
        own = statement(world, day, BOB).accounts[0]
        paid = sum(int(each.paid) for each in own.fees if each.code == "trade_fee")
        assert paid == sum(int(each.fee_micros) for each in own.changes if each.fee_micros is not None)


def test_csv_and_json_say_the_same():
    world = random_run(2, 20)
    made = statement(world, world.days.numbers[0], ALICE)
    rows = list(csv.DictReader(io.StringIO(as_csv(made))))
    own = made.accounts[0]
    by_section = {each: [row for row in rows if row["section"] == each] for each in ("balance", "transfer", "change")}
    assert [row["closing"] for row in by_section["balance"]] == [each.closing for each in own.balances]
    assert [row["credits"] for row in by_section["transfer"]] == [each.credits for each in own.transfers]
    assert len(by_section["change"]) == len(own.changes)
    for balance_row in by_section["balance"]:
        moved = [row for row in by_section["transfer"] if row["name"] == balance_row["name"]]
        net = sum(int(row["credits"]) - int(row["debits"]) for row in moved)
        assert int(balance_row["opening"]) + net == int(balance_row["closing"])


@pytest.mark.parametrize("complete", [False, True])
def test_csv_says_whether_it_covers_the_whole_day(complete: bool):
    world = random_run(2, 20)
    made = msgspec.structs.replace(statement(world, world.days.numbers[0], ALICE), complete=complete)
    rows = [row for row in csv.DictReader(io.StringIO(as_csv(made))) if row["section"] == "coverage"]
    assert [row["account"] for row in rows] == [str(each.account) for each in made.accounts]
    assert {row["name"] for row in rows} == {"whole day" if complete else "part of the day"}
    assert {(row["first_height"], row["last_height"]) for row in rows} == {
        (str(made.first_height), str(made.last_height))
    }


def test_a_day_ends_at_midnight_utc_by_block_time():
    world = Followed()
    to_midnight = DAY_MS - START_MS % DAY_MS
    world.block(after_ms=to_midnight - 1)
    world.block(after_ms=1)
    first, second = world.days.numbers
    assert (second - first, second * DAY_MS) == (1, world.time_ms)
    assert [world.days.day(each).first_height for each in (first, second)] == [1, 2]
    assert day_number(day_text(first)) == first


def test_a_day_that_was_joined_late_is_not_called_complete():
    world = Followed()
    world.prices(790_000)
    late = StatementDays(world.state)
    for after_ms in (1_000, DAY_MS, DAY_MS):
        block = world.make_block(after_ms=after_ms)
        late.decided(block.time_ms, world.apply(block), world.state)
    kept = [late.day(each) for each in late.numbers]
    assert [each.whole for each in kept if each] == [True, True]
    world.prices(790_000)
    today = StatementDays(world.state)
    block = world.make_block()
    today.decided(block.time_ms, world.apply(block), world.state)
    assert not today.day(today.numbers[0]).whole


def test_a_balance_that_no_transfer_explains_is_a_bug():
    world = Followed()
    world.prices(790_000)
    block = world.make_block([], ())
    stranger = StatementDays(world.state)
    stranger._balances[ALICE, USD] = 5
    fact = world.deposit_fact(ALICE, USDC_1, 7)
    result = world.block(facts=[fact])
    with pytest.raises(Bug, match="sum of its transfers"):
        stranger.decided(block.time_ms, result, world.state)
