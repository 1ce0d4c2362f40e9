"""What the API shows of feeds and marks: rungs, confidence, premium, accruing funding, averages."""

from clearing.settlement.funding import average_premium_ppb, funding_rate_ppb
from node.api.state import feed_price, instrument_mark
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_FUT, BTC_PERP, ETH, EXPIRY_MS
from tests.kit.clearing.priced import WINDOW_MS, go_to, priced
from tests.kit.clearing.world import World


def mark_of(world: World, number: int):  # type: ignore[no-untyped-def]
    state = world.state
    return instrument_mark(state, state.terms.instruments[number], state.marks[number])


def test_each_rung_is_shown_with_the_height_at_which_it_ends() -> None:
    world = priced()
    world.prices(790_000)
    seen = {}
    for _ in range(18):
        shown = feed_price(world.state, ETH, "ETH")
        seen[shown.rung] = (shown.status, shown.since_height, shown.settles_at_height)
        world.block(prices=((BTC, 790_000),))
    since = world.state.feeds[ETH].since_height
    assert seen == {
        "usable": ("open", 0, 0),
        "no_new_risk": ("stale", since, since + 10),
        "no_liquidation": ("stale", since, since + 10),
        "settled": ("stale", since, 0),
    }
    assert feed_price(world.state, ETH, "ETH").index_ticks == "20000", "the last good price"


def test_an_unopened_feed_is_shown_without_a_price() -> None:
    shown = feed_price(World().state, BTC, "BTC")
    assert (shown.status, shown.rung, shown.index_ticks, shown.since_height) == ("unopened", "usable", "0", 0)


def test_premium_and_the_rate_that_accrues_are_shown() -> None:
    world = priced()
    for _ in range(5):
        world.block(world.trade(ALICE, BOB, BTC_PERP, 500, 798_000), prices=((BTC, 790_000), (ETH, 20_000)))
    held, shown = world.state.premia[BTC_PERP], mark_of(world, BTC_PERP)
    assert shown.premium_ppb == str(held.premium_ppb) != "0"
    average = average_premium_ppb(held.funding_weighted, held.funding_ms)
    assert shown.funding_rate_ppb == str(funding_rate_ppb(average, 100, 500, 7_500))
    assert shown.mark_ticks == str(world.state.marks[BTC_PERP].ticks)


def test_an_average_is_shown_until_it_has_settled() -> None:
    world = priced()
    assert (mark_of(world, BTC_FUT).averaged_ms, mark_of(world, BTC_FUT).averaged_ticks) == (0, "0")
    world.prices(790_000, after_ms=EXPIRY_MS - WINDOW_MS - 2_000 - world.time_ms)
    go_to(world, EXPIRY_MS - WINDOW_MS + 3_000)
    assert (mark_of(world, BTC_FUT).averaged_ms, mark_of(world, BTC_FUT).averaged_ticks) == (3_000, "790000")
    go_to(world, EXPIRY_MS)
    shown = mark_of(world, BTC_FUT)
    assert (shown.settled, shown.mark_ticks, shown.averaged_ms) == (True, "790000", 0)
