"""Liquidation: when, how much, at which price, who pays, and what follows the auction: backstop, house, steps, caps."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.context.block_context import Failure, FailureReason
from clearing.schema.receipts.liquidation import (
    BackstopTakeover,
    DeferralReason,
    Liquidated,
    LiquidationDeferred,
    LiquidationEnded,
    LiquidationStepTaken,
    SliceSold,
)
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.records.prices import FeedStatus
from clearing.schema.risk.parameters import RiskParameters
from clearing.schema.terms.default import DefaultTerms
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from tests.kit.clearing.crisis import FALLEN, leveraged
from tests.kit.clearing.genesis import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC_CALL,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH,
    ETH_PERP,
    HOUSE,
    RISK,
    USDC_1,
    WETH_1,
    make_genesis,
)
from tests.kit.clearing.world import World, funded, kinds, of_kind
from tests.kit.table import tell


def backed(dollars: int) -> World:
    """Everybody has so many dollars, Bob and the house 100,000 more."""
    world = funded(dollars=dollars)
    world.endow(100_000, BOB, HOUSE)
    return world


def test_an_account_between_maintenance_and_initial_keeps_its_positions() -> None:
    tell(
        leveraged(),
        """
        price     BTC    7_600          -> margin_called account alice, no liquidated
        position  alice  BTC-PERP +4.5
        """,
    )


def test_below_maintenance_just_enough_is_taken_over_at_the_mark() -> None:
    world = leveraged()
    (done,) = of_kind(world.go(btc=FALLEN), Liquidated)
    (taken,) = done.positions
    assert 0 < taken.lots < 4_500
    assert taken.mark_ticks == FALLEN
    assert [world.lots(each, BTC_PERP) for each in (ALICE, HOUSE)] == [4_500 - taken.lots, taken.lots]
    after = world.margin(ALICE)
    assert after.initial_ok
    assert (after.equity, after.initial) == (done.equity_after, done.initial_after)
    one_less = current_holdings(world.state, ALICE)
    one_less.lots[0] += 1
    one_less.cash[0] += done.penalty // taken.lots
    assert not holdings_margin(current_arrays(world.state), one_less).initial_ok, "no lot more than needed"


def test_the_receipt_can_be_recomputed_by_hand() -> None:
    world = leveraged()
    cash = world.cash(HOUSE)
    (done,) = of_kind(world.go(btc=FALLEN), Liquidated)
    equity = 8_000 * DOLLAR - 4_500 * 65_000 * 10
    initial = 4_500 * 725_000 * 10 // 5
    assert (done.equity, done.initial) == (equity, initial)
    whole = 4_500 * 725_000 * 10
    share = -(-(initial - equity) * 10**6 * 10**9 // (initial * 10**6 - 5_000 * whole))
    assert done.fraction == (share, 10**9)
    lots = -(-4_500 * share // 10**9)
    assert done.positions[0].lots == lots
    assert done.penalty == -(-lots * 725_000 * 10 * 5_000 // 10**6)
    assert world.cash(HOUSE) - cash == done.penalty


def test_the_mark_is_not_moved_by_a_liquidation() -> None:
    world = tell(leveraged(), "price BTC 7_000 -> liquidated")
    assert world.state.marks[BTC_PERP].ticks == 700_000
    tell(world, "wait 1 -> no marked")


def test_a_deficit_is_paid_by_the_house_and_by_nobody_else() -> None:
    world = tell(
        leveraged(),
        """
        cash      alice    8_000.00
        cash      bob    100_000.00
        cash      house  100_000.00
        price     BTC    5_900          -> one liquidated account alice penalty 0  # nothing is left to pay it from
        cash      alice        0.00
        cash      bob    109_000.00     # gains are paid in full
        cash      house   99_000.00
        position  alice  BTC-PERP 0
        """,
    )
    (done,) = world.last(Liquidated)
    assert done.deficits == ((1, 1_000 * DOLLAR),)
    assert [each.code for each in world.results[-1].transfers].count(TransferCode.DEFICIT_COVERED) == 1


def test_collateral_is_bought_when_cash_is_short_and_the_rest_stays_its_owners() -> None:
    world = backed(1_000)
    world.deposit(CAROL, WETH_1, 60_000_000)
    world.block(world.trade(CAROL, BOB, BTC_PERP, 5_000, 790_000))
    result = world.prices(725_000)  # 3,250 dollars owed, 1,000 there, 1,000 may be owed
    (done,) = of_kind(result, Liquidated)
    (bought,) = done.collateral
    assert done.positions == (), "equity is enough: only cash was missing"
    assert bought.units * bought.micros_per_unit == bought.paid
    assert 0 <= world.cash(CAROL) < bought.micros_per_unit
    assert world.weth(CAROL) == 60_000_000 - bought.units
    assert world.weth(HOUSE) == bought.units
    assert done.equity == done.equity_after, "at the value it counted for"


def test_a_buyer_of_options_is_never_liquidated() -> None:
    risk = RiskParameters(RISK.groups, maintenance_numerator=5)
    world = funded(genesis=make_genesis(risk=risk), dollars=100)
    world.pay_in(BOB, 100_000)
    mark = world.state.marks[BTC_CALL].ticks
    lots = 99 * DOLLAR // (mark * 10)
    world.block(world.trade(ALICE, BOB, BTC_CALL, lots, mark))
    for price in (760_000, 700_000, 500_000):
        assert not of_kind(world.prices(price), Liquidated)
    assert world.lots(ALICE, BTC_CALL) == lots


def test_a_writer_of_options_is_closed_out_at_the_options_value() -> None:
    world = backed(3_000)
    mark = world.state.marks[BTC_CALL].ticks
    world.block(world.trade(BOB, ALICE, BTC_CALL, 2_000, mark))
    (done,) = of_kind(world.prices(860_000), Liquidated)
    (taken,) = done.positions
    assert taken.lots < 0
    value = int(current_arrays(world.state).values[2, 0])
    assert taken.received == value * taken.lots
    assert world.lots(HOUSE, BTC_CALL) == taken.lots


@pytest.mark.parametrize("cap", [1, 2])
def test_a_block_liquidates_so_many_and_the_next_goes_on(cap: int) -> None:
    world = leveraged(liquidations_per_block=cap)
    world.block(world.withdrawal(CAROL, USDC_1, 92_000 * DOLLAR), world.perp_trade(CAROL, BOB, 4_600))
    first = of_kind(world.go(btc=720_000), Liquidated)
    second = of_kind(world.block(), Liquidated)
    assert [each.account for each in first] == [CAROL, ALICE][:cap], "the shortest first"
    assert [each.account for each in first + second] == [CAROL, ALICE]


def test_who_only_owes_cash_keeps_the_positions_while_maintenance_is_covered() -> None:
    world = backed(1_000)
    world.deposit(CAROL, WETH_1, 52_000_000)
    world.block(world.trade(CAROL, BOB, BTC_PERP, 6_000, 790_000))
    (done,) = of_kind(world.prices(740_000, eth=19_900), Liquidated)
    assert done.maintenance < done.equity < done.initial
    assert done.positions == ()
    assert world.lots(CAROL, BTC_PERP) == 6_000
    assert world.cash(CAROL) >= 0


def test_the_house_takes_no_more_than_its_own_position_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearing.liquidation.takeover.POSITION_MAX", 500)
    world = leveraged()
    (done,) = of_kind(world.go(btc=590_000), Liquidated)
    assert [taken.lots for taken in done.positions] == [500]
    assert done.deficits == (), "not before everything is closed"
    assert world.cash(ALICE) < 0
    assert [world.lots(each, BTC_PERP) for each in (ALICE, HOUSE)] == [4_000, 500]


def test_nothing_is_liquidated_while_a_halted_feed_could_save_it() -> None:
    world = leveraged()
    world.block(world.trade(ALICE, BOB, ETH_PERP, 200, 20_000))  # 400 dollars: more than what will be missing
    result = world.prices(720_000, eth=9_000)  # BTC moves within its cap, ETH does not
    assert world.state.feeds[ETH].status == FeedStatus.HALTED
    assert of_kind(result, MarginCalled)
    assert not of_kind(result, Liquidated)
    for _ in range(3):
        result = world.prices(720_000, eth=9_000)
    assert of_kind(result, Liquidated)


def test_the_backstop_takes_over_before_the_house_and_gets_the_penalty() -> None:
    world = leveraged(liquidation=LiquidationTerms(backstop_account=CAROL, bidder_share_ppm=250_000))
    carol, house = world.cash(CAROL), current_holdings(world.state, HOUSE)
    tell(world, "price BTC 7_250 -> no liquidated")
    (took,) = world.last(BackstopTakeover)
    assert (took.account, took.backstop, took.fraction) == (ALICE, CAROL, took.wanted)
    assert took.equity_after >= took.initial_after
    (split,) = took.paid
    assert world.cash(CAROL) - carol == split.penalty > 0
    assert current_holdings(world.state, HOUSE) == house
    assert world.lots(CAROL, BTC_PERP) == took.positions[0].lots


def test_the_house_takes_what_the_backstop_cannot_bear() -> None:
    world = leveraged(liquidation=LiquidationTerms(backstop_account=CAROL))
    world.block(world.withdrawal(CAROL, USDC_1, 99_500 * DOLLAR))
    result = world.go(btc=FALLEN)
    (took,), (done,) = of_kind(result, BackstopTakeover), of_kind(result, Liquidated)
    assert 0 < took.fraction < took.wanted
    assert 0 <= world.margin(CAROL).equity - world.margin(CAROL).initial < 100 * DOLLAR, "nearly full"
    assert done.equity_after >= done.initial_after
    assert sum(world.lots(each, BTC_PERP) for each in (CAROL, HOUSE, ALICE)) == 4_500


def test_a_backstop_without_room_takes_nothing() -> None:
    tell(
        leveraged(liquidation=LiquidationTerms(backstop_account=CAROL)),
        """
        withdraw  carol  eth:USDC  100_000.00  -> released
        price     BTC    7_250                 -> liquidated, no backstop_takeover
        """,
    )


def test_nobody_backs_an_account_of_its_own() -> None:
    terms = LiquidationTerms(backstop_account=ALICE)
    tell(leveraged(liquidation=terms), "price BTC 7_250 -> liquidated, no backstop_takeover")


def test_steps_take_a_share_each_with_a_cool_down_between() -> None:
    terms = LiquidationTerms(step_ppm=500_000, whole_notional=3_000 * DOLLAR, cooldown_blocks=2)
    world = leveraged(liquidation=terms)
    world.go(btc=FALLEN)
    world.wait(12)
    heights = [result.height for result in world.results for _ in of_kind(result, LiquidationStepTaken)]
    steps = world.every(LiquidationStepTaken)
    assert len(steps) >= 2
    assert [each.step for each in steps] == list(range(1, len(steps) + 1))
    assert {after - before for before, after in pairwise(heights)} == {3}
    for each in steps:
        needed = -(-each.sizing.notional * each.needed // each.denominator)
        wanted = needed if needed <= 3_000 * DOLLAR else -(-needed // 2)
        assert each.step_notional == wanted
    assert world.margin(ALICE).initial_ok
    (ended,) = world.every(LiquidationEnded)
    assert (ended.steps, ended.failed) == (len(steps), False)


def test_after_so_many_steps_all_that_is_needed_is_taken() -> None:
    world = leveraged(liquidation=LiquidationTerms(step_ppm=10_000, steps_max=3))
    world.go(btc=FALLEN)
    world.wait(5)
    partial = [each.taken < each.needed for each in world.every(LiquidationStepTaken)]
    assert partial == [True, True, True, False]
    assert world.margin(ALICE).initial_ok


def test_a_block_liquidates_no_more_than_its_notional() -> None:
    cap = 3_000 * DOLLAR
    world = leveraged(liquidation=LiquidationTerms(block_notional_max=cap))
    world.block(world.perp_trade(CAROL, BOB, 4_500))
    world.block(world.withdrawal(CAROL, USDC_1, 92_000 * DOLLAR))
    blocks = [world.go(btc=FALLEN)] + [world.block() for _ in range(6)]
    for result in blocks:
        notional = sum(each.notional for each in of_kind(result, Liquidated))
        assert notional <= cap + 2 * FALLEN * 10, "a lot of rounding for each position"
    assert of_kind(blocks[0], LiquidationDeferred)[0].reason is DeferralReason.BLOCK_NOTIONAL
    assert sum(len(of_kind(each, Liquidated)) for each in blocks) >= 4
    assert [world.margin(each).initial_ok for each in (ALICE, CAROL)] == [True, True]


def test_a_block_takes_no_more_than_its_loss() -> None:
    world = leveraged(liquidation=LiquidationTerms(block_loss_max=100 * DOLLAR))
    world.block(world.perp_trade(CAROL, BOB, 4_400))
    world.block(world.withdrawal(CAROL, USDC_1, 92_000 * DOLLAR))
    first, second = world.go(btc=590_000), world.block()
    (done,) = of_kind(first, Liquidated)
    (waits,) = of_kind(first, LiquidationDeferred)
    assert done.account == ALICE, "the worst first, however large"
    assert (waits.account, waits.reason) == (CAROL, DeferralReason.BLOCK_LOSS)
    assert waits.reached == done.deficits[0][1]
    (later,) = of_kind(second, Liquidated)
    assert (later.account, later.deficits) == (CAROL, ((1, waits.requested),))


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch) -> list[Failure]:
    """What is handed on to default, which does nothing about it."""
    failures: list[Failure] = []
    monkeypatch.setattr("clearing.apply_block.resolve_defaults", lambda run: failures.extend(run.failures))
    return failures


def defaulting(ticks: int, *, leave: bool = False) -> World:
    """Where defaults are declared, Alice has fallen to this price."""
    world = leveraged(liquidation=LiquidationTerms(insolvent_to_default=leave), default=DefaultTerms(enabled=True))
    world.go(btc=ticks)
    return world


def test_where_defaults_are_declared_a_deficit_is_left_and_handed_on(failed: list[Failure]) -> None:
    world = defaulting(590_000)
    assert failed == [Failure(ALICE, FailureReason.DEFICIT)]
    (done,) = of_kind(world.results[-1], Liquidated)
    assert done.deficits == ()
    assert world.cash(ALICE) == 8_000 * DOLLAR - 4_500 * 200_000 * 10 < 0
    assert world.lots(ALICE, BTC_PERP) == 0


def test_what_an_insolvent_own_account_holds_may_be_left_to_its_default(failed: list[Failure]) -> None:
    world = defaulting(590_000, leave=True)
    assert failed == [Failure(ALICE, FailureReason.DEFICIT)]
    assert world.lots(ALICE, BTC_PERP) == 4_500
    assert not of_kind(world.results[-1], Liquidated)


def test_an_account_with_equity_does_not_fail(failed: list[Failure]) -> None:
    world = defaulting(700_000, leave=True)
    assert failed == []
    assert of_kind(world.results[-1], Liquidated)


def test_what_nobody_has_room_for_fails_as_a_lapsed_call(
    failed: list[Failure], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearing.liquidation.takeover.POSITION_MAX", 0)
    world = defaulting(FALLEN)
    assert failed == [Failure(ALICE, FailureReason.CALL_LAPSED)]
    assert world.lots(ALICE, BTC_PERP) == 4_500


TERMS = st.builds(
    LiquidationTerms,
    auction_blocks=st.integers(0, 3),
    start_ppm=st.just(0),
    end_ppm=st.integers(0, 100_000),
    slice_max_ppm=st.integers(10_000, 1_000_000),
    bidder_share_ppm=st.integers(0, 1_000_000),
    backstop_account=st.sampled_from([0, CAROL]),
    step_ppm=st.integers(200_000, 1_000_000),
    whole_notional=st.sampled_from([0, 500 * DOLLAR]),
    step_notional_max=st.sampled_from([0, 4_000 * DOLLAR]),
    cooldown_blocks=st.integers(0, 2),
    steps_max=st.integers(1, 20),
    block_notional_max=st.sampled_from([0, 5_000 * DOLLAR]),
    block_loss_max=st.sampled_from([0, 50 * DOLLAR]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    TERMS,
    st.integers(0, 3),
    st.lists(st.integers(600_000, 760_000), min_size=1, max_size=3),
    st.lists(st.tuples(st.sampled_from([BOB, CAROL]), st.integers(1, 10**9)), max_size=4),
)
def test_under_any_terms_a_liquidation_ends_and_conserves_everything(
    terms: LiquidationTerms, deadline: int, prices: list[int], bids: list[tuple[int, int]]
) -> None:
    world = leveraged(CallTerms(deadline_blocks=deadline), terms)
    for ticks in prices:
        result = world.go(*(world.liquidation_bid(bidder, slice_ppb=size) for bidder, size in bids), btc=ticks)
        assert world.state.marks[BTC_PERP].ticks == ticks
        for sold in of_kind(result, SliceSold):
            assert sold.fraction <= sold.allowed_share
            assert sold.initial_after - sold.equity_after <= sold.initial - sold.equity
    for _ in range(80):
        if not list(world.state.liquidations.ordered()) and world.margin(ALICE).initial_ok:
            break
        world.block()
    assert not list(world.state.liquidations.ordered())
    assert world.margin(ALICE).initial_ok or world.margin(ALICE).maintenance_ok
    assert sum(map(world.cash, (HOUSE, ALICE, BOB, CAROL))) == 308_000 * DOLLAR, "nothing came or went"


def test_stages_are_off_unless_genesis_says_otherwise() -> None:
    world = leveraged()
    seen = dict.fromkeys(kinds(world.go(btc=FALLEN)))
    assert list(seen) == ["PriceApplied", "Marked", "MarginCalled", "Liquidated", "MarginRestored"]


def test_what_nobody_can_take_is_not_told_in_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearing.liquidation.takeover.POSITION_MAX", 0)
    world = leveraged()
    tell(world, "price BTC 7_250 -> no liquidated\nwait 2 -> no liquidated")
    monkeypatch.undo()
    assert of_kind(world.block(), Liquidated), "once there is room"


def test_an_account_in_liquidation_that_comes_back_but_owes_cash_loses_collateral_only() -> None:
    terms = LiquidationTerms(auction_blocks=1, step_ppm=500_000, backstop_account=CAROL)
    world = leveraged(liquidation=terms)
    world.deposit(ALICE, WETH_1, 20_000_000)
    world.go(btc=580_000)
    assert ALICE in world.state.liquidations
    world.deposit(ALICE, WETH_1, 60_000_000)
    world.block()
    (done,) = world.every(Liquidated)
    assert done.positions == ()
    assert done.collateral
    assert world.cash(ALICE) >= 0
    assert ALICE not in world.state.liquidations
    assert not world.every(LiquidationStepTaken)


def test_a_backstop_that_is_called_itself_takes_nothing() -> None:
    terms = LiquidationTerms(backstop_account=CAROL)
    world = leveraged(CallTerms(), terms)
    world.block(world.withdrawal(CAROL, USDC_1, 95_125 * DOLLAR))
    world.block(world.trade(BOB, CAROL, ETH_PERP, 4_000, 20_000), world.trade(BOB, CAROL, BTC_PERP, 1_500, 790_000))
    world.ticks[ETH] = 26_000
    # What Alice is long would restore Carol, who is short, and due in this very block with what she held before.
    result = world.go(btc=715_000)
    assert not of_kind(result, BackstopTakeover)
    assert [each.account for each in of_kind(result, Liquidated)] == [ALICE, CAROL]


def client_in_trouble(ticks: int, liquidation: LiquidationTerms, *, defaults: bool = False) -> World:
    """Alice's client is long 4.5 BTC on 8,000 dollars; Alice herself has 100,000 and no position."""
    world = leveraged(liquidation=liquidation, dollars=100_000, default=DefaultTerms(enabled=defaults))
    world.block(world.perp_trade(BOB, ALICE, 4_500))
    world.pay_in(ALICE_CLIENT, 8_000)
    world.block(world.perp_trade(ALICE_CLIENT, BOB, 4_500))
    world.go(btc=ticks)
    return world


def test_a_backstop_takes_nothing_of_its_own_members_clients() -> None:
    world = client_in_trouble(FALLEN, LiquidationTerms(backstop_account=ALICE))
    assert not of_kind(world.results[-1], BackstopTakeover)
    assert [each.account for each in of_kind(world.results[-1], Liquidated)] == [ALICE_CLIENT]


def test_only_own_accounts_keep_their_positions_for_the_default(failed: list[Failure]) -> None:
    world = client_in_trouble(590_000, LiquidationTerms(insolvent_to_default=True), defaults=True)
    assert [each.account for each in of_kind(world.results[-1], Liquidated)] == [ALICE_CLIENT]
    assert world.lots(ALICE_CLIENT, BTC_PERP) == 0
    assert failed == [Failure(ALICE_CLIENT, FailureReason.DEFICIT)]
