"""Liquidation: when, how much, at which price, and who pays."""

import pytest

from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.records.prices import FeedStatus
from clearing.schema.risk.parameters import RiskGroup, RiskParameters
from clearing.schema.terms.genesis import MarketParameters
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.state.ledger import balance, token_currency
from tests.kit.clearing.genesis import (
    ALICE,
    BOB,
    BTC,
    BTC_CALL,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH,
    ETH_PERP,
    HOUSE,
    WETH_1,
    make_genesis,
)
from tests.kit.clearing.world import World, funded, of_kind
from tests.kit.table import tell


def margin(world: World, account: int) -> object:
    return holdings_margin(current_arrays(world.state), current_holdings(world.state, account))


def leveraged(dollars: int = 8_000, market: MarketParameters | None = None) -> World:
    """Alice long 4.5 BTC on 8,000 dollars; Bob, well funded, short."""
    world = funded(genesis=make_genesis(market) if market else None, dollars=dollars)
    world.block(facts=(world.deposit_fact(BOB, 1, 100_000 * DOLLAR), world.deposit_fact(HOUSE, 1, 100_000 * DOLLAR)))
    world.block(world.trade(ALICE, BOB, BTC_PERP, 4_500, 790_000))
    return world


def test_an_account_between_maintenance_and_initial_keeps_its_positions() -> None:
    tell(
        leveraged(),
        """
        price     BTC    7_600          -> margin_called account alice, no liquidated
        position  alice  BTC-PERP +4.5
        """,
    )


def test_below_maintenance_just_enough_is_taken_over_at_the_mark() -> None:
    world = leveraged()
    result = world.prices(725_000)
    (done,) = of_kind(result, Liquidated)
    (taken,) = done.positions
    assert 0 < taken.lots < 4_500
    assert taken.mark_ticks == 725_000
    assert world.lots(ALICE, BTC_PERP) == 4_500 - taken.lots
    assert world.lots(HOUSE, BTC_PERP) == taken.lots
    after = margin(world, ALICE)
    assert after.initial_ok
    assert (after.equity, after.initial) == (done.equity_after, done.initial_after)
    one_less = current_holdings(world.state, ALICE)
    one_less.lots[0] += 1
    penalty_of_one = done.penalty // taken.lots
    one_less.cash[0] += penalty_of_one
    assert not holdings_margin(current_arrays(world.state), one_less).initial_ok, "no lot more than needed"


def test_the_receipt_can_be_recomputed_by_hand() -> None:
    world = leveraged()
    cash = world.cash(HOUSE)
    (done,) = of_kind(world.prices(725_000), Liquidated)
    equity = 8_000 * DOLLAR - 4_500 * 65_000 * 10
    initial = 4_500 * 725_000 * 10 // 5
    assert (done.equity, done.initial) == (equity, initial)
    whole = 4_500 * 725_000 * 10
    share = -(-(initial - equity) * 10**6 * 10**9 // (initial * 10**6 - 5_000 * whole))
    assert done.fraction == (share, 10**9)
    lots = -(-4_500 * share // 10**9)
    assert done.positions[0].lots == lots
    assert done.penalty == -(-lots * 725_000 * 10 * 5_000 // 10**6)
    assert world.cash(HOUSE) - cash == done.penalty


def test_the_mark_is_not_moved_by_a_liquidation() -> None:
    world = tell(leveraged(), "price BTC 7_000 -> liquidated")
    assert world.state.marks[BTC_PERP].ticks == 700_000
    tell(world, "wait 1 -> no marked")


def test_a_deficit_is_paid_by_the_house_and_by_nobody_else() -> None:
    world = tell(
        leveraged(),
        """
        cash      alice    8_000.00
        cash      bob    108_000.00
        cash      house  108_000.00
        price     BTC    5_900          -> one liquidated account alice penalty 0  # nothing is left to pay it from
        cash      alice        0.00
        cash      bob    117_000.00     # gains are paid in full
        cash      house  107_000.00
        position  alice  BTC-PERP 0
        """,
    )
    (done,) = world.last(Liquidated)
    assert done.deficits == ((1, 1_000 * DOLLAR),)
    assert [each.code for each in world.results[-1].transfers].count(TransferCode.DEFICIT_COVERED) == 1


def test_collateral_is_bought_when_cash_is_short_and_the_rest_stays_its_owners() -> None:
    world = funded(dollars=1_000)
    world.block(
        facts=(
            world.deposit_fact(CAROL, WETH_1, 60 * 10**18),
            world.deposit_fact(BOB, 1, 100_000 * DOLLAR),
            world.deposit_fact(HOUSE, 1, 100_000 * DOLLAR),
        )
    )
    world.block(world.trade(CAROL, BOB, BTC_PERP, 5_000, 790_000))
    result = world.prices(725_000)  # 3,250 dollars owed, 1,000 there, 1,000 may be owed
    (done,) = of_kind(result, Liquidated)
    (bought,) = done.collateral
    assert done.positions == (), "equity is enough: only cash was missing"
    assert bought.units * bought.micros_per_unit == bought.paid
    assert 0 <= world.cash(CAROL) < bought.micros_per_unit
    assert world.weth(CAROL) == 60_000_000 - bought.units
    assert balance(world.state, HOUSE, token_currency(WETH_1)) == bought.units
    assert done.equity == done.equity_after, "at the value it counted for"


def test_a_buyer_of_options_is_never_liquidated() -> None:
    risk = RiskParameters(
        (RiskGroup(1, "BTC", BTC, 200_000, 800_000, 200_000), RiskGroup(2, "ETH", ETH, 250_000, 900_000, 200_000)),
        maintenance_numerator=5,
    )
    world = funded(genesis=make_genesis(risk=risk), dollars=100)
    world.block(facts=(world.deposit_fact(BOB, 1, 100_000 * DOLLAR),))
    mark = world.state.marks[BTC_CALL].ticks
    lots = 99 * DOLLAR // (mark * 10)
    world.block(world.trade(ALICE, BOB, BTC_CALL, lots, mark))
    for price in (760_000, 700_000, 500_000):
        assert not of_kind(world.prices(price), Liquidated)
    assert world.lots(ALICE, BTC_CALL) == lots


def test_a_writer_of_options_is_closed_out_at_the_options_value() -> None:
    world = funded(dollars=3_000)
    world.block(facts=(world.deposit_fact(BOB, 1, 100_000 * DOLLAR), world.deposit_fact(HOUSE, 1, 100_000 * DOLLAR)))
    mark = world.state.marks[BTC_CALL].ticks
    world.block(world.trade(BOB, ALICE, BTC_CALL, 2_000, mark))
    (done,) = of_kind(world.prices(860_000), Liquidated)
    (taken,) = done.positions
    assert taken.lots < 0
    value = int(current_arrays(world.state).values[2, 0])
    assert taken.received == value * taken.lots
    assert world.lots(HOUSE, BTC_CALL) == taken.lots


@pytest.mark.parametrize("cap", [1, 2])
def test_a_block_liquidates_so_many_and_the_next_goes_on(cap: int) -> None:
    market = MarketParameters(move_cap_ppm=300_000, liquidations_per_block=cap)
    world = leveraged(market=market)
    world.block(world.trade(CAROL, BOB, BTC_PERP, 4_600, 790_000))
    first = of_kind(world.prices(720_000), Liquidated)
    second = of_kind(world.block(), Liquidated)
    assert [each.account for each in first] == [CAROL, ALICE][:cap], "the shortest first"
    assert [each.account for each in first + second] == [CAROL, ALICE]


def test_who_only_owes_cash_keeps_the_positions_while_maintenance_is_covered() -> None:
    world = funded(dollars=1_000)
    world.block(
        facts=(
            world.deposit_fact(CAROL, WETH_1, 52 * 10**18),
            world.deposit_fact(BOB, 1, 100_000 * DOLLAR),
            world.deposit_fact(HOUSE, 1, 100_000 * DOLLAR),
        )
    )
    world.block(world.trade(CAROL, BOB, BTC_PERP, 6_000, 790_000))
    (done,) = of_kind(world.prices(740_000, eth=19_900), Liquidated)
    assert done.maintenance < done.equity < done.initial
    assert done.positions == ()
    assert world.lots(CAROL, BTC_PERP) == 6_000
    assert world.cash(CAROL) >= 0


def test_the_house_takes_no_more_than_its_own_position_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearing.liquidation.takeover.POSITION_MAX", 500)
    world = leveraged()
    (done,) = of_kind(world.prices(590_000), Liquidated)
    assert [taken.lots for taken in done.positions] == [500]
    assert done.deficits == (), "not before everything is closed"
    assert world.cash(ALICE) < 0
    assert world.lots(ALICE, BTC_PERP) == 4_000
    assert world.lots(HOUSE, BTC_PERP) == 500


def test_nothing_is_liquidated_while_a_halted_feed_could_save_it() -> None:
    world = leveraged()
    world.block(world.trade(ALICE, BOB, ETH_PERP, 200, 20_000))  # 400 dollars: more than what will be missing
    result = world.prices(720_000, eth=10_000)  # BTC moves within its cap, ETH does not
    assert world.state.feeds[ETH].status == FeedStatus.HALTED
    assert of_kind(result, MarginCalled)
    assert not of_kind(result, Liquidated)
    for _ in range(3):
        result = world.prices(720_000, eth=10_000)
    assert of_kind(result, Liquidated)
