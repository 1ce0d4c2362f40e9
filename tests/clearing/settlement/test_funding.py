"""Premium and funding of perpetuals: worked by hand, as properties, and in the state."""

from itertools import permutations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.settlement import FundingPaid, Marked
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.terms.prices import PREMIUM_CAP_PPM_MAX, FundingTerms
from clearing.schema.transfers import TransferCode
from clearing.settlement.funding import (
    PPB,
    VOLUME_MAX,
    average_premium_ppb,
    funding_payments,
    funding_rate_ppb,
    next_premium_ppb,
    perpetual_mark_ticks,
    premium_ppb,
)
from clearing.state.ledger import ROUNDING_ACCOUNT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC_PERP, CAROL, ETH_PERP, HOUSE, START_MS
from tests.kit.clearing.priced import FUNDING, HOUR_MS, MINUTE_MS, PRICES, go_to, priced, priced_genesis
from tests.kit.clearing.world import World, codes, funded, of_kind

INDEX = st.integers(1, 2**40 - 1)
PREMIUM = st.integers(-500_000_000, 500_000_000)


@pytest.mark.parametrize(
    ("trade", "index", "cap_ppm", "wanted"),
    [
        (1_010_000, 1_000_000, 50_000, 10_000_000),  # 1 %
        (990_000, 1_000_000, 50_000, -10_000_000),
        (1_100_000, 1_000_000, 50_000, 50_000_000),  # clamped to 5 %
        (1, 1_000_000, 50_000, -50_000_000),
        (1_000_001, 3_000_000, 500_000, -500_000_000),
        (4, 3, 500_000, 333_333_333),  # towards zero
        (2, 3, 500_000, -333_333_333),
    ],
)
def test_a_trade_says_a_premium_within_the_cap(trade, index, cap_ppm, wanted):
    assert premium_ppb(trade, index, cap_ppm) == wanted


def test_a_premium_needs_an_index():
    with pytest.raises(ValueError, match="index must be positive"):
        premium_ppb(1, 0, 1)


@pytest.mark.parametrize(
    ("premium", "weighted", "volume", "depth", "elapsed", "window", "wanted"),
    [
        (0, 900 * 1_000_000, 900, 100, 1_000, 1_000, 450_000),  # sample 900,000; half of the way in one window
        (0, 0, 0, 100, 1_000, 1_000, 0),
        (800, 0, 0, 100, 1_000, 3_000, 600),  # fades by a quarter
        (-800, 0, 0, 100, 1_000, 3_000, -600),
        (7, 0, 0, 1, 0, 1_000, 7),  # no time, no change
        (1, 0, 0, 1, 1_000_000, 1, 0),
    ],
)
def test_the_premium_follows_trades_by_volume_and_time(premium, weighted, volume, depth, elapsed, window, wanted):
    assert next_premium_ppb(premium, weighted, volume, depth, elapsed, window) == wanted


VOLUMES_AND_TIMES = st.tuples(
    st.integers(0, VOLUME_MAX), st.integers(1, 2**32 - 1), st.integers(0, 10**9), st.integers(1, 10**9)
)


@given(PREMIUM, PREMIUM, VOLUMES_AND_TIMES)
def test_the_premium_stays_between_what_it_was_what_was_traded_and_nothing(premium, traded, terms):
    """`terms`: the volume, the depth, the time and the window."""
    weighted = traded * terms[0]
    after = next_premium_ppb(premium, weighted, *terms)
    assert min(premium, traded, 0) <= after <= max(premium, traded, 0)
    assert next_premium_ppb(-premium, -weighted, *terms) == -after, "longs and shorts are treated alike"


@pytest.mark.parametrize(
    "arguments", [(0, 0, 0, 0, 1, 1), (0, 0, 0, 1, 1, 0), (0, 0, 0, 1, -1, 1), (0, 0, -1, 1, 1, 1)]
)
def test_an_average_over_nothing_is_refused(arguments):
    with pytest.raises(ValueError, match="depth"):
        next_premium_ppb(*arguments)


@given(INDEX, PREMIUM, st.integers(0, PREMIUM_CAP_PPM_MAX))
def test_the_mark_lies_within_the_cap_of_the_index(index, premium, cap_ppm):
    mark = perpetual_mark_ticks(index, premium, cap_ppm)
    assert mark >= 1
    assert abs(mark - index) * 1_000_000 <= index * cap_ppm
    assert perpetual_mark_ticks(index, premium, 0) == index


@pytest.mark.parametrize(
    ("premium", "interest_ppm", "dampener_ppm", "cap_ppm", "wanted"),
    [
        (0, 100, 500, 5_000, 100_000),  # near the interest: the interest
        (599_000, 100, 500, 5_000, 100_000),
        (601_000, 100, 500, 5_000, 101_000),
        (-400_000, 100, 500, 5_000, 100_000),
        (-401_000, 100, 500, 5_000, 99_000),
        (10_000_000, 100, 500, 5_000, 5_000_000),  # clamped
        (-10_000_000, 100, 500, 5_000, -5_000_000),
        (1_000_000, 0, 0, 5_000, 1_000_000),  # no dampener: the premium itself
    ],
)
def test_the_rate_is_the_premium_dampened_and_clamped(premium, interest_ppm, dampener_ppm, cap_ppm, wanted):
    assert funding_rate_ppb(premium, interest_ppm, dampener_ppm, cap_ppm) == wanted


@given(PREMIUM, PREMIUM, st.integers(0, 1_000), st.integers(0, 1_000), st.integers(0, 500_000))
def test_a_higher_premium_never_lowers_the_rate(premium, other, interest, dampener, cap):
    low, high = sorted((premium, other))
    rates = [funding_rate_ppb(each, interest, dampener, cap) for each in (low, high)]
    assert rates[0] <= rates[1]
    assert all(abs(rate) <= cap * 1_000 for rate in rates)


@pytest.mark.parametrize(
    ("lots", "rate_ppb", "payments", "rounding"),
    [
        ([10, 5, -15], 100_000, [-988, -494, 1_481], 1),  # 987.5, half of it, and both
        ([10, -10], -100_000, [987, -988], 1),  # a negative rate is paid by shorts
    ],
)
def test_funding_worked_by_hand(lots, rate_ppb, payments, rounding):
    """Index 7,900.00, 10 micros a tick; 0.01 % for one hour of eight."""
    assert funding_payments(lots, 790_000, 10, rate_ppb, HOUR_MS, 8 * HOUR_MS) == (payments, rounding)


@given(
    st.lists(st.integers(-(2**39) + 1, 2**39 - 1), max_size=20),
    INDEX,
    st.integers(1, 2**16),
    PREMIUM,
    st.integers(0, 10**9),
    st.integers(1, 10**9),
)
def test_payments_and_rounding_sum_to_zero_and_the_house_never_pays(lots, index, micros, rate, covered, period):
    matched = [*lots, -sum(lots)]
    payments, rounding = funding_payments(matched, index, micros, rate, covered, period)
    assert sum(payments) + rounding == 0
    assert 0 <= rounding < max(len(matched), 1)
    for each, payment in zip(matched, payments, strict=True):
        exact = -each * index * micros * rate * covered
        assert payment * PPB * period <= exact < (payment + 1) * PPB * period, "down for payees, up for payers"


@given(st.lists(st.tuples(st.integers(0, 10**6), PREMIUM), min_size=1))
def test_an_average_premium_lies_between_the_least_and_the_largest(pieces):
    covered = sum(elapsed for elapsed, _ in pieces)
    average = average_premium_ppb(sum(elapsed * premium for elapsed, premium in pieces), covered)
    if covered == 0:
        assert average == 0
    else:
        assert min(p for e, p in pieces if e) <= average <= max(p for e, p in pieces if e)


EVERYBODY = (HOUSE, ALICE, BOB, CAROL, ROUNDING_ACCOUNT)


def traded(lots: int = 900, ticks: int = 790_000) -> World:
    """Alice has bought so many of Bob."""
    world = priced()
    world.block(world.trade(ALICE, BOB, BTC_PERP, lots, ticks))
    return world


def next_boundary(world: World) -> int:
    return (world.time_ms // MINUTE_MS + 1) * MINUTE_MS


def premium(world: World) -> int:
    return world.state.premia[BTC_PERP].premium_ppb


def test_trades_above_the_index_lift_the_mark_in_the_next_block():
    world = priced()
    (novated,) = of_kind(world.block(world.trade(ALICE, BOB, BTC_PERP, 900, 797_900)), TradeNovated)
    assert novated.mark_ticks == world.state.marks[BTC_PERP].ticks == 790_000, "not by a trade of its own block"
    record = world.state.premia[BTC_PERP]
    assert (record.volume, record.weighted_premium) == (900, 900 * 10_000_000)
    result = world.prices(790_000)
    # Sample 1 % x 900 / (900 + 100) = 0.9 %, of which 1 s / (1 s + 10 s) is taken in.
    assert premium(world) == 9_000_000 // 11
    (marked,) = of_kind(result, Marked)
    assert (marked.instrument, marked.ticks) == (BTC_PERP, 790_000 + 790_000 * premium(world) // 10**9)
    assert marked.paid == 900 * (marked.ticks - 790_000) * 10, "holders are paid the new premium like any move"


def test_what_a_member_trades_with_itself_is_no_premium():
    world = priced()
    world.pay_in(ALICE_CLIENT, 100_000)
    (novated,) = of_kind(world.block(world.trade(ALICE, ALICE_CLIENT, BTC_PERP, 900, 797_900)), TradeNovated)
    assert novated.lots == 900
    assert world.state.premia[BTC_PERP].volume == 0
    world.prices(790_000)
    assert (premium(world), world.state.marks[BTC_PERP].ticks) == (0, 790_000)


def test_without_trades_the_premium_fades():
    world, premia = traded(ticks=797_900), []
    for _ in range(6):
        world.prices(790_000)
        premia.append(premium(world))
    assert premia == sorted(premia, reverse=True)
    assert premia[-1] == pytest.approx(premia[0] * (10 / 11) ** 5, abs=5)


def test_the_premium_never_leaves_its_band():
    world = funded(genesis=priced_genesis(funding=msgspec.structs.replace(FUNDING, premium_cap_ppm=2_000)))
    for _ in range(30):
        there = world.trade(ALICE, BOB, BTC_PERP, 10_000, 810_000)
        back = world.trade(BOB, ALICE, BTC_PERP, 10_000, 810_000)
        world.go(there, back, btc=790_000)
        mark, index = world.state.marks[BTC_PERP].ticks, world.state.feeds[1].ticks
        assert abs(mark - index) * 1_000_000 <= index * 2_000
    assert premium(world) > 1_000_000


def test_the_volume_of_one_block_counts_so_far_and_no_further():
    world = priced()
    record = world.state.premia[BTC_PERP]
    world.state.premia.put(BTC_PERP, msgspec.structs.replace(record, volume=VOLUME_MAX - 10))
    world.block(world.trade(ALICE, BOB, BTC_PERP, 900, 797_900), after_ms=0)
    after = world.state.premia[BTC_PERP]
    assert (after.volume, after.weighted_premium) == (VOLUME_MAX, 10 * 10_000_000)


def test_the_order_of_trades_in_a_block_does_not_count():
    outcomes = set()
    for order in permutations(((900, 797_900), (100, 780_000), (7, 790_000))):
        world = priced()
        world.block(*(world.trade(ALICE, BOB, BTC_PERP, lots, ticks) for lots, ticks in order))
        record = world.state.premia[BTC_PERP]
        world.prices(790_000)
        outcomes.add((record, premium(world), world.state.marks[BTC_PERP].ticks, world.cash(ALICE)))
    assert len(outcomes) == 1


def test_funding_is_paid_once_in_each_interval_with_every_number():
    world = priced()
    world.block(world.trade(ALICE, BOB, BTC_PERP, 900, 790_000), world.trade(CAROL, BOB, BTC_PERP, 33, 790_000))
    boundary = next_boundary(world)
    go_to(world, boundary - 1)
    assert not [each for result in world.results for each in of_kind(result, FundingPaid)]
    record = world.state.premia[BTC_PERP]
    cash = {each: world.cash(each) for each in EVERYBODY}
    result = world.prices(790_000, after_ms=1)
    (paid,) = of_kind(result, FundingPaid)
    assert (paid.instrument, paid.index_ticks, paid.period_ms, paid.holders) == (BTC_PERP, 790_000, 8 * HOUR_MS, 3)
    assert paid.covered_ms == record.funding_ms + 1 == boundary - START_MS - 1_000, "since the first price"
    assert (paid.premium_ppb, paid.rate_ppb) == (0, 100_000), "the interest"
    expected, rounding = funding_payments([900, -933, 33], 790_000, 10, 100_000, paid.covered_ms, 8 * HOUR_MS)
    change = {each: world.cash(each) - cash[each] for each in EVERYBODY}
    assert change == {HOUSE: 0, ALICE: expected[0], BOB: expected[1], CAROL: expected[2], ROUNDING_ACCOUNT: rounding}
    assert (paid.paid, paid.received, paid.rounding) == (-expected[0] - expected[2], expected[1], rounding)
    assert rounding > 0
    assert {each.code for each in result.transfers} == {TransferCode.FUNDING, TransferCode.FUNDING_ROUNDING}
    go_to(world, boundary + MINUTE_MS - 1)
    assert len([each for each in world.results if of_kind(each, FundingPaid)]) == 1
    (again,) = of_kind(world.prices(790_000, after_ms=1), FundingPaid)
    assert again.covered_ms == MINUTE_MS, "each moment is paid for once"


def test_longs_pay_more_while_they_pay_a_premium():
    world = priced()
    for _ in range(20):
        world.go(world.trade(ALICE, BOB, BTC_PERP, 100, 798_000), btc=790_000)
    go_to(world, next_boundary(world))
    (paid,) = (each for result in world.results for each in of_kind(result, FundingPaid))
    assert paid.premium_ppb > 500_000
    assert paid.rate_ppb == funding_rate_ppb(paid.premium_ppb, 100, 500, 7_500) > 100_000


def test_a_network_that_stood_still_owes_no_funding_for_it():
    world = traded()
    covered = world.state.premia[BTC_PERP].funding_ms
    (paid,) = of_kind(world.prices(790_000, after_ms=10 * HOUR_MS), FundingPaid)
    assert paid.covered_ms == covered + world.genesis.market.report_age_ms_max


def test_time_without_an_open_price_accrues_nothing_and_is_paid_afterwards():
    world = traded()
    go_to(world, next_boundary(world) - 4_000)
    world.prices(300_000)  # halted: what had accrued until now stays
    covered = world.state.premia[BTC_PERP].funding_ms
    for number in range(7):
        assert not of_kind(world.prices(300_000 if number % 2 else 150_000), FundingPaid)
    assert world.state.premia[BTC_PERP].funding_ms == covered
    for _ in range(3):
        result = world.prices(150_000)
    (paid,) = of_kind(result, FundingPaid)
    assert (paid.index_ticks, paid.covered_ms) == (150_000, covered)


def test_a_perpetual_without_terms_is_marked_at_the_index_and_pays_nothing():
    world = priced()
    world.block(world.trade(ALICE, BOB, ETH_PERP, 900, 20_500))
    go_to(world, world.time_ms + 2 * MINUTE_MS)
    assert world.state.marks[ETH_PERP].ticks == 20_000
    assert ETH_PERP not in world.state.premia
    assert {each.instrument for result in world.results for each in of_kind(result, FundingPaid)} == {BTC_PERP}


def test_the_band_of_trades_lies_around_the_mark_with_its_premium():
    world = priced()
    for _ in range(40):
        world.go(world.trade(ALICE, BOB, BTC_PERP, 100, 820_000), btc=790_000)
    mark = world.state.marks[BTC_PERP].ticks
    assert mark > 795_000
    trades = [world.trade(ALICE, BOB, BTC_PERP, 1, ticks) for ticks in (mark * 11 // 10, mark * 11 // 10 + 1)]
    assert codes(world.block(*trades, after_ms=0)) == [C.PRICE_OUTSIDE_BAND]


PATH = st.lists(
    st.tuples(st.integers(1, 20_000), st.integers(700_000, 880_000), st.integers(-40_000, 40_000), st.integers(1, 900)),
    min_size=1,
    max_size=12,
)


@given(PATH, st.integers(-300, 300))
@settings(max_examples=40, deadline=None)
def test_whatever_is_traded_what_longs_pay_shorts_receive(path, lean):
    terms = FundingTerms(50_000, 5_000, 50, 7_000, HOUR_MS, 50_000, 100, 200)
    world = funded(genesis=priced_genesis(PRICES, terms), dollars=1_000_000)
    before = sum(world.cash(each) for each in EVERYBODY)
    for after_ms, btc, off, lots in path:
        mark = world.state.marks[BTC_PERP].ticks
        buyer, seller = (ALICE, BOB) if off + lean > 0 else (BOB, CAROL)
        trade = world.trade(buyer, seller, BTC_PERP, lots, max(mark + off, 1))
        lots_before = {each: world.lots(each, BTC_PERP) for each in EVERYBODY}
        result = world.go(trade, btc=btc, after_ms=after_ms)
        for paid in of_kind(result, FundingPaid):
            assert paid.paid == paid.received + paid.rounding
            assert abs(paid.rate_ppb) <= 50_000_000
            for moved in result.transfers:
                if moved.code == TransferCode.FUNDING:
                    payer = moved.debit in lots_before
                    lots = lots_before[moved.debit if payer else moved.credit]
                    assert (lots * paid.rate_ppb > 0) is payer
        assert sum(world.cash(each) for each in EVERYBODY) == before
    assert world.cash(ROUNDING_ACCOUNT) >= 0
