"""Withdrawals of a member that fails: what waits pays before anybody else, and nobody runs from the loss."""

import msgspec

from clearing.context.unresolved_losses import resolution_deadline, unresolved_micros
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import DefaultDeclared
from clearing.schema.receipts.withdrawals import RefundReason, WithdrawalRefunded, WithdrawalReleased
from clearing.schema.records.default import MemberStatus
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from tests.kit.clearing.defaults import NO_FUND, default_genesis, default_world
from tests.kit.clearing.gated import gated_genesis
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, USDC_1, WETH_1
from tests.kit.clearing.world import World, codes, of_kind

LOTS = 40_000
DELAY = AssetWithdrawalLimits(USDC_1, delay_above_units=1, delay_blocks=200)


def gated_default_world(*assets: AssetWithdrawalLimits, own_accounts: bool = False, **terms: object) -> World:
    """The network of defaults, behind gates."""
    genesis = gated_genesis(*assets, base=default_genesis(fund=NO_FUND), **terms)
    if own_accounts:
        alice = genesis.members[1]
        accounts = tuple(msgspec.structs.replace(each, kind=0) if each.id == 4 else each for each in alice.accounts)
        members = tuple(
            msgspec.structs.replace(each, accounts=accounts) if each.id == 1 else each for each in genesis.members
        )
        genesis = msgspec.structs.replace(genesis, members=members)
    return default_world(genesis=genesis)


def test_what_waits_comes_back_in_time_to_spare_everybody_the_default() -> None:
    plain, gated = gated_default_world(), gated_default_world(DELAY)
    for world in (plain, gated):
        world.bring(alice=20_000)
        world.block(world.perp_trade(ALICE, BOB, LOTS))
        assert codes(world.block(world.withdrawal(ALICE, USDC_1, 20_000 * DOLLAR))) == []
        world.prices(790_000)
    assert of_kind(plain.fall(500_000), DefaultDeclared)
    assert unresolved_micros(plain.state) == 16_000 * DOLLAR
    results = [gated.prices(500_000), *(gated.block() for _ in range(3))]
    assert not [each for result in results for each in of_kind(result, DefaultDeclared)]
    backs = [each for result in results for each in of_kind(result, WithdrawalRefunded)]
    assert [(each.units, each.reason) for each in backs] == [(20_000 * DOLLAR, RefundReason.MARGIN)]
    assert not list(gated.state.delayed_withdrawals.ordered())


def test_survivors_leave_their_part_of_a_real_default_behind_and_the_defaulter_takes_nothing() -> None:
    world = gated_default_world(deficit_reserve=True)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    result = world.fall(500_000)
    (declared,) = of_kind(result, DefaultDeclared)
    assert world.status(1) is MemberStatus.DEFAULTING
    deficit, until = unresolved_micros(world.state), resolution_deadline(world.state)
    assert (deficit, until) == (16_000 * DOLLAR, declared.deadline_height)
    asked = world.withdrawal(CAROL, USDC_1, 100_000 * DOLLAR)
    assert codes(world.block(asked, world.withdrawal(ALICE, USDC_1, 1))) == [
        ClearingCode.DEFICIT_RESERVE,
        ClearingCode.MEMBER_NOT_ACTIVE,
    ]
    part = -(-deficit * 100_000 // 500_000)
    assert codes(world.block(world.withdrawal(CAROL, USDC_1, 100_000 * DOLLAR - part + 1))) == [268]
    assert codes(world.block(world.withdrawal(CAROL, USDC_1, 100_000 * DOLLAR - part))) == []
    world.until_ended()
    assert world.state.now.height <= until
    left = world.cash(CAROL)
    assert codes(world.block(world.withdrawal(CAROL, USDC_1, left))) == []


def test_what_waits_of_another_own_account_is_in_the_estate_before_anybody_pays() -> None:
    world = gated_default_world(DELAY, own_accounts=True)
    world.bring(client=20_000)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    assert codes(world.block(world.withdrawal(4, USDC_1, 20_000 * DOLLAR))) == []
    world.prices(790_000)
    results = [world.fall(500_000), *(world.block() for _ in range(3))]
    backs = [each for result in results for each in of_kind(result, WithdrawalRefunded)]
    assert [(each.account, each.reason) for each in backs] == [(4, RefundReason.DEFAULT)]
    assert not [each for result in results for each in of_kind(result, WithdrawalReleased)]
    (declared,) = [each for result in results for each in of_kind(result, DefaultDeclared)]
    assert declared.own == (ALICE, 4)
    assert unresolved_micros(world.state) == 0


def test_a_debt_that_the_defaulter_has_collateral_for_holds_nobody_back() -> None:
    """Its own ether pays it when the default is closed: nobody else may have to bear any of it."""
    bare, rich = gated_default_world(deficit_reserve=True), gated_default_world(deficit_reserve=True)
    rich.block(facts=[rich.deposit_fact(ALICE, WETH_1, 50 * 10**18)])
    for world in (bare, rich):
        world.block(world.perp_trade(ALICE, BOB, 41_000))
        world.fall(500_000)
        assert world.status(1) is MemberStatus.DEFAULTING
    assert unresolved_micros(bare.state) == 18_900 * DOLLAR
    assert unresolved_micros(rich.state) == 18_900 * DOLLAR - 50 * 180 * DOLLAR
    rich.bring(alice=9_900)
    assert rich.cash(ALICE) < 0
    assert unresolved_micros(rich.state) == 0
    assert codes(rich.block(rich.withdrawal(CAROL, USDC_1, 100_000 * DOLLAR))) == []
