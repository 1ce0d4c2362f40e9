"""Early calls: how likely a breach is, who is warned while margin is still there, and what the warning changes."""

from math import ceil, erfc, isqrt, sqrt

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from clearing.context.block_context import BlockContext
from clearing.liquidation.trigger import call_trigger, current_congestion
from clearing.margin_calls.early_calls import (
    BREACH_PROBABILITIES_PPM,
    STEPS_PER_DEVIATION,
    breach_probability_ppm,
    deviation_steps_within,
    group_deviations,
    loss_deviation,
    price_forecast,
)
from clearing.price_ranges.delays import report_age_ms
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.margin_calls import CallDeadlineSet, CallLapsed, CallMet, EarlyCalled
from clearing.schema.records.margin_calls import CallKind
from clearing.schema.records.prices import ChainDelayRecord
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.margin_calls import EARLY_PPM_MIN, CallTerms
from clearing.state.holdings import margin_book
from tests.kit.clearing.crisis import FALLEN, crisis_world, genesis_in_crisis, leveraged
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, CAROL, USDC_1
from tests.kit.clearing.world import World, of_kind
from tests.kit.table import tell


def exact(headroom: int, deviation: int) -> float:
    """2 (1 - Phi(z)) = erfc(z / sqrt(2)), by the reflection principle."""
    return erfc(headroom / deviation / sqrt(2)) * 1e6


def test_the_table_is_the_normal_distribution_rounded_up() -> None:
    assert [ceil(exact(at, STEPS_PER_DEVIATION)) for at in range(len(BREACH_PROBABILITIES_PPM))] == list(
        BREACH_PROBABILITIES_PPM
    )


@given(st.integers(1, 2**60), st.integers(1, 2**60))
def test_it_is_never_below_the_exact_probability_and_hardly_above(headroom: int, deviation: int) -> None:
    probability = breach_probability_ppm(headroom, deviation)
    assert probability >= exact(headroom, deviation) - 1e-6
    assert probability <= exact(headroom, deviation) + 1_100, "a tenth of a deviation apart, the chord is this near"


@given(st.integers(-(2**40), 2**40), st.integers(0, 2**40), st.integers(0, 2**30))
def test_more_headroom_is_never_more_likely_to_go(headroom: int, deviation: int, more: int) -> None:
    assert breach_probability_ppm(headroom + more, deviation) <= breach_probability_ppm(headroom, deviation)


@pytest.mark.parametrize(
    ("headroom", "deviation", "ppm"),
    [(0, 5, 1_000_000), (-1, 0, 1_000_000), (1, 0, 0), (10, 10, 317_311), (105, 100, 293_722 + 600), (500, 100, 1)],
)
def test_worked_values(headroom: int, deviation: int, ppm: int) -> None:
    assert breach_probability_ppm(headroom, deviation) == ppm


@given(st.integers(EARLY_PPM_MIN, 10**6), st.integers(1, 2**50), st.integers(1, 2**50))
def test_beyond_the_steps_the_threshold_is_not_reached(ppm: int, headroom: int, deviation: int) -> None:
    if headroom * STEPS_PER_DEVIATION >= deviation_steps_within(ppm) * deviation:
        assert breach_probability_ppm(headroom, deviation) < ppm


def test_losses_are_scaled_by_deviation_over_range_and_rounded_up() -> None:
    assert loss_deviation(1_000, 50_000_000, 200_000) == 250, "5 % of a range of 20 %"
    assert loss_deviation(1_001, 50_000_000, 200_000) == 251


EARLY = CallTerms(deadline_blocks=10, early_ppm=400_000, early_release_ppm=250_000, early_blocks=8)
SHORTENED = replace(EARLY, early_leaves_blocks=0)
"""An early call takes off a margin call's time as much as it gave."""
WARNED = 775_000
"""Ticks at which Alice is above initial margin and a breach within the hour is likely."""


@pytest.fixture
def world() -> World:
    return leveraged(EARLY)


def test_an_account_above_initial_margin_is_called_early_when_a_breach_is_likely(world: World) -> None:
    assert not world.last(EarlyCalled), "not at 7,900"
    tell(world, "price BTC 7_750 -> one early_called account alice, no margin_called")
    (called,) = world.last(EarlyCalled)
    assert called.equity >= called.initial
    assert called.probability_ppm >= called.threshold_ppm == 400_000
    assert called.deadline_height == world.state.now.height + 8


def test_the_receipt_can_be_recomputed_by_hand(world: World) -> None:
    (called,) = of_kind(world.go(btc=WARNED), EarlyCalled)
    equity, initial = 8_000 * 10**6 - 4_500 * 15_000 * 10, 4_500 * 775_000 * 10 // 5
    assert (called.equity, called.initial, called.trigger) == (equity, initial, initial * 4 // 5)
    (group,) = called.groups
    # A range of 20 % is three deviations over an hour: the first variance is (20 % / 3)^2.
    deviation = -(-200_000_000 // 3)
    assert (group.variance, group.horizon_ms, group.deviation_nano) == (deviation**2, 3_600_000, deviation)
    assert group.deviation_micros == called.deviation == -(-initial * deviation // 200_000_000)
    tenths, rest = divmod((equity - called.trigger) * 10, called.deviation)
    assert (tenths, called.probability_ppm) == (7, 483_928 - (483_928 - 423_711) * rest // called.deviation)


def test_an_early_call_is_taken_back_when_a_breach_is_unlikely() -> None:
    world = tell(
        leveraged(EARLY),
        """
        price    BTC    7_750                -> early_called account alice, no margin_called
        price    BTC    7_850                -> no call_met  # less likely, but not enough
        deposit  alice  eth:USDC  3_000.00   -> one call_met kind EARLY
        """,
    )
    (met,) = world.last(CallMet)
    assert met.probability_ppm < 250_000
    assert ALICE not in world.state.margin_calls


def test_who_was_warned_has_as_much_time_at_a_breach_as_who_was_not(world: World) -> None:
    early = world.go(btc=WARNED).height
    world.wait(9)
    (lapsed,) = world.every(CallLapsed)
    assert lapsed.kind is CallKind.EARLY
    breach = world.go(btc=FALLEN)
    (deadline,) = of_kind(breach, CallDeadlineSet)
    assert (deadline.opened_height, deadline.deadline_height) == (early, breach.height + 10)
    assert not of_kind(breach, Liquidated)


def test_where_genesis_says_so_the_time_of_a_margin_call_runs_from_the_early_one() -> None:
    world = leveraged(SHORTENED)
    early = world.go(btc=WARNED).height
    world.block()
    (deadline,) = of_kind(world.go(btc=FALLEN), CallDeadlineSet)
    assert (deadline.opened_height, deadline.deadline_height) == (early, early + 8)


def test_a_lapsed_early_call_takes_nothing_and_leaves_no_time_where_genesis_leaves_none() -> None:
    tell(
        leveraged(SHORTENED),
        """
        price  BTC  7_750  -> early_called
        wait   7           -> no call_lapsed
        wait   1           -> one call_lapsed kind EARLY
        wait   5           -> no liquidated  # margin is there
        price  BTC  7_250  -> call_deadline_set, liquidated
        """,
    )


@pytest.mark.parametrize("waited", [0, 1, 4, 7, 8, 20])
@pytest.mark.parametrize("leaves", [0, 3, 10, 99])
@pytest.mark.parametrize("given", [1, 8, 30])
def test_a_breach_after_an_early_call_has_its_time_within_what_genesis_leaves_and_a_margin_call_gives(
    waited: int, leaves: int, given: int
) -> None:
    world = leveraged(replace(EARLY, early_blocks=given, early_leaves_blocks=leaves))
    world.go(btc=WARNED)
    if waited:
        world.wait(waited)
    breach = world.go(btc=FALLEN)
    (deadline,) = of_kind(breach, CallDeadlineSet)
    assert deadline.deadline_height - breach.height == min(10, max(given - waited - 1, leaves))


def test_lateness_of_chains_lengthens_the_horizon() -> None:
    ranges = RangeParameters(interval_ms=3_600_000)
    world = leveraged(EARLY, ranges=ranges)
    world.state.chain_delays.put(1, ChainDelayRecord(final_block=1, since_ms=world.state.now.time_ms - 100_000))
    context = BlockContext(world.state.fork(), world.make_block((), after_ms=0))
    outlook = price_forecast(context)
    (first, *_) = outlook.groups
    assert outlook.delay_ms == 100_000
    assert first.horizon_ms == EARLY.early_horizon_ms + 100_000 + report_age_ms(context.state, BTC, context.time_ms)
    assert first.deviation_nano == isqrt(-(-first.variance * first.horizon_ms // 3_600_000) - 1) + 1
    capped = leveraged(EARLY, ranges=RangeParameters(interval_ms=3_600_000, lateness_ms_max=7_000))
    capped.state.chain_delays.put(1, ChainDelayRecord(final_block=1, since_ms=1))
    assert price_forecast(capped.context()).groups[0].horizon_ms == 3_607_000


def test_below_the_trigger_nobody_is_warned_of_a_breach() -> None:
    world = leveraged(CallTerms(early_ppm=400_000, early_release_ppm=250_000))
    tell(world, "wait 1 -> no early_called\nprice BTC 7_250 -> liquidated, no early_called")


def test_with_early_calls_off_nobody_is_warned() -> None:
    world = leveraged(CallTerms(deadline_blocks=10))
    for ticks in (780_000, 775_000, 765_000):
        assert not of_kind(world.go(btc=ticks), EarlyCalled)
    assert not list(world.state.margin_calls.ordered())


def test_an_emptied_account_is_no_longer_under_a_call(world: World) -> None:
    world.go(btc=WARNED)
    assert ALICE in world.state.margin_calls
    world.block(world.trade(BOB, ALICE, BTC_PERP, 4_500, WARNED))
    assert ALICE not in world.state.margin_calls


def expected_calls(world: World) -> dict[int, int]:
    """Who would be called early now, one by one, with their probabilities."""
    context = BlockContext(world.state.fork(), world.make_block((), after_ms=0))
    outlook, congestion, found = price_forecast(context), current_congestion(context), {}
    book = margin_book(world.state)
    for account in book.accounts():
        margin = book.margin(account)
        trigger = call_trigger(context, margin, congestion)
        deviation = sum(each.deviation_micros for each in group_deviations(margin, outlook))
        probability = breach_probability_ppm(margin.equity - trigger, deviation)
        if margin.initial and margin.equity >= trigger and probability >= EARLY.early_ppm:
            found[account] = probability
    return found


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.sampled_from([ALICE, BOB, CAROL]), st.integers(1, 9_000)), min_size=1, max_size=4),
    st.integers(650_000, 900_000),
)
def test_the_sieve_of_all_accounts_misses_nobody_and_calls_nobody_else(
    trades: list[tuple[int, int]], ticks: int
) -> None:
    world = leveraged(EARLY, dollars=20_000)
    for buyer, lots in trades:
        seller = CAROL if buyer != CAROL else BOB
        world.block(world.trade(buyer, seller, BTC_PERP, lots, 790_000))
    before = {account for account, _ in world.state.margin_calls.ordered()}
    result = world.go(btc=ticks)
    called = {each.account: each.probability_ppm for each in of_kind(result, EarlyCalled)}
    # Who was liquidated in this block was judged before it, below the trigger.
    liquidated = {each.account for each in of_kind(result, Liquidated)}
    expected = expected_calls(world)
    assert called == {each: expected[each] for each in expected if each not in before | liquidated}


@pytest.mark.parametrize("early_ppm", [100_000, 300_000, 600_000])
def test_a_lower_threshold_warns_earlier(early_ppm: int) -> None:
    world = leveraged(CallTerms(early_ppm=early_ppm, early_release_ppm=50_000, early_blocks=5), dollars=12_000)
    ticks = 790_000
    while not world.last(EarlyCalled):
        ticks -= 1_000
        world.go(btc=ticks)
    (called,) = world.last(EarlyCalled)
    assert early_ppm <= called.probability_ppm < early_ppm + 80_000


def test_accounts_whose_figures_exceed_64_bits_are_judged_alike() -> None:
    world = crisis_world(genesis_in_crisis(EARLY))
    world.block()
    cash = {ALICE: 8_000, BOB: 50_000}
    world.block(facts=[world.deposit_fact(each, USDC_1, has * 10**12) for each, has in cash.items()])
    world.block(world.trade(ALICE, BOB, BTC_PERP, 4_500 * 10**6, 790_000))
    (called,) = of_kind(world.go(btc=WARNED), EarlyCalled)
    (same,) = of_kind(leveraged(EARLY).go(btc=WARNED), EarlyCalled)
    assert (called.probability_ppm, called.equity) == (same.probability_ppm, same.equity * 10**6)
    assert 0 <= same.deviation * 10**6 - called.deviation < 10**6
