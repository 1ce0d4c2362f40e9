"""Attacks of one owner behind two accounts: the house account loses, the other one wins and keeps what it won."""

from collections.abc import Callable

import pytest

from clearing.base.secp256k1 import address
from clearing.context.affiliation import OwnerFamilies, are_affiliated
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import AffiliateGainsTaken
from clearing.schema.terms.genesis import AccountKind, Genesis
from tests.kit.clearing.attackers import Attack, attack_genesis, attack_world, with_account
from tests.kit.clearing.defaults import CLIENT_SECRET, NOTHING
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC_PERP, CAROL, DOLLAR, USDC_1
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
    """Before, with `pool_affiliates` off: 21,000 in; 27,405 out at once, 27,722 with a step before it."""
    attack = attacked(listed(attack_genesis(pool=True)), declare, ticks)
    assert attack.gain <= 0


@pytest.mark.parametrize("ticks", [AT_ONCE, IN_STEPS], ids=["at_once", "in_steps"])
def test_without_the_rule_the_attack_pays(ticks: tuple[int, ...]) -> None:
    """The other tests of this file would see an attack that succeeds."""
    attack = attacked(attack_genesis(), by_both, ticks)
    assert attack.gain > 0


OTHER_KEY = (78).to_bytes(32, "big")


def under_another_member(world: World, key: bytes) -> int:
    """The account of a client of Bob's with this key, which pays in 10,000 dollars."""
    account = world.open_account(BOB, AccountKind.CLIENT, 0, address(key))
    world.pay_in(account, 10_000)
    return account


def declared_client(world: World) -> tuple[int, bytes]:
    account = under_another_member(world, OTHER_KEY)
    assert not world.refusals(world.affiliation(ALICE, account, affiliate_key=OTHER_KEY))
    return account, OTHER_KEY


def client_with_the_members_key(world: World) -> tuple[int, bytes]:
    return under_another_member(world, secret(1)), secret(1)


def affiliated_member(world: World) -> tuple[int, bytes]:
    """Carol, who moves out what else she has."""
    assert not world.refusals(world.affiliation(ALICE, CAROL, affiliate_key=secret(3)))
    world.block(world.withdrawal(CAROL, USDC_1, world.cash(CAROL) - 10_000 * DOLLAR))
    return CAROL, secret(3)


def ported_client(world: World) -> tuple[int, bytes]:
    """An affiliated client of Alice's that goes to Bob just before."""
    world.pay_in(KEYED_CLIENT, 10_000)
    by_both(world)
    porting = world.porting(KEYED_CLIENT, 2, client=CLIENT_SECRET)
    assert not world.refusals(porting)
    world.owner[KEYED_CLIENT] = 2
    return KEYED_CLIENT, CLIENT_SECRET


def attacked_from_elsewhere(genesis: Genesis, winner: Callable[[World], tuple[int, bytes]]) -> Attack:
    world = attack_world(genesis)
    world.pay_in(ALICE, 10_000)
    account, key = winner(world)
    attack = Attack(world, ALICE, account, members=(1, 3) if account == CAROL else (1,))
    attack.keys[account] = key
    assert not world.refusals(world.perp_trade(ALICE, account, LOTS))
    attack.fall(*AT_ONCE)
    return attack


@pytest.mark.parametrize("winner", [declared_client, client_with_the_members_key, affiliated_member, ported_client])
def test_an_affiliate_under_another_member_keeps_no_gain_that_the_default_would_pay(
    winner: Callable[[World], tuple[int, bytes]],
) -> None:
    """Before, with `pool_affiliates` off: 21,000 in, 27,405 out; 25,437 where the affiliate is a member that has to
    bear some of the loss itself."""
    assert attacked_from_elsewhere(attack_genesis(), winner).gain > 4_000
    attack = attacked_from_elsewhere(attack_genesis(pool=True), winner)
    assert attack.gain <= 0
    (taken,) = attack.world.every(AffiliateGainsTaken)
    assert sum(paid for _, _, paid in taken.paid) == taken.owed == 7_404_750_000


def test_a_client_that_is_no_affiliate_stays_apart() -> None:
    """The rule takes nothing from whom nobody declared: it is for the gains haircut, and for what may be open."""
    world = attack_world(attack_genesis(pool=True))
    world.bring(alice=10_000, keyed=10_000, client=10_000)
    assert not world.refusals(world.perp_trade(ALICE, BOB, LOTS))
    world.fall(515_000)
    assert world.default().own_accounts == (ALICE,)
    assert world.default().client_accounts == (ALICE_CLIENT, KEYED_CLIENT)
    world.until_ended()
    assert [world.cash(each) for each in (ALICE_CLIENT, KEYED_CLIENT)] == [10_000 * DOLLAR] * 2


def test_somebody_elses_key_on_an_own_client_lets_nobody_pay_but_that_account() -> None:
    """Dave's client names the key of Carol. What it gained is cut out of its own cash alone."""
    world = attack_world(attack_genesis(pool=True, default=NOTHING))
    labelled = world.open_account(DAVE, AccountKind.CLIENT, 0, address(secret(3)))
    world.bring(alice=10_000)
    world.pay_in(labelled, 10_000)
    assert not world.refusals(world.perp_trade(ALICE, labelled, LOTS))
    carol = world.cash(CAROL)
    world.prices(515_000)
    world.wait(20)
    assert world.cash(CAROL) == carol
    families = OwnerFamilies(world.state)
    assert families.group_of(labelled) != families.group_of(CAROL)
    assert are_affiliated(world.state, labelled, CAROL), "for what costs nobody else"


def test_affiliated_clients_money_is_in_the_estate_and_cannot_leave() -> None:
    """Positions of both sides are netted: a loss of the member's account is its affiliate's gain."""
    world = attack_world(attack_genesis(pool=True))
    world.bring(alice=10_000, keyed=12_000)
    by_both(world)
    assert not world.refusals(world.perp_trade(ALICE, BOB, LOTS), world.perp_trade(BOB, KEYED_CLIENT, 1_000))
    world.fall(480_000)
    assert world.default().own_accounts == (ALICE, KEYED_CLIENT)
    assert world.default().estate == ALICE
    assert (world.cash(KEYED_CLIENT), world.lots(KEYED_CLIENT, BTC_PERP)) == (0, 0)
    assert world.lots(ALICE, BTC_PERP) == LOTS - 1_000
    world.pay_in(KEYED_CLIENT, 5)
    leaves = world.withdrawal(KEYED_CLIENT, USDC_1, DOLLAR, key=CLIENT_SECRET)
    assert world.refusals(leaves) == [ClearingCode.MEMBER_NOT_ACTIVE]
    assert world.refusals(world.rescue(KEYED_CLIENT, 1, 3, CLIENT_SECRET)) == [ClearingCode.NOT_RESCUABLE]
    world.until_ended()
