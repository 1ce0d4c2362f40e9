"""Inventory and the skew fee: what moves a group's balance pays for it, and nobody's round trip pays off."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.collateral.skew import inventory_fee, skew_potential
from clearing.schema.blocks.receipt import Refused
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.accounts import CashTransferred
from clearing.schema.receipts.collateral import ClaimsSwapped, SkewFeePaid
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.terms.collateral import SkewTerms
from clearing.state.ledger import FEE_POT_ACCOUNT, inventory_units, token_currency
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC_PERP, CAROL, DOLLAR, USD, USDC_1, USDC_2, WETH_1
from tests.kit.clearing.vaults import SKEW, STETH_2, genesis_with, opened
from tests.kit.clearing.world import World, of_kind

WETH, STETH = token_currency(WETH_1), token_currency(STETH_2)


def skewed() -> World:
    return opened(genesis_with(skew=SKEW))


def inventory(world: World) -> list[int]:
    return [inventory_units(world.state, world.state.terms.assets[asset]) for asset in (USDC_1, USDC_2)]


def test_without_skew_terms_withdrawals_cost_nothing() -> None:
    world = opened(genesis_with())
    world.block(world.withdrawal(ALICE, USDC_1, 40_000 * DOLLAR))
    assert world.cash(ALICE) == 60_000 * DOLLAR
    assert FEE_POT_ACCOUNT not in world.state.accounts


def test_within_the_band_it_is_free_and_beyond_it_costs() -> None:
    world = skewed()
    assert not of_kind(world.block(world.withdrawal(ALICE, USDC_1, 2_000 * DOLLAR)), SkewFeePaid)
    before = world.cash(ALICE)
    (paid,) = of_kind(world.block(world.withdrawal(ALICE, USDC_1, 20_000 * DOLLAR)), SkewFeePaid)
    assert paid.fee_micros > 0
    assert world.cash(ALICE) == before - 20_000 * DOLLAR - paid.fee_micros
    assert paid.pot_micros == world.cash(FEE_POT_ACCOUNT)


def test_a_worked_fee() -> None:
    # Two tokens of equal weight, 200,000 each; 21,000 leave the first: skew 10,500 each, 9,500 beyond the band.
    # P = 2 x 0.1 x 9,500^2 / (2 x 50,000) = 180.50.
    fee = inventory_fee([200_000 * DOLLAR, 200_000 * DOLLAR], [1, 1], SKEW, 0, -21_000 * DOLLAR)
    back = inventory_fee([179_000 * DOLLAR, 200_000 * DOLLAR], [1, 1], SKEW, 0, 21_000 * DOLLAR)
    assert (fee, back) == (180_500_000, -180_500_000)


def test_beyond_its_depth_the_slope_stays_at_the_rate() -> None:
    step = 1_000 * DOLLAR
    fees = [inventory_fee([10**12 + n * step, 0], [1, 1], SKEW, 0, step) for n in range(3)]
    # Half of the step is added to the skew of each of both tokens: 0.1 of it in all.
    assert fees == [step // 10] * 3


def test_who_restores_the_balance_is_paid_out_of_the_pot_and_never_more_than_it_holds() -> None:
    world = skewed()
    pot = world.cash(FEE_POT_ACCOUNT)
    world.block(world.withdrawal(ALICE, USDC_1, 30_000 * DOLLAR))
    assert world.cash(FEE_POT_ACCOUNT) > pot
    before = world.cash(BOB)
    (rebate,) = of_kind(world.block(world.withdrawal(BOB, USDC_2, 30_000 * DOLLAR)), SkewFeePaid)
    assert rebate.fee_micros < 0
    assert world.cash(BOB) == before - 30_000 * DOLLAR - rebate.fee_micros
    assert world.cash(FEE_POT_ACCOUNT) >= 0


def test_a_withdrawal_reserves_the_chains_inventory_and_needs_the_fee_too() -> None:
    world = skewed()
    first, second = inventory(world)
    world.block(world.withdrawal(ALICE, USDC_1, 10_000 * DOLLAR))
    assert inventory(world) == [first - 10_000 * DOLLAR, second]
    whole = world.withdrawal(BOB, USDC_1, world.cash(BOB))
    assert world.refused(whole) == [C.BALANCE_TOO_SMALL], "the whole balance leaves nothing for the fee"


def test_a_fee_above_the_signed_limit_is_refused() -> None:
    world = skewed()
    assert world.refused(world.limited(ALICE, USDC_1, 40_000 * DOLLAR, 1)) == [C.FEE_ABOVE_LIMIT]
    fee = int(dict(world.last(Refused)[0].values)["fee"])
    (released,) = of_kind(world.block(world.limited(ALICE, USDC_1, 40_000 * DOLLAR, fee)), WithdrawalReleased)
    assert released.units == 40_000 * DOLLAR


SWAPS = {
    "more_than_there_is": ((WETH, 41_000_000), (STETH, 1), C.BALANCE_TOO_SMALL),
    "of_nothing": ((WETH, 0), (STETH, 1), C.BAD_SIZE),
    "of_a_claim_for_itself": ((WETH, 1), (WETH, 1), C.UNKNOWN_CURRENCY),
    "of_what_there_is_not": ((7, 1), (WETH, 1), C.UNKNOWN_CURRENCY),
}


def test_claims_are_swapped_by_both_signatures_and_only_with_margin_covered() -> None:
    world = opened(genesis_with())
    (swapped,) = of_kind(
        world.block(world.swap(ALICE, CAROL, (WETH, 10_000_000), (STETH, 9_000_000))),
        ClaimsSwapped,
    )
    assert swapped.taken_units == 9_000_000
    assert (world.units(CAROL, WETH_1), world.units(ALICE, STETH_2)) == (10_000_000, 9_000_000)
    forged = world.sign(world.swap(ALICE, CAROL, (WETH, 1), (STETH, 1)), recipient_signature=world.key_of(BOB))
    assert world.refused(forged) == [C.WRONG_SIGNER]
    for rule, (given_claim, taken_claim, code) in SWAPS.items():
        assert world.refused(world.swap(ALICE, CAROL, given_claim, taken_claim)) == [code], rule
    world.block(world.perp_trade(ALICE, BOB, 60_000))
    assert world.lots(ALICE, BTC_PERP) == 60_000
    needed = world.swap(ALICE, CAROL, (USD, 40_000 * DOLLAR), (STETH, 1))
    assert world.refused(needed) == [C.COLLATERAL_NEEDED_FOR_MARGIN]


def test_a_member_does_not_swap_with_its_own_client() -> None:
    world = opened(genesis_with())
    world.deposit(ALICE_CLIENT, WETH_1, 1_000_000)
    assert len(world.refused(world.swap(ALICE_CLIENT, ALICE, (WETH, 1_000_000), (USD, 1)))) == 1
    assert world.units(ALICE_CLIENT, WETH_1) == 1_000_000


SIZES = st.lists(st.integers(0, 10**13), min_size=2, max_size=4)
TERMS = st.builds(
    SkewTerms,
    rate_ppm=st.integers(1, 250_000),
    depth_micros=st.integers(1, 10**12),
    band_micros=st.integers(0, 10**12),
)


@given(SIZES, TERMS, st.data())
def test_the_potential_is_convex_and_zero_in_balance(sizes: list[int], terms: SkewTerms, data: Any) -> None:
    weights = data.draw(st.lists(st.integers(1, 5), min_size=len(sizes), max_size=len(sizes)))
    other = data.draw(st.lists(st.integers(0, 10**13), min_size=len(sizes), max_size=len(sizes)))
    middle = [one + two for one, two in zip(sizes, other, strict=True)]
    doubled = [skew_potential([2 * each for each in side], weights, terms) for side in (sizes, other)]
    assert 2 * skew_potential(middle, weights, terms) <= sum(doubled)
    assert skew_potential([weight * 10**9 for weight in weights], weights, terms) == 0


@given(SIZES, TERMS, st.lists(st.tuples(st.integers(0, 3), st.integers(-(10**12), 10**12)), max_size=8))
def test_no_way_round_through_the_chains_gains(
    sizes: list[int], terms: SkewTerms, steps: list[tuple[int, int]]
) -> None:
    weights, now, paid = [1] * len(sizes), list(sizes), 0
    moves = [(at % len(sizes), change) for at, change in steps]
    for at, change in [*moves, *((at, -change) for at, change in reversed(moves))]:
        fee = inventory_fee(now, weights, terms, at, change)
        assert abs(fee) <= abs(change) // 2 + 1, "a movement costs less than half of itself"
        paid += fee
        now[at] += change
    assert now == sizes
    assert paid >= 0


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40_000)), min_size=1, max_size=10))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_one_members_round_trip_never_profits(steps: list[tuple[bool, int]]) -> None:
    """Alice pays in and takes out alone, and in the end brings both chains back to where they were."""
    world = skewed()
    before, wealth = inventory(world), world.cash(ALICE)
    for first, dollars in steps:
        there, back = (USDC_1, USDC_2) if first else (USDC_2, USDC_1)
        world.deposit(ALICE, there, dollars * DOLLAR)
        world.block(world.withdrawal(ALICE, back, dollars * DOLLAR))
    changes = {asset: was - now for asset, was, now in zip((USDC_1, USDC_2), before, inventory(world), strict=True)}
    for asset, change in changes.items():
        if change > 0:
            world.deposit(ALICE, asset, change)
    for asset, change in changes.items():
        if change < 0 and world.refused(world.withdrawal(ALICE, asset, -change)):
            return  # fees took what the last step needs: no profit either
    assert inventory(world) == before
    assert world.cash(ALICE) <= wealth


@pytest.mark.parametrize("rate", [250_001, 2**32 - 1])
def test_a_slope_that_could_cost_half_of_a_movement_is_refused(rate: int) -> None:
    with pytest.raises(Exception, match="skew"):
        genesis_with(skew=SkewTerms(rate_ppm=rate))


def test_cash_between_own_accounts_moves_no_inventory() -> None:
    world = skewed()
    result = world.block(world.transfer(ALICE, ALICE_CLIENT, 50_000 * DOLLAR))
    assert of_kind(result, CashTransferred)
    assert not of_kind(result, SkewFeePaid)


def test_a_deposit_to_nobody_moves_no_inventory() -> None:
    """Neither does its refund, so no rebate is to be earned on the way in or back."""
    world = skewed()
    for token in (USDC_1, USDC_2):
        assert not of_kind(world.deposit(999, token, 100_000 * DOLLAR), SkewFeePaid)
