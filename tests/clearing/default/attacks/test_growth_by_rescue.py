"""A client that is taken over in a default brings its stress exposure, and the fund must cover that first.

Before the rule a member took clients over by hand as many as it liked. At once it lacked more in a stress scenario than
the fund was sized for, and others bore what it lacked until it had paid a call, if it ever did.
"""

import msgspec

from clearing.context.stress_exposure import allowance, stress_exposures
from clearing.schema.codes import ClearingCode
from tests.kit.clearing.attackers import attack_genesis, attack_world
from tests.kit.clearing.defaults import CLIENT_SECRET, TERMS
from tests.kit.clearing.funds import KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, CAROL, DOLLAR, USDC_1
from tests.kit.clearing.world import World

CAROLS, DAVES = 3, 4


def defaulted(*, growth: bool = True) -> World:
    """Two clients of Alice's are long 2 BTC each at 3,100.00. They lose 3,720 dollars in the crash of 60 %; one has
    2,400, the other 4,400. Carol has 1,000, no position, and nothing that the fund was sized for."""
    world = attack_world(attack_genesis(growth=growth, default=msgspec.structs.replace(TERMS, porting_blocks=20)))
    world.bring(alice=10_000, client=12_000, keyed=14_000)
    lots = {ALICE: 2_100, ALICE_CLIENT: 2_000, KEYED_CLIENT: 2_000}
    assert not world.refusals(*(world.perp_trade(each, BOB, size) for each, size in lots.items()))
    world.block(world.withdrawal(CAROL, USDC_1, world.cash(CAROL) - 1_000 * DOLLAR))
    world.prices(500_000)
    world.fall(310_000)
    return world


def beyond(world: World, member: int) -> int:
    """Micros that a member lacks beyond its allowance in the worst scenario."""
    lacking = stress_exposures(world.context()).lacking(member)
    return max(lacks - most for lacks, most in zip(lacking, allowance(world.state, member), strict=True))


def test_a_client_that_the_new_members_fund_does_not_cover_is_not_taken_over() -> None:
    """It lacks 1,320 dollars, and Carol has 1,000: before, 320 that nobody had paid for."""
    world = defaulted()
    assert world.refusals(world.rescue(ALICE_CLIENT, 1, CAROLS)) == [ClearingCode.STRESS_NOT_COVERED]
    assert world.state.accounts[ALICE_CLIENT].member == 1
    assert beyond(world, CAROLS) <= 0


def test_clients_that_stand_in_every_scenario_are_taken_over() -> None:
    world = defaulted()
    assert not world.refusals(world.rescue(KEYED_CLIENT, 1, CAROLS, CLIENT_SECRET))
    assert beyond(world, CAROLS) <= 0


def test_a_client_or_the_member_may_bring_what_it_lacks_first() -> None:
    """320 dollars of the client's, or of Carol's own."""
    for account in (ALICE_CLIENT, CAROL):
        world = defaulted()
        world.pay_in(account, 319)
        assert world.refusals(world.rescue(ALICE_CLIENT, 1, CAROLS)) == [ClearingCode.STRESS_NOT_COVERED]
        world.pay_in(account, 1)
        assert not world.refusals(world.rescue(ALICE_CLIENT, 1, CAROLS))
        assert beyond(world, CAROLS) == 0


def test_where_growth_is_not_covered_clients_are_taken_over_as_before() -> None:
    world = defaulted(growth=False)
    assert not world.refusals(world.rescue(ALICE_CLIENT, 1, CAROLS))
    assert beyond(world, CAROLS) == 320 * DOLLAR
