"""The house keeps no gain on an option that it took over in a default and that then settled."""

import pytest

from clearing.schema.receipts.house import RecoveryPaid
from clearing.schema.terms.house import HouseTerms
from tests.kit.clearing.defaults import FALLEN
from tests.kit.clearing.genesis import ALICE, BTC, BTC_CALL, CAROL, DOLLAR, HOUSE
from tests.kit.clearing.housed import recovery_world


@pytest.mark.parametrize("calls", [0, 1_000])
def test_what_a_settled_option_paid_to_the_house_goes_back_to_the_payers(calls: int) -> None:
    """Its feed died: 1,000 calls worth a dollar each were paid, and counted for nothing in the recovery."""
    world = recovery_world(HouseTerms(recovery_blocks=400), settle_blocks=3)
    world.bring(bob=900_000)
    if calls:
        assert not world.refusals(world.trade(ALICE, CAROL, BTC_CALL, calls, world.state.marks[BTC_CALL].ticks))
    world.fall(FALLEN)
    before = world.cash(HOUSE)
    world.prices(300_000)
    world.until_ended()
    for ticks in (400_000, 550_000, 760_000, 900_000):
        world.prices(ticks)
    for _ in range(12):
        world.block(unpriced=(BTC,), after_ms=6_000)
    assert sum(each.micros for each in world.every(RecoveryPaid)) == (240_000 + calls) * DOLLAR
    assert world.cash(HOUSE) == before
