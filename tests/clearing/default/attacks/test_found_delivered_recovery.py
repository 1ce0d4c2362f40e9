"""What the house has for the payers of a default it does not deliver on a forward.

It delivered 20 ether that it owed in part to payers. At the end of the recovery the journal found that it had none
(`Bug: account 0 would owe 1937694 of token 3`), and every node stopped at that block.
"""

import msgspec

from clearing.schema.receipts.house import RecoveryEnded
from clearing.schema.receipts.settlement import Delivered, DeliveryFailed
from clearing.schema.terms.house import HouseTerms
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from tests.kit.clearing.defaults import FALLEN, LOTS, default_genesis, default_world
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, ETH, HOUSE, START_MS, USD, WETH_1
from tests.kit.clearing.housed import with_house

FORWARD = 9


def test_a_forward_of_the_house_delivers_nothing_that_is_owed_to_payers() -> None:
    genesis = with_house(default_genesis(), HouseTerms(recovery_blocks=100))
    expiry_ms, kind = START_MS + 60_000, InstrumentKind.FORWARD
    forward = Instrument(FORWARD, "ETH-FWD", kind, ETH, 2, USD, 100, expiry_ms, delivery_asset=WETH_1)
    world = default_world(genesis=msgspec.structs.replace(genesis, instruments=(*genesis.instruments, forward)))
    world.bring(alice=30_000, bob=30_000)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    world.fund_paid_in()
    world.deposit(ALICE, WETH_1, 20 * 10**6)
    assert not world.refusals(world.trade(CAROL, HOUSE, FORWARD, 2_000, 20_000))
    world.fall(FALLEN)
    world.prices(300_000)
    world.until_ended()
    world.wait(101)
    (delivered,), (failed,) = world.every(Delivered), world.every(DeliveryFailed)
    assert (delivered.lots, failed.account) == (0, HOUSE)
    assert world.every(RecoveryEnded)
    assert world.weth(HOUSE) == 18 * 10**6
