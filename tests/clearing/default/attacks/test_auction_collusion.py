"""The default auction: for any bidders, and however many collude, others bear no more than they would without any bid.

Before the rule an ask was paid with others' money where other bidders could carry half of the portfolio. Colluders were
that competition themselves, or had it beside an honest member. Gains before are of the same blocks with that rule.
"""

from functools import cache

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.default.auction_reserve import auction_portfolio, own_money_ask, reserve_ask
from clearing.default_fund.contributions import contribution_micros
from clearing.schema.blocks.block import BlockResult
from clearing.schema.receipts.default import BiddersRanked, DefaultEnded, Deleveraged, PortfolioSold, WaterfallLayer
from tests.kit.clearing.auctions import (
    FALLEN,
    FURTHER,
    INTO_FUND,
    MARGIN,
    SHIPPED,
    ask_bounds,
    auction_genesis,
    auction_world,
    bid_sealed,
    money,
)
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, BTC_CALL, BTC_PERP, CAROL, DOLLAR
from tests.kit.clearing.world import World, of_all

ALL, HALF = SHIPPED.auction_slices, SHIPPED.auction_slices // 2
BY_OTHERS = {layer for layer in WaterfallLayer if layer > WaterfallLayer.OWN_CONTRIBUTION}


def borne_by_others(results: list[BlockResult]) -> int:
    """Micros of the loss beyond the defaulter's margin and contribution."""
    (ended,) = of_all(results, DefaultEnded)
    return ended.house + sum(micros for layer, micros in ended.by_layer if layer in BY_OTHERS)


def sold_to(results: list[BlockResult]) -> list[tuple[int, int, int]]:
    """(member, slices, ask) of every filled bid."""
    return [(each.member, each.slices, each.ask_micros) for each in of_all(results, PortfolioSold)]


@pytest.mark.parametrize("house_dollars", [500, 300_000])
def test_two_undeclared_colluders_are_no_competition_to_each_other(house_dollars: int) -> None:
    """Each has money for half. Gain before: 2,486 dollars with a house of 500, 6,460 with one of 300,000."""
    world = auction_world(house_dollars)
    reserve, _ = ask_bounds(world)
    before = money(world, ALICE, CAROL, DAVE)
    results = bid_sealed(world, (DAVE, HALF, reserve), (CAROL, HALF, reserve))
    assert not sold_to(results)
    assert money(world, ALICE, CAROL, DAVE) - before <= 0


@pytest.mark.parametrize("house_dollars", [500, 300_000])
@pytest.mark.parametrize("slices", [HALF, ALL])
def test_an_honest_bid_for_half_lets_nobody_take_others_money(house_dollars: int, slices: int) -> None:
    """Gain before: 903 dollars with a house of 500, 2,890 with one of 300,000."""
    world = auction_world(house_dollars)
    reserve, _ = ask_bounds(world)
    before = money(world, ALICE, DAVE)
    results = bid_sealed(world, (DAVE, slices, reserve), (BOB, HALF, reserve))
    assert not sold_to(results)
    assert money(world, ALICE, DAVE) - before <= 0


@pytest.mark.parametrize("house_dollars", [500, 300_000])
@pytest.mark.parametrize("ask", ["worst", "own"])
def test_any_number_of_colluders_gains_nothing_together(house_dollars: int, ask: str) -> None:
    """Each of three bids for its third."""
    world = auction_world(house_dollars)
    reserve, own = ask_bounds(world)
    asked = {"worst": reserve, "own": own}[ask]
    before = money(world, ALICE, BOB, CAROL, DAVE)
    bid_sealed(world, (BOB, 7, asked), (CAROL, 7, asked), (DAVE, 6, asked))
    assert money(world, ALICE, BOB, CAROL, DAVE) - before <= 0


def test_a_slice_carries_its_part_of_the_defaulters_own_money_rounded_down() -> None:
    """Of 680 dollars each of 20 slices carries 34. The cheaper bid leaves its part to the estate, not to the next."""
    world = auction_world()
    reserve, own = ask_bounds(world)
    assert own == 34 * DOLLAR < reserve
    results = bid_sealed(world, (BOB, HALF, 0), (CAROL, HALF, own), (DAVE, HALF, own + 1))
    assert sold_to(results) == [(2, HALF, 0), (3, HALF, own)]
    (ranked,) = of_all(results, BiddersRanked)
    assert (ranked.reserve_ask, ranked.own_money_ask) == (reserve, own)
    assert contribution_micros(world.state, 1) == (INTO_FUND - 320 - HALF * 34) * DOLLAR
    assert not borne_by_others(results)


def test_own_money_that_no_slice_divides_is_rounded_down() -> None:
    world = auction_world(terms=msgspec.structs.replace(SHIPPED, auction_slices=19))
    _, own = ask_bounds(world)
    assert own == 680 * DOLLAR // 19
    results = bid_sealed(world, (DAVE, 19, own))
    assert sold_to(results) == [(4, 19, own)]
    assert contribution_micros(world.state, 1) == 680 * DOLLAR - 19 * own == 680 * DOLLAR % 19


def test_without_own_money_slices_pass_for_nothing_or_for_a_payment_to_the_estate() -> None:
    """Alice owes 2,620 dollars and has 1,000."""
    world = auction_world(ticks=FURTHER)
    _, own = ask_bounds(world)
    assert own == 0
    results = bid_sealed(world, (BOB, HALF, 1), (CAROL, HALF, -DOLLAR), (DAVE, 4, 0))
    assert sold_to(results) == [(3, HALF, -DOLLAR), (4, 4, 0)]
    assert borne_by_others(results) == (1_620 - HALF) * DOLLAR


def test_what_nobody_takes_for_the_defaulters_own_money_closes_at_the_mark() -> None:
    """Carol takes half for nothing; the other half ends against Dave, who is short, and no mark moves."""
    world = auction_world()
    reserve, _ = ask_bounds(world)
    results = bid_sealed(world, (CAROL, HALF, 0), (BOB, HALF, reserve))
    (closed,) = of_all(results, Deleveraged)
    assert (closed.instrument, closed.lots, closed.mark_ticks) == (BTC_PERP, 11_500, FALLEN)
    assert [each[0] for each in closed.counterparties] == [DAVE]
    assert world.lots(CAROL, BTC_PERP) == 11_500 == -world.lots(DAVE, BTC_PERP)
    assert not borne_by_others(results)


def test_a_bid_within_the_reserve_fulfils_the_duty_though_own_money_does_not_pay_it() -> None:
    world = auction_world(ticks=FURTHER)
    reserve, _ = ask_bounds(world)
    results = bid_sealed(world, (BOB, HALF, reserve), (CAROL, HALF, reserve + 1), (DAVE, ALL, reserve))
    (ranked,) = of_all(results, BiddersRanked)
    assert [member for member, _ in ranked.absence_charges] == [3]


@pytest.mark.parametrize("house_dollars", [500, 300_000])
@pytest.mark.parametrize("ask", [0, 1, 1_100 * DOLLAR])
def test_what_written_options_owe_is_not_the_defaulters_own_money(house_dollars: int, ask: int) -> None:
    """Alice sold calls to Dave. The premium and her margin are cash of hers, of which the calls are worth more.

    Gain before: 22,000 dollars with a house of 300,000. Her cash counted as her own money, and the calls as nothing.
    """
    world = World(auction_genesis(msgspec.structs.replace(SHIPPED, auction_reserve_ppm=0)), fresh=True)
    world.prices(790_000)
    world.bring(house=house_dollars, bob=300_000, carol=300_000, dave=300_000)
    world.pay_in(ALICE, INTO_FUND)
    world.fund_paid_in()
    world.pay_in(ALICE, MARGIN)
    premium = world.state.marks[BTC_CALL].ticks
    assert not world.refusals(world.trade(DAVE, ALICE, BTC_CALL, 20_000, premium))
    world.fall(1_100_000)
    missing = -world.margin(ALICE).equity - INTO_FUND * DOLLAR
    assert world.cash(ALICE) > 0 < missing
    reserve, own = ask_bounds(world)
    assert own == 0 < reserve
    results = bid_sealed(world, (DAVE, ALL, ask))
    assert sold_to(results) == ([(4, ALL, 0)] if ask == 0 else [])
    assert borne_by_others(results) == missing


@cache
def borne_without_bids(ticks: int) -> int:
    """Micros that others bear where nobody bids."""
    return borne_by_others(auction_world(ticks=ticks).until_ended())


ASKS = st.one_of(st.integers(-40 * DOLLAR, 40 * DOLLAR), st.sampled_from(("own", "reserve")))
BIDS = st.tuples(st.sampled_from((BOB, CAROL, DAVE)), st.integers(1, ALL), ASKS)


@given(st.lists(BIDS, max_size=3, unique_by=lambda bid: bid[0]), st.sampled_from((FALLEN, FURTHER, 604_000)))
def test_others_bear_no_more_than_without_any_bid(bids: list[tuple[int, int, int | str]], ticks: int) -> None:
    """For any bids of anybody: an ask is paid with the defaulter's own money, and never with another's."""
    world = auction_world(ticks=ticks)
    context = world.context()
    reserve = reserve_ask(context, auction_portfolio(context, world.default()))
    named = {"own": own_money_ask(context, world.default(), reserve), "reserve": reserve}
    asked = [(account, slices, named[ask] if isinstance(ask, str) else ask) for account, slices, ask in bids]
    borne = borne_by_others(bid_sealed(world, *asked) if asked else world.until_ended())
    assert borne <= borne_without_bids(ticks)
