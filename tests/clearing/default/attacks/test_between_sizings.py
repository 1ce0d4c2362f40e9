"""Attacks between two sizings of the fund: a member defaults with more than the fund was sized for."""

import pytest

from clearing.schema.codes import ClearingCode
from tests.kit.clearing.attackers import Attack, attack_genesis, attack_world
from tests.kit.clearing.defaults import CLIENT_SECRET
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, DOLLAR, USDC_1
from tests.kit.clearing.world import World

LOTS, FALLEN = 6_329, 515_000
"""At 7,900 dollars they need 10,000; at 5,150 they have lost 17,400. In the crash of 60 % they lose 30,000."""


def attacker(growth: bool) -> Attack:
    """An owner that says nothing of its client's other key; the fund was sized before it had positions."""
    attack = Attack(attack_world(attack_genesis(growth=growth)), ALICE, KEYED_CLIENT)
    attack.keys[KEYED_CLIENT] = CLIENT_SECRET
    attack.bring(10_000, 10_000)
    return attack


def most_lots(world: World, buyer: int, seller: int, most: int = LOTS) -> int:
    """Trade as many lots as are accepted, in smaller and smaller parts; how many there are then."""
    part = most
    while part:
        if world.refusals(world.perp_trade(buyer, seller, part)):
            part //= 2
    return world.lots(buyer, BTC_PERP)


def test_what_grows_after_the_sizing_is_lost_by_its_owner_alone() -> None:
    """Before, with `cover_growth` off: 21,000 in, 27,404 out."""
    attack = attacker(growth=True)
    trade = attack.world.perp_trade(ALICE, KEYED_CLIENT, LOTS)
    assert attack.world.refusals(trade) == [ClearingCode.STRESS_NOT_COVERED]
    lots = most_lots(attack.world, ALICE, KEYED_CLIENT)
    assert 2_000 < lots < LOTS // 2
    attack.fall(FALLEN)
    assert attack.gain <= 0


def test_without_the_rule_the_attack_pays() -> None:
    attack = attacker(growth=False)
    assert most_lots(attack.world, ALICE, KEYED_CLIENT) == LOTS
    attack.fall(FALLEN)
    assert attack.gain == 6_405
