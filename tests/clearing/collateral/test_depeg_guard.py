"""A cash token that is not worth its par leaves the group, and everything stays whole: claims, reserves, proofs."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.base.errors import LocalFault
from clearing.collateral.cash_tokens import conversion_shares, has_left_cash_group
from clearing.deposits.custody import custody_terms
from clearing.epochs.snapshot import take_snapshot
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.collateral import (
    CashLeftGroup,
    ClaimConverted,
    DepegGuardChanged,
    DepositCredited,
    SoftCreditLent,
)
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import current_arrays
from clearing.state.ledger import inventory_units
from tests.kit.clearing.fuzz import check_provable
from tests.kit.clearing.gated import counted
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, CAROL, DOLLAR, HOUSE, USDC_1, USDC_2, WETH_1
from tests.kit.clearing.guarded import guarded, guarded_genesis, leave
from tests.kit.clearing.vaults import CALL, DEPEG, PAR, SOFT, USDC_FEED, genesis_with, opened, vault_world
from tests.kit.clearing.world import World, of_all, of_kind

EVERYBODY = (HOUSE, ALICE, BOB, CAROL)


@pytest.fixture
def world() -> World:
    return guarded()


def total(world: World) -> int:
    """Cash of everybody."""
    return sum(world.cash(account) for account in EVERYBODY)


def test_a_price_exactly_at_the_band_is_fine_and_one_tick_beyond_is_not(world: World) -> None:
    for ticks, out in ((PAR - 20_000, 0), (PAR + 20_000, 0), (PAR - 20_001, 1), (PAR + 20_001, 2), (PAR, 0)):
        world.ticks[USDC_FEED] = ticks
        world.block()
        guard = world.state.depeg_guards.get(USDC_1)
        assert (guard.blocks_outside_band if guard else 0) == out
    changed = of_all(world.results, DepegGuardChanged)
    assert [each.blocks_outside_band for each in changed] == [1, 0]
    assert not has_left_cash_group(world.state, USDC_1)


def test_beyond_the_band_nothing_is_withdrawn_and_its_deposits_wait(world: World) -> None:
    world.ticks[USDC_FEED] = 950_000
    fact = world.deposit_fact(ALICE, USDC_1, 7_000 * DOLLAR)
    asked = world.withdrawal(BOB, USDC_2, DOLLAR), world.withdrawal(ALICE, WETH_1, 1)
    assert world.refused(*asked, facts=(fact,)) == [C.CASH_GROUP_SUSPENDED]
    assert not world.last(DepositCredited)
    before = world.cash(ALICE)
    world.ticks[USDC_FEED] = PAR
    assert world.refused(world.withdrawal(BOB, USDC_2, DOLLAR)) == []
    assert world.cash(ALICE) == before + 7_000 * DOLLAR


def test_a_stale_feed_neither_accuses_nor_clears(world: World) -> None:
    for _ in range(7):
        world.block(unpriced=(USDC_FEED,))
    assert world.state.depeg_guards.get(USDC_1) is None
    world.ticks[USDC_FEED] = 950_000
    world.block()
    for _ in range(7):
        world.block(unpriced=(USDC_FEED,), after_ms=6_000)
    assert has_left_cash_group(world.state, USDC_1), "silence after a bad price does not save it"


def test_a_jump_that_halts_the_feed_counts_against_the_token(world: World) -> None:
    world.ticks[USDC_FEED] = 500_000
    world.wait(3)
    assert has_left_cash_group(world.state, USDC_1)


def test_leaving_takes_from_each_positive_claim_its_share_and_the_residue_from_the_house(world: World) -> None:
    claims = {account: world.cash(account) for account in EVERYBODY}
    inventory, group = inventory_units(world.state, world.genesis.assets[0]), sum(claims.values())
    result = leave(world)
    (left,) = of_kind(result, CashLeftGroup)
    assert (left.inventory_micros, left.positive_claims_micros) == (inventory, group)
    units = inventory // 10_000
    assert left.units == units == sum(world.units(account, USDC_1) for account in EVERYBODY)
    for account in EVERYBODY[1:]:
        share = claims[account] * (units * 10_000) // group // 10_000
        assert world.units(account, USDC_1) == share
        assert world.cash(account) == claims[account] - share * 10_000
    assert total(world) == inventory_units(world.state, world.genesis.assets[1])
    assert inventory_units(world.state, world.genesis.assets[0]) == 0
    moved = [each for each in result.transfers if each.code is TransferCode.CASH_LEFT_GROUP]
    assert sum(each.amount for each in moved) == inventory
    (converted,) = [each for each in of_kind(result, ClaimConverted) if each.account == ALICE]
    assert converted.units * 10_000 == converted.given_micros
    # Worth 0.90 less the 10 % that genesis takes of it.
    arrays = current_arrays(world.state)
    at = [token.id for token in arrays.assets].index(USDC_1)
    assert int(arrays.token_values[at]) == 10_000 * 90 * 90 // 10_000


@pytest.mark.parametrize(
    ("claims", "units", "shares"),
    [([60, 30, 10, -20], 50, [30, 15, 5, 0]), ([1, 1, 1], 2, [0, 0, 0]), ([-5, 0], 0, [0, 0])],
)
def test_the_rule_of_shares(claims: list[int], units: int, shares: list[int]) -> None:
    assert conversion_shares(claims, units) == shares


def test_debts_stay() -> None:
    world = guarded(dollars=20_000)
    world.block(world.withdrawal(ALICE, USDC_2, world.cash(ALICE) - 100 * DOLLAR))
    world.block(world.perp_trade(ALICE, BOB, 5_000))
    world.ticks[BTC] = 782_000
    world.block()
    assert world.cash(ALICE) == -300 * DOLLAR
    (left,) = of_kind(leave(world), CashLeftGroup)
    assert (world.cash(ALICE), world.units(ALICE, USDC_1)) == (-300 * DOLLAR, 0)
    other = inventory_units(world.state, world.genesis.assets[1])
    assert left.positive_claims_micros == left.inventory_micros + other + 300 * DOLLAR


def test_afterwards_it_is_collateral_deposits_and_withdrawals_alike(world: World) -> None:
    leave(world)
    before = world.units(BOB, USDC_1)
    (credited,) = of_kind(world.block(facts=(world.deposit_fact(BOB, USDC_1, 12_345_678),)), DepositCredited)
    assert (credited.units, credited.dust) == (1_234, 5_678)
    assert world.units(BOB, USDC_1) == before + 1_234
    assert world.refused(world.withdrawal(BOB, USDC_1, before + 1_234)) == []
    assert world.units(BOB, USDC_1) == 0
    assert world.refused(world.withdrawal(CAROL, USDC_2, 1_000 * DOLLAR)) == [], "the group goes on without it"


def test_a_halted_chain_makes_its_token_leave(world: World) -> None:
    for _ in range(19):
        world.block(silent=(1,))
    assert not has_left_cash_group(world.state, USDC_1)
    for _ in range(2):
        world.block(silent=(1,))
    assert has_left_cash_group(world.state, USDC_1)
    assert not has_left_cash_group(world.state, USDC_2)


def test_reserves_are_proven_before_and_after_with_withdrawals_under_way(world: World) -> None:
    world.block(world.withdrawal(ALICE, USDC_1, 1_234_567), world.withdrawal(BOB, USDC_1, 7_654_321))
    world.block(facts=counted(world, 400))
    assert custody_terms(world.state) is not None
    leave(world)
    world.block(world.withdrawal(CAROL, USDC_1, 77))
    amounts = (1_234_567, 7_654_321, 770_000)
    for number, paid in ((404, ()), (408, (0,)), (412, (0, 1, 2))):
        world.block(facts=counted(world, number, paid))
        first, *_ = custody_terms(world.state) or ()
        assert first.slot == 1, "the token's own slot"
        assert first.held == sum(world.units(account, USDC_1) for account in EVERYBODY)
        assert first.owed == first.accounted <= int.from_bytes(first.balance, "big")
        assert int.from_bytes(first.released, "big") == sum(amounts) - sum(amounts[nonce] for nonce in paid)
        check_provable(world.state)
    snapshot = take_snapshot(world.state)
    assert {each.slot: each.total for each in snapshot.statement.totals}[0] == total(world)
    assert [slot.name for slot in snapshot.statement.slots][1] == "token:1:USDC-1"


def test_accounts_are_margined_again_when_a_token_leaves() -> None:
    world = guarded(dollars=20_000)
    world.block(world.perp_trade(ALICE, BOB, 18_000))
    assert world.lots(ALICE, BTC_PERP) == 18_000
    world.ticks[USDC_FEED] = 200_000
    world.wait(12)
    assert world.margin(ALICE).maintenance_ok


@given(st.lists(st.integers(0, 3 * 10**10), min_size=4, max_size=4), st.integers(0, 10**10), st.integers(0, 10**9))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_held_every_token_and_every_claim_is_conserved(paid_in: list[int], other: int, out: int) -> None:
    world = vault_world(guarded_genesis())
    world.block()
    facts = [world.deposit_fact(account, USDC_1, micros) for account, micros in zip(EVERYBODY, paid_in, strict=True)]
    world.block(facts=(*facts, world.deposit_fact(BOB, USDC_2, other)))
    world.block(world.withdrawal(ALICE, USDC_1, out))
    claims = {account: world.cash(account) for account in EVERYBODY}
    inventory = inventory_units(world.state, world.genesis.assets[0])
    copy = world.restored()
    leave(world)
    world.check_replay(copy, -DEPEG.blocks)
    for account in EVERYBODY[1:]:
        assert claims[account] - world.cash(account) == world.units(account, USDC_1) * 10_000
    assert sum(claims.values()) - total(world) == inventory
    assert 0 <= inventory - 10_000 * sum(world.units(account, USDC_1) for account in EVERYBODY) < 10_000
    world.block(facts=counted(world, 400))
    terms = custody_terms(world.state)
    assert terms is not None
    assert all(term.owed == term.accounted for term in terms)


@pytest.mark.parametrize("change", [{"blocks": 0}, {"feed": 99}, {"unit_decimals": 7}, {"feed_tokens": 0}], ids=str)
def test_a_guard_that_means_nothing_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(LocalFault):
        genesis_with(depeg=msgspec.structs.replace(DEPEG, **change))


def test_while_a_token_is_judged_nothing_is_bid_or_lent_in_its_group() -> None:
    world = opened(genesis_with(depeg=DEPEG, soft=SOFT, soft_ppm=800_000, call=CALL), dollars=20_000)
    world.ticks[USDC_FEED] = 950_000
    world.block()
    seen = [world.sighted(ALICE, *claim)[0] for claim in ((USDC_1, 1_000 * DOLLAR), (WETH_1, 1_000_000))]
    bid = world.collateral_bid(BOB, ALICE, WETH_1, 1, 10**6)
    assert world.refused(bid, facts=seen) == [C.CASH_GROUP_SUSPENDED]
    assert not world.last(SoftCreditLent)
