"""Random stories of a live surface: in every block marks, rows and package agree, and a replay gives the same."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.margin.statement.rulebook import read_rulebook, write_rulebook
from clearing.pricing.arbitrage_free import is_free_of_arbitrage
from clearing.schema.records.prices import PriceStatus
from clearing.schema.risk.live_surface import PPB
from clearing.state.effective_parameters import current_rulebook
from clearing.state.holdings import current_arrays, margin_book
from proofs.statement import rulebook_checks
from proofs.statement.price_bounds import check_price_bounds
from tests.kit.clearing.genesis import ALICE, BOB
from tests.kit.clearing.surfaced import BTC_CALL, FAR, FAR_PUT, GROUP, NEAR, SurfacedWorld, surfaced_genesis

change = msgspec.structs.replace
values = st.fixed_dictionaries(
    {
        "forward_ppb": st.integers(PPB * 8 // 10, PPB * 12 // 10),
        "rate_ppm": st.integers(-600_000, 600_000),
        "level_ppm": st.integers(40_000, 6_000_000),
        "skew_ppm": st.integers(-990_000, 990_000),
        "wing_ppm": st.integers(0, 2_000_000),
    }
)
quotes = st.one_of(
    st.just(()),
    st.builds(lambda one, two: (change(NEAR, **one), change(FAR, **two)), values, values),
    st.builds(lambda one: (change(NEAR, level_ppm=one), FAR), st.integers(400_000, 900_000)),
    st.just((FAR,)),
)
turns = st.lists(
    st.tuples(
        quotes,
        quotes,
        st.sampled_from((790_000, 700_000, 810_000)),
        st.sampled_from((1_000, 20_000, 86_400_000)),
        st.integers(0, 4),
        st.sampled_from((0, BTC_CALL, FAR_PUT)),
        st.integers(-50, 50).filter(bool),
    ),
    min_size=1,
    max_size=8,
)
limits = st.sampled_from(
    (
        {"grace_blocks": 2, "keep_blocks": 3},
        {"age_ms_max": 30_000, "grace_blocks": 1, "level_change_ppm": 100_000, "shape_change_ppm": 50_000},
    )
)


@settings(max_examples=40, deadline=None)
@given(turns, limits)
def test_in_every_block_marks_rows_and_package_are_of_one_surface(drawn, terms) -> None:
    world = SurfacedWorld(surfaced_genesis(terms))
    world.quote()
    world.endow(1_000_000)
    for quoted, lie, btc, after_ms, silent, traded, lots in drawn:
        trades = []
        if traded and not world.state.marks[traded].settled:
            buyer, seller = (ALICE, BOB) if lots > 0 else (BOB, ALICE)
            ticks = max(world.state.marks[traded].ticks, 1)
            trades = [world.trade(buyer, seller, traded, abs(lots), ticks)]
        world.quote(quoted, *trades, lying=lie, btc=btc, after_ms=after_ms, silent=silent)
        state, book = world.state, current_rulebook(world.state)
        assert book.arrays().rows == current_arrays(state).rows
        assert read_rulebook(write_rulebook(book), 10_000) == book
        group, surface = book.parameters.groups[0], state.surfaces[GROUP]
        assert bool(group.curve) == (
            surface.in_force and any(each.expiry_ms > book.time_ms for each in surface.expiries)
        )
        if group.curve:
            assert is_free_of_arbitrage(group.surface, group.volatility_ppm)
        assert (surface.status is PriceStatus.USABLE) == (surface.since_height == 0)
        for account in (ALICE, BOB):
            assert margin_book(state).margin(account) == world.margin(account)
        check_price_bounds(book, listed_ms=world.genesis.time_ms)
        rulebook_checks._same_parameters(book.parameters, world.genesis, book.time_ms)
    world.check_replay()
