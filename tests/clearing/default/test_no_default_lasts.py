"""Whatever prices, bids and failures come: every default ends by its deadline, and no unit is made or lost."""

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from clearing.context.unresolved_losses import defaults_under_way, resolution_deadline, unresolved_micros
from clearing.schema.receipts.default import DefaultEnded, LossAllocated
from clearing.schema.records.default import DefaultPhase
from clearing.schema.terms.default import DefaultTerms, FundTerms, default_blocks_max
from clearing.state.ledger import FUND_ACCOUNT
from tests.kit.clearing.defaults import CLIENT_SECRET, default_world
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC_CALL,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH_PERP,
    SALT,
    WETH_1,
)
from tests.kit.clearing.replay import replay
from tests.kit.clearing.world import World

EVERYBODY = (ALICE, BOB, CAROL, DAVE, ALICE_CLIENT, KEYED_CLIENT)
blocks = st.integers(0, 4)
terms = st.builds(
    DefaultTerms,
    enabled=st.sampled_from((True,)),
    house_capital_micros=st.sampled_from((0, 500 * DOLLAR, 10**9 * DOLLAR)),
    assessment_ppm=st.sampled_from((0, 500_000, 2_000_000)),
    assessment_blocks=blocks,
    auction_blocks=blocks,
    auction_slices=st.sampled_from((1, 7, 100)),
    auction_worst_ppm=st.sampled_from((0, 10_000, 1_000_000)),
    porting_blocks=blocks,
    halt_blocks=blocks,
    replenishment_blocks=blocks,
)
trades = st.lists(
    st.tuples(
        st.sampled_from(EVERYBODY),
        st.sampled_from(EVERYBODY),
        st.integers(1, 60_000),
        st.sampled_from((BTC_PERP, BTC_PERP, ETH_PERP, BTC_CALL)),
    ),
    min_size=3,
    max_size=8,
)
moves = st.sampled_from((61, 65, 70, 80, 95, 100, 105, 120, 135, 139, 150))
prices = st.tuples(moves, moves)
"""Percent of the last price; the largest halts the feed."""
bids = st.tuples(st.sampled_from((BOB, CAROL, DAVE)), st.integers(0, 100), st.integers(-500, 500))
steps = st.lists(st.one_of(prices.map(lambda each: ("price", each)), bids.map(lambda each: ("bid", each))), max_size=10)


def drive(world: World, story: list[tuple[str, tuple[int, ...]]]) -> None:
    """Prices and bids, and rescues of members that may be rescued."""
    for kind, figures in story:
        if kind == "price":
            world.prices(*(price * move // 100 for price, move in zip(world.ticks.values(), figures, strict=True)))
            continue
        account, slices, dollars = figures
        requests = []
        for number, record in defaults_under_way(world.state):
            requests.append(world.default_bid(account, number, slices, dollars * DOLLAR))
            if record.member != 4 and dollars > 0:
                for client in record.client_accounts:
                    key = CLIENT_SECRET if client == KEYED_CLIENT else None
                    requests.append(world.rescue(client, number, 4, key))
        world.block(*requests)


@given(terms, st.booleans(), trades, steps)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_default_ends_by_its_deadline_and_nothing_is_made_or_lost(
    chosen: DefaultTerms,
    funded: bool,
    bargains: list[tuple[int, int, int, int]],
    story: list[tuple[str, tuple[int, ...]]],
) -> None:
    world = default_world(chosen, FUND if funded else FundTerms())
    world.bring(client=60_000, keyed=60_000)
    world.block(facts=[world.deposit_fact(each, WETH_1, 50 * 10**18) for each in (ALICE, BOB)])
    for buyer, seller, lots, instrument in [(ALICE, BOB, 45_000, BTC_PERP), *bargains]:
        if buyer != seller:
            world.block(world.perp_trade(buyer, seller, lots, instrument, world.state.marks[instrument].ticks))
    if funded:
        world.pass_epoch()
    before = world.everything()
    drive(world, [*story[:2], ("price", (61, 80)), *story[2:]])
    while defaults_under_way(world.state):
        assert world.state.now.height < resolution_deadline(world.state)
        for number, held in defaults_under_way(world.state):
            assert held.deadline_height <= held.declared_height + default_blocks_max(chosen, number - 1)
        world.block()
    assert unresolved_micros(world.state) == 0
    assert world.everything() == before
    assert world.cash(FUND_ACCOUNT) == sum(each.micros for _, each in world.state.contributions.ordered())
    for ended in world.every(DefaultEnded):
        assert ended.loss == sum(micros for _, micros in ended.by_layer) + ended.house
    for step in (step for allocated in world.every(LossAllocated) for step in allocated.steps):
        assert step.loss_borne == sum(share.amount for share in step.shares)
    for number, held in world.state.defaults.ordered():
        assert held.phase is DefaultPhase.ENDED
        assert not [bid for (of, _), bid in world.state.default_bids.ordered() if of == number]
    event(f"{len(list(world.state.defaults.ordered()))} defaults")
    world.read_back()
    *_, (_, roots) = replay(world.genesis, SALT, world.blocks)
    assert roots == world.state.module_roots()
