"""Attacks of one owner behind two accounts: the house account loses, the other one wins and keeps what it won."""

from collections.abc import Callable

import pytest

from clearing.base.secp256k1 import address
from clearing.schema.terms.genesis import Genesis
from tests.kit.clearing.attackers import Attack, attack_genesis, attack_world, with_account
from tests.kit.clearing.defaults import CLIENT_SECRET
from tests.kit.clearing.funds import KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World

LOTS = 6_329
"""At 7,900 dollars they need 10,000; at 5,150 they have lost 17,400."""
AT_ONCE, IN_STEPS = (515_000,), (770_000, 757_000, 510_000)


def by_both(world: World) -> None:
    assert not world.refusals(world.affiliation(ALICE, KEYED_CLIENT, affiliate_key=CLIENT_SECRET))


def by_the_house(world: World) -> None:
    assert not world.refusals(world.affiliation(ALICE, KEYED_CLIENT, key=secret(0)))
    world.wait(world.genesis.crisis.default.porting_blocks)


def in_genesis(genesis: Genesis) -> Genesis:
    return with_account(genesis, KEYED_CLIENT, affiliated=True)


def with_the_members_key(genesis: Genesis) -> Genesis:
    return with_account(genesis, KEYED_CLIENT, key=address(secret(1)))


def unchanged(genesis: Genesis) -> Genesis:
    return genesis


def nothing(world: World) -> None:
    del world


def attacked(genesis: Genesis, declare: Callable[[World], None], ticks: tuple[int, ...]) -> Attack:
    """21,000 dollars in, 1,000 of them in the fund; all that can be got out."""
    attack = Attack(attack_world(genesis), ALICE, KEYED_CLIENT)
    keyed = genesis.members[1].accounts[2]
    attack.keys[KEYED_CLIENT] = CLIENT_SECRET if keyed.key == address(CLIENT_SECRET) else secret(1)
    attack.bring(10_000, 10_000)
    declare(attack.world)
    assert not attack.world.refusals(attack.world.perp_trade(ALICE, KEYED_CLIENT, LOTS))
    attack.fall(*ticks)
    return attack


@pytest.mark.parametrize("ticks", [AT_ONCE, IN_STEPS], ids=["at_once", "in_steps"])
@pytest.mark.parametrize(
    ("listed", "declare"),
    [
        pytest.param(unchanged, by_both, id="declared_by_both"),
        pytest.param(unchanged, by_the_house, id="declared_by_the_house"),
        pytest.param(in_genesis, nothing, id="in_genesis"),
        pytest.param(with_the_members_key, nothing, id="the_members_own_key"),
    ],
)
def test_an_affiliated_client_keeps_nothing_that_its_member_lost(
    listed: Callable[[Genesis], Genesis], declare: Callable[[World], None], ticks: tuple[int, ...]
) -> None:
    """Before, with `pool_affiliates` off: 21,000 in, 27,404 out at once, and 21,904 out in steps."""
    attack = attacked(listed(attack_genesis(pool=True)), declare, ticks)
    print(attack.gain)
    assert attack.gain <= 0


@pytest.mark.parametrize("ticks", [AT_ONCE, IN_STEPS], ids=["at_once", "in_steps"])
def test_without_the_rule_the_attack_pays(ticks: tuple[int, ...]) -> None:
    """The other tests of this file would see an attack that succeeds."""
    attack = attacked(attack_genesis(), by_both, ticks)
    print(attack.gain)
    assert attack.gain > 0
