"""Step 2 of the block: observe returns and delays, and once an epoch publish the ranges that follow from them.

Rule: a return is observed at the first block an interval after the last one, of every feed that is open; ranges change
at the first block of an epoch (by height, so also when no snapshot could be taken). What changed is told in a receipt,
and whoever holds such an instrument is looked at in the same block.
"""

import msgspec

from clearing.margin.parameters import RiskGroup
from clearing.prices.receipts import FeedStatus
from clearing.ranges.delays import averaged, close_delays, horizon, inclusion_delay, report_age, watch_chains
from clearing.ranges.effective import effective_group
from clearing.ranges.history import multiple_of, quantile_up, spans, standardised
from clearing.ranges.joint import column_sizes, joint_columns, joint_credit
from clearing.ranges.parameters import RangeParameters
from clearing.ranges.receipts import RangePublished
from clearing.ranges.records import JointHeld, Move, Moves, PublishedRange, RangeClock, Variance
from clearing.ranges.rule import Filtered, publish
from clearing.ranges.variance import deviation_over, first_variance, observe, sqrt_up
from clearing.run import Run
from clearing.state.indexes import INSTRUMENT, holders
from clearing.state.state import State


def update_ranges(run: Run) -> None:
    """Observe, and publish when an epoch begins. Does nothing while genesis leaves ranges off."""
    parameters = run.terms.genesis.ranges
    if not parameters.enabled:
        return
    watch_chains(run)
    clock = run.state.range_clock.get(0) or RangeClock()
    if run.time_ms - clock.sampled_ms >= parameters.interval_ms:
        clock = _sample(run, parameters, clock)
    blocks = run.terms.market.epoch_blocks
    if run.block.height // blocks > clock.published_height // blocks:
        clock = msgspec.structs.replace(clock, published_height=run.block.height)
        close_delays(run)
        _publish(run, parameters, clock)
    run.state.range_clock.put(0, clock)


def variance_of(state: State, group: RiskGroup) -> Variance:
    """What a group's index did so far; at first what makes the first raw range that of genesis."""
    ranges = state.terms.genesis.ranges
    held = state.variances.get(group.id)
    return held or first_variance(group.range_ppm, ranges.multiple_ppm, ranges.horizon_ms, ranges.interval_ms)


def window_of(state: State) -> list[Moves]:
    """The observations in the window, in order of time."""
    return sorted((sample for _, sample in state.returns.ordered()), key=lambda each: each.time_ms)


def filtered_of(parameters: RangeParameters, moves: list[Move], held: Variance) -> Filtered:
    """Multiple over the horizon and stressed deviation of one group, from the moves of its window in order of time."""
    seen = spans(moves, parameters.steps)
    if len(seen) < parameters.window_min:
        return Filtered(parameters.multiple_ppm, sqrt_up(held.variance))
    multiple = multiple_of(sorted(map(standardised, seen)), parameters.confidence_ppm)
    deviations = sorted(move.deviation_nano for move in moves if move.deviation_nano)
    return Filtered(multiple, quantile_up(deviations, parameters.stress_quantile_ppm))


def _sample(run: Run, parameters: RangeParameters, clock: RangeClock) -> RangeClock:
    """Observe one return of every group whose feed is open."""
    moves = []
    for group in run.terms.risk.groups:
        feed = run.state.feeds.get(group.feed)
        held = variance_of(run.state, group)
        age = averaged(held.age_ms, report_age(run.state, group.feed, run.time_ms), parameters.lateness_decay_ppm)
        held, move = msgspec.structs.replace(held, age_ms=age), Move(0, 0)
        if feed is not None and feed.status is FeedStatus.OPEN:
            held, move = observe(
                held,
                feed.ticks,
                run.time_ms,
                interval_ms=parameters.interval_ms,
                decay_ppm=parameters.decay_ppm,
                floor_samples=parameters.floor_samples,
            )
        run.state.variances.put(group.id, held)
        moves.append(move)
    if not any(move.deviation_nano for move in moves):
        return msgspec.structs.replace(clock, sampled_ms=run.time_ms)
    run.state.returns.put(clock.samples % parameters.window, Moves(run.time_ms, tuple(moves)))
    return msgspec.structs.replace(clock, samples=clock.samples + 1, sampled_ms=run.time_ms)


def _publish(run: Run, parameters: RangeParameters, clock: RangeClock) -> None:
    """Publish every group's range, then the joint scenarios, which are columns of those ranges."""
    if clock.samples == 0:
        return
    state, groups, window = run.state, run.terms.risk.groups, window_of(run.state)
    delay, changed, horizons = inclusion_delay(state, run.time_ms), False, []
    for at, group in enumerate(groups):
        held, before = variance_of(state, group), state.ranges.get(group.id)
        span = horizon(parameters, delay, max(held.age_ms, report_age(state, group.feed, run.time_ms)))
        filtered = filtered_of(parameters, [sample.moves[at] for sample in window], held)
        after = publish(parameters, group, held, filtered, before, span, run.block.height)
        state.ranges.put(group.id, after)
        horizons.append(deviation_over(held.variance, span, parameters.interval_ms))
        if in_force(before, group) != in_force(after, group):
            changed = True
            _tell(run, group, after)
    changed |= _renew_joint(run, parameters, window, horizons)
    if changed:
        run.rebuild_arrays()


def in_force(published: PublishedRange | None, group: RiskGroup) -> tuple[int, int, int]:
    """Range, volatility and volatility range of a group."""
    each = published or group
    return each.range_ppm, each.volatility_ppm, each.volatility_range_ppm


def _tell(run: Run, group: RiskGroup, after: PublishedRange) -> None:
    run.receipts.append(
        RangePublished(
            group.id,
            after.range_ppm,
            after.previous_ppm,
            after.ratio_ppm,
            after.raw_ppm,
            after.target_ppm,
            after.buffer_ppm,
            after.volatility_ppm,
            after.volatility_range_ppm,
            after.horizon_ms,
        )
    )
    for instrument in run.terms.instruments.values():
        if instrument.group == group.id:
            run.touched.update(holders(run.state, INSTRUMENT, instrument.id))


def _renew_joint(run: Run, parameters: RangeParameters, window: list[Moves], horizons: list[int]) -> bool:
    """Take the joint scenarios of the window under the ranges just published; whether they differ from before."""
    if parameters.joint_scenarios == 0:
        return False
    risk = run.terms.risk
    groups = [effective_group(run.state, group) for group in risk.groups]
    columns = joint_columns(window, risk, groups, horizons)
    sizes = [column_sizes(group.scenarios or risk.scenarios, group.range_ppm) for group in groups]
    held = JointHeld(joint_credit(columns, sizes, parameters, risk.joint))
    before = run.state.joint.get(0)
    if held == before:
        return False
    run.state.joint.put(0, held)
    for instrument in run.terms.instruments:
        run.touched.update(holders(run.state, INSTRUMENT, instrument))
    return True
