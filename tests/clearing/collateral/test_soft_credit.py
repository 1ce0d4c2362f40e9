"""Soft credit: the house's own money, lent on sight, back at finality, its own loss when the chain changes its mind."""

import msgspec
import pytest

from clearing.schema.blocks.block import BlockResult
from clearing.schema.codes import ClearingCode as C
from clearing.schema.facts import ChainHeartbeat, DepositSighted, Fact
from clearing.schema.receipts.collateral import (
    DepositStray,
    RestrictionLifted,
    SoftCreditLent,
    SoftCreditRecalled,
    SoftCreditRepaid,
)
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.terms.collateral import SoftCreditTerms, check_soft_credit
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import soft_credit_of
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, CAROL, DOLLAR, HOUSE, USD, USDC_1, USDC_2, WETH_1
from tests.kit.clearing.vaults import SOFT, genesis_with, lending, opened
from tests.kit.clearing.world import World, of_kind


@pytest.fixture
def world() -> World:
    return lending()


def sight(world: World, account: int = ALICE, dollars: int = 10_000) -> tuple[DepositSighted, Fact]:
    """A block in which a deposit of cash is sighted; the sighting and the deposit as it will be final."""
    seen, final = world.sighted(account, USDC_1, dollars * DOLLAR)
    world.block(facts=(seen,))
    return seen, final


def loan(world: World, account: int) -> int:
    return soft_credit_of(world.state, account, USD)


def pass_blocks(world: World, head: int) -> BlockResult:
    """The chain's final head is now at `head`."""
    world.heads[1] = head - 1
    return world.block()


def test_without_terms_a_sighting_is_not_even_remembered() -> None:
    world = opened(genesis_with(), dollars=20_000)
    sight(world)
    assert not list(world.state.fact_attestations.ordered())
    assert not list(world.state.soft_credits.ordered())


def test_lent_on_sight_and_repaid_at_finality(world: World) -> None:
    house, own = world.cash(HOUSE), world.cash(ALICE)
    seen, final = sight(world)
    (lent,) = world.last(SoftCreditLent)
    assert lent.micros == lent.value_micros == 8_000 * DOLLAR, "80 % of it"
    assert (world.cash(HOUSE), world.cash(ALICE)) == (house - 8_000 * DOLLAR, own + 8_000 * DOLLAR)
    assert loan(world, ALICE) == loan(world, HOUSE) == 8_000 * DOLLAR
    assert not of_kind(world.block(facts=(seen,)), SoftCreditLent), "once"
    (repaid,) = of_kind(world.block(facts=(final,)), SoftCreditRepaid)
    assert repaid.micros == 8_000 * DOLLAR
    assert (world.cash(HOUSE), world.cash(ALICE)) == (house, own + 10_000 * DOLLAR)
    assert loan(world, HOUSE) == 0
    assert not list(world.state.soft_credits.ordered())


def test_two_thirds_of_the_power_are_not_enough(world: World) -> None:
    seen, _ = world.sighted(ALICE, USDC_1, 10_000 * DOLLAR)
    world.block(facts=(seen,), attesting=2)
    world.block(facts=(msgspec.structs.replace(seen, block_hash=b"\x77" * 32),), attesting=2)
    assert loan(world, ALICE) == 0
    world.block(facts=(seen,), attesting=3)
    assert loan(world, ALICE) == 8_000 * DOLLAR


def test_a_collateral_token_is_lent_on_after_its_haircut(world: World) -> None:
    seen, final = world.sighted(CAROL, WETH_1, 10_000_000)
    (lent,) = of_kind(world.block(facts=(seen,)), SoftCreditLent)
    assert lent.micros == 10_000_000 * 180 * 8 // 10
    world.block(facts=(final,))
    assert (world.units(CAROL, WETH_1), loan(world, CAROL)) == (10_000_000, 0)


def test_every_limit_holds() -> None:
    # The house has 20,000, of which half may be out; an account may owe 20,000, here 6,000.
    world = lending(soft=msgspec.structs.replace(SOFT, account_micros_max=6_000 * DOLLAR))
    for account, wanted in ((ALICE, 6_000), (ALICE, 0), (BOB, 4_000), (CAROL, 0)):
        before = loan(world, account)
        sight(world, account)
        assert loan(world, account) - before == wanted * DOLLAR
    assert loan(world, HOUSE) == 10_000 * DOLLAR
    world.block(facts=(world.sighted(HOUSE, USDC_1, DOLLAR)[0], world.sighted(999, USDC_1, DOLLAR)[0]))
    assert loan(world, HOUSE) == 10_000 * DOLLAR


def test_nothing_of_a_loan_leaves_the_account(world: World) -> None:
    own = world.cash(ALICE)
    _, final = sight(world)
    more = own + 1
    asked = world.withdrawal(ALICE, USDC_1, more), world.transfer(ALICE, 4, more)
    assert world.refused(*asked, world.swap(ALICE, CAROL, (USD, more), (2**32 + 4, 1))) == [C.SOFT_CREDIT_IS_LENT] * 3
    assert world.refused(world.withdrawal(ALICE, USDC_1, own)) == []
    assert world.refused(world.withdrawal(ALICE, WETH_1, 50_000_000)) == []
    assert world.cash(ALICE) == 8_000 * DOLLAR
    world.block(facts=(final,))
    assert world.refused(world.withdrawal(ALICE, USDC_1, 10_000 * DOLLAR)) == []


def test_a_loan_carries_positions_but_frees_no_other_collateral(world: World) -> None:
    world.block(world.withdrawal(ALICE, USDC_1, world.cash(ALICE)))
    sight(world)
    # 17,000 of equity, of which 8,000 are lent, carry 10,000 lots that need 15,800.
    world.block(world.perp_trade(ALICE, BOB, 10_000))
    assert world.lots(ALICE, BTC_PERP) == 10_000
    assert world.refused(world.withdrawal(ALICE, WETH_1, 1)) == [C.COLLATERAL_NEEDED_FOR_MARGIN]


def test_an_undone_deposit_is_the_houses_loss_and_restricts_the_account(world: World) -> None:
    world.block(world.withdrawal(ALICE, USDC_1, world.cash(ALICE)), world.withdrawal(ALICE, WETH_1, 50_000_000))
    seen, _ = sight(world)
    world.block(world.perp_trade(ALICE, BOB, 4_000))
    world.ticks[BTC] = 770_000  # Alice loses 800 of the house's money
    world.block()
    house, others = world.cash(HOUSE), {each: world.cash(each) for each in (BOB, CAROL)}
    assert not of_kind(pass_blocks(world, 209), SoftCreditRecalled)
    result = pass_blocks(world, 210)
    (recalled,) = of_kind(result, SoftCreditRecalled)
    assert (recalled.account, recalled.micros, recalled.cash_after) == (ALICE, 8_000 * DOLLAR, -800 * DOLLAR)
    assert recalled.source == seen.source
    (taken,) = of_kind(result, Liquidated)
    assert taken.deficits == ((USD, 800 * DOLLAR),)
    assert (world.cash(HOUSE), world.cash(ALICE)) == (house + 8_000 * DOLLAR - 800 * DOLLAR, 0)
    assert {each: world.cash(each) for each in (BOB, CAROL)} == others
    used = {each.code for each in result.transfers}
    assert used >= {TransferCode.SOFT_CREDIT_REPAID, TransferCode.DEFICIT_COVERED}


def test_a_restricted_account_only_reduces_risk_and_brings_collateral_until_its_time_is_over(world: World) -> None:
    world.block(*(world.withdrawal(ALICE, each, 10_000 * DOLLAR) for each in (USDC_1, USDC_2)))
    world.block(world.perp_trade(ALICE, BOB, 1_000))
    seen, final = sight(world)
    world.ticks[BTC] = 780_000  # Alice loses 100 of the house's money
    world.block()
    (recalled,) = of_kind(pass_blocks(world, 210), SoftCreditRecalled)
    asked = world.perp_trade(ALICE, BOB), world.withdrawal(ALICE, USDC_1, 1), world.perp_trade(BOB, ALICE, 400)
    assert world.refused(*asked) == [C.ACCOUNT_RESTRICTED] * 2
    # The same deposit after all, in another block: credited, and nothing is lent on it again.
    before = world.cash(ALICE)
    world.block(facts=(seen, msgspec.structs.replace(final, block_number=220)))
    assert world.cash(ALICE) == before + 10_000 * DOLLAR
    while not of_kind(world.block(), RestrictionLifted):
        assert world.state.now.height < recalled.until_height
    assert world.state.now.height == recalled.until_height
    assert world.refused(world.withdrawal(ALICE, USDC_1, 1)) == []


def test_a_deposit_that_somebody_else_has_undone_does_not_restrict_an_account(world: World) -> None:
    """Bob pays in for Alice and has the chain undo it: she never asked for the loan, and has not used it."""
    sight(world)
    (recalled,) = of_kind(pass_blocks(world, 210), SoftCreditRecalled)
    assert (recalled.cash_after, recalled.until_height) == (20_000 * DOLLAR, 0)
    assert world.refused(world.perp_trade(ALICE, BOB), world.withdrawal(ALICE, USDC_1, 1)) == []


def test_another_deposit_in_its_place_calls_the_loan_back(world: World) -> None:
    _, final = sight(world)
    (recalled,) = of_kind(world.block(facts=(msgspec.structs.replace(final, account=BOB),)), SoftCreditRecalled)
    assert (recalled.account, loan(world, HOUSE), world.cash(BOB)) == (ALICE, 0, 30_000 * DOLLAR)


def test_a_deposit_that_is_being_attested_is_not_called_back(world: World) -> None:
    _, final = sight(world)
    world.heads[1] = 250
    beat = ChainHeartbeat(1, 250, bytes(32))
    world.block(facts=(final, beat), attesting=2)
    assert not of_kind(world.block(facts=(beat,)), SoftCreditRecalled), "half of the power says that it is final"
    assert loan(world, ALICE) == 8_000 * DOLLAR
    assert of_kind(world.block(facts=(final,)), SoftCreditRepaid)


def test_a_sighting_of_what_should_long_be_final_is_worth_nothing(world: World) -> None:
    pass_blocks(world, 300)
    seen, _ = world.sighted(ALICE, USDC_1, 10_000 * DOLLAR, block=290)
    assert not of_kind(world.block(facts=(seen,)), SoftCreditLent)


@pytest.mark.parametrize("terms", [SoftCreditTerms(house_ppm=1_000_001), SoftCreditTerms(recall_blocks=0)])
def test_terms_without_meaning_are_told(terms: SoftCreditTerms) -> None:
    assert not all(good for _, _, good in check_soft_credit(terms))


def test_a_deposit_above_the_cap_is_repaid_without_blame(world: World) -> None:
    seen, final = world.sighted(CAROL, WETH_1, 10_000_000)
    world.block(facts=(seen,))
    terms = world.state.terms
    terms.assets[WETH_1] = msgspec.structs.replace(world.genesis.assets[2], cap_units=100_000_000)
    terms.assets_by_token = {(each.chain_id, each.vault, each.token): each for each in terms.assets.values()}
    result = world.block(facts=(final,))
    assert of_kind(result, DepositStray)[0].code == 312
    assert of_kind(result, SoftCreditRepaid)
    assert not list(world.state.restrictions.ordered())


def test_sightings_far_ahead_are_not_remembered(world: World) -> None:
    seen, _ = world.sighted(ALICE, USDC_1, 1_000)
    for ahead, remembered in ((64, 0), (63, 1)):
        world.block(facts=(msgspec.structs.replace(seen, nonce=seen.nonce + ahead),), attesting=1)
        assert len(list(world.state.fact_attestations.ordered())) == remembered


def penniless() -> World:
    """Alice has 10,000 dollars of soft credit and nothing else."""
    world = lending()
    everything = {USDC_1: 10_000 * DOLLAR, USDC_2: 10_000 * DOLLAR, WETH_1: world.units(ALICE, WETH_1)}
    assert world.refused(*(world.withdrawal(ALICE, asset, units) for asset, units in everything.items())) == []
    sight(world, dollars=20_000)
    assert world.cash(ALICE) == loan(world, ALICE) == 10_000 * DOLLAR
    return world


def test_soft_credit_does_not_leave_in_the_prices_of_trades() -> None:
    """Round trips with Bob, 9 % to his advantage each way: he would have nine tenths of the loan in one block."""
    world = penniless()
    mark, bob = world.state.marks[BTC_PERP].ticks, world.cash(BOB)
    sides = ((ALICE, BOB, mark * 109 // 100), (BOB, ALICE, mark * 91 // 100))
    trips = [world.perp_trade(buyer, seller, 400, ticks=ticks) for _ in range(10) for buyer, seller, ticks in sides]
    assert set(world.refused(*trips)) == {C.SOFT_CREDIT_IS_LENT}
    assert 0 < world.cash(BOB) - bob <= 1_000 * DOLLAR
    assert loan(world, ALICE) - world.cash(ALICE) <= 1_000 * DOLLAR
    left = world.lots(ALICE, BTC_PERP)
    assert world.refused(world.perp_trade(BOB, ALICE, left, ticks=mark)) == [], "at the mark it costs nothing"


def test_soft_credit_carries_trades_with_a_usual_spread() -> None:
    world = penniless()
    mark = world.state.marks[BTC_PERP].ticks
    for _ in range(5):
        there = world.perp_trade(ALICE, BOB, 1_000, ticks=mark * 1_001 // 1_000)
        assert world.refused(there, world.perp_trade(BOB, ALICE, 1_000, ticks=mark * 999 // 1_000)) == []
