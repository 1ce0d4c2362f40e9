"""The small world under every rule of the requirement, with positions in every instrument."""

import msgspec

from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.risk.charges import ConcentrationTier, LotCharge
from clearing.schema.risk.parameters import JointCredit, JointScenario, RiskGroup, RiskParameters
from tests.kit.clearing.genesis import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC,
    BTC_CALL,
    BTC_FUT,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH,
    ETH_PERP,
    USDC_1,
    WETH_1,
    make_genesis,
)
from tests.kit.clearing.world import World, of_kind

ACCOUNTS = (ALICE, BOB, CAROL, ALICE_CLIENT)
GROUPS = (
    RiskGroup(1, "BTC", BTC, 200_000, 800_000, 200_000, short_option_ppm=20_000),
    RiskGroup(2, "ETH", ETH, 250_000, 900_000, 200_000),
)

PLAIN = RiskParameters(GROUPS, cash_limit_micros=1_000 * DOLLAR)

FULL = msgspec.structs.replace(
    PLAIN,
    charges=(LotCharge(BTC_PERP, 5_000, 1_000, 50, 10_000, 20_000), LotCharge(ETH_PERP, 3_000)),
    concentration=(ConcentrationTier(WETH_1, 3_000_000, 100_000), ConcentrationTier(WETH_1, 9_000_000, 300_000)),
    joint=JointCredit(tuple(JointScenario((1 + at % 16, 1 + (7 * at) % 16)) for at in range(20)), 3),
)

KEPT = msgspec.structs.replace(FULL, joint=msgspec.structs.replace(FULL.joint, keep_largest=True, weight_ppm=1_000_000))


def traded(risk=FULL) -> World:
    world = World(make_genesis(risk=risk), check=False)
    world.prices(790_000)
    facts = [world.deposit_fact(each, USDC_1, 30_000 * DOLLAR) for each in ACCOUNTS]
    world.block(facts=[*facts, world.deposit_fact(ALICE, WETH_1, 10 * 10**18)])
    marks = world.state.marks
    world.block(
        world.trade(ALICE, BOB, BTC_PERP, 6_000, marks[BTC_PERP].ticks),
        world.trade(CAROL, BOB, BTC_FUT, 3_000, marks[BTC_FUT].ticks),
        world.trade(CAROL, ALICE, BTC_CALL, 500, marks[BTC_CALL].ticks),
        world.trade(BOB, ALICE, ETH_PERP, 100, marks[ETH_PERP].ticks),
    )
    assert len(of_kind(world.results[-1], TradeNovated)) == 4
    return world
