"""A drill on a copy of a state comes to what the same default does in that world; the state itself stays as it is."""

from typing import Any

import msgspec
import pytest

from clearing.apply_block import apply_block
from clearing.base.errors import LocalFault
from clearing.base.units import PPM
from clearing.default.default_auction import slice_margin
from clearing.default_fund.contributions import contribution_micros
from clearing.schema.blocks.receipt import Refused
from clearing.schema.receipts.default import BiddersRanked, DefaultEnded, LossAllocated, PortfolioSold, WaterfallLayer
from clearing.state.holdings import positions_of
from clearing.state.ledger import FUND_ACCOUNT
from lab.drills.bids import share_of_slices
from lab.drills.outcome import DrillOutcome
from lab.drills.printing import drill_text
from lab.drills.rehearsal import Rehearsal, apply_with_failure, copy_of
from lab.drills.run import run_drill
from lab.drills.scenario import DrillScenario, FeedMoves, find_member, read_moves
from member.codes import NodeCode
from tests.kit.clearing.defaults import LOTS, TERMS, default_world, with_fund, without_fund
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, CAROL, DOLLAR
from tests.kit.clearing.world import World, of_all, of_kind, roots
from tests.kit.refusals import refused

TO_500_000 = FeedMoves(BTC, (-367_088,))
TO_400_000 = FeedMoves(BTC, (-367_088, -493_670))
"""Of 790,000 ticks: 500,001 and then 400,001, rounded down to 500,000 and 400,000."""


def shares_of(world: World) -> dict[tuple[str, int], int]:
    """(layer, payer) to micros, as the world's receipts state them."""
    found: dict[tuple[str, int], int] = {}
    for allocated in world.every(LossAllocated):
        for step in allocated.steps:
            for share in step.shares:
                key = (WaterfallLayer(step.layer).name.lower(), share.payer)
                found[key] = found.get(key, 0) + share.amount
    return {key: micros for key, micros in found.items() if micros}


def shares_in(outcome: DrillOutcome) -> dict[tuple[str, int], int]:
    return {
        (layer.layer, share.member if share.account is None else share.account): share.micros
        for default in outcome.defaults
        for layer in default.layers
        for share in layer.shares
    }


def play_in(world: World, prices: tuple[int, ...], bid_ppm: int | None) -> None:
    """The same default in the world itself: prices by block, and bids of all for their shares in the second block."""
    for block, ticks in enumerate((*prices, *[prices[-1]] * 20)):
        bids = []
        if block == 1 and bid_ppm is not None:
            lots = positions_of(world.state, world.default().estate).lots
            ask = slice_margin(world.context(), lots) * bid_ppm // PPM
            members = ((BOB, 2), (CAROL, 3), (DAVE, 4))
            bids = [
                world.default_bid(account, 1, share_of_slices(world.state, (2, 3, 4), member), ask)
                for account, member in members
            ]
        assert not of_kind(world.go(*bids, btc=ticks), Refused)
        if world.default().ended_height:
            return


@pytest.mark.parametrize("bid_ppm", [None, 50_000, 500_000])
@pytest.mark.parametrize(("move", "prices"), [(TO_500_000, (500_000,)), (TO_400_000, (500_000, 400_000))])
def test_a_drill_names_the_payers_of_the_same_default_in_the_world(move: FeedMoves, prices: Any, bid_ppm: Any) -> None:
    world = with_fund()
    outcome = run_drill(world.state, DrillScenario(1, (move,), bid_ppm))
    before = contribution_micros(world.state, 1)
    play_in(world, prices, bid_ppm)
    (ended,) = world.every(DefaultEnded)
    assert not outcome.forced
    assert outcome.ended
    assert outcome.loss == ended.loss > 0
    assert shares_in(outcome) == shares_of(world)
    assert sum(shares_in(outcome).values()) == ended.loss
    (default,) = outcome.defaults
    assert default.replenished == ended.replenished
    assert {layer.layer: layer.micros for layer in default.layers} == {
        WaterfallLayer(layer).name.lower(): micros for layer, micros in ended.by_layer if micros
    }
    assert outcome.fund_after == world.cash(FUND_ACCOUNT)
    (own, *_) = outcome.contributions
    assert (own.member, own.before, own.after) == (1, before, contribution_micros(world.state, 1))
    sold = {(each.account, each.positions[0].lots) for each in world.every(PortfolioSold)}
    assert sold == {(each.counterparty, each.lots) for each in outcome.closed if "auction" in each.how}
    assert sum(each.lots for each in outcome.closed) == LOTS


def test_a_sealed_auction_sells_to_the_same_members_as_an_open_one() -> None:
    """Members commit to their bids and reveal them; none of it is refused."""
    found = []
    for reveal_blocks in (0, 2):
        world = with_fund(msgspec.structs.replace(TERMS, reveal_blocks=reveal_blocks))
        outcome = run_drill(world.state, DrillScenario(1, (TO_500_000,), 50_000))
        assert outcome.ended
        assert not outcome.refused
        found.append({(each.counterparty, each.lots) for each in outcome.closed if "auction" in each.how})
    assert found[0] == found[1]
    assert len(found[0]) == 3


def test_a_drill_leaves_the_state_as_it_is() -> None:
    world = with_fund()
    before = roots(world.state)
    run_drill(world.state, DrillScenario(1, (TO_400_000,), 50_000))
    assert roots(world.state) == before
    world.prices(700_000)
    world.check_replay()


def test_a_copy_has_the_roots_of_the_state_and_gives_a_block_the_same_result() -> None:
    world = with_fund()
    copy = copy_of(world.state)
    assert roots(copy) == roots(world.state)
    block = world.make_block()
    assert apply_block(copy, block)[1] == apply_block(world.state, block)[1]


def test_the_phases_of_a_forced_block_are_those_of_apply_block() -> None:
    world = with_fund()
    rehearsal = Rehearsal(world.state, 1_000)
    block = rehearsal.next_block({BTC: 700_000})
    assert apply_with_failure(rehearsal.state, block, None)[1] == apply_block(rehearsal.state, block)[1]


def test_a_member_that_the_moves_leave_solvent_is_declared_in_default_by_the_drill() -> None:
    world = with_fund()
    outcome = run_drill(world.state, DrillScenario(1, (FeedMoves(BTC, (-10_000,)),)))
    assert (outcome.forced, outcome.ended, outcome.loss) == (True, True, 0)
    assert outcome.defaults[0].declared_block == 2, "in the block after the last move"
    later = run_drill(world.state, DrillScenario(1, (FeedMoves(BTC, (-10_000,)),), force_after=2))
    assert later.defaults[0].declared_block == 4


def test_members_that_fail_because_of_the_default_are_in_the_drill() -> None:
    """The fund is sized again meanwhile, because an epoch may close; Bob cannot pay that call."""
    world = with_fund()
    for _ in range(2):
        world.block()
    outcome = run_drill(world.state, DrillScenario(1, (FeedMoves(BTC, (-10_000,)),)))
    assert [default.member for default in outcome.defaults] == [1, 2]
    assert outcome.ended
    assert all(default.ended_block for default in outcome.defaults)


def test_a_member_with_other_money_is_declared_in_default_all_the_same() -> None:
    world = default_world()
    second = world.open_account(ALICE)
    world.pay_in(second, 100_000)
    world.block(world.perp_trade(ALICE, BOB, 20_000))
    outcome = run_drill(world.state, DrillScenario(1))
    assert [default.member for default in outcome.defaults] == [1]
    assert outcome.forced


def test_without_force_only_the_moves_cause_a_default() -> None:
    world = with_fund()
    outcome = run_drill(world.state, DrillScenario(1, (FeedMoves(BTC, (-10_000,)),), force_after=None, blocks_max=7))
    assert (outcome.forced, outcome.ended, outcome.blocks, outcome.defaults) == (False, False, 7, ())


def test_bids_are_for_the_members_shares_at_the_part_of_a_slices_margin() -> None:
    world = with_fund()
    rehearsed = run_drill(world.state, DrillScenario(1, (TO_500_000,), 50_000))
    assert not rehearsed.refused
    play_in(world, (500_000,), 50_000)
    (ranked,) = of_all(world.results, BiddersRanked)
    asked = {ask for _, _, _, ask, _ in ranked.members}
    assert asked == {ranked.slice_margin * 50_000 // PPM}
    assert world.default().loss == rehearsed.loss


def test_members_bid_for_every_portfolio_that_is_for_sale() -> None:
    """Alice and Carol default in one block, on what Bob and Dave are short."""
    world = without_fund(bob=300_000, dave=300_000)
    world.block(world.perp_trade(ALICE, BOB, LOTS), world.perp_trade(CAROL, DAVE, LOTS))
    outcome = run_drill(world.state, DrillScenario(1, (TO_500_000,), 50_000))
    assert [(each.member, each.declared_block) for each in outcome.defaults] == [(1, 1), (3, 1)]
    assert not outcome.refused
    assert sum(each.lots for each in outcome.closed if "auction" in each.how) == LOTS


def test_a_bid_above_the_rulebooks_limit_is_refused_in_the_drill_too() -> None:
    world = with_fund()
    outcome = run_drill(world.state, DrillScenario(1, (TO_500_000,), 2 * PPM))
    assert set(outcome.refused) == {"R0418"}
    assert outcome.ended


def test_the_text_of_a_drill_names_every_payer_with_its_amount() -> None:
    world = with_fund()
    outcome = run_drill(world.state, DrillScenario(1, (TO_400_000,)))
    text = drill_text(outcome, {BTC_PERP: "BTC-PERP"}, {1: "alice", 2: "bob"})
    for default in outcome.defaults:
        for layer in default.layers:
            assert layer.layer in text
            for share in layer.shares:
                assert f"{share.micros // DOLLAR:,}.{share.micros % DOLLAR:06d}" in text
    assert "BTC moves from 790000 to 500000 ticks" in text
    assert "+40000 lots of BTC-PERP" in text


@pytest.mark.parametrize(
    "move", ["BTC", "DOGE=-1", "BTC=-100", "BTC=", "BTC=-1,x", "BTC=1e3", "BTC=0.00001", "BTC=nan"]
)
def test_a_move_that_cannot_be_is_refused(move: str) -> None:
    world = default_world()
    with refused(NodeCode.DRILL_SCENARIO, LocalFault):
        read_moves(world.state, [move])


def test_moves_are_read_by_name_or_number_of_the_feed() -> None:
    world = default_world()
    assert read_moves(world.state, ["btc=-15%,-30.5", "2=+4"]) == (
        FeedMoves(1, (-150_000, -305_000)),
        FeedMoves(2, (40_000,)),
    )
    with refused(NodeCode.DRILL_SCENARIO, LocalFault):
        read_moves(world.state, ["BTC=-1", "1=-2"])


def test_a_drill_needs_a_member_that_can_be_in_default() -> None:
    world = default_world()
    assert find_member(world.state, "1") == 1
    with refused(NodeCode.DRILL_SCENARIO, LocalFault):
        find_member(world.state, "nobody")
    with refused(NodeCode.DRILL_SCENARIO, LocalFault):
        run_drill(world.state, DrillScenario(0))
