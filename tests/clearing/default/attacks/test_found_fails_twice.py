"""An account that fails on a debt and on a fund call in one block is cured of both, and its member does not default."""

from clearing.schema.receipts.default import DefaultDeclared, DeficitCured
from tests.kit.clearing.defaults import FALLEN, LOTS, default_world
from tests.kit.clearing.genesis import ALICE, BOB, USDC_1, WETH_1


def test_a_member_that_has_just_been_cured_is_not_declared_in_default_in_the_same_block() -> None:
    """Alice's other account has 1,000 ether: it paid 155,000 dollars, and then was pooled all the same."""
    world = default_world()
    other = world.open_account(ALICE)
    world.deposit(other, WETH_1, 1_000 * 10**6)
    world.bring(bob=100_000)
    assert not world.refusals(world.perp_trade(ALICE, BOB, LOTS))
    margin = world.margin(ALICE)
    assert not world.refusals(world.withdrawal(ALICE, USDC_1, margin.equity - margin.initial))
    world.pass_epoch()
    while world.state.now.height < world.state.contributions[1].deadline - 1:
        world.block()
    world.prices(FALLEN)
    assert [each.account for each in world.last(DeficitCured)] == [ALICE]
    assert not world.every(DefaultDeclared)
    world.wait(5)
    assert not world.every(DefaultDeclared)
