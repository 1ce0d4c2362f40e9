"""Inventory and the skew fee: what moves a group's balance pays for it, and nobody's round trip pays off."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.collateral.skew import inventory_fee, skew_potential
from clearing.schema.blocks.receipt import Refused
from clearing.schema.receipts.accounts import CashTransferred
from clearing.schema.receipts.collateral import ClaimsSwapped, SkewFeePaid
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.terms.collateral import SkewTerms
from clearing.state.ledger import FEE_POT_ACCOUNT, SUSPENSE_ACCOUNT, inventory_units
from tests.kit.clearing.genesis import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC_PERP,
    CAROL,
    DOLLAR,
    HOUSE,
    USD,
    USDC_1,
    USDC_2,
    WETH_1,
)
from tests.kit.clearing.vaults import SKEW, STETH_2, genesis_with, opened
from tests.kit.clearing.world import World, codes, of_kind

MEMBERS = (HOUSE, ALICE, BOB, CAROL)


def test_without_skew_terms_withdrawals_cost_nothing() -> None:
    world = opened(genesis_with())
    world.block(world.withdrawal(ALICE, USDC_1, 40_000 * DOLLAR))
    assert world.cash(ALICE) == 60_000 * DOLLAR
    assert FEE_POT_ACCOUNT not in world.state.accounts


def test_within_the_band_it_is_free_and_beyond_it_costs() -> None:
    world = opened(genesis_with(skew=SKEW))
    assert not of_kind(world.block(world.withdrawal(ALICE, USDC_1, 2_000 * DOLLAR)), SkewFeePaid)
    before = world.cash(ALICE)
    result = world.block(world.withdrawal(ALICE, USDC_1, 20_000 * DOLLAR))
    (paid,) = of_kind(result, SkewFeePaid)
    assert paid.fee_micros > 0
    assert world.cash(ALICE) == before - 20_000 * DOLLAR - paid.fee_micros
    assert paid.pot_micros == world.cash(FEE_POT_ACCOUNT)


def test_a_worked_fee() -> None:
    # Two tokens of equal weight, 200,000 each; 21,000 leave the first: skew 10,500 each, 9,500 beyond the band.
    # P = 2 x 0.1 x 9,500^2 / (2 x 50,000) = 180.50.
    fee = inventory_fee([200_000 * DOLLAR, 200_000 * DOLLAR], [1, 1], SKEW, 0, -21_000 * DOLLAR)
    assert fee == 180_500_000
    back = inventory_fee([179_000 * DOLLAR, 200_000 * DOLLAR], [1, 1], SKEW, 0, 21_000 * DOLLAR)
    assert back == -180_500_000


def test_beyond_its_depth_the_slope_stays_at_the_rate() -> None:
    step = 1_000 * DOLLAR
    far = [10**12, 0]
    fees = [inventory_fee([far[0] + n * step, 0], [1, 1], SKEW, 0, step) for n in range(3)]
    # Half of the step is added to the skew of each of both tokens: 0.1 of it in all.
    assert fees == [step // 10] * 3


def test_who_restores_the_balance_is_paid_out_of_the_pot_and_never_more_than_it_holds() -> None:
    world = opened(genesis_with(skew=SKEW))
    pot = world.cash(FEE_POT_ACCOUNT)
    world.block(world.withdrawal(ALICE, USDC_1, 30_000 * DOLLAR))
    paid = world.cash(FEE_POT_ACCOUNT) - pot
    assert paid > 0
    before = world.cash(BOB)
    result = world.block(world.withdrawal(BOB, USDC_2, 30_000 * DOLLAR))
    (rebate,) = of_kind(result, SkewFeePaid)
    assert rebate.fee_micros < 0
    assert world.cash(BOB) == before - 30_000 * DOLLAR - rebate.fee_micros
    assert world.cash(FEE_POT_ACCOUNT) >= 0


def test_a_withdrawal_reserves_the_chains_inventory_and_needs_the_fee_too() -> None:
    world = opened(genesis_with(skew=SKEW))
    asset = world.state.terms.assets[USDC_1]
    before = inventory_units(world.state, asset)
    world.block(world.withdrawal(ALICE, USDC_1, 10_000 * DOLLAR))
    assert inventory_units(world.state, asset) == before - 10_000 * DOLLAR
    result = world.block(world.withdrawal(BOB, USDC_1, world.cash(BOB)))
    assert codes(result) == [218], "the whole balance leaves nothing for the fee"


def test_a_fee_above_the_signed_limit_is_refused() -> None:
    world = opened(genesis_with(skew=SKEW))
    result = world.block(world.limited(ALICE, USDC_1, 40_000 * DOLLAR, 1))
    assert codes(result) == [320]
    (refusal,) = of_kind(result, Refused)
    fee = int(dict(refusal.values)["fee"])
    result = world.block(world.limited(ALICE, USDC_1, 40_000 * DOLLAR, fee))
    assert codes(result) == []
    assert of_kind(result, WithdrawalReleased)[0].units == 40_000 * DOLLAR


def test_claims_are_swapped_by_both_signatures_and_only_with_margin_covered() -> None:
    world = opened(genesis_with())
    weth, steth = 2**32 + WETH_1, 2**32 + STETH_2
    result = world.block(world.swap(ALICE, CAROL, (weth, 10_000_000), (steth, 9_000_000)))
    assert of_kind(result, ClaimsSwapped)[0].taken_units == 9_000_000
    assert (world.units(CAROL, WETH_1), world.units(ALICE, STETH_2)) == (10_000_000, 9_000_000)
    forged = world.swap(ALICE, CAROL, (weth, 1), (steth, 1))
    forged = world.sign(forged, recipient_signature=world.key_of(BOB))
    assert codes(world.block(forged)) == [208]
    assert codes(world.block(world.swap(ALICE, CAROL, (weth, 41_000_000), (steth, 1)))) == [218]
    assert codes(world.block(world.swap(ALICE, CAROL, (weth, 0), (steth, 1)))) == [211]
    assert codes(world.block(world.swap(ALICE, CAROL, (weth, 1), (weth, 1)))) == [319]
    assert codes(world.block(world.swap(ALICE, CAROL, (7, 1), (weth, 1)))) == [319]
    world.block(world.trade(ALICE, BOB, BTC_PERP, 60_000, 790_000))
    assert world.lots(ALICE, BTC_PERP) == 60_000
    assert codes(world.block(world.swap(ALICE, CAROL, (USD, 40_000 * DOLLAR), (steth, 1)))) == [203]


def test_a_member_does_not_swap_with_its_own_client() -> None:
    world = opened(genesis_with())
    world.deposit(ALICE_CLIENT, WETH_1, 1_000_000)
    result = world.block(world.swap(ALICE_CLIENT, ALICE, (2**32 + WETH_1, 1_000_000), (USD, 1)))
    assert len(codes(result)) == 1
    assert world.units(ALICE_CLIENT, WETH_1) == 1_000_000


SIZES = st.lists(st.integers(0, 10**13), min_size=2, max_size=4)
TERMS = st.builds(
    SkewTerms,
    rate_ppm=st.integers(1, 250_000),
    depth_micros=st.integers(1, 10**12),
    band_micros=st.integers(0, 10**12),
)


@given(SIZES, TERMS, st.data())
def test_the_potential_is_convex_and_zero_in_balance(inventory: list[int], terms: SkewTerms, data: Any) -> None:
    weights = data.draw(st.lists(st.integers(1, 5), min_size=len(inventory), max_size=len(inventory)))
    other = data.draw(st.lists(st.integers(0, 10**13), min_size=len(inventory), max_size=len(inventory)))
    middle = [one + two for one, two in zip(inventory, other, strict=True)]
    doubled = [skew_potential([2 * each for each in side], weights, terms) for side in (inventory, other)]
    assert 2 * skew_potential(middle, weights, terms) <= sum(doubled)
    assert skew_potential([weight * 10**9 for weight in weights], weights, terms) == 0


@given(SIZES, TERMS, st.lists(st.tuples(st.integers(0, 3), st.integers(-(10**12), 10**12)), max_size=8))
def test_no_way_round_through_the_chains_gains(
    inventory: list[int], terms: SkewTerms, steps: list[tuple[int, int]]
) -> None:
    weights, now, paid = [1] * len(inventory), list(inventory), 0
    moves = [(at % len(inventory), change) for at, change in steps]
    for at, change in [*moves, *((at, -change) for at, change in reversed(moves))]:
        fee = inventory_fee(now, weights, terms, at, change)
        assert abs(fee) <= abs(change) // 2 + 1, "a movement costs less than half of itself"
        paid += fee
        now[at] += change
    assert now == inventory
    assert paid >= 0


MOVE = st.tuples(
    st.sampled_from(("in", "out")),
    st.sampled_from(MEMBERS[1:]),
    st.sampled_from((USDC_1, USDC_2)),
    st.integers(1, 60_000),
)


@given(st.lists(MOVE, max_size=14))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_members_move_conserves_cash_and_the_pot_is_never_short(moves: list[tuple[str, int, int, int]]) -> None:
    world = opened(genesis_with(skew=SKEW))
    deposited = withdrawn = 0
    total = sum(world.cash(each) for each in (*MEMBERS, FEE_POT_ACCOUNT))
    for kind, account, asset, dollars in moves:
        if kind == "in":
            world.deposit(account, asset, dollars * DOLLAR)
            deposited += dollars * DOLLAR
        else:
            result = world.block(world.withdrawal(account, asset, dollars * DOLLAR))
            withdrawn += sum(each.units for each in of_kind(result, WithdrawalReleased))
        assert world.cash(FEE_POT_ACCOUNT) >= 0
    assert sum(world.cash(each) for each in (*MEMBERS, FEE_POT_ACCOUNT)) == total + deposited - withdrawn


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40_000)), min_size=1, max_size=10))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_one_members_round_trip_never_profits(steps: list[tuple[bool, int]]) -> None:
    """Alice pays in and takes out alone, and in the end brings both chains back to where they were."""
    world: World = opened(genesis_with(skew=SKEW))
    assets = {asset: world.state.terms.assets[asset] for asset in (USDC_1, USDC_2)}
    before = {asset: inventory_units(world.state, each) for asset, each in assets.items()}
    wealth = world.cash(ALICE)
    for first, dollars in steps:
        asset = USDC_1 if first else USDC_2
        world.deposit(ALICE, asset, dollars * DOLLAR)
        world.block(world.withdrawal(ALICE, USDC_2 if first else USDC_1, dollars * DOLLAR))
    for asset, each in assets.items():
        change = before[asset] - inventory_units(world.state, each)
        if change > 0:
            world.deposit(ALICE, asset, change)
    for asset, each in assets.items():
        change = before[asset] - inventory_units(world.state, each)
        if change < 0:
            result = world.block(world.withdrawal(ALICE, asset, -change))
            if codes(result):
                return  # fees took what the last step needs: no profit either
    assert {asset: inventory_units(world.state, each) for asset, each in assets.items()} == before
    assert world.cash(ALICE) <= wealth


@pytest.mark.parametrize("rate", [250_001, 2**32 - 1])
def test_a_slope_that_could_cost_half_of_a_movement_is_refused(rate: int) -> None:
    with pytest.raises(Exception, match="skew"):
        genesis_with(skew=SkewTerms(rate_ppm=rate))


def test_cash_between_own_accounts_moves_no_inventory() -> None:
    world = opened(genesis_with(skew=SKEW))
    result = world.block(world.transfer(ALICE, ALICE_CLIENT, 50_000 * DOLLAR))
    assert of_kind(result, CashTransferred)
    assert not of_kind(result, SkewFeePaid)


def test_a_deposit_to_nobody_pays_for_the_skew_too() -> None:
    """Or it could be made to have a rebate paid on the way back."""
    world = opened(genesis_with(skew=SKEW))
    result = world.deposit(999, USDC_1, 100_000 * DOLLAR)
    (paid,) = of_kind(result, SkewFeePaid)
    assert (paid.account, paid.fee_micros > 0) == (SUSPENSE_ACCOUNT, True)
    result = world.deposit(999, USDC_2, 100_000 * DOLLAR)
    assert not of_kind(result, SkewFeePaid), "and earns nothing"
