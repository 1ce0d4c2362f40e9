"""A vault that lacks some of one token: the asset is halted, its loss is borne by its rules, and all others go on."""

import msgspec
import pytest

from clearing.base.codec import u256
from clearing.collateral.cash_tokens import has_left_cash_group
from clearing.schema.codes import ClearingCode as C
from clearing.schema.facts import CustodySeen
from clearing.schema.receipts.collateral import (
    AssetHalted,
    AssetReleased,
    CashLeftGroup,
    DepositCredited,
    DepositStray,
    HaircutChanged,
)
from clearing.schema.receipts.withdrawals import WithdrawalDelayed, WithdrawalReleased
from clearing.schema.requests.governance import AssetRelease
from clearing.schema.terms.collateral import HaircutTerms
from clearing.state.ledger import inventory_units
from clearing.withdrawals.refunds import RefundReason, WithdrawalRefunded
from tests.kit.clearing.chamber import parliament_world
from tests.kit.clearing.gated import GATE, gated, gated_genesis
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, USDC_1, USDC_2, WETH_1, make_genesis
from tests.kit.clearing.guarded import guarded
from tests.kit.clearing.world import World, funded

WETH_UNIT = 10**12


def counters(world: World, asset: int, missing: int, block_number: int = 400) -> CustodySeen:
    """What a vault counts that lacks so many base units of this asset."""
    fact = next(
        fact
        for fact, listed in zip(world.custody_facts(block_number), world.genesis.assets, strict=True)
        if listed.id == asset
    )
    return msgspec.structs.replace(fact, balance=u256(int.from_bytes(fact.deposited, "big") - missing))


def short(world: World, asset: int, missing: int = 1, block_number: int = 400) -> None:
    world.block(facts=[counters(world, asset, missing, block_number)])


@pytest.fixture
def world() -> World:
    return funded(genesis=gated_genesis(stray_blocks=20))


def test_a_vault_without_one_unit_of_a_token_halts_the_token_and_nothing_else(world: World) -> None:
    world.deposit(BOB, WETH_1, 5)
    world.deposit(BOB, USDC_2, 10 * DOLLAR)
    short(world, USDC_1)
    (halted,) = world.last(AssetHalted)
    assert (halted.asset, halted.block_number) == (USDC_1, 400)
    assert world.refused(world.withdrawal(ALICE, USDC_1, DOLLAR)) == [C.ASSET_HALTED]
    world.deposit(CAROL, WETH_1, 7)
    assert len(world.last(DepositCredited)) == 1
    asked = world.withdrawal(CAROL, WETH_1, 7), world.withdrawal(BOB, WETH_1, 5), world.withdrawal(BOB, USDC_2, DOLLAR)
    assert world.refused(*asked) == []
    assert len(world.last(WithdrawalReleased)) == 3


def test_counters_that_are_covered_halt_nothing(world: World) -> None:
    short(world, USDC_1, 0)
    assert not world.every(AssetHalted)
    assert world.refused(world.withdrawal(ALICE, USDC_1, DOLLAR)) == []


def test_a_deposit_of_a_halted_asset_is_a_stray_that_is_refunded_when_its_time_is_over(world: World) -> None:
    short(world, USDC_1)
    before = world.cash(ALICE)
    world.deposit(ALICE, USDC_1, 7 * DOLLAR)
    assert [stray.code for stray in world.last(DepositStray)] == [C.ASSET_HALTED]
    world.wait(19)
    assert world.state.stray_deposits
    world.wait(2)
    assert world.cash(ALICE) == before
    assert not list(world.state.stray_deposits.ordered())


def test_a_halt_outlasts_counters_that_are_covered_again(world: World) -> None:
    """A halt that ends by itself is one of the incidents that the bridge's design cites."""
    short(world, USDC_1)
    short(world, USDC_1, 0, 404)
    assert world.refused(world.withdrawal(ALICE, USDC_1, DOLLAR)) == [C.ASSET_HALTED]
    short(world, USDC_1, 5, 408)
    assert len(world.every(AssetHalted)) == 1


def test_a_delayed_withdrawal_of_a_halted_asset_goes_back_to_its_account() -> None:
    world = gated(GATE, waiting_grace_blocks=2)
    before = world.cash(ALICE)
    world.block(world.withdrawal(ALICE, USDC_1, 2_000 * DOLLAR))
    assert world.last(WithdrawalDelayed)
    short(world, USDC_1)
    world.wait(5)
    (refunded,) = world.every(WithdrawalRefunded)
    assert (refunded.reason, refunded.code) == (RefundReason.LAPSED, C.ASSET_HALTED)
    assert world.cash(ALICE) == before


def test_a_guarded_cash_token_leaves_its_group_in_the_block_of_the_proof() -> None:
    """Who asks first must not leave the others with the token that the vault lacks."""
    world = guarded()
    inventory = inventory_units(world.state, world.state.terms.assets[USDC_1])
    short(world, USDC_1)
    (left,) = world.last(CashLeftGroup)
    assert (left.asset, left.inventory_micros) == (USDC_1, inventory)
    assert has_left_cash_group(world.state, USDC_1)
    assert world.refused(world.withdrawal(ALICE, USDC_2, DOLLAR)) == []


def test_a_dynamic_haircut_takes_the_missing_share_of_a_tokens_value() -> None:
    genesis = make_genesis()
    dynamic = HaircutTerms(step_ppm=1, liquidity_ppm=1)
    assets = tuple(
        msgspec.structs.replace(asset, haircut=dynamic) if asset.id == WETH_1 else asset for asset in genesis.assets
    )
    world = funded(genesis=msgspec.structs.replace(genesis, assets=assets))
    world.deposit(BOB, WETH_1, 1_000)
    before = world.state.haircuts[WETH_1].haircut_ppm
    short(world, WETH_1, 250 * WETH_UNIT)
    (changed,) = world.last(HaircutChanged)
    assert changed.haircut_ppm - before == 250_000
    assert ("shortage", 250_000) in changed.parts


def test_a_vote_releases_the_asset_once_the_vault_has_again_what_it_owes() -> None:
    house = parliament_world()
    short(house, USDC_1)
    assert house.refusals(house.proposal(AssetRelease(USDC_1))) == [C.HALT_REFUSED]
    assert house.refusals(house.proposal(AssetRelease(WETH_1))) == [C.HALT_REFUSED]
    short(house, USDC_1, 0, 404)
    house.agree(AssetRelease(USDC_1))
    assert not house.every(AssetReleased), "money that could leave needs the timelock"
    house.wait(5)
    assert [each.asset for each in house.every(AssetReleased)] == [USDC_1]
    assert house.refused(house.withdrawal(ALICE, USDC_1, DOLLAR)) == []


def test_a_vote_on_a_vault_that_is_short_again_when_it_takes_effect_releases_nothing() -> None:
    house = parliament_world()
    short(house, USDC_1)
    short(house, USDC_1, 0, 404)
    house.agree(AssetRelease(USDC_1))
    short(house, USDC_1, 3, 408)
    house.wait(5)
    assert not house.every(AssetReleased)
    assert USDC_1 in house.state.asset_halts


def test_a_state_read_back_has_the_halt(world: World) -> None:
    short(world, USDC_1)
    assert dict(world.read_back().asset_halts.ordered()) == dict(world.state.asset_halts.ordered())
