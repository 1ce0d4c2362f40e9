"""The clearing house's own account: margined by the same requirement, called in public, never liquidated."""

from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.margin_calls import MarginCalled, MarginRestored
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, DOLLAR, HOUSE, USDC_1
from tests.kit.clearing.world import World, codes, of_kind


def house_that_took_over(capital: int) -> World:
    world = World()
    world.prices(790_000)
    rich = ((HOUSE, capital), (ALICE, 20_000), (BOB, 100_000))
    world.block(facts=[world.deposit_fact(account, USDC_1, dollars * DOLLAR) for account, dollars in rich])
    world.block(world.trade(ALICE, BOB, BTC_PERP, 10_000, 790_000))
    assert of_kind(world.prices(610_000), Liquidated)
    assert world.lots(HOUSE, BTC_PERP) > 0
    return world


def called(result) -> list[int]:
    return [each.account for each in of_kind(result, MarginCalled)]


def test_a_house_that_took_over_more_than_its_capital_carries_is_called_once_and_never_liquidated():
    world = house_that_took_over(500)
    assert HOUSE in called(world.results[-1])
    margin = holdings_margin(current_arrays(world.state), current_holdings(world.state, HOUSE))
    assert not margin.initial_ok
    held = world.lots(HOUSE, BTC_PERP)
    later = world.prices(600_000)
    assert HOUSE not in called(later)
    assert HOUSE not in [each.account for each in of_kind(later, Liquidated)]
    assert world.lots(HOUSE, BTC_PERP) >= held


def test_a_called_house_may_reduce_its_risk_and_nothing_else():
    world = house_that_took_over(500)
    held = world.lots(HOUSE, BTC_PERP)
    assert codes(world.block(world.withdrawal(HOUSE, USDC_1, DOLLAR))) == [ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN]
    assert codes(world.block(world.trade(HOUSE, BOB, BTC_PERP, 100, 610_000))) == [
        ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN
    ]
    assert codes(world.block(world.trade(BOB, HOUSE, BTC_PERP, held // 2, 610_000))) == []


def test_new_capital_takes_the_call_back():
    world = house_that_took_over(500)
    result = world.deposit(HOUSE, USDC_1, 100_000 * DOLLAR)
    assert [each.account for each in of_kind(result, MarginRestored)] == [HOUSE]
    assert world.state.accounts[HOUSE].called_height == 0


def test_a_house_with_capital_for_what_it_took_over_is_not_called():
    world = house_that_took_over(100_000)
    assert all(HOUSE not in called(result) for result in world.results)
    assert world.state.accounts[HOUSE].called_height == 0
