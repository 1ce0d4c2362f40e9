"""Settlement on a time average: what counts, what happens when prices are missing, and what it is marked at."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.apply_block import apply_block
from clearing.schema.receipts.settlement import Marked, Settled, SettlementBasis, SettlementDeferred
from clearing.schema.terms.instruments import InstrumentKind
from clearing.schema.terms.prices import PriceTerms
from clearing.settlement.settlement_prices import TimeAverage, extend_average, settlement_value_ticks
from clearing.state.export import export_state, import_state
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_CALL, BTC_FUT, CAROL, ETH, EXPIRY_MS, SALT
from tests.kit.clearing.priced import BTC_AVG_PUT, WINDOW_MS, go_to, priced
from tests.kit.clearing.world import World, of_kind, roots

START_MS = EXPIRY_MS - WINDOW_MS


def ready(prices: PriceTerms | None = None) -> World:
    """Just before the window, with positions in what settles on an average and in what does not."""
    world = priced(prices) if prices else priced()
    marks = {each: world.state.marks[each].ticks for each in (BTC_FUT, BTC_CALL, BTC_AVG_PUT)}
    world.block(
        world.trade(ALICE, BOB, BTC_FUT, 100, marks[BTC_FUT]),
        world.trade(ALICE, BOB, BTC_CALL, 10, marks[BTC_CALL]),
        world.trade(CAROL, BOB, BTC_AVG_PUT, 10, marks[BTC_AVG_PUT]),
    )
    world.prices(790_000, after_ms=START_MS - world.time_ms - 2_000)
    return world


def settled(world: World) -> dict[int, Settled]:
    return {each.instrument: each for result in world.results for each in of_kind(result, Settled)}


def test_what_is_averaged_settles_on_the_average_and_the_rest_on_the_index() -> None:
    world = ready()
    start = {each: world.cash(each) for each in (ALICE, BOB, CAROL)}
    go_to(world, START_MS + 5_000)  # 790,000 until then, and until the next block
    go_to(world, EXPIRY_MS, btc=810_000)
    done = settled(world)
    wanted = (5_000 * 790_000 + 1_000 * 790_000 + 14_000 * 810_000) // 20_000
    assert (done[BTC_FUT].index_ticks, done[BTC_FUT].basis) == (wanted, SettlementBasis.AVERAGE)
    assert (done[BTC_FUT].covered_ms, done[BTC_FUT].window_ms) == (WINDOW_MS, WINDOW_MS)
    assert (done[BTC_AVG_PUT].index_ticks, done[BTC_AVG_PUT].worth_ticks) == (wanted, 0)
    assert (done[BTC_CALL].index_ticks, done[BTC_CALL].basis) == (810_000, SettlementBasis.INDEX)
    assert done[BTC_CALL].worth_ticks == 10_000
    change = {each: world.cash(each) - start[each] for each in start}
    assert change == {
        ALICE: (wanted - 790_000) * 100 * 10 + 10_000 * 10 * 10,
        BOB: -(wanted - 790_000) * 100 * 10 - 10_000 * 10 * 10,
        CAROL: 0,
    }
    assert not list(world.state.settlement_averages.ordered())


def test_a_jump_at_the_end_of_the_window_moves_little() -> None:
    world = ready()
    go_to(world, EXPIRY_MS - 500)
    world.prices(1_000_000, after_ms=499)
    world.prices(1_000_000, after_ms=1)
    assert settled(world)[BTC_FUT].index_ticks == (19_999 * 790_000 + 1 * 1_000_000) // 20_000
    assert settled(world)[BTC_CALL].index_ticks == 1_000_000


def test_the_future_is_marked_at_what_the_average_will_be() -> None:
    world = ready()
    go_to(world, START_MS + 10_000)
    result = world.prices(810_000)
    (marked,) = (each for each in of_kind(result, Marked) if each.instrument == BTC_FUT)
    assert marked.ticks == (11_000 * 790_000 + 9_000 * 810_000) // 20_000, "less than half is still at risk"
    go_to(world, EXPIRY_MS, btc=810_000)
    done = settled(world)[BTC_FUT]
    assert abs(done.micros_per_lot) <= 10, "the last mark was the settlement price, but for rounding"


@pytest.mark.parametrize("late_ms", [0, 1, 3_000])
def test_after_expiry_nothing_counts_when_enough_is_covered(late_ms: int) -> None:
    world = ready()
    go_to(world, EXPIRY_MS - 1)
    world.prices(1_000_000, after_ms=1 + late_ms)
    assert settled(world)[BTC_FUT].index_ticks == 790_000
    assert settled(world)[BTC_FUT].covered_ms == WINDOW_MS


def stale_from(world: World, blocks: int) -> None:
    """BTC is not told any more; its reports are too old in the sixth block."""
    for _ in range(blocks):
        world.block(prices=((ETH, 20_000),))


def test_a_gap_in_the_window_does_not_count() -> None:
    world = ready()
    go_to(world, START_MS + 6_000, btc=790_000)
    stale_from(world, 8)  # open for five of them
    go_to(world, EXPIRY_MS, btc=810_000)
    done = settled(world)[BTC_FUT]
    # The price stood from 0 to 12 s (it became stale then), and the new one from 15 s on.
    assert done.covered_ms == 12_000 + 5_000
    assert done.index_ticks == (12_000 * 790_000 + 5_000 * 810_000) // 17_000
    assert done.basis == SettlementBasis.AVERAGE


def test_an_average_covered_well_enough_settles_also_without_a_price_at_expiry() -> None:
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


def test_too_little_coverage_prolongs_the_window() -> None:
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
    assert settled(world)[BTC_AVG_PUT].worth_ticks == settlement_value_ticks(
        InstrumentKind.PUT, done.index_ticks, 800_000
    )


def test_a_dead_feed_settles_expired_instruments_at_the_last_good_index() -> None:
    world = ready(PriceTerms(settle_blocks=30))
    missed(world)
    for number in range(12):
        world.prices(10_000 if number % 2 else 20_000)
    done = settled(world)
    for instrument, worth in ((BTC_FUT, 790_000), (BTC_CALL, 0), (BTC_AVG_PUT, 10_000)):
        assert done[instrument].basis == SettlementBasis.LAST_GOOD
        assert (done[instrument].index_ticks, done[instrument].worth_ticks) == (790_000, worth)
    assert not list(world.state.settlement_averages.ordered())


def test_a_network_that_stands_still_in_the_window_lets_no_price_count_for_long() -> None:
    world = ready()
    go_to(world, START_MS)
    world.prices(790_000, after_ms=15_000)
    assert world.state.settlement_averages[BTC_FUT].covered_ms == 5_000, "a price counts as long as a report may be old"


BLOCKS = st.lists(
    st.tuples(st.integers(0, 4_000), st.integers(600_000, 1_000_000), st.booleans()), min_size=1, max_size=25
)


@given(BLOCKS, st.integers(0, 3_000))
@settings(max_examples=40, deadline=None)
def test_irregular_blocks_average_as_the_arithmetic_says(blocks: list[tuple[int, int, bool]], early: int) -> None:
    world = ready(PriceTerms(coverage_ppm=1))
    go_to(world, START_MS - early, step_ms=early + 1_000)
    expected, price, at = TimeAverage(), 790_000, world.time_ms
    for after_ms, btc, told in [*blocks, (40_000, 790_000, True)]:
        if world.time_ms >= EXPIRY_MS:
            break
        until = world.time_ms + after_ms
        if world.state.feeds[BTC].status.name == "OPEN":
            expected = extend_average(expected, price, at, min(until, EXPIRY_MS), START_MS, 5_000)
        world.block(prices=((BTC, btc),) if told else (), after_ms=after_ms)
        price, at = world.state.feeds[BTC].ticks, world.time_ms
    done = settled(world).get(BTC_FUT)
    if expected.covered_ms:
        assert done is not None
        assert (done.index_ticks, done.covered_ms) == (expected.ticks, expected.covered_ms)
    assert sum(world.lots(each, BTC_FUT) for each in (ALICE, BOB, CAROL)) == 0


def test_a_state_read_from_its_export_goes_on_through_the_window() -> None:
    world = ready()
    for step in range(30):
        copy = import_state(world.genesis, SALT, export_state(world.state))
        before = world.state.now.time_ms
        result = world.prices(790_000 + 1_000 * step)
        fork, again = apply_block(copy, world.blocks[-1])
        assert again == result
        assert roots(fork) == roots(world.state)
        assert world.state.now.time_ms == before + 1_000
    assert BTC_FUT in settled(world)
