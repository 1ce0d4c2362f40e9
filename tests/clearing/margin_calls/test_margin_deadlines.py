"""Margin calls with a deadline: who has how much time, from when, and when it is over."""

import pytest

from clearing.liquidation.trigger import congestion_steps, maintenance_trigger
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.margin_calls import CallDeadlineSet, CallLapsed, CallMet
from clearing.schema.records.margin_calls import CallKind
from clearing.schema.records.prices import ChainDelayRecord
from clearing.schema.risk.parameters import RiskParameters
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.genesis import CrisisParameters, crisis_checks
from clearing.schema.terms.margin_calls import CallTerms, calls_checks
from tests.kit.clearing.crisis import FALLEN, leveraged
from tests.kit.clearing.genesis import ALICE
from tests.kit.clearing.world import World, of_kind
from tests.kit.table import tell

FIVE = CallTerms(deadline_blocks=5)


@pytest.fixture
def world() -> World:
    return leveraged(FIVE)


def test_below_the_trigger_an_account_has_so_many_blocks_and_no_more(world: World) -> None:
    called = world.go(btc=FALLEN)
    (deadline,) = of_kind(called, CallDeadlineSet)
    assert (deadline.opened_height, deadline.deadline_height) == (called.height, called.height + 5)
    assert (deadline.equity, deadline.trigger) == (5_075_000_000, 5_220_000_000)
    tell(world, "wait 4 -> no liquidated")
    last = world.block()
    (lapsed,), (done,), (met,) = (of_kind(last, kind) for kind in (CallLapsed, Liquidated, CallMet))
    assert last.height == lapsed.deadline_height == deadline.deadline_height
    assert not lapsed.urgent
    assert done.equity_after >= done.initial_after
    assert (met.kind, met.equity) == (CallKind.MARGIN, done.equity_after)
    assert not list(world.state.margin_calls.ordered())


def test_a_call_is_met_by_collateral_up_to_initial_margin(world: World) -> None:
    tell(
        world,
        """
        price     BTC    7_250                -> call_deadline_set
        deposit   alice  eth:USDC  2_000.00   -> one call_met, margin_restored
        """,
    )
    (met,) = world.last(CallMet)
    assert met.equity >= met.initial
    tell(world, "wait 10 -> no liquidated\nposition alice BTC-PERP +4.5")


def test_collateral_that_covers_maintenance_only_saves_the_account_but_gives_it_no_new_time(world: World) -> None:
    opened = tell(world, "price BTC 7_250 -> call_deadline_set").state.now.height
    tell(
        world,
        """
        deposit   alice  eth:USDC  200.00     -> no call_met  # above maintenance, below initial
        wait      6                           -> no liquidated
        """,
    )
    call = world.state.margin_calls[ALICE]
    assert (call.opened_height, call.deadline_height, call.lapsed) == (opened, opened + 5, False)
    tell(world, "price BTC 7_200 -> liquidated  # its time was over")


def test_who_falls_far_below_maintenance_has_no_time_left() -> None:
    world = leveraged(CallTerms(deadline_blocks=100, urgent_ppm=700_000))
    assert not of_kind(world.go(btc=FALLEN), Liquidated)
    result = world.go(btc=680_000)
    (lapsed,) = of_kind(result, CallLapsed)
    assert lapsed.urgent
    assert lapsed.equity * 10 < lapsed.maintenance * 7
    assert of_kind(result, Liquidated)


def test_without_a_deadline_nothing_is_kept_and_the_account_is_liquidated_at_once() -> None:
    world = tell(leveraged(), "price BTC 7_250 -> liquidated, no call_deadline_set, no call_lapsed")
    assert not list(world.state.margin_calls.ordered())


def test_between_trigger_and_initial_an_account_is_called_but_has_no_deadline() -> None:
    tell(leveraged(FIVE), "price BTC 7_600 -> margin_called, no call_deadline_set")


@pytest.mark.parametrize(
    ("delay_ms", "steps"), [(0, 0), (30_000, 0), (30_001, 1), (90_000, 1), (90_001, 2), (10**9, 10)]
)
def test_congestion_counts_begun_steps_beyond_the_normal(delay_ms: int, steps: int) -> None:
    assert congestion_steps(CallTerms(congestion_ms=30_000, congestion_step_ms=60_000), delay_ms) == steps


def test_the_trigger_is_rounded_up_and_never_above_initial_margin() -> None:
    risk = RiskParameters((), maintenance_numerator=4, maintenance_denominator=5)
    assert maintenance_trigger(risk, 1_001, 0) == 801, "800.8"
    assert maintenance_trigger(risk, 1_001, 100_000) == 881, "880.88"
    assert maintenance_trigger(risk, 1_001, 900_000) == 1_001


def congested(seconds: int) -> World:
    """A chain that last went on so many seconds before the next block; ranges that are moved by nothing else."""
    steps = {"congestion_step_ms": 60_000, "congestion_step_blocks": 3, "congestion_step_ppm": 50_000}
    world = leveraged(
        CallTerms(deadline_blocks=5, congestion_ms=30_000, **steps), ranges=RangeParameters(interval_ms=10**9)
    )
    since = world.state.now.time_ms + 1_000 - seconds * 1_000
    world.state.chain_delays.put(1, ChainDelayRecord(final_block=1, since_ms=since))
    return world


def test_a_late_chain_calls_earlier_and_gives_more_time() -> None:
    assert not of_kind(congested(10).go(btc=734_000), CallDeadlineSet)
    result = congested(100).go(btc=734_000)
    (deadline,) = of_kind(result, CallDeadlineSet)
    assert (deadline.delay_ms, deadline.congestion_steps) == (100_000, 2)
    assert deadline.maintenance <= deadline.equity < deadline.trigger
    assert deadline.trigger == -(-deadline.maintenance * 11 // 10)
    assert deadline.deadline_height == result.height + 5 + 2 * 3


def test_without_deadlines_no_delay_lifts_the_trigger() -> None:
    terms = CallTerms(congestion_step_ms=1_000, congestion_step_blocks=3, congestion_step_ppm=50_000)
    world = leveraged(terms, ranges=RangeParameters(interval_ms=10**9))
    world.state.chain_delays.put(1, ChainDelayRecord(final_block=1, since_ms=1))
    assert not of_kind(world.go(btc=734_000), Liquidated), "maintenance is covered"
    assert of_kind(world.go(btc=FALLEN), Liquidated)


def test_deadlines_survive_export_and_import(world: World) -> None:
    world.go(btc=FALLEN)
    assert world.read_back().margin_calls[ALICE] == world.state.margin_calls[ALICE]


@pytest.mark.parametrize(
    "changes",
    [
        {"deadline_blocks": 100_001},
        {"urgent_ppm": 1_000_001},
        {"early_ppm": 1_000_000, "early_release_ppm": 1},
        {"early_ppm": 200_000},
        {"early_ppm": 999, "early_release_ppm": 999},
        {"early_ppm": 200_000, "early_release_ppm": 200_001},
        {"early_blocks": 0},
        {"early_horizon_ms": 0},
        {"congestion_step_ms": 0},
        {"congestion_step_ppm": 1_000_001},
        {"congestion_steps_max": 1_001},
        {"early_leaves_blocks": 100_001},
    ],
)
def test_terms_out_of_range_are_refused(changes: dict[str, int]) -> None:
    assert [good for _, _, good in calls_checks(CallTerms(**changes))].count(False) == 1
    (path,) = [path for path, _, good in crisis_checks(CrisisParameters(calls=CallTerms(**changes))) if not good]
    assert path.startswith("calls.")
