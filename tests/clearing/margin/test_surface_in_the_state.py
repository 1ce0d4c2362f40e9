"""A network whose options are marked on a surface and margined over the option grid, block by block."""

import msgspec
import numpy as np
import pytest

from clearing.apply_block import apply_block
from clearing.base.units import DAY_MS
from clearing.margin.requirement.account_margin import account_margin, batch_margin
from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.margin.risk_arrays.grid import OPTION_GRID, OPTION_SHOCK
from clearing.pricing.marks import mark_ticks, option_value
from clearing.schema.risk.parameters import RiskGroup, RiskParameters, Scenario
from clearing.schema.risk.volatility_surface import VolPillar
from clearing.state.export import export_state, import_state
from clearing.state.holdings import current_arrays, current_holdings
from tests.kit.clearing.genesis import (
    ALICE,
    BOB,
    BTC,
    BTC_CALL,
    BTC_FUT,
    BTC_PERP,
    DOLLAR,
    ETH,
    ETH_PERP,
    SALT,
    USDC_1,
    make_genesis,
)
from tests.kit.clearing.world import World

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
    made = World(make_genesis(risk=RISK))
    made.prices(800_000)
    made.deposit(ALICE, USDC_1, 900_000 * DOLLAR)
    made.deposit(BOB, USDC_1, 900_000 * DOLLAR)
    made.block(
        made.trade(BOB, ALICE, BTC_CALL, 40, made.state.marks.get(BTC_CALL).ticks),
        made.trade(ALICE, BOB, BTC_PERP, 25, 800_000),
        made.trade(BOB, ALICE, BTC_FUT, 10, made.state.marks.get(BTC_FUT).ticks),
        made.trade(ALICE, BOB, ETH_PERP, 30, 20_000),
    )
    assert current_holdings(made.state, ALICE).lots == [25, -10, -40, 30]
    return made


def fresh_arrays(world: World):
    """Built from the state alone."""
    return current_arrays(import_state(world.genesis, SALT, export_state(world.state)))


def test_arrays_that_were_carried_from_block_to_block_are_those_of_a_restored_state(world):
    for btc, eth in PRICES:
        world.prices(btc, eth)
        carried, fresh = current_arrays(world.state), fresh_arrays(world)
        assert np.array_equal(carried.values, fresh.values)
        assert carried.index_ticks == fresh.index_ticks
        assert carried.values.shape == (4, 1 + len(OPTION_GRID))


def test_a_restored_state_goes_on_with_the_same_root(world):
    for btc, eth in PRICES:
        copy = import_state(world.genesis, SALT, export_state(world.state))
        block = world.make_block((), (), 1_000)
        fork, expected = apply_block(copy, block)
        assert world.apply(block) == expected
        assert fork.module_roots() == world.state.module_roots()
        world.prices(btc, eth)


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
        held = [current_holdings(world.state, account) for account in (ALICE, BOB)]
        cash, tokens, lots = (np.array([getattr(each, name) for each in held]) for name in ("cash", "tokens", "lots"))
        batch = batch_margin(arrays, cash, tokens, lots)
        for at, each in enumerate(held):
            assert batch.account(at) == account_margin(arrays, each.cash, each.tokens, each.lots)


def test_the_short_call_and_the_perpetual_offset_over_the_same_grid(world):
    arrays = current_arrays(world.state)
    lots = current_holdings(world.state, ALICE).lots
    alone = [account_margin(arrays, [0], [0], [q if at == n else 0 for at, q in enumerate(lots)]) for n in range(2)]
    both = account_margin(arrays, [0], [0], [*lots[:2], 0, 0])
    assert both.group_losses[0] <= sum(each.group_losses[0] for each in alone)


def test_the_arrays_of_the_state_are_those_of_its_marks_and_parameters(world):
    state = world.state
    marks = {number: mark.ticks for number, mark in state.marks.ordered()}
    built = build_risk_arrays(
        world.genesis.instruments, world.genesis.assets, world.genesis.cash_groups, marks,
        {BTC: 800_000, ETH: 20_000}, RISK, state.now.arrays_time_ms,
    )  # fmt: skip
    assert np.array_equal(built.values, current_arrays(state).values)


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
