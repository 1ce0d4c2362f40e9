"""Gains since a member was last fully margined: exactly what the ledger paid in variation since that block."""

from collections import Counter

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.default.variation_gains import gains_since
from clearing.genesis.effective_terms import Terms
from clearing.schema.terms.default import DefaultTerms
from clearing.schema.transfers import TransferCode
from clearing.state.export import export_state, import_state
from tests.kit.clearing.defaults import NO_FUND, default_world
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, BTC_FUT, BTC_PERP, CAROL, DOLLAR, ETH_PERP, SALT, START_MS
from tests.kit.clearing.world import World, roots

PEOPLE = (ALICE, BOB, CAROL, DAVE)
MARKED = (BTC_PERP, BTC_FUT, ETH_PERP)
bargain = st.tuples(st.sampled_from(MARKED), st.integers(1, 900))
story = st.lists(
    st.one_of(
        st.tuples(st.just("price"), st.integers(90, 110), st.integers(90, 110)),
        st.tuples(
            st.sampled_from(PEOPLE), st.sampled_from(PEOPLE), st.tuples(st.sampled_from(MARKED), st.integers(1, 900))
        ),
    ),
    max_size=14,
)


def paid_in_variation(world: World, after_height: int) -> Counter[int]:
    """Micros by account, out of the ledger's own transfers."""
    paid: Counter[int] = Counter()
    for result in world.results:
        if result.height > after_height:
            for each in result.transfers:
                if each.code in (TransferCode.VARIATION_MARGIN, TransferCode.SETTLEMENT) and each.cause in MARKED:
                    paid[each.credit] += each.amount
                    paid[each.debit] -= each.amount
    return paid


@given(story, story, st.booleans())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_gains_are_what_was_paid_since_the_window_was_opened(before: list, after: list, expires: bool) -> None:  # type: ignore[type-arg]
    world = default_world(fund=NO_FUND)
    act(world, before)
    world.block(world.perp_trade(ALICE, BOB, 40_000, ticks=world.state.marks[BTC_PERP].ticks))
    price = world.ticks[1]
    world.block(prices=((1, price * 79 // 100), (2, world.ticks[2])))
    if 1 not in world.state.gains_windows:
        return
    window = world.state.gains_windows[1]
    act(world, after)
    if expires:
        world.block(after_ms=START_MS + 3_600_001 - world.time_ms)
    if world.state.gains_windows.get(1) != window:
        return
    gains: Counter[int] = Counter()
    for each in gains_since(world.state, window.height, window.marks).values():
        gains.update(each)
    paid = paid_in_variation(world, window.height)
    for account in PEOPLE:
        assert gains[account] == paid[account]
    copy = import_state(world.genesis, SALT, export_state(world.state))
    assert roots(copy) == roots(world.state)


def act(world: World, steps: list) -> None:  # type: ignore[type-arg]
    for first, second, third in steps:
        if first == "price":
            world.block(prices=((1, world.ticks[1] * second // 100), (2, world.ticks[2] * third // 100)))
        elif first != second:
            instrument, lots = third
            world.block(world.perp_trade(first, second, lots, instrument, world.state.marks[instrument].ticks))


def test_every_window_counts_from_its_own_block() -> None:
    world = default_world(fund=NO_FUND)
    world.bring(bob=100_000)
    world.block(world.perp_trade(ALICE, BOB, 42_000), world.perp_trade(DAVE, BOB, 39_000))
    world.prices(670_000)
    assert [member for member, _ in world.state.gains_windows.ordered()] == [1]
    world.block(world.perp_trade(BOB, CAROL, 20_000, ticks=670_000))
    world.prices(660_000)
    assert [member for member, _ in world.state.gains_windows.ordered()] == [1, 4]
    world.block(world.perp_trade(BOB, CAROL, 10_000, ticks=660_000))
    world.prices(658_000)
    for member in (1, 4):
        window = world.state.gains_windows[member]
        paid = paid_in_variation(world, window.height)
        gains = gains_since(world.state, window.height, window.marks)[BTC_PERP]
        assert {each: gains[each] for each in PEOPLE} == {each: paid[each] for each in PEOPLE}


def test_windows_are_forgotten_when_defaults_are_turned_off() -> None:
    world = default_world(fund=NO_FUND)
    world.block(world.perp_trade(ALICE, BOB, 45_000))
    world.prices(700_000)
    world.prices(680_000)
    world.block(world.perp_trade(BOB, CAROL, 10, ticks=680_000))
    assert list(world.state.gains_windows.ordered())
    assert list(world.state.position_changes.ordered())
    off = msgspec.structs.replace(world.genesis.crisis, default=DefaultTerms())
    world.state.terms = Terms(msgspec.structs.replace(world.genesis, crisis=off), world.genesis)
    world.block()
    assert not list(world.state.gains_windows.ordered())
    assert not list(world.state.position_changes.ordered())


def test_windows_that_come_and_go_leave_few_entries_behind() -> None:
    world = default_world(fund=NO_FUND)
    world.bring(carol=100_000)
    world.block(world.perp_trade(ALICE, BOB, 45_000))
    world.prices(700_000)
    world.prices(680_000)
    assert 1 in world.state.gains_windows
    for _ in range(6):
        world.bring(dave=0 + 1)
        world.block(world.perp_trade(DAVE, CAROL, 80_000, ETH_PERP, 20_000))
        world.prices(680_000, 18_000)
        world.prices(680_000, 20_000)
        world.block(world.perp_trade(CAROL, DAVE, 80_000, ETH_PERP, 20_000))
        world.block()
    heights = {window.height for _, window in world.state.gains_windows.ordered()}
    for _, shifts in world.state.position_changes.ordered():
        assert len(shifts.changes) <= len(MARKED) * (len(heights) + 1)
    assert world.cash(DAVE) > DOLLAR
