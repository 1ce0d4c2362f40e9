"""Premium and funding of perpetuals in the state: marks, payments, who gets the rounding, and what time counts."""

from itertools import permutations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.errors import LocalFault
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.settlement import FundingPaid, Marked
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.terms.instruments import check_instruments
from clearing.schema.terms.prices import FundingTerms
from clearing.schema.transfers import TransferCode
from clearing.settlement.funding import VOLUME_MAX, funding_payments, funding_rate_ppb
from clearing.state.ledger import ROUNDING_ACCOUNT
from tests.kit.clearing.genesis import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC_FUT,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH_PERP,
    HOUSE,
    START_MS,
    USDC_1,
)
from tests.kit.clearing.priced import FUNDING, HOUR_MS, MINUTE_MS, PRICES, go_to, priced, priced_genesis
from tests.kit.clearing.world import World, codes, funded, of_kind

EVERYBODY = (HOUSE, ALICE, BOB, CAROL, ROUNDING_ACCOUNT)


def premium(world: World) -> int:
    return world.state.premia[BTC_PERP].premium_ppb


def test_trades_above_the_index_lift_the_mark_in_the_next_block() -> None:
    world = priced()
    (novated,) = of_kind(world.block(world.trade(ALICE, BOB, BTC_PERP, 900, 797_900)), TradeNovated)
    assert novated.mark_ticks == world.state.marks[BTC_PERP].ticks == 790_000, "not by a trade of its own block"
    held = world.state.premia[BTC_PERP]
    assert (held.volume, held.weighted_premium) == (900, 900 * 10_000_000)
    result = world.prices(790_000)
    # Sample 1 % x 900 / (900 + 100) = 0.9 %, of which 1 s / (1 s + 10 s) is taken in.
    assert premium(world) == 9_000_000 // 11
    (marked,) = of_kind(result, Marked)
    assert (marked.instrument, marked.ticks) == (BTC_PERP, 790_000 + 790_000 * premium(world) // 10**9)
    assert marked.paid == 900 * (marked.ticks - 790_000) * 10, "holders are paid the new premium like any move"


def test_what_a_member_trades_with_itself_is_no_premium() -> None:
    world = priced()
    world.block(facts=[world.deposit_fact(ALICE_CLIENT, USDC_1, 100_000 * DOLLAR)])
    (novated,) = of_kind(world.block(world.trade(ALICE, ALICE_CLIENT, BTC_PERP, 900, 797_900)), TradeNovated)
    assert novated.lots == 900
    assert world.state.premia[BTC_PERP].volume == 0
    world.prices(790_000)
    assert premium(world) == 0
    assert world.state.marks[BTC_PERP].ticks == 790_000


def test_without_trades_the_premium_fades() -> None:
    world = priced()
    world.block(world.trade(ALICE, BOB, BTC_PERP, 900, 797_900))
    world.prices(790_000)
    seen = [premium(world)]
    for _ in range(5):
        world.prices(790_000)
        seen.append(premium(world))
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == pytest.approx(seen[0] * (10 / 11) ** 5, abs=5)


def test_the_premium_never_leaves_its_band() -> None:
    genesis = priced_genesis(funding=msgspec.structs.replace(FUNDING, premium_cap_ppm=2_000))
    world = funded(genesis=genesis)
    for _ in range(30):
        there = world.trade(ALICE, BOB, BTC_PERP, 10_000, 810_000)
        back = world.trade(BOB, ALICE, BTC_PERP, 10_000, 810_000)
        world.block(there, back, prices=((1, 790_000), (2, 20_000)))
        mark, index = world.state.marks[BTC_PERP].ticks, world.state.feeds[1].ticks
        assert abs(mark - index) * 1_000_000 <= index * 2_000
    assert premium(world) > 1_000_000


def test_the_volume_of_one_block_counts_so_far_and_no_further() -> None:
    world = priced()
    held = world.state.premia[BTC_PERP]
    world.state.premia.put(BTC_PERP, msgspec.structs.replace(held, volume=VOLUME_MAX - 10))
    world.block(world.trade(ALICE, BOB, BTC_PERP, 900, 797_900), after_ms=0)
    after = world.state.premia[BTC_PERP]
    assert (after.volume, after.weighted_premium) == (VOLUME_MAX, 10 * 10_000_000)


def test_the_order_of_trades_in_a_block_does_not_count() -> None:
    seen = set()
    for order in permutations(((900, 797_900), (100, 780_000), (7, 790_000))):
        world = priced()
        world.block(*(world.trade(ALICE, BOB, BTC_PERP, lots, ticks) for lots, ticks in order))
        record = world.state.premia[BTC_PERP]
        world.prices(790_000)
        seen.add((record, premium(world), world.state.marks[BTC_PERP].ticks, world.cash(ALICE)))
    assert len(seen) == 1


def test_funding_is_paid_once_in_each_interval_with_every_number() -> None:
    world = priced()
    world.block(world.trade(ALICE, BOB, BTC_PERP, 900, 790_000), world.trade(CAROL, BOB, BTC_PERP, 33, 790_000))
    boundary = (world.time_ms // MINUTE_MS + 1) * MINUTE_MS
    go_to(world, boundary - 1)
    assert not [each for result in world.results for each in of_kind(result, FundingPaid)]
    held = world.state.premia[BTC_PERP]
    cash = {each: world.cash(each) for each in EVERYBODY}
    result = world.prices(790_000, after_ms=1)
    (paid,) = of_kind(result, FundingPaid)
    assert (paid.instrument, paid.index_ticks, paid.period_ms, paid.holders) == (BTC_PERP, 790_000, 8 * HOUR_MS, 3)
    assert paid.covered_ms == held.funding_ms + 1 == boundary - START_MS - 1_000, "since the first price"
    assert (paid.premium_ppb, paid.rate_ppb) == (0, 100_000), "the interest"
    expected, rounding = funding_payments([900, -933, 33], 790_000, 10, 100_000, paid.covered_ms, 8 * HOUR_MS)
    change = {each: world.cash(each) - cash[each] for each in EVERYBODY}
    assert change == {HOUSE: 0, ALICE: expected[0], BOB: expected[1], CAROL: expected[2], ROUNDING_ACCOUNT: rounding}
    assert (paid.paid, paid.received, paid.rounding) == (-expected[0] - expected[2], expected[1], rounding)
    assert rounding > 0
    told = {each.code for each in result.transfers}
    assert told == {TransferCode.FUNDING, TransferCode.FUNDING_ROUNDING}
    go_to(world, boundary + MINUTE_MS - 1)
    assert len([each for each in world.results if of_kind(each, FundingPaid)]) == 1
    (again,) = of_kind(world.prices(790_000, after_ms=1), FundingPaid)
    assert again.covered_ms == MINUTE_MS, "each moment is paid for once"


def test_longs_pay_more_while_they_pay_a_premium() -> None:
    world = priced()
    for _ in range(20):
        world.block(world.trade(ALICE, BOB, BTC_PERP, 100, 798_000), prices=((1, 790_000), (2, 20_000)))
    go_to(world, (world.time_ms // MINUTE_MS + 1) * MINUTE_MS)
    (paid,) = (each for result in world.results for each in of_kind(result, FundingPaid))
    assert paid.premium_ppb > 500_000
    assert paid.rate_ppb == funding_rate_ppb(paid.premium_ppb, 100, 500, 7_500) > 100_000


def test_a_network_that_stood_still_owes_no_funding_for_it() -> None:
    world = priced()
    world.block(world.trade(ALICE, BOB, BTC_PERP, 900, 790_000))
    covered = world.state.premia[BTC_PERP].funding_ms
    (paid,) = of_kind(world.prices(790_000, after_ms=10 * HOUR_MS), FundingPaid)
    assert paid.covered_ms == covered + world.genesis.market.report_age_ms_max


def test_time_without_an_open_price_accrues_nothing_and_is_paid_afterwards() -> None:
    world = priced()
    world.block(world.trade(ALICE, BOB, BTC_PERP, 900, 790_000))
    boundary = (world.time_ms // MINUTE_MS + 1) * MINUTE_MS
    go_to(world, boundary - 4_000)
    world.prices(300_000)  # halted: what had accrued until now stays
    covered = world.state.premia[BTC_PERP].funding_ms
    for number in range(7):
        assert not of_kind(world.prices(300_000 if number % 2 else 150_000), FundingPaid)
    assert world.state.premia[BTC_PERP].funding_ms == covered
    for _ in range(3):
        result = world.prices(150_000)
    (paid,) = of_kind(result, FundingPaid)
    assert (paid.index_ticks, paid.covered_ms) == (150_000, covered)


def test_a_perpetual_without_terms_is_marked_at_the_index_and_pays_nothing() -> None:
    world = priced()
    world.block(world.trade(ALICE, BOB, ETH_PERP, 900, 20_500))
    go_to(world, world.time_ms + 2 * MINUTE_MS)
    assert world.state.marks[ETH_PERP].ticks == 20_000
    assert ETH_PERP not in world.state.premia
    assert {each.instrument for result in world.results for each in of_kind(result, FundingPaid)} == {BTC_PERP}


def test_the_band_of_trades_lies_around_the_mark_with_its_premium() -> None:
    world = priced()
    for _ in range(40):
        world.block(world.trade(ALICE, BOB, BTC_PERP, 100, 820_000), prices=((1, 790_000), (2, 20_000)))
    mark = world.state.marks[BTC_PERP].ticks
    assert mark > 795_000
    edge = mark * 11 // 10
    assert codes(world.block(world.trade(ALICE, BOB, BTC_PERP, 1, edge), after_ms=0)) == []
    assert codes(world.block(world.trade(ALICE, BOB, BTC_PERP, 1, edge + 1), after_ms=0)) == [C.PRICE_OUTSIDE_BAND]


@pytest.mark.parametrize(
    "changes",
    [
        {"premium_cap_ppm": 500_001},
        {"window_ms": 0},
        {"depth_lots": 0},
        {"depth_lots": 2**32},
        {"rate_cap_ppm": 0},
        {"rate_cap_ppm": 500_001},
        {"period_ms": 0},
        {"period_ms": 449},
        {"interval_ms": 8 * 86_400_000},
        {"interest_ppm": 500_001},
        {"dampener_ppm": 500_001},
    ],
)
def test_terms_out_of_range_make_no_genesis(changes: dict[str, int]) -> None:
    genesis = priced_genesis(funding=msgspec.structs.replace(FUNDING, **changes))
    with pytest.raises(LocalFault, match=r"BTC-PERP\.funding"):
        check_instruments(genesis.instruments)


def test_only_a_perpetual_has_funding() -> None:
    genesis = priced_genesis()
    instruments = [
        msgspec.structs.replace(each, funding=FUNDING) if each.id == BTC_FUT else each for each in genesis.instruments
    ]
    with pytest.raises(LocalFault, match=r"BTC-FUT\.funding"):
        check_instruments(instruments)


PATH = st.lists(
    st.tuples(st.integers(1, 20_000), st.integers(700_000, 880_000), st.integers(-40_000, 40_000), st.integers(1, 900)),
    min_size=1,
    max_size=12,
)


@given(PATH, st.integers(-300, 300))
@settings(max_examples=40, deadline=None)
def test_whatever_is_traded_what_longs_pay_shorts_receive(path: list[tuple[int, int, int, int]], lean: int) -> None:
    terms = FundingTerms(50_000, 5_000, 50, 7_000, HOUR_MS, 50_000, 100, 200)
    world = funded(genesis=priced_genesis(PRICES, terms), dollars=1_000_000)
    before = sum(world.cash(each) for each in EVERYBODY)
    for after_ms, btc, off, lots in path:
        mark = world.state.marks[BTC_PERP].ticks
        buyer, seller = (ALICE, BOB) if off + lean > 0 else (BOB, CAROL)
        trade = world.trade(buyer, seller, BTC_PERP, lots, max(mark + off, 1))
        lots_before = {each: world.lots(each, BTC_PERP) for each in EVERYBODY}
        result = world.block(trade, prices=((1, btc), (2, 20_000)), after_ms=after_ms)
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
