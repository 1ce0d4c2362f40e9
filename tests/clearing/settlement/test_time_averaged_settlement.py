"""Settlement on a time average: what counts, what a lot is worth and marked at, and what is done without prices."""

from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clearing.schema.receipts.settlement import Marked, Settled, SettlementBasis, SettlementDeferred
from clearing.schema.terms.instruments import InstrumentKind
from clearing.schema.terms.prices import PriceTerms
from clearing.settlement.settlement_prices import (
    TimeAverage,
    expected_average_ticks,
    extend_average,
    needed_ms,
    settlement_payments,
    settlement_value_ticks,
)
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_CALL, BTC_FUT, CAROL, ETH, EXPIRY_MS
from tests.kit.clearing.priced import BTC_AVG_PUT, PRICES, WINDOW_MS, go_to, priced
from tests.kit.clearing.replay import same_after_restart
from tests.kit.clearing.world import World, of_kind

FOREVER = 10**12


def average_of(prices: list[tuple[int, int]], end: int, start: int, hold_ms: int = FOREVER) -> TimeAverage:
    """(time, ticks) rising in time; the last price stands until `end`."""
    average = TimeAverage()
    for (at, ticks), (until, _) in zip(prices, [*prices[1:], (end, 0)], strict=True):
        average = extend_average(average, ticks, at, until, start, hold_ms)
    return average


@pytest.mark.parametrize(
    ("prices", "end", "start", "hold", "covered", "ticks"),
    [
        ([(0, 100)], 10, 0, FOREVER, 10, 100),
        ([(0, 100), (5, 200)], 10, 0, FOREVER, 10, 150),
        ([(0, 100), (9, 200)], 10, 0, FOREVER, 10, 110),  # a price weighs by how long it stood, not by its block
        ([(0, 100), (5, 200)], 10, 5, FOREVER, 5, 200),  # what was before the window does not count
        ([(0, 100), (5, 200)], 10, 3, FOREVER, 7, 171),  # 2 x 100 + 5 x 200 over 7, rounded down
        ([(0, 100), (5, 200)], 10, 0, 3, 6, 150),  # each price stands three milliseconds at most
        ([(0, 100), (5, 200)], 10, 4, 3, 3, 200),  # the first was too old when the window opened
        ([(0, 100), (0, 300)], 10, 0, FOREVER, 10, 300),  # two blocks of one time: the later one stands
    ],
)
def test_each_price_weighs_as_long_as_it_stood(prices, end, start, hold, covered, ticks):
    average = average_of(prices, end, start, hold)
    assert (average.covered_ms, average.ticks) == (covered, ticks)


def test_an_average_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no part"):
        _ = TimeAverage().ticks


END = 10_001


def told_until(prices: list[tuple[int, int]], at: int) -> list[int]:
    return [ticks for time, ticks in prices if time <= at]


TIMES = st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 2**40)), min_size=1, max_size=20).map(sorted)


@given(TIMES, st.integers(0, 10_000))
def test_the_average_is_that_of_the_step_function_of_prices(prices, start):
    average = average_of(prices, END, start)
    assert average.covered_ms == max(END - max(start, prices[0][0]), 0)
    if average.covered_ms:
        assert min(ticks for _, ticks in prices) <= average.ticks <= max(ticks for _, ticks in prices)
    if average.covered_ms and END - start < 300:
        values = [ticks[-1] for at in range(start, END) if (ticks := told_until(prices, at))]
        assert average.ticks == int(Fraction(sum(values), len(values)))


@given(TIMES, st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_block_in_between_that_moves_no_price_changes_nothing(prices, start, at):
    before = told_until(prices, at)
    assume(before)
    split = sorted([*prices, (at, before[-1])], key=lambda each: each[0])
    assert average_of(split, END, start) == average_of(prices, END, start)


@pytest.mark.parametrize(("window", "ppm", "wanted"), [(1_000, 500_000, 500), (3, 500_000, 2), (0, 500_000, 0)])
def test_needed_coverage_rounds_up(window, ppm, wanted):
    assert needed_ms(window, ppm) == wanted


def test_inside_its_window_a_future_is_worth_what_the_average_will_be():
    assert expected_average_ticks(TimeAverage(), 1_000, 777) == 777
    assert expected_average_ticks(TimeAverage(250 * 100, 250), 1_000, 200) == 175
    assert expected_average_ticks(TimeAverage(1_000 * 100, 1_000), 1_000, 9_999) == 100
    assert expected_average_ticks(TimeAverage(2_000 * 100, 2_000), 1_000, 9_999) == 100, "a prolonged window"
    assert expected_average_ticks(TimeAverage(), 0, 777) == 777


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (InstrumentKind.FUTURE, [700, 800, 900]),
        (InstrumentKind.FORWARD, [700, 800, 900]),
        (InstrumentKind.PERPETUAL, [700, 800, 900]),
        (InstrumentKind.CALL, [0, 0, 100]),
        (InstrumentKind.PUT, [100, 0, 0]),
    ],
)
def test_an_option_is_worth_its_intrinsic_value(kind, values):
    assert [settlement_value_ticks(kind, settlement, 800) for settlement in (700, 800, 900)] == values


@given(st.lists(st.integers(-(2**39), 2**39)), st.integers(0, 2**40), st.integers(0, 2**40), st.integers(1, 2**16))
def test_settlement_of_matched_lots_sums_to_zero(lots, value, paid, micros):
    assert sum(settlement_payments([*lots, -sum(lots)], value, paid, micros)) == 0


START_MS = EXPIRY_MS - WINDOW_MS


def ready(prices: PriceTerms = PRICES) -> World:
    """Just before the window, with positions in what settles on an average and in what does not."""
    world = priced(prices)
    bought = ((ALICE, BTC_FUT, 100), (ALICE, BTC_CALL, 10), (CAROL, BTC_AVG_PUT, 10))
    world.block(*(world.trade(buyer, BOB, each, lots, world.state.marks[each].ticks) for buyer, each, lots in bought))
    world.prices(790_000, after_ms=START_MS - world.time_ms - 2_000)
    return world


def settled(world: World) -> dict[int, Settled]:
    return {each.instrument: each for result in world.results for each in of_kind(result, Settled)}


def test_what_is_averaged_settles_on_the_average_and_the_rest_on_the_index():
    world = ready()
    start = {each: world.cash(each) for each in (ALICE, BOB, CAROL)}
    go_to(world, START_MS + 5_000)  # 790,000 until then, and until the next block
    go_to(world, EXPIRY_MS, btc=810_000)
    done = settled(world)
    average = (5_000 * 790_000 + 1_000 * 790_000 + 14_000 * 810_000) // 20_000
    assert (done[BTC_FUT].index_ticks, done[BTC_FUT].basis) == (average, SettlementBasis.AVERAGE)
    assert (done[BTC_FUT].covered_ms, done[BTC_FUT].window_ms) == (WINDOW_MS, WINDOW_MS)
    assert (done[BTC_AVG_PUT].index_ticks, done[BTC_AVG_PUT].worth_ticks) == (average, 0)
    call = done[BTC_CALL]
    assert (call.index_ticks, call.basis, call.worth_ticks) == (810_000, SettlementBasis.INDEX, 10_000)
    gain = (average - 790_000) * 100 * 10 + 10_000 * 10 * 10
    assert {each: world.cash(each) - start[each] for each in start} == {ALICE: gain, BOB: -gain, CAROL: 0}
    assert not list(world.state.settlement_averages.ordered())


def test_a_jump_at_the_end_of_the_window_moves_little():
    world = ready()
    go_to(world, EXPIRY_MS - 500)
    world.prices(1_000_000, after_ms=499)
    world.prices(1_000_000, after_ms=1)
    assert settled(world)[BTC_FUT].index_ticks == (19_999 * 790_000 + 1 * 1_000_000) // 20_000
    assert settled(world)[BTC_CALL].index_ticks == 1_000_000


def test_the_future_is_marked_at_what_the_average_will_be():
    world = ready()
    go_to(world, START_MS + 10_000)
    result = world.prices(810_000)
    (marked,) = (each for each in of_kind(result, Marked) if each.instrument == BTC_FUT)
    assert marked.ticks == (11_000 * 790_000 + 9_000 * 810_000) // 20_000, "less than half is still at risk"
    go_to(world, EXPIRY_MS, btc=810_000)
    done = settled(world)[BTC_FUT]
    assert abs(done.micros_per_lot) <= 10, "the last mark was the settlement price, but for rounding"


@pytest.mark.parametrize("late_ms", [0, 1, 3_000])
def test_after_expiry_nothing_counts_when_enough_is_covered(late_ms):
    world = ready()
    go_to(world, EXPIRY_MS - 1)
    world.prices(1_000_000, after_ms=1 + late_ms)
    done = settled(world)[BTC_FUT]
    assert (done.index_ticks, done.covered_ms) == (790_000, WINDOW_MS)


def stale_from(world: World, blocks: int) -> None:
    """BTC is not told any more; its reports are too old in the sixth block."""
    for _ in range(blocks):
        world.block(prices=((ETH, 20_000),))


def test_a_gap_in_the_window_does_not_count():
    world = ready()
    go_to(world, START_MS + 6_000, btc=790_000)
    stale_from(world, 8)  # open for five of them
    go_to(world, EXPIRY_MS, btc=810_000)
    done = settled(world)[BTC_FUT]
    # The price stood from 0 to 12 s (it became stale then), and the new one from 15 s on.
    assert (done.covered_ms, done.basis) == (17_000, SettlementBasis.AVERAGE)
    assert done.index_ticks == (12_000 * 790_000 + 5_000 * 810_000) // 17_000


def test_an_average_covered_well_enough_settles_also_without_a_price_at_expiry():
    world = ready()
    go_to(world, EXPIRY_MS - 2_000)
    stale_from(world, 1)
    world.block(after_ms=7_000)
    done = settled(world)
    assert done[BTC_FUT].basis == SettlementBasis.AVERAGE
    assert BTC_CALL not in done, "without a window it waits for an open index"
    world.prices(820_000)
    assert settled(world)[BTC_CALL].index_ticks == 820_000


def missed(world: World) -> None:
    """Past expiry with no price since the window began but its first second."""
    go_to(world, START_MS + 1_000)
    world.prices(10_000)  # halted
    while world.time_ms < EXPIRY_MS:
        world.prices(10_000 if world.state.now.height % 2 else 20_000)


def test_too_little_coverage_prolongs_the_window():
    world = ready(PriceTerms(coverage_ppm=500_000))
    missed(world)
    waits = [each for result in world.results for each in of_kind(result, SettlementDeferred)]
    assert [each.instrument for each in waits] == [BTC_FUT, BTC_AVG_PUT]
    assert (waits[0].covered_ms, waits[0].needed_ms, waits[0].window_ms) == (2_000, 10_000, WINDOW_MS)
    for _ in range(4):
        world.prices(600_000)  # reopens on the fourth
    assert BTC_CALL in settled(world)
    for number in range(8):
        assert BTC_FUT not in settled(world), number
        world.prices(600_000)
    done = settled(world)[BTC_FUT]
    assert (done.basis, done.covered_ms) == (SettlementBasis.AVERAGE, 10_000)
    assert done.index_ticks == (2_000 * 790_000 + 8_000 * 600_000) // 10_000
    put = settlement_value_ticks(InstrumentKind.PUT, done.index_ticks, 800_000)
    assert settled(world)[BTC_AVG_PUT].worth_ticks == put


def test_a_dead_feed_settles_expired_instruments_at_the_last_good_index():
    world = ready(PriceTerms(settle_blocks=30))
    missed(world)
    for number in range(12):
        world.prices(10_000 if number % 2 else 20_000)
    done = [settled(world)[each] for each in (BTC_FUT, BTC_CALL, BTC_AVG_PUT)]
    assert {(each.basis, each.index_ticks) for each in done} == {(SettlementBasis.LAST_GOOD, 790_000)}
    assert [each.worth_ticks for each in done] == [790_000, 0, 10_000]
    assert not list(world.state.settlement_averages.ordered())


def test_a_network_that_stands_still_in_the_window_lets_no_price_count_for_long():
    world = ready()
    go_to(world, START_MS)
    world.prices(790_000, after_ms=15_000)
    assert world.state.settlement_averages[BTC_FUT].covered_ms == 5_000, "a price counts as long as a report may be old"


BLOCKS = st.lists(
    st.tuples(st.integers(0, 4_000), st.integers(600_000, 1_000_000), st.booleans()), min_size=1, max_size=25
)


@given(BLOCKS, st.integers(0, 3_000))
@settings(max_examples=40, deadline=None)
def test_irregular_blocks_average_as_the_arithmetic_says(blocks, early):
    world = ready(PriceTerms(coverage_ppm=1))
    go_to(world, START_MS - early, step_ms=early + 1_000)
    expected, price, at = TimeAverage(), 790_000, world.time_ms
    for after_ms, btc, reported in [*blocks, (40_000, 790_000, True)]:
        if world.time_ms >= EXPIRY_MS:
            break
        until = world.time_ms + after_ms
        if world.state.feeds[BTC].status.name == "OPEN":
            expected = extend_average(expected, price, at, min(until, EXPIRY_MS), START_MS, 5_000)
        world.block(prices=((BTC, btc),) if reported else (), after_ms=after_ms)
        price, at = world.state.feeds[BTC].ticks, world.time_ms
    done = settled(world).get(BTC_FUT)
    if expected.covered_ms:
        assert done is not None
        assert (done.index_ticks, done.covered_ms) == (expected.ticks, expected.covered_ms)
    assert sum(world.lots(each, BTC_FUT) for each in (ALICE, BOB, CAROL)) == 0


def test_a_state_read_from_its_export_goes_on_through_the_window():
    world = ready()
    for step in range(30):
        with same_after_restart(world):
            world.prices(790_000 + 1_000 * step)
    assert BTC_FUT in settled(world)
