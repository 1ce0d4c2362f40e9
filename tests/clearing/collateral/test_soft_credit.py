"""Soft credit: the house's own money, lent on sight, back at finality, its own loss when the chain changes its mind."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.apply_block import apply_block
from clearing.schema.codes import ClearingCode as C
from clearing.schema.facts import ChainHeartbeat
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
from clearing.state.export import export_state, import_state
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.state.ledger import soft_credit_of
from tests.kit.clearing.genesis import (
    ALICE,
    BOB,
    BTC,
    BTC_PERP,
    CAROL,
    DOLLAR,
    HOUSE,
    SALT,
    USD,
    USDC_1,
    USDC_2,
    WETH_1,
)
from tests.kit.clearing.lending import lending
from tests.kit.clearing.vaults import SOFT, genesis_with, opened
from tests.kit.clearing.world import World, codes, of_kind, roots

EVERYBODY = (HOUSE, ALICE, BOB, CAROL)


def pass_blocks(world: World, head: int) -> Any:
    """The chain's final head is now at `head`."""
    world.heads[1] = head - 1
    return world.block()


def test_without_terms_a_sighting_is_not_even_remembered() -> None:
    world = opened(genesis_with(), dollars=20_000)
    seen, _ = world.sighted(ALICE, USDC_1, 1_000 * DOLLAR)
    world.block(facts=(seen,))
    assert not list(world.state.fact_attestations.ordered())
    assert not list(world.state.soft_credits.ordered())


def test_lent_on_sight_and_repaid_at_finality() -> None:
    world = lending()
    seen, final = world.sighted(ALICE, USDC_1, 10_000 * DOLLAR)
    house, own = world.cash(HOUSE), world.cash(ALICE)
    result = world.block(facts=(seen,))
    (loan,) = of_kind(result, SoftCreditLent)
    assert loan.micros == loan.value_micros == 8_000 * DOLLAR, "80 % of it"
    assert (world.cash(HOUSE), world.cash(ALICE)) == (house - 8_000 * DOLLAR, own + 8_000 * DOLLAR)
    assert soft_credit_of(world.state, ALICE, USD) == soft_credit_of(world.state, HOUSE, USD) == 8_000 * DOLLAR
    assert not of_kind(world.block(facts=(seen,)), SoftCreditLent), "once"
    result = world.block(facts=(final,))
    assert of_kind(result, SoftCreditRepaid)[0].micros == 8_000 * DOLLAR
    assert (world.cash(HOUSE), world.cash(ALICE)) == (house, own + 10_000 * DOLLAR)
    assert soft_credit_of(world.state, HOUSE, USD) == 0
    assert not list(world.state.soft_credits.ordered())


def test_two_thirds_of_the_power_are_not_enough() -> None:
    world = lending()
    seen, _ = world.sighted(ALICE, USDC_1, 10_000 * DOLLAR)
    world.block(facts=(seen,), attesting=2)
    other = msgspec.structs.replace(seen, block_hash=b"\x77" * 32)
    world.block(facts=(other,), attesting=2)
    assert soft_credit_of(world.state, ALICE, USD) == 0
    world.block(facts=(seen,), attesting=3)
    assert soft_credit_of(world.state, ALICE, USD) == 8_000 * DOLLAR


def test_a_collateral_token_is_lent_on_after_its_haircut() -> None:
    world = lending()
    seen, final = world.sighted(CAROL, WETH_1, 10_000_000)
    result = world.block(facts=(seen,))
    assert of_kind(result, SoftCreditLent)[0].micros == 10_000_000 * 180 * 8 // 10
    world.block(facts=(final,))
    assert (world.units(CAROL, WETH_1), soft_credit_of(world.state, CAROL, USD)) == (10_000_000, 0)


def test_every_limit_holds() -> None:
    # The house has 20,000, of which half may be out; an account may owe 20,000, here 6,000.
    world = lending(soft=msgspec.structs.replace(SOFT, account_micros_max=6_000 * DOLLAR))
    for account, wanted in ((ALICE, 6_000), (ALICE, 0), (BOB, 4_000), (CAROL, 0)):
        before = soft_credit_of(world.state, account, USD)
        seen, _ = world.sighted(account, USDC_1, 10_000 * DOLLAR)
        world.block(facts=(seen,))
        assert soft_credit_of(world.state, account, USD) - before == wanted * DOLLAR
    assert soft_credit_of(world.state, HOUSE, USD) == 10_000 * DOLLAR
    world.block(facts=(world.sighted(HOUSE, USDC_1, DOLLAR)[0], world.sighted(999, USDC_1, DOLLAR)[0]))
    assert soft_credit_of(world.state, HOUSE, USD) == 10_000 * DOLLAR


def test_nothing_of_a_loan_leaves_the_account() -> None:
    world = lending()
    own = world.cash(ALICE)
    seen, final = world.sighted(ALICE, USDC_1, 10_000 * DOLLAR)
    world.block(facts=(seen,))
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, own + 1))) == [315]
    assert codes(world.block(world.transfer(ALICE, 4, own + 1))) == [315]
    assert codes(world.block(world.swap(ALICE, CAROL, (USD, own + 1), (2**32 + 4, 1)))) == [315]
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, own))) == []
    assert codes(world.block(world.withdrawal(ALICE, WETH_1, 50_000_000))) == []
    assert world.cash(ALICE) == 8_000 * DOLLAR
    world.block(facts=(final,))
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, 10_000 * DOLLAR))) == []


def test_a_loan_carries_positions_but_frees_no_other_collateral() -> None:
    world = lending()
    world.block(world.withdrawal(ALICE, USDC_1, world.cash(ALICE)))
    seen, _ = world.sighted(ALICE, USDC_1, 10_000 * DOLLAR)
    world.block(facts=(seen,))
    # 17,000 of equity, of which 8,000 are lent, carry 10,000 lots that need 15,800.
    world.block(world.trade(ALICE, BOB, BTC_PERP, 10_000, 790_000))
    assert world.lots(ALICE, BTC_PERP) == 10_000
    assert codes(world.block(world.withdrawal(ALICE, WETH_1, 1))) == [203]


def test_an_undone_deposit_is_the_houses_loss_and_restricts_the_account() -> None:
    world = lending()
    world.block(world.withdrawal(ALICE, USDC_1, world.cash(ALICE)), world.withdrawal(ALICE, WETH_1, 50_000_000))
    seen, _ = world.sighted(ALICE, USDC_1, 10_000 * DOLLAR)
    world.block(facts=(seen,))
    world.block(world.trade(ALICE, BOB, BTC_PERP, 4_000, 790_000))
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
    assert world.cash(HOUSE) == house + 8_000 * DOLLAR - 800 * DOLLAR
    assert world.cash(ALICE) == 0
    assert {each: world.cash(each) for each in (BOB, CAROL)} == others
    linked = [each.code for each in result.transfers]
    assert TransferCode.SOFT_CREDIT_REPAID in linked
    assert TransferCode.DEFICIT_COVERED in linked


def test_a_restricted_account_only_reduces_risk_and_brings_collateral_until_its_time_is_over() -> None:
    world = lending()
    world.block(*(world.withdrawal(ALICE, each, 10_000 * DOLLAR) for each in (USDC_1, USDC_2)))
    world.block(world.trade(ALICE, BOB, BTC_PERP, 1_000, 790_000))
    seen, final = world.sighted(ALICE, USDC_1, 10_000 * DOLLAR)
    world.block(facts=(seen,))
    world.ticks[BTC] = 780_000  # Alice loses 100 of the house's money
    world.block()
    (recalled,) = of_kind(pass_blocks(world, 210), SoftCreditRecalled)
    assert codes(world.block(world.trade(ALICE, BOB, BTC_PERP, 1, 790_000))) == [314]
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, 1))) == [314]
    assert codes(world.block(world.trade(BOB, ALICE, BTC_PERP, 400, 790_000))) == []
    # The same deposit after all, in another block: credited, and nothing is lent on it again.
    before = world.cash(ALICE)
    world.block(facts=(seen, msgspec.structs.replace(final, block_number=220)))
    assert world.cash(ALICE) == before + 10_000 * DOLLAR
    lifted = []
    while not lifted:
        lifted = of_kind(world.block(), RestrictionLifted)
    assert world.state.now.height == recalled.until_height
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, 1))) == []


def test_a_deposit_that_somebody_else_has_undone_does_not_restrict_an_account() -> None:
    """Bob pays in for Alice and has the chain undo it: she never asked for the loan, and has not used it."""
    world = lending()
    seen, _ = world.sighted(ALICE, USDC_1, 10_000 * DOLLAR)
    world.block(facts=(seen,))
    (recalled,) = of_kind(pass_blocks(world, 210), SoftCreditRecalled)
    assert (recalled.cash_after, recalled.until_height) == (20_000 * DOLLAR, 0)
    assert codes(world.block(world.trade(ALICE, BOB, BTC_PERP, 1, 790_000), world.withdrawal(ALICE, USDC_1, 1))) == []


def test_another_deposit_in_its_place_calls_the_loan_back() -> None:
    world = lending()
    seen, final = world.sighted(ALICE, USDC_1, 10_000 * DOLLAR)
    world.block(facts=(seen,))
    result = world.block(facts=(msgspec.structs.replace(final, account=BOB),))
    assert of_kind(result, SoftCreditRecalled)[0].account == ALICE
    assert soft_credit_of(world.state, HOUSE, USD) == 0
    assert world.cash(BOB) == 30_000 * DOLLAR


def test_a_deposit_that_is_being_attested_is_not_called_back() -> None:
    world = lending()
    seen, final = world.sighted(ALICE, USDC_1, 10_000 * DOLLAR)
    world.block(facts=(seen,))
    world.heads[1] = 250
    beat = ChainHeartbeat(1, 250, bytes(32))
    result = world.block(facts=(final, beat), attesting=2)
    result = world.block(facts=(beat,))
    assert not of_kind(result, SoftCreditRecalled), "half of the power says that it is final"
    assert soft_credit_of(world.state, ALICE, USD) == 8_000 * DOLLAR
    assert of_kind(world.block(facts=(final,)), SoftCreditRepaid)


def test_a_sighting_of_what_should_long_be_final_is_worth_nothing() -> None:
    world = lending()
    pass_blocks(world, 300)
    seen, _ = world.sighted(ALICE, USDC_1, 10_000 * DOLLAR, block=290)
    assert not of_kind(world.block(facts=(seen,)), SoftCreditLent)


STEP = st.one_of(
    st.tuples(st.just("see"), st.sampled_from((ALICE, BOB, CAROL)), st.integers(1, 15_000)),
    st.tuples(st.just("final"), st.booleans(), st.just(0)),
    st.tuples(st.just("blocks"), st.integers(1, 8), st.just(0)),
    st.tuples(st.just("price"), st.integers(700_000, 880_000), st.just(0)),
    st.tuples(st.just("take"), st.sampled_from((ALICE, BOB, CAROL)), st.integers(1, 15_000)),
)


@given(st.lists(STEP, max_size=16))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_chains_do_only_the_house_can_lose_and_replicas_agree(steps: list[tuple[str, Any, int]]) -> None:
    world = lending()
    world.block(world.trade(ALICE, BOB, BTC_PERP, 5_000, 790_000))
    coming: list[Any] = []
    copy = import_state(world.genesis, SALT, export_state(world.state))
    start = len(world.blocks)
    for kind, what, dollars in steps:
        if kind == "see":
            pair = world.sighted(what, USDC_1, dollars * DOLLAR, block=world.heads[1] + 2)
            coming.append(pair[1])
            world.block(facts=(pair[0],))
        elif kind == "final" and coming:
            fact = coming.pop(0)
            world.block(facts=(fact if what else msgspec.structs.replace(fact, account=HOUSE),))
        elif kind == "blocks":
            pass_blocks(world, world.heads[1] + what)
        elif kind == "price":
            world.ticks[BTC] = what
            world.block()
        elif kind == "take":
            world.block(world.withdrawal(what, USDC_1, dollars * DOLLAR))
        loans = {account: soft_credit_of(world.state, account, USD) for account in EVERYBODY}
        assert loans[HOUSE] == sum(loans[each] for each in EVERYBODY[1:]) <= 20_000 * DOLLAR
        open_credits = [credit for _, credit in world.state.soft_credits.ordered()]
        assert loans[HOUSE] == sum(credit.micros for credit in open_credits)
        for account in EVERYBODY[1:]:
            assert holdings_margin(current_arrays(world.state), current_holdings(world.state, account)).maintenance_ok
    for block in world.blocks[start:]:
        copy = apply_block(copy, block)[0].absorb()
    assert roots(copy) == roots(world.state)


@pytest.mark.parametrize("terms", [SoftCreditTerms(house_ppm=1_000_001), SoftCreditTerms(recall_blocks=0)])
def test_terms_without_meaning_are_told(terms: SoftCreditTerms) -> None:
    assert not all(good for _, _, good in check_soft_credit(terms))


def test_a_deposit_above_the_cap_is_repaid_without_blame() -> None:
    world = lending()
    seen, final = world.sighted(CAROL, WETH_1, 10_000_000)
    world.block(facts=(seen,))
    room = world.genesis.assets[2].cap_units - 100_000_000
    world.state.terms.assets[WETH_1] = msgspec.structs.replace(world.genesis.assets[2], cap_units=100_000_000)
    world.state.terms.assets_by_token = {
        (each.chain_id, each.vault, each.token): each for each in world.state.terms.assets.values()
    }
    result = world.block(facts=(final,))
    assert room > 0
    assert of_kind(result, DepositStray)[0].code == 312
    assert of_kind(result, SoftCreditRepaid)
    assert not list(world.state.restrictions.ordered())


def test_sightings_far_ahead_are_not_remembered() -> None:
    world = lending()
    seen, _ = world.sighted(ALICE, USDC_1, 1_000)
    world.block(facts=(msgspec.structs.replace(seen, nonce=seen.nonce + 64),), attesting=1)
    assert not list(world.state.fact_attestations.ordered())
    world.block(facts=(msgspec.structs.replace(seen, nonce=seen.nonce + 63),), attesting=1)
    assert len(list(world.state.fact_attestations.ordered())) == 1


def penniless() -> World:
    """Alice has 10,000 dollars of soft credit and nothing else."""
    world = lending()
    everything = world.units(ALICE, WETH_1)
    for asset, units in ((USDC_1, 10_000 * DOLLAR), (USDC_2, 10_000 * DOLLAR), (WETH_1, everything)):
        assert codes(world.block(world.withdrawal(ALICE, asset, units))) == []
    seen, _ = world.sighted(ALICE, USDC_1, 20_000 * DOLLAR)
    world.block(facts=(seen,))
    assert world.cash(ALICE) == soft_credit_of(world.state, ALICE, USD) == 10_000 * DOLLAR
    return world


def test_soft_credit_does_not_leave_in_the_prices_of_trades() -> None:
    """Round trips with Bob, 9 % to his advantage each way: he would have nine tenths of the loan in one block."""
    world = penniless()
    mark, bob = world.state.marks[BTC_PERP].ticks, world.cash(BOB)
    high, low = mark * 109 // 100, mark * 91 // 100
    trips = [
        trade
        for _ in range(10)
        for trade in (world.trade(ALICE, BOB, BTC_PERP, 400, high), world.trade(BOB, ALICE, BTC_PERP, 400, low))
    ]
    refused = codes(world.block(*trips))
    assert set(refused) == {C.SOFT_CREDIT_IS_LENT}
    assert 0 < world.cash(BOB) - bob <= 1_000 * DOLLAR
    assert soft_credit_of(world.state, ALICE, USD) - world.cash(ALICE) <= 1_000 * DOLLAR
    left = world.lots(ALICE, BTC_PERP)
    assert codes(world.block(world.trade(BOB, ALICE, BTC_PERP, left, mark))) == [], "at the mark it costs nothing"


def test_soft_credit_carries_trades_with_a_usual_spread() -> None:
    world = penniless()
    mark = world.state.marks[BTC_PERP].ticks
    for _ in range(5):
        there, back = mark * 1_001 // 1_000, mark * 999 // 1_000
        trades = world.trade(ALICE, BOB, BTC_PERP, 1_000, there), world.trade(BOB, ALICE, BTC_PERP, 1_000, back)
        assert codes(world.block(*trades)) == []
