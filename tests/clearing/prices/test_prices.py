"""Prices: medians by stake, outliers, quorum, freshness to the millisecond, confidence, halts."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clearing.prices.index_prices import WeightedReport, filter_outliers, lower_median, upper_median
from clearing.schema.blocks.block import PriceReport, VoteExtension
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.prices import FeedStatusChanged, OutliersDropped, PriceApplied
from clearing.schema.records.prices import FeedStatus, Mark
from clearing.schema.terms.genesis import MarketParameters
from clearing.schema.terms.prices import PriceTerms
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, DOLLAR, make_genesis
from tests.kit.clearing.priced import priced_genesis
from tests.kit.clearing.world import World, funded, of_kind, reports

WEIGHTED = st.lists(st.tuples(st.integers(-(2**40), 2**40), st.integers(0, 100)), min_size=1).filter(
    lambda pairs: any(weight for _, weight in pairs)
)
REPORTS = st.lists(
    st.tuples(st.integers(1, 100), st.integers(1, 2**40), st.integers(0, 100)), min_size=1, max_size=30
).map(lambda rows: [WeightedReport(at, power, ticks, unsure) for at, (power, ticks, unsure) in enumerate(rows)])


def weighted_reports(*prices: int) -> list[WeightedReport]:
    return [WeightedReport(at, 10, ticks, 0) for at, ticks in enumerate(prices)]


@pytest.mark.parametrize(
    ("weighted", "lower", "upper"),
    [
        ([(5, 1)], 5, 5),
        ([(1, 1), (2, 1)], 1, 2),
        ([(1, 1), (2, 1), (3, 1)], 2, 2),
        ([(1, 10), (2, 1), (3, 1)], 1, 1),
        ([(1, 0), (2, 1), (3, 1)], 2, 3),
        ([(3, 2), (1, 1), (2, 1)], 2, 3),
    ],
)
def test_the_lower_and_upper_median_take_the_ends_of_the_middle(weighted, lower, upper):
    assert (lower_median(weighted), upper_median(weighted)) == (lower, upper)


@given(WEIGHTED)
def test_half_of_the_weight_lies_on_each_side_of_the_lower_median(weighted):
    middle, whole = lower_median(weighted), sum(weight for _, weight in weighted)
    assert 2 * sum(weight for value, weight in weighted if value <= middle) >= whole
    assert 2 * sum(weight for value, weight in weighted if value < middle) < whole
    assert upper_median(weighted) >= middle


@given(WEIGHTED, st.randoms())
def test_the_order_of_reports_does_not_count(weighted, chance):
    assert lower_median(chance.sample(weighted, len(weighted))) == lower_median(weighted)


def test_a_median_of_no_weight_is_refused():
    with pytest.raises(ValueError, match="no weight"):
        lower_median([(1, 0)])


@pytest.mark.parametrize(
    ("prices", "deviations", "floor_ppm", "dropped"),
    [
        ((100, 101, 102, 500), 3, 0, (3,)),  # median 101, deviations 1 0 1 399: MAD 1
        ((100, 101, 102, 104), 3, 0, ()),  # exactly three deviations away
        ((100, 101, 102, 105), 3, 0, (3,)),
        ((100, 101, 102, 500), 0, 0, ()),  # switched off
        ((1_000, 1_000, 1_000, 1_001), 3, 0, (3,)),  # MAD 0 and no floor: only the same is kept
        ((1_000, 1_000, 1_000, 1_001), 3, 1_000, ()),  # exactly at the floor
        ((1_000, 1_000, 1_000, 1_002), 3, 1_000, (3,)),
        ((1, 1_000, 1_010, 2_000), 2, 1_000, (0, 3)),  # both sides: median 1000, MAD 10
        ((100, 200), 1, 0, (1,)),  # lower median 100, MAD 0: half of the stake stays
    ],
)
def test_reports_beyond_so_many_deviations_are_dropped(prices, deviations, floor_ppm, dropped):
    sifted = filter_outliers(weighted_reports(*prices), deviations, floor_ppm)
    assert tuple(each.validator for each in sifted.dropped) == dropped
    assert len(sifted.used) + len(sifted.dropped) == len(prices)


def test_deviation_is_by_stake_and_not_by_heads():
    many_small = [WeightedReport(at, 1, 5_000, 0) for at in range(5)]
    few_large = [WeightedReport(5 + at, 100, 1_000 + at, 0) for at in range(3)]
    sifted = filter_outliers([*many_small, *few_large], 3, 0)
    assert sifted.median_ticks == 1_001
    assert {each.validator for each in sifted.dropped} == set(range(5))


@given(REPORTS, st.integers(1, 20), st.integers(0, 100_000))
def test_half_of_the_stake_is_never_an_outlier(listed, deviations, floor_ppm):
    sifted = filter_outliers(listed, deviations, floor_ppm)
    assert 2 * sum(each.power for each in sifted.used) >= sum(each.power for each in listed)
    assert all(abs(each.ticks - sifted.median_ticks) <= sifted.limit_ticks for each in sifted.used)
    assert all(abs(each.ticks - sifted.median_ticks) > sifted.limit_ticks for each in sifted.dropped)


@given(REPORTS, st.integers(1, 20), st.integers(2**41, 2**50))
def test_less_than_half_of_the_stake_cannot_move_the_median_beyond_what_the_rest_says(listed, deviations, lie):
    honest = sum(each.power for each in listed)
    liar = WeightedReport(len(listed), max(honest - 1, 1), lie, 0)
    assume(liar.power < honest)
    sifted = filter_outliers([*listed, liar], deviations, 1_000)
    assert sifted.median_ticks <= max(each.ticks for each in listed)


def say(
    world: World, prices: int | Sequence[int | None], age_ms: int = 0, confidence_ppm: int = 0, sources: int = 3
) -> None:
    """All validators report this BTC price, or each its own (None: nothing), of an age at the next block's time."""
    at = world.state.now.time_ms + 1_000 - age_ms
    said = [
        price and VoteExtension((PriceReport(BTC, price, price * confidence_ppm // 1_000_000, sources, at),))
        for price in ([prices] * 4 if isinstance(prices, int) else prices)
    ]
    world.apply(world.make_block(extensions=said))


def index(world: World) -> int:
    return world.state.feeds[BTC].ticks


@pytest.mark.parametrize(
    ("prices", "wanted"),
    [
        ([100, 100, 100, 100], 100),
        ([100, 101, 102, 103], 101),  # the lower of the two in the middle
        ([103, 101, 100, 102], 101),
        ([100, 101, 200, None], 101),
        ([1, 100, 100, 10**9], 100),  # one liar each way
        ([100, 100, None, None], 0),  # half the stake is no quorum
        ([None, None, None, None], 0),
    ],
)
def test_the_index_is_the_lower_median_of_a_quorum(prices, wanted):
    world = World()
    say(world, prices)
    assert index(world) == wanted


def test_exactly_two_thirds_are_not_enough():
    world = World()
    block = world.make_block(extensions=[VoteExtension(reports((BTC, 100), time_ms=world.time_ms))] * 2)
    world.apply(msgspec.structs.replace(block, total_power=30))
    assert index(world) == 0


@pytest.mark.parametrize(
    ("report", "used"),
    [
        ({"age_ms": 0}, True),
        ({"age_ms": 5_000}, True),
        ({"age_ms": 5_001}, False),
        ({"age_ms": -2_000}, True),
        ({"age_ms": -2_001}, False),
        ({"confidence_ppm": 20_000}, True),
        ({"confidence_ppm": 20_010}, False),
    ],
)
def test_age_and_confidence_of_a_report_have_exact_bounds(report, used):
    world = World()
    say(world, 100_000, **report)
    assert index(world) == (100_000 if used else 0)


def test_a_late_validator_does_not_make_a_feed_stale():
    world = World()
    say(world, 100)
    say(world, [110, 110, None, None])
    assert index(world) == 100, "the kept reports of the others still count"
    assert world.state.feeds[BTC].status == FeedStatus.OPEN


def test_silence_makes_a_feed_stale_and_reports_open_it_again():
    world = World()
    say(world, 100)
    result = world.block(after_ms=5_001)
    assert [(each.feed, each.status) for each in of_kind(result, FeedStatusChanged)] == [(BTC, FeedStatus.STALE)]
    assert not list(world.state.price_reports.ordered()), "old reports are dropped"
    say(world, 101)
    assert world.state.feeds[BTC].status == FeedStatus.OPEN


def test_an_older_report_never_replaces_a_newer_one():
    world = World()
    say(world, 100)
    say(world, 90, age_ms=3_000)
    assert index(world) == 100


@pytest.mark.parametrize(
    ("price", "blocks", "opens"),
    [
        pytest.param(700, 1, True, id="a move of the cap of 30 %"),
        pytest.param(699, 1, False, id="a move beyond the cap"),
        pytest.param(1_000_000, 20, True, id="a thousandfold for long"),
        pytest.param(1_000_001, 20, False, id="in another unit for long"),
        pytest.param(10**9, 20, False, id="far in another unit"),
        pytest.param(1, 20, True, id="a thousandth for long"),
    ],
)
def test_a_feed_halts_beyond_its_cap_and_reopens_after_consistent_blocks_but_in_no_other_unit(price, blocks, opens):
    world = World()
    say(world, 1_000)
    for _ in range(blocks):
        say(world, price)
    assert world.state.feeds[BTC].status == (FeedStatus.OPEN if opens else FeedStatus.HALTED)
    assert index(world) == (price if opens else 1_000)


def test_a_halted_feed_reopens_after_consistent_blocks():
    world = World()
    say(world, 1_000)
    for price in (500, 510, 200, 210, 205):  # 200 starts the count anew
        say(world, price)
        assert world.state.feeds[BTC].status == FeedStatus.HALTED
    say(world, 207)
    assert world.state.feeds[BTC].status == FeedStatus.OPEN
    assert index(world) == 207
    assert of_kind(world.results[-1], PriceApplied)[0].previous_ticks == 1_000


def test_a_source_in_another_unit_settles_positions_at_the_last_good_price_and_stops_no_block():
    """A quorum of 10^12 ticks made variation margin of more than the ledger counts to: no block could be applied."""
    market = MarketParameters(prices=PriceTerms(settle_blocks=20))
    world = funded(genesis=make_genesis(market), dollars=10**7)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 600_000, 790_000))
    assert world.lots(ALICE, BTC_PERP) == 600_000
    for _ in range(30):
        world.prices(10**12)
    assert world.state.marks[BTC_PERP] == Mark(790_000, settled=True)
    assert not world.lots(ALICE, BTC_PERP)
    assert world.state.feeds[BTC].status == FeedStatus.OPEN, "there is nothing left that could be marked"


def test_nothing_is_liquidated_on_a_halted_feed():
    world = funded(genesis=make_genesis(MarketParameters(move_cap_ppm=100_000)), dollars=8_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 4_500, 790_000))
    result = world.prices(600_000)
    assert not of_kind(result, Liquidated)
    assert world.cash(ALICE) == 8_000 * DOLLAR, "no variation margin at a price nobody may use"
    for _ in range(3):
        result = world.prices(600_000)
    assert of_kind(result, Liquidated)


def test_unknown_feeds_are_ignored():
    world = World()
    said = VoteExtension((PriceReport(99, 5, 0, 1, world.time_ms + 1_000),))
    world.apply(world.make_block(extensions=[said] * 4))
    assert not list(world.state.price_reports.ordered())


def test_an_outlier_is_dropped_with_a_receipt_and_does_not_move_the_median():
    world = World(priced_genesis())
    say(world, [1_000_000, 1_001_000, 1_002_000, 900_000])
    (receipt,) = of_kind(world.results[-1], OutliersDropped)
    assert (receipt.median_ticks, receipt.deviation_ticks, receipt.limit_ticks) == (1_000_000, 1_000, 5_000)
    assert (receipt.dropped, receipt.kept_power, receipt.quorum) == ((3,), 30, True)
    assert world.state.feeds[BTC].ticks == 1_001_000, "of what is left"


def test_outliers_never_cost_a_quorum_silently():
    world = World(priced_genesis())
    say(world, [1_000_000, 1_001_000, 1_002_000, 1_000_000])
    for number in range(3):
        say(world, [1_000_000, 1_000_000, 500_000, 2_000_000])
        (receipt,) = of_kind(world.results[-1], OutliersDropped)
        assert (receipt.dropped, receipt.kept_power, receipt.quorum) == ((2, 3), 20, False)
        assert world.state.feeds[BTC].status == FeedStatus.STALE, number
    assert world.state.feeds[BTC].ticks == 1_000_000


def test_reports_of_too_few_sources_do_not_count():
    world = World(priced_genesis(PriceTerms(sources_min=2)))
    say(world, 100, sources=1)
    assert world.state.feeds[BTC].status == FeedStatus.UNOPENED
    say(world, 100, sources=2)
    assert world.state.feeds[BTC].status == FeedStatus.OPEN


def test_the_agreed_confidence_is_the_upper_median_of_the_reports_used():
    world = World(priced_genesis())
    for last, agreed in ((900_000, 1_001), (1_003_000, 1_002)):
        say(world, [1_000_000, 1_001_000, 1_002_000, last], confidence_ppm=1_000)
        assert world.state.feeds[BTC].confidence_ticks == agreed


def test_confidence_that_moves_alone_is_noted_without_a_price_move():
    world = World(make_genesis(MarketParameters()))
    for confidence_ppm, ticks in ((50, 5), (70, 7)):
        say(world, 100_000, confidence_ppm=confidence_ppm)
        assert world.state.feeds[BTC].confidence_ticks == ticks
    assert world.results[-1].receipts == ()
    assert world.state.feeds[BTC].time_ms == world.state.now.time_ms - 1_000


def test_the_defaults_leave_reports_as_they_are():
    world = funded()
    say(world, [790_000, 790_000, 1, 10**9])
    assert not of_kind(world.results[-1], OutliersDropped)
