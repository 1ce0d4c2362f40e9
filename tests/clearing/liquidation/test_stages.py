"""What follows the auction: the backstop, then the house, in steps, within the caps of a block."""

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
from clearing.schema.terms.default import DefaultTerms
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.state.holdings import current_holdings
from tests.kit.clearing.crisis import FALLEN, leveraged
from tests.kit.clearing.genesis import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH,
    ETH_PERP,
    HOUSE,
    USDC_1,
    WETH_1,
)
from tests.kit.clearing.world import World, of_kind
from tests.kit.table import tell


def test_the_backstop_takes_over_before_the_house_and_gets_the_penalty() -> None:
    world = leveraged(liquidation=LiquidationTerms(backstop_account=CAROL, bidder_share_ppm=250_000))
    carol, house = world.cash(CAROL), current_holdings(world.state, HOUSE)
    result = world.go(btc=FALLEN)
    (took,) = of_kind(result, BackstopTakeover)
    assert not of_kind(result, Liquidated)
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
    (took,) = of_kind(result, BackstopTakeover)
    (done,) = of_kind(result, Liquidated)
    assert 0 < took.fraction < took.wanted
    assert world.margin(CAROL).initial_ok
    one_more = current_holdings(world.state, CAROL)
    assert world.margin(CAROL).equity - world.margin(CAROL).initial < 100 * DOLLAR, "nearly full"
    assert done.equity_after >= done.initial_after
    assert one_more.lots[0] + world.lots(HOUSE, BTC_PERP) == 4_500 - world.lots(ALICE, BTC_PERP)


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
    heights = []
    for _ in range(12):
        taken = of_kind(world.results[-1], LiquidationStepTaken)
        heights += [world.results[-1].height for _ in taken]
        world.block()
    steps = [each for result in world.results for each in of_kind(result, LiquidationStepTaken)]
    assert len(steps) >= 2
    assert [each.step for each in steps] == list(range(1, len(steps) + 1))
    assert {after - before for before, after in pairwise(heights)} == {3}
    for each in steps:
        needed = -(-each.sizing.notional * each.needed // each.denominator)
        wanted = needed if needed <= 3_000 * DOLLAR else -(-needed // 2)
        assert each.step_notional == wanted
    assert world.margin(ALICE).initial_ok
    (ended,) = [each for result in world.results for each in of_kind(result, LiquidationEnded)]
    assert (ended.steps, ended.failed) == (len(steps), False)


def test_after_so_many_steps_all_that_is_needed_is_taken() -> None:
    world = leveraged(liquidation=LiquidationTerms(step_ppm=10_000, steps_max=3))
    world.go(btc=FALLEN)
    for _ in range(5):
        world.block()
    steps = [each for result in world.results for each in of_kind(result, LiquidationStepTaken)]
    assert [each.taken < each.needed for each in steps] == [True, True, True, False]
    assert world.margin(ALICE).initial_ok


def test_a_block_liquidates_no_more_than_its_notional() -> None:
    cap = 3_000 * DOLLAR
    world = leveraged(liquidation=LiquidationTerms(block_notional_max=cap))
    world.block(world.trade(CAROL, BOB, BTC_PERP, 4_500, 790_000))
    world.block(world.withdrawal(CAROL, USDC_1, 92_000 * DOLLAR))
    blocks = [world.go(btc=FALLEN)] + [world.block() for _ in range(6)]
    for result in blocks:
        notional = sum(each.notional for each in of_kind(result, Liquidated))
        assert notional <= cap + 2 * FALLEN * 10, "a lot of rounding for each position"
    assert of_kind(blocks[0], LiquidationDeferred)[0].reason is DeferralReason.BLOCK_NOTIONAL
    assert sum(len(of_kind(each, Liquidated)) for each in blocks) >= 4
    assert world.margin(ALICE).initial_ok
    assert world.margin(CAROL).initial_ok


def test_a_block_takes_no_more_than_its_loss() -> None:
    world = leveraged(liquidation=LiquidationTerms(block_loss_max=100 * DOLLAR))
    world.block(world.trade(CAROL, BOB, BTC_PERP, 4_400, 790_000))
    world.block(world.withdrawal(CAROL, USDC_1, 92_000 * DOLLAR))
    first, second = world.go(btc=590_000), world.block()
    (done,) = of_kind(first, Liquidated)
    (waits,) = of_kind(first, LiquidationDeferred)
    assert done.account == ALICE, "the worst first, however large"
    assert (waits.account, waits.reason) == (CAROL, DeferralReason.BLOCK_LOSS)
    assert waits.reached == done.deficits[0][1]
    (later,) = of_kind(second, Liquidated)
    assert later.account == CAROL
    assert later.deficits == ((1, waits.requested),)


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
    taken = [each for result in world.results for each in of_kind(result, Liquidated)]
    deficits = sum(micros for each in taken for _, micros in each.deficits)
    lost = sum(each.cash(account) for each in (world,) for account in (HOUSE, ALICE, BOB, CAROL))
    assert lost == 308_000 * DOLLAR, f"nothing came or went, {deficits} were moved"


def test_stages_are_off_unless_genesis_says_otherwise() -> None:
    world = leveraged()
    result = world.go(btc=FALLEN)
    told = dict.fromkeys(type(each).__name__ for each in result.receipts)
    assert list(told) == ["PriceApplied", "Marked", "MarginCalled", "Liquidated", "MarginRestored"]


def test_what_nobody_can_take_is_not_told_in_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearing.liquidation.takeover.POSITION_MAX", 0)
    world = leveraged()
    world.go(btc=FALLEN)
    assert not any(of_kind(result, Liquidated) for result in [world.results[-1], world.block(), world.block()])
    monkeypatch.undo()
    assert of_kind(world.block(), Liquidated), "once there is room"


def test_an_account_in_liquidation_that_comes_back_but_owes_cash_loses_collateral_only() -> None:
    terms = LiquidationTerms(auction_blocks=1, step_ppm=500_000, backstop_account=CAROL)
    world = leveraged(liquidation=terms)
    world.block(facts=(world.deposit_fact(ALICE, WETH_1, 20 * 10**18),))
    world.go(btc=580_000)
    assert ALICE in world.state.liquidations
    world.block(facts=(world.deposit_fact(ALICE, WETH_1, 60 * 10**18),))
    world.block()
    taken = [each for result in world.results for each in of_kind(result, Liquidated)]
    assert [each.positions for each in taken] == [()]
    assert taken[0].collateral
    assert world.cash(ALICE) >= 0
    assert ALICE not in world.state.liquidations
    assert not any(of_kind(result, LiquidationStepTaken) for result in world.results)


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
    world.block(world.trade(BOB, ALICE, BTC_PERP, 4_500, 790_000))
    world.pay_in(ALICE_CLIENT, 8_000)
    world.block(world.trade(ALICE_CLIENT, BOB, BTC_PERP, 4_500, 790_000))
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
