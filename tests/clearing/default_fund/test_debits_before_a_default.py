"""A call of the fund that outlived its grace: no trifle holds it up; it is debited and sold for before a default."""

import msgspec
import pytest

from clearing.default_fund.contributions import call_replenishment, contribution_micros, required_contribution
from clearing.schema.receipts.default import DefaultDeclared
from clearing.schema.receipts.default_fund import FundDebited, FundPaid, FundReductionStarted
from clearing.schema.receipts.liquidation import Liquidated, LiquidationOpened, LiquidationStepTaken, SliceSold
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.records.default import DefaultReason, MemberStatus
from clearing.schema.records.prices import FeedStatus
from clearing.schema.terms.default import FundTerms, fund_checks
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.state.holdings import feed_status
from tests.kit.clearing.defaults import default_genesis, default_world
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.fund import fund_world
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC, BTC_PERP, CAROL, DOLLAR, ETH, USDC_1, WETH_1
from tests.kit.clearing.world import World, kinds, of_all, of_kind
from tests.kit.table import tell

LOTS = 63_000
"""For which 100,000 dollars are margin, and little more."""


def reducing(blocks: int = 20, **changes: int) -> FundTerms:
    return msgspec.structs.replace(FUND, reduce_blocks=blocks, **changes)


def called(fund: FundTerms, short: int | None = 5_000) -> World:
    """Alice and Bob are called; both bring all but so many dollars of it. None: they bring nothing."""
    world = default_world(fund=fund)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    world.pass_epoch()
    if short is not None:
        free = world.margin(ALICE).equity - world.margin(ALICE).initial
        brought = world.state.contributions[1].called - free - short * DOLLAR
        world.block(facts=[world.deposit_fact(each, USDC_1, brought) for each in (ALICE, BOB)])
    while world.state.now.height < world.state.contributions[1].deadline - 1:
        world.block()
    return world


def test_what_is_missing_is_debited_down_to_maintenance_margin() -> None:
    world = called(reducing())
    before, equity = world.everything(), world.margin(ALICE).equity
    part = contribution_micros(world.state, 1)
    result = world.block()
    (started,) = [each for each in of_kind(result, FundReductionStarted) if each.member == 1]
    assert (started.account, started.missing, started.until_height) == (ALICE, 5_000 * DOLLAR, result.height + 20)
    (debited,) = [each for each in of_kind(result, FundDebited) if each.member == 1]
    assert (debited.account, debited.micros, debited.missing) == (ALICE, 5_000 * DOLLAR, 5_000 * DOLLAR)
    assert debited.equity == debited.initial, "what was free had gone before"
    assert debited.equity - debited.micros >= debited.maintenance
    after = world.margin(ALICE)
    assert (after.maintenance_ok, after.initial_ok) == (True, False)
    assert equity - after.equity == contribution_micros(world.state, 1) - part, "what it lost is in its part"
    record = world.state.contributions[1]
    assert (record.called, record.deadline, record.lapsed, record.reduction_started) == (0, 0, False, False)
    assert world.status(1) is MemberStatus.ACTIVE, "it was never restricted, having no grace"
    assert not of_kind(result, DefaultDeclared)
    assert world.everything() == before
    assert [each.account for each in of_kind(result, MarginCalled)] == [ALICE, BOB]
    world.block()
    assert world.margin(ALICE).initial_ok, "sold in the next block, as there is no auction: just so much"
    assert LOTS * 90 // 100 < world.lots(ALICE, BTC_PERP) < LOTS
    tell(world, "wait 25 -> no default_declared, no liquidation_opened, no liquidated")


def test_the_grace_comes_first() -> None:
    world = tell(
        called(reducing(grace_blocks=3)),
        """
        wait    1  -> no fund_debited
        status  1 restricted
        wait    2  -> no fund_debited
        wait    1  -> fund_debited member 1
        status  1 active
        """,
    )
    assert {each.member for each in world.last(FundDebited)} == {1, 2}


def test_positions_are_sold_until_all_of_it_is_there() -> None:
    world = called(reducing(60), short=30_000)
    before = world.everything()
    results = [world.block()]
    assert world.status(1) is MemberStatus.RESTRICTED
    assert world.state.contributions[1].reduction_started
    while world.state.contributions[1].called:
        results.append(world.block())
        assert world.state.now.height < results[0].height + 60
        assert world.margin(ALICE).maintenance_ok
    assert not of_all(results, DefaultDeclared)
    debited = [each for each in of_all(results, FundDebited) if each.member == 1]
    assert len(debited) > 1
    paid = [each for each in of_all(results, FundPaid) if each.member == 1]
    assert sum(each.micros for each in debited) <= sum(each.micros for each in paid[1:]) == 30_000 * DOLLAR
    assert all(each.micros == min(each.missing, each.equity - each.maintenance) for each in debited)
    assert ALICE in {each.account for each in of_all(results, Liquidated)}
    assert 0 < world.lots(ALICE, BTC_PERP) < LOTS, "no more than is needed"
    assert world.status(1) is MemberStatus.ACTIVE
    assert contribution_micros(world.state, 1) >= 30_000 * DOLLAR
    assert world.everything() == before


def test_who_has_not_enough_is_in_default_by_the_height_that_was_told() -> None:
    world = called(reducing(2), short=None)
    result = world.block()
    until = of_kind(result, FundReductionStarted)[0].until_height
    while not of_kind(result, DefaultDeclared):
        assert world.state.now.height < until
        result = world.block()
    assert {each.reason for each in of_kind(result, DefaultDeclared)} == {DefaultReason.CALL_LAPSED}
    assert not world.state.contributions[1].reduction_started
    world.until_ended()
    assert world.status(1) is MemberStatus.DEFAULTED


def test_who_has_nothing_left_to_sell_is_not_waited_for() -> None:
    world = default_world(fund=reducing(50), dollars=500)
    world.bring(bob=10_000, carol=10_000, dave=10_000)
    world.pass_epoch()
    assert required_contribution(world.state, 1) == 1_000 * DOLLAR, "the minimum"
    result = world.block()
    while not of_kind(result, DefaultDeclared):
        result = world.block()
        assert world.state.now.height < 40
    (declared,) = of_kind(result, DefaultDeclared)
    assert declared.member == 1
    assert contribution_micros(world.state, 1) == 500 * DOLLAR, "all that there was"


def test_what_is_not_cash_pays_on_credit() -> None:
    world = default_world(fund=reducing(), dollars=2_000)
    world.bring(bob=200_000, carol=20_000, dave=20_000)
    world.deposit(ALICE, WETH_1, 200 * 10**6)
    assert "TradeNovated" in kinds(world.block(world.perp_trade(ALICE, BOB, 10_000)))
    world.pass_epoch()
    called_for = world.state.contributions[1].called
    missing = called_for - 2_000 * DOLLAR
    assert missing > 0
    while not world.last(FundDebited):
        world.block()
    assert sum(each.micros for each in world.last(FundDebited)) == missing
    assert world.cash(ALICE) == -missing
    assert contribution_micros(world.state, 1) == called_for
    world.block()
    assert world.status(1) is MemberStatus.ACTIVE
    assert world.cash(ALICE) >= -1_000 * DOLLAR, "beyond the limit the house buys collateral for it, as from anybody"


def test_nothing_is_sold_or_debited_while_prices_are_not_open() -> None:
    world = called(reducing(4), short=30_000)
    world.block()
    assert world.state.contributions[1].reduction_started
    lots = world.lots(ALICE, BTC_PERP)
    jump = 790_000 * 15 // 10
    for _ in range(8):
        result = world.prices(jump if world.state.now.height % 2 else 790_000)
        if world.state.feeds[BTC].status:
            assert not {"FundDebited", "DefaultDeclared"} & set(kinds(result))
    assert world.lots(ALICE, BTC_PERP) == lots
    assert world.state.contributions[1].deadline == world.state.now.height + 1, "its time stands still"


def test_bids_may_take_what_is_sold_for_the_fund() -> None:
    genesis = default_genesis(fund=reducing(60))
    sale = LiquidationTerms(auction_blocks=4, start_ppm=1_000, end_ppm=4_000, insolvent_to_default=True)
    crisis = msgspec.structs.replace(genesis.crisis, liquidation=sale, calls=CallTerms(deadline_blocks=30))
    world = fund_world(msgspec.structs.replace(genesis, crisis=crisis))
    world.bring(carol=200_000)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    world.pass_epoch()
    while not world.last(LiquidationOpened):
        world.block()
    assert ALICE in {each.account for each in world.last(LiquidationOpened)}
    assert world.margin(ALICE).maintenance_ok, "no call for margin has run out: it is sold for the fund"
    sold = of_kind(world.block(world.liquidation_bid(CAROL)), SliceSold)
    assert [(each.account, each.bidder) for each in sold] == [(ALICE, CAROL)]
    assert not world.every(LiquidationStepTaken)


def test_who_needs_to_bring_less_is_let_off() -> None:
    world = called(reducing(40), short=30_000)
    world.block()
    assert world.state.contributions[1].reduction_started
    world.pass_epoch()
    record = world.state.contributions[1]
    assert (record.called, record.deadline, record.reduction_started) == (0, 0, False)
    assert world.status(1) is MemberStatus.ACTIVE


def test_another_call_gives_its_own_time() -> None:
    world = called(reducing(40), short=30_000)
    result = world.block()
    context, deadline = world.context(), result.height + 50
    micros = world.state.contributions[1].called
    required = 2 * contribution_micros(world.state, 1) + micros
    context.state.contributions.put(1, msgspec.structs.replace(world.state.contributions[1], required=required))
    same = call_replenishment(context, 1, micros, deadline)
    started = context.state.contributions[1].reduction_started
    assert (same, started) == (micros, True), "not for more than it is sold for already"
    assert call_replenishment(context, 1, micros + 1, deadline) == micros + 1
    record = context.state.contributions[1]
    assert (record.reduction_started, record.deadline) == (False, deadline)


def test_a_member_pays_itself_out_of_it() -> None:
    world = called(reducing(40), short=30_000)
    world.block()
    missing = world.state.contributions[1].called
    world.deposit(ALICE, USDC_1, 2 * missing)
    paid = [each for each in of_all(world.results[-2:], FundPaid) if each.member == 1]
    assert paid[-1].missing == 0
    assert world.status(1) is MemberStatus.ACTIVE
    assert not world.state.contributions[1].reduction_started


@pytest.mark.parametrize(("blocks", "good"), [(0, True), (1_000_000, True), (2**31, True), (2**31 + 1, False)])
def test_the_time_is_bounded(blocks: int, good: bool) -> None:
    found = {field: fits for field, _, fits in fund_checks(reducing(blocks))}
    assert found["reduce_blocks"] is good


def test_every_account_of_the_member_s_own_is_debited_and_sold_but_no_client_s() -> None:
    world = default_world(fund=reducing(60))
    second = world.open_account(ALICE)
    world.pay_in(second, 40_000)
    world.bring(bob=300_000, client=50_000)
    world.block(world.perp_trade(ALICE, BOB, LOTS), world.perp_trade(second, BOB, 25_000))
    world.pass_epoch()
    client, results = world.cash(ALICE_CLIENT), []
    while not results or world.state.contributions[1].called:
        results.append(world.block())
        assert world.state.now.height < 60
    assert {each.account for each in of_all(results, FundDebited)} == {ALICE, second}
    assert {each.account for each in of_all(results, Liquidated)} == {ALICE, second}
    assert not of_all(results, DefaultDeclared)
    assert world.cash(ALICE_CLIENT) == client


def waiting(wei: int, dollars: int = 0) -> World:
    """Alice has positions and some ether when she is called, and the price of ether stops."""
    world = default_world()
    world.bring(alice=dollars or 1)
    assert not world.refusals(world.perp_trade(ALICE, BOB, 60_000))
    world.pass_epoch()
    assert world.state.contributions[1].called > 5_000 * DOLLAR
    deadline = world.state.contributions[1].deadline
    if wei:
        world.deposit(ALICE, WETH_1, wei)
    while feed_status(world.state, ETH) is FeedStatus.OPEN:
        world.block(prices=((BTC, 790_000),), after_ms=60_000)
    while world.state.now.height < deadline:
        world.block(prices=((BTC, 790_000),))
    return world


def test_ether_that_could_bring_all_that_is_called_is_waited_for() -> None:
    world = waiting(10_000 * 10**6)
    for _ in range(5):
        world.block(prices=((BTC, 790_000),))
        assert world.status(1) is MemberStatus.ACTIVE
        assert world.state.contributions[1].called


@pytest.mark.parametrize("wei", [0, 1, 10**6])
def test_a_trifle_of_ether_without_a_price_puts_nothing_off(wei: int) -> None:
    assert waiting(wei).status(1) is not MemberStatus.ACTIVE


def test_cash_is_taken_from_beside_a_trifle_without_a_price() -> None:
    world = waiting(1, 300_000)
    assert contribution_micros(world.state, 1) > 90_000 * DOLLAR
    assert world.status(1) is MemberStatus.ACTIVE
