"""An insolvent second account of the house holds back nobody's withdrawals for longer than a default would.

It has cash and short options, so it owes no cash: it failed in every block, nobody declared a default, took anything
over or paid, and everybody's withdrawals left a share of it behind until the options expired.
"""

import msgspec

from clearing.context.unresolved_losses import insolvent_micros
from clearing.schema.terms.withdrawals import WithdrawalControlTerms
from tests.kit.clearing.defaults import NO_FUND, TERMS, default_genesis, default_world
from tests.kit.clearing.genesis import BOB, BTC_CALL, CAROL, HOUSE, USDC_1


def test_the_house_takes_over_what_its_other_account_cannot_margin() -> None:
    genesis = default_genesis(TERMS, NO_FUND)
    crisis = msgspec.structs.replace(genesis.crisis, gates=WithdrawalControlTerms(deficit_reserve=True))
    world = default_world(genesis=msgspec.structs.replace(genesis, crisis=crisis))
    other = world.open_account(HOUSE)
    world.pay_in(other, 20_000)
    assert not world.refusals(world.trade(CAROL, other, BTC_CALL, 2_000, world.state.marks[BTC_CALL].ticks))
    for ticks in (900_000, 1_100_000, 1_400_000, 1_900_000):
        world.prices(ticks)
    world.wait(40)
    assert insolvent_micros(world.state) == 0
    assert world.lots(other, BTC_CALL) == 0
    assert not world.refusals(world.withdrawal(BOB, USDC_1, world.cash(BOB)))
