"""Who may be assessed keeps what it may have to bear, also where prices more than double or collateral falls.

Before the rule a foreseen assessment counted a price that at most doubles, written options for no more than their
notional, and the defaulter's tokens at their present value.
"""

import msgspec
import pytest

from clearing.context.unresolved_losses import net_owed
from clearing.schema.receipts.default import AssessmentTaken
from clearing.schema.records.accounts import Book
from clearing.schema.records.default import MemberStatus
from clearing.schema.risk.parameters import RiskParameters, Scenario, StressScenario
from clearing.withdrawals.foreseen_assessments import worst_loss
from clearing.withdrawals.worst_moves import largest_rise_ppm
from tests.kit.clearing.attackers import attack_world
from tests.kit.clearing.defaults import TERMS, default_genesis
from tests.kit.clearing.fund import CRASH, GROUPS, RALLY
from tests.kit.clearing.genesis import ALICE, BOB, BTC_CALL, BTC_FUT, CAROL, DOLLAR, USDC_1, WETH_1
from tests.kit.clearing.world import World, codes, of_all

SQUEEZE = StressScenario("squeeze", (Scenario(150, 100, 0, of_index=True), Scenario(70, 100, 0, of_index=True)))
HELD = msgspec.structs.replace(TERMS, hold_assessments=True, assessment_ppm=10_000_000, assessment_blocks=6)
LOTS, DECLARED = 2_000, 1_106_000
"""Ticks at which Alice's two short BTC have lost 6,320 dollars of 5,000."""


def declared(*stress: StressScenario, dollars: int = 5_000, weth: int = 0) -> World:
    """Alice is short 2 BTC against Bob and in default. Every member has contributed 1,000 dollars."""
    genesis = default_genesis(HELD)
    world = attack_world(msgspec.structs.replace(genesis, risk=msgspec.structs.replace(genesis.risk, stress=stress)))
    world.bring(alice=dollars)
    world.deposit(ALICE, WETH_1, weth * 10**6)
    assert not world.refusals(world.perp_trade(BOB, ALICE, LOTS))
    world.fall(DECLARED)
    return world


def leave(world: World, account: int) -> int:
    """Withdraw all that the account may, to a dollar; what is left in micros."""
    low, high = 0, world.cash(account) // DOLLAR
    while low < high:
        middle = (low + high + 1) // 2
        refused = codes(world.fork_with(world.make_block([world.withdrawal(account, USDC_1, middle * DOLLAR)])))
        low, high = (low, middle - 1) if refused else (middle, high)
    assert not world.refusals(world.withdrawal(account, USDC_1, low * DOLLAR))
    return world.cash(account)


def test_a_member_keeps_what_the_largest_stated_rise_may_cost_it() -> None:
    """Carol leaves 6,313 dollars before the rule, and is assessed for 10,000 when the price rises by 150 %."""
    world = declared(CRASH, SQUEEZE)
    left = leave(world, CAROL)
    for ticks in (1_548_000, 2_167_000, DECLARED * 5 // 2):
        world.prices(ticks)
    world.until_ended()
    (taken,) = [each for each in of_all(world.results, AssessmentTaken) if each.member == 3]
    assert 6_400 * DOLLAR < taken.micros <= left
    assert world.cash(CAROL) >= 0
    assert world.status(3) is MemberStatus.ACTIVE


def test_without_such_a_scenario_a_price_that_doubles_is_foreseen() -> None:
    for stress, worst in ((RALLY, 22_120), (SQUEEZE, 33_180)):
        world = declared(CRASH, stress)
        assert worst_loss(world.context(), world.default()) == (1_320 + worst) * DOLLAR


def test_a_scenario_of_the_margin_grid_counts_as_its_part_of_the_range() -> None:
    """Of a range of 20 % at most 60 %: less than a doubling."""
    grid = (Scenario(3, 1, 0), Scenario(-1, 1, 0), Scenario(5, 4, 0, of_index=True))
    group = msgspec.structs.replace(GROUPS[0], scenarios=grid)
    parameters = RiskParameters((group, *GROUPS[1:]), stress=(CRASH, RALLY))
    assert largest_rise_ppm(parameters, group.id) == 1_250_000
    group = msgspec.structs.replace(group, scenarios=grid[:2])
    parameters = RiskParameters((group, *GROUPS[1:]), stress=(CRASH,))
    assert largest_rise_ppm(parameters, group.id) == 1_000_000


def test_tokens_of_the_defaulter_may_fall_to_nothing() -> None:
    """Five ether count for 900 dollars of what Alice owes today."""
    world = declared(CRASH, RALLY, dollars=4_000, weth=5)
    (account,) = world.default().own_accounts
    assert net_owed(world.state, account) == (2_320 - 900) * DOLLAR
    assert worst_loss(world.context(), world.default()) == (2_320 + 22_120) * DOLLAR


@pytest.mark.parametrize(
    ("instrument", "lots", "worst"),
    [
        pytest.param(BTC_CALL, -1_000, DECLARED * 5 // 2, id="a written call: its underlying at the highest price"),
        pytest.param(BTC_CALL, 1_000, 0, id="an owned call: its value is not counted before"),
        pytest.param(BTC_FUT, 1_000, DECLARED, id="a bought future: all of its price"),
        pytest.param(BTC_FUT, -1_000, DECLARED * 3 // 2, id="a sold future: the rise"),
    ],
)
def test_what_a_position_may_still_cost(instrument: int, lots: int, worst: int) -> None:
    world = declared(CRASH, SQUEEZE)
    before = worst_loss(world.context(), world.default())
    world.state.books.put(ALICE, Book((*world.state.books[ALICE].lots, (instrument, lots))))
    assert worst_loss(world.context(), world.default()) - before == worst * abs(lots) * 10
