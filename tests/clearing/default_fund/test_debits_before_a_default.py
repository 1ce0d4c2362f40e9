"""A call of the fund that outlived its grace is debited and sold for, before a member is in default over it."""

import msgspec
import pytest

from clearing.context.block_context import DENOMINATOR, BlockContext
from clearing.default_fund.contributions import call_replenishment, contribution_micros, required_contribution
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.schema.receipts.default import DefaultDeclared
from clearing.schema.receipts.default_fund import FundDebited, FundPaid, FundReductionStarted
from clearing.schema.receipts.liquidation import Liquidated, LiquidationOpened, LiquidationStepTaken, SliceSold
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.records.default import DefaultReason, MemberStatus
from clearing.schema.requests.auctions import LiquidationBid
from clearing.schema.terms.default import FundTerms, fund_checks
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from tests.kit.clearing.defaults import default_genesis, default_world
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.fund import fund_world
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC, BTC_PERP, CAROL, DOLLAR, ETH, USDC_1, WETH_1
from tests.kit.clearing.world import World, kinds, of_kind

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
        free = margin(world, ALICE).equity - margin(world, ALICE).initial
        brought = world.state.contributions[1].called - free - short * DOLLAR
        world.block(facts=[world.deposit_fact(each, USDC_1, brought) for each in (ALICE, BOB)])
    while world.state.now.height < world.state.contributions[1].deadline - 1:
        world.block()
    return world


def signed(world: World, words: LiquidationBid) -> LiquidationBid:
    return world.sign(words, world.key_of(words.account))


def margin(world: World, account: int) -> AccountMargin:
    return holdings_margin(current_arrays(world.state), current_holdings(world.state, account))


def test_what_is_missing_is_debited_down_to_maintenance_margin() -> None:
    world = called(reducing())
    before, equity = world.everything(), margin(world, ALICE).equity
    part = contribution_micros(world.state, 1)
    result = world.block()
    told = [each for each in of_kind(result, FundReductionStarted) if each.member == 1]
    assert [(each.account, each.missing, each.until_height) for each in told] == [
        (ALICE, 5_000 * DOLLAR, result.height + 20)
    ]
    (debited,) = [each for each in of_kind(result, FundDebited) if each.member == 1]
    assert (debited.account, debited.micros, debited.missing) == (ALICE, 5_000 * DOLLAR, 5_000 * DOLLAR)
    assert debited.equity == debited.initial, "what was free had gone before"
    assert debited.equity - debited.micros >= debited.maintenance
    after = margin(world, ALICE)
    assert after.maintenance_ok
    assert not after.initial_ok
    assert equity - after.equity == contribution_micros(world.state, 1) - part, "what it lost is in its part"
    record = world.state.contributions[1]
    assert (record.called, record.deadline, record.lapsed, record.reduction_started) == (0, 0, False, False)
    assert world.status(1) is MemberStatus.ACTIVE, "it was never restricted, having no grace"
    assert not of_kind(result, DefaultDeclared)
    assert world.everything() == before
    assert [each.account for each in of_kind(result, MarginCalled)] == [ALICE, BOB]
    world.block()
    assert margin(world, ALICE).initial_ok, "sold in the next block, as there is no auction: just so much"
    assert LOTS * 90 // 100 < world.lots(ALICE, BTC_PERP) < LOTS
    for _ in range(25):
        assert not {"DefaultDeclared", "LiquidationOpened", "Liquidated"} & set(kinds(world.block()))


def test_the_grace_comes_first() -> None:
    world = called(reducing(grace_blocks=3))
    result = world.block()
    assert "FundDebited" not in kinds(result)
    assert world.status(1) is MemberStatus.RESTRICTED
    for _ in range(2):
        assert "FundDebited" not in kinds(world.block())
    result = world.block()
    assert {each.member for each in of_kind(result, FundDebited)} == {1, 2}
    assert world.status(1) is MemberStatus.ACTIVE


def test_positions_are_sold_until_all_of_it_is_there() -> None:
    world = called(reducing(60), short=30_000)
    before = world.everything()
    results = [world.block()]
    assert world.status(1) is MemberStatus.RESTRICTED
    assert world.state.contributions[1].reduction_started
    while world.state.contributions[1].called:
        results.append(world.block())
        assert world.state.now.height < results[0].height + 60
        assert margin(world, ALICE).maintenance_ok
    told = [each for result in results for each in result.receipts]
    assert not [each for each in told if isinstance(each, DefaultDeclared)]
    debited = [each for each in told if isinstance(each, FundDebited) and each.member == 1]
    assert len(debited) > 1
    paid = [each for each in told if isinstance(each, FundPaid) and each.member == 1]
    assert sum(each.micros for each in debited) <= sum(each.micros for each in paid[1:]) == 30_000 * DOLLAR
    assert all(each.micros == min(each.missing, each.equity - each.maintenance) for each in debited)
    assert [each for each in told if isinstance(each, Liquidated) and each.account == ALICE]
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
    result = world.block()
    while not of_kind(result, FundDebited):
        result = world.block()
    assert sum(each.micros for each in of_kind(result, FundDebited)) == missing
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
        result = world.block(prices=((BTC, jump if world.state.now.height % 2 else 790_000), (ETH, 20_000)))
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
    result = world.block()
    while not of_kind(result, LiquidationOpened):
        result = world.block()
    assert ALICE in {each.account for each in of_kind(result, LiquidationOpened)}
    assert margin(world, ALICE).maintenance_ok, "no call for margin has run out: it is sold for the fund"
    opened = world.state.liquidations[ALICE].opened_height
    words = LiquidationBid(CAROL, ALICE, opened, DENOMINATOR, 0, 9_999, world.time_ms + 60_000, bytes(65))
    sold = of_kind(world.block(signed(world, words)), SliceSold)
    assert [(each.account, each.bidder) for each in sold] == [(ALICE, CAROL)]
    assert not [each for result in world.results for each in result.receipts if isinstance(each, LiquidationStepTaken)]


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
    context = BlockContext(world.state.fork(), world.make_block())
    micros = world.state.contributions[1].called
    record = msgspec.structs.replace(
        world.state.contributions[1], required=2 * contribution_micros(world.state, 1) + micros
    )
    context.state.contributions.put(1, record)
    assert call_replenishment(context, 1, micros, result.height + 50) == micros, (
        "not for more than it is sold for already"
    )
    assert context.state.contributions[1].reduction_started
    assert call_replenishment(context, 1, micros + 1, result.height + 50) == micros + 1
    assert not context.state.contributions[1].reduction_started
    assert context.state.contributions[1].deadline == result.height + 50


def test_a_member_pays_itself_out_of_it() -> None:
    world = called(reducing(40), short=30_000)
    world.block()
    missing = world.state.contributions[1].called
    world.deposit(ALICE, USDC_1, 2 * missing)
    paid = [each for result in world.results[-2:] for each in of_kind(result, FundPaid) if each.member == 1]
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
    world.block(facts=[world.deposit_fact(second, USDC_1, 40_000 * DOLLAR)])
    world.bring(bob=300_000, client=50_000)
    world.block(world.perp_trade(ALICE, BOB, LOTS), world.perp_trade(second, BOB, 25_000))
    world.pass_epoch()
    client, results = world.cash(ALICE_CLIENT), []
    while not results or world.state.contributions[1].called:
        results.append(world.block())
        assert world.state.now.height < 60
    told = [each for result in results for each in result.receipts]
    assert {each.account for each in told if isinstance(each, FundDebited)} == {ALICE, second}
    assert {each.account for each in told if isinstance(each, Liquidated)} == {ALICE, second}
    assert not [each for each in told if isinstance(each, DefaultDeclared)]
    assert world.cash(ALICE_CLIENT) == client
