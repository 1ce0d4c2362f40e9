"""The requirement at work in a network: every rule, the house's own margin, and options on a surface and two grids."""

import msgspec
import numpy as np
import pytest

from clearing.base.errors import LocalFault
from clearing.base.units import DAY_MS
from clearing.epochs.snapshot import take_snapshot
from clearing.genesis.checks import check_genesis
from clearing.margin.requirement.account_margin import account_margin, batch_margin
from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.margin.risk_arrays.grid import OPTION_GRID, OPTION_SHOCK
from clearing.margin.statement.snapshot import SlotKind
from clearing.pricing.marks import mark_ticks, option_value
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.risk.charges import ConcentrationTier, LotCharge
from clearing.schema.risk.parameters import JointCredit, RiskGroup, RiskParameters, Scenario, collapse
from clearing.schema.risk.volatility_surface import VolPillar
from clearing.state.holdings import current_arrays, current_holdings
from tests.kit.clearing.full_requirement import BTC_FAR, genesis
from tests.kit.clearing.fuzz import check_provable
from tests.kit.clearing.genesis import (
    ALICE,
    BOB,
    BTC,
    BTC_CALL,
    BTC_FUT,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH,
    ETH_PERP,
    HOUSE,
    USDC_1,
    WETH_1,
    make_genesis,
)
from tests.kit.clearing.replay import same_after_restart
from tests.kit.clearing.world import World, codes, funded, of_kind
from tests.kit.table import tell


def test_an_option_beyond_every_scenario_cannot_be_written_for_nothing():
    world = funded(genesis=genesis(), dollars=10_000)
    refused = world.block(world.trade(ALICE, BOB, BTC_FAR, 30_000, 1))
    assert codes(refused) == [ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN]
    free = funded(genesis=genesis(groups=make_genesis().risk.groups), dollars=10_000)
    assert codes(free.block(free.trade(ALICE, BOB, BTC_FAR, 30_000, 1))) == []
    world.block(world.trade(ALICE, BOB, BTC_FAR, 2_000, 1))
    short = world.margin(BOB)
    assert short.group_losses[0] <= 20_000 < short.terms.option_minimums[0] == 2_000 * 395_000
    assert short.initial >= 2_000 * 395_000
    assert world.margin(ALICE).initial <= 20_000


def test_an_account_that_falls_below_is_brought_back_by_just_enough():
    world = funded(genesis=genesis(), dollars=10_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 5_000, 790_000))
    before = world.margin(ALICE)
    assert before.terms.charges > 0 < before.terms.impact
    assert before.initial == before.group_losses[0] + before.terms.charges + before.terms.impact
    result = world.prices(700_000)
    (sold,) = [each for each in of_kind(result, Liquidated) if each.account == ALICE]
    assert of_kind(result, MarginCalled)
    assert 0 < world.lots(ALICE, BTC_PERP) < 5_000
    assert world.margin(ALICE).initial_ok
    assert sold.equity_after - sold.initial_after < sold.initial // 2  # far less than everything


def test_collateral_that_weighs_too_much_on_one_token_counts_for_less():
    world = funded(genesis=genesis(), dollars=10_000)
    world.deposit(CAROL, WETH_1, 10_000_000)
    assert world.margin(CAROL).terms.concentration == 0
    world.deposit(CAROL, WETH_1, 30_000_000)
    charged = world.margin(CAROL)
    value = int(current_arrays(world.state).token_values[0])
    assert charged.initial == charged.terms.concentration == 30_000_000 * -(-value // 5)


@pytest.mark.parametrize("price", [790_000, 640_000, 500_000])
def test_every_accounts_rows_hold_at_an_epoch_whatever_the_market_did(price):
    world = funded(genesis=genesis(), dollars=30_000)
    world.deposit(CAROL, WETH_1, 20_000_000)
    world.block(
        world.trade(ALICE, BOB, BTC_PERP, 5_000, 790_000),
        world.trade(BOB, CAROL, ETH_PERP, 9_000, 20_000),
        world.trade(ALICE, CAROL, BTC_FAR, 1_000, 1),
        world.trade(CAROL, BOB, BTC_CALL, 2_000, 20_000),
    )
    world.prices(price, 18_000)
    world.block(facts=world.custody_facts(4))
    kinds = [slot.kind for slot in take_snapshot(world.state).statement.slots]
    assert kinds.count(SlotKind.AUXILIARY_SIGNED) == 1
    check_provable(world.state)


UNPROVABLE = {
    "risk.charges.instrument": {"charges": (LotCharge(9),)},
    "risk.concentration.asset": {"concentration": (ConcentrationTier(USDC_1, 1, 1),)},
    "risk.charges.BTC-PERP": {"charges": (LotCharge(BTC_PERP, 0, 0, 2**38, 1_000_000, 0, (10**9, 4 * 10**9)),)},
    "risk.charges.WETH-1": {"concentration": (ConcentrationTier(WETH_1, 2**56, 500_000),)},
    "joint.scenarios.1.columns": {"joint": JointCredit(collapse([(1, 1, 1)]))},
}


@pytest.mark.parametrize("field", UNPROVABLE)
def test_a_genesis_whose_charges_cannot_be_proven_is_refused_by_name(field):
    validators = make_genesis(powers={1: 1}).validators
    check_genesis(msgspec.structs.replace(genesis(), validators=validators))
    with pytest.raises(LocalFault) as caught:
        check_genesis(msgspec.structs.replace(genesis(**UNPROVABLE[field]), validators=validators))
    assert field in caught.value.at


def house_that_took_over(capital: str, outcome: str) -> World:
    """Alice was liquidated, and the house has her positions; `outcome` of that block."""
    world = tell(
        World(),
        f"""
        price      BTC    7_900
        deposit    house  eth:USDC  {capital}
        & deposit  alice  eth:USDC   20_000.00
        & deposit  bob    eth:USDC  100_000.00
        trade      alice  bob  BTC-PERP +10 @ 7_900  -> novated
        price      BTC    6_100                      -> liquidated account alice, {outcome}
        """,
    )
    assert world.lots(HOUSE, BTC_PERP) > 0
    return world


def test_a_house_that_took_over_more_than_its_capital_carries_is_called_once_and_never_liquidated():
    world = house_that_took_over("500.00", "margin_called account house")
    assert not world.margin(HOUSE).initial_ok
    taken = world.lots(HOUSE, BTC_PERP)
    tell(world, "price  BTC  6_000  -> one margin_called account alice, no liquidated")
    assert world.lots(HOUSE, BTC_PERP) == taken


def test_a_called_house_may_reduce_its_risk_and_nothing_else():
    tell(
        house_that_took_over("500.00", "margin_called account house"),
        """
        withdraw  house  eth:USDC  1.00               -> refused R0203 collateral_needed_for_margin
        trade     house  bob    BTC-PERP +0.1 @ 6_100  -> refused R0203 collateral_needed_for_margin
        trade     bob    house  BTC-PERP +1 @ 6_100    -> novated
        """,
    )


def test_new_capital_takes_the_call_back():
    world = house_that_took_over("500.00", "margin_called account house")
    tell(world, "deposit  house  eth:USDC  100_000.00  -> credited, one margin_restored account house")
    assert world.state.accounts[HOUSE].called_height == 0


def test_a_house_with_capital_for_what_it_took_over_is_not_called():
    world = house_that_took_over("100_000.00", "one margin_called account alice")
    assert world.state.accounts[HOUSE].called_height == 0


SMILES = (VolPillar(DAY_MS, 1_200_000, -100_000, 1_000_000), VolPillar(30 * DAY_MS, 1_000_000, -200_000, 900_000))
RISK = RiskParameters(
    (
        RiskGroup(1, "BTC", BTC, 180_000, 800_000, 500_000, surface=SMILES, shock=OPTION_SHOCK, scenarios=OPTION_GRID),
        RiskGroup(2, "ETH", ETH, 250_000, 900_000, 200_000, scenarios=(Scenario(1, 1, 0), Scenario(-1, 1, 0))),
    ),
    cash_limit_micros=1_000 * DOLLAR,
    rate_ppm=50_000,
)
PRICES = ((790_000, 20_000), (805_000, 20_000), (805_000, 21_000), (640_000, 20_500), (800_000, 20_500))


@pytest.fixture
def world() -> World:
    """Options are marked on a surface; its groups have grids of different lengths."""
    made = World(make_genesis(risk=RISK))
    made.prices(800_000)
    made.endow(900_000, ALICE, BOB)
    made.block(
        made.trade(BOB, ALICE, BTC_CALL, 40, made.state.marks.get(BTC_CALL).ticks),
        made.trade(ALICE, BOB, BTC_PERP, 25, 800_000),
        made.trade(BOB, ALICE, BTC_FUT, 10, made.state.marks.get(BTC_FUT).ticks),
        made.trade(ALICE, BOB, ETH_PERP, 30, 20_000),
    )
    assert current_holdings(made.state, ALICE).lots == [25, -10, -40, 30]
    return made


def test_a_restored_state_has_the_arrays_that_were_carried_from_block_to_block_and_goes_on_with_the_same_root(world):
    for btc, eth in PRICES:
        with same_after_restart(world):
            world.prices(btc, eth)
        carried, fresh = current_arrays(world.state), current_arrays(world.restored())
        assert np.array_equal(carried.values, fresh.values)
        assert carried.index_ticks == fresh.index_ticks
        assert carried.values.shape == (4, 1 + len(OPTION_GRID))


def test_options_are_marked_on_the_surface(world):
    call = world.state.terms.instruments[BTC_CALL]
    now = world.state.now.arrays_time_ms
    marked = world.state.marks.get(BTC_CALL).ticks
    assert marked == mark_ticks(call, 800_000, RISK.groups[0], RISK.rate_ppm, now)
    assert marked > option_value(call, 800_000, 800_000, RISK.rate_ppm, now), "short-dated options are dearer"


def test_an_accounts_margin_over_two_grids_is_the_same_in_bulk_and_alone(world):
    for btc, eth in PRICES:
        world.prices(btc, eth)
        arrays = current_arrays(world.state)
        accounts = [current_holdings(world.state, account) for account in (ALICE, BOB)]
        cash, tokens, lots = (
            np.array([getattr(each, name) for each in accounts]) for name in ("cash", "tokens", "lots")
        )
        batch = batch_margin(arrays, cash, tokens, lots)
        for at, each in enumerate(accounts):
            assert batch.account(at) == account_margin(arrays, each.cash, each.tokens, each.lots)


def test_the_short_call_and_the_perpetual_offset_over_the_same_grid(world):
    arrays = current_arrays(world.state)
    lots = current_holdings(world.state, ALICE).lots
    alone = [account_margin(arrays, [0], [0], [q if at == n else 0 for at, q in enumerate(lots)]) for n in range(2)]
    both = account_margin(arrays, [0], [0], [*lots[:2], 0, 0])
    assert both.group_losses[0] <= sum(each.group_losses[0] for each in alone)


def test_the_arrays_of_the_state_are_those_of_its_marks_and_parameters(world):
    marks = {number: mark.ticks for number, mark in world.state.marks.ordered()}
    listed = world.genesis.instruments, world.genesis.assets, world.genesis.cash_groups
    index = {BTC: 800_000, ETH: 20_000}
    built = build_risk_arrays(*listed, marks, index, RISK, world.state.now.arrays_time_ms)
    assert np.array_equal(built.values, current_arrays(world.state).values)


def test_many_options_of_a_feed_are_marked_together_as_each_alone():
    plain = make_genesis(risk=RISK)
    call = next(each for each in plain.instruments if each.id == BTC_CALL)
    more = tuple(
        msgspec.structs.replace(call, id=10 + at, name=f"C{at}", strike_ticks=700_000 + 25_000 * at) for at in range(9)
    )
    world = World(msgspec.structs.replace(plain, instruments=(*plain.instruments, *more)))
    for btc in (790_000, 805_000, 640_000, 800_000):
        world.prices(btc)
        assert world.state.feeds[BTC].ticks == btc
        for each in (call, *more):
            expected = mark_ticks(each, btc, RISK.groups[0], RISK.rate_ppm, world.state.now.time_ms)
            assert world.state.marks.get(each.id).ticks == expected
