"""Phase 4, after index prices: observe returns and delays; once an epoch publish the resulting ranges.

Rule: a return is observed at the first block an interval after the last one, for every feed that is open. Ranges change
at the first block of an epoch (by height, so also when no snapshot could be taken). A receipt reports every change, and
the holders of affected instruments are margined in the same block.
"""

import msgspec

from clearing.context.block_context import BlockContext
from clearing.price_ranges.delays import (
    close_delay_window,
    inclusion_delay_ms,
    margin_horizon_ms,
    next_average,
    observe_chains,
    report_age_ms,
)
from clearing.price_ranges.historical_moves import GroupHorizon, group_horizon, historical_moves, historical_requirement
from clearing.price_ranges.history import (
    deviation_multiple,
    first_variance,
    observe_price,
    quantile_up,
    spanned_moves,
    sqrt_up,
    standardised_move,
)
from clearing.price_ranges.joint_scenarios import column_sizes, joint_columns, joint_credit
from clearing.price_ranges.range_rule import HistoryFigures, next_published_range
from clearing.price_ranges.volatility_levels import level_variance, observe_level
from clearing.schema.receipts.prices import RangePublished
from clearing.schema.records.prices import (
    FeedStatus,
    GroupMove,
    HistoricalMovesRecord,
    JointScenariosRecord,
    MovesRecord,
    PublishedRangeRecord,
    RangeClockRecord,
    VarianceRecord,
)
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.state.effective_parameters import effective_risk_group
from clearing.state.indexes import INSTRUMENT_HOLDERS, holders
from clearing.state.state import State


def update_ranges(context: BlockContext) -> None:
    """Observe, and publish when an epoch begins. Does nothing while ranges are off in genesis."""
    parameters = context.terms.genesis.ranges
    if not parameters.enabled:
        return
    observe_chains(context)
    clock = context.state.range_clock.get(0) or RangeClockRecord()
    if context.time_ms - clock.sampled_ms >= parameters.interval_ms:
        clock = _observe_returns(context, parameters, clock)
    blocks = context.terms.market.epoch_blocks
    if context.block.height // blocks > clock.published_height // blocks:
        clock = msgspec.structs.replace(clock, published_height=context.block.height)
        close_delay_window(context)
        _publish_ranges(context, parameters, clock)
    context.state.range_clock.put(0, clock)


def group_variance(state: State, group: RiskGroup) -> VarianceRecord:
    """Statistics of a group's index; before observations, those for which the raw range is that of genesis."""
    ranges = state.terms.genesis.ranges
    variance = state.variances.get(group.id)
    return variance or first_variance(group.range_ppm, ranges.multiple_ppm, ranges.horizon_ms, ranges.interval_ms)


def observation_window(state: State) -> list[MovesRecord]:
    """The observations in the window, in order of time."""
    return sorted((sample for _, sample in state.returns.ordered()), key=lambda sample: sample.time_ms)


def history_figures(
    parameters: RangeParameters, moves: list[GroupMove], variance_record: VarianceRecord
) -> HistoryFigures:
    """Multiple over the horizon and stressed deviation of one group, from its moves in the window in order of time."""
    observed = spanned_moves(moves, parameters.steps)
    if len(observed) < parameters.window_min:
        return HistoryFigures(parameters.multiple_ppm, sqrt_up(variance_record.variance))
    multiple = deviation_multiple(sorted(map(standardised_move, observed)), parameters.confidence_ppm)
    deviations = sorted(move.deviation_nano for move in moves if move.deviation_nano)
    return HistoryFigures(multiple, quantile_up(deviations, parameters.stress_quantile_ppm))


def _observe_returns(context: BlockContext, parameters: RangeParameters, clock: RangeClockRecord) -> RangeClockRecord:
    """Observe one return of every group whose feed is open."""
    moves, levels = [], []
    for group in context.terms.risk.groups:
        feed = context.state.feeds.get(group.feed)
        variance = group_variance(context.state, group)
        age = next_average(
            variance.age_ms, report_age_ms(context.state, group.feed, context.time_ms), parameters.lateness_decay_ppm
        )
        variance, move = msgspec.structs.replace(variance, age_ms=age), GroupMove(0, 0)
        if feed is not None and feed.status is FeedStatus.OPEN:
            variance, move = observe_price(
                variance,
                feed.ticks,
                context.time_ms,
                interval_ms=parameters.interval_ms,
                decay_ppm=parameters.decay_ppm,
                floor_samples=parameters.floor_samples,
            )
        context.state.variances.put(group.id, variance)
        moves.append(move)
        if parameters.historical_scenarios:
            levels.append(observe_level(context, group, variance, parameters))
    if not any(move.deviation_nano for move in moves):
        return msgspec.structs.replace(clock, sampled_ms=context.time_ms)
    number = clock.samples % parameters.window
    context.state.returns.put(number, MovesRecord(context.time_ms, tuple(moves)))
    if levels:
        context.state.level_moves.put(number, MovesRecord(context.time_ms, tuple(levels)))
    return msgspec.structs.replace(clock, samples=clock.samples + 1, sampled_ms=context.time_ms)


def _publish_ranges(context: BlockContext, parameters: RangeParameters, clock: RangeClockRecord) -> None:
    """Publish every group's range, then the joint scenarios, which are columns of those ranges."""
    if clock.samples == 0:
        return
    state, groups, window = context.state, context.terms.risk.groups, observation_window(context.state)
    delay, changed = inclusion_delay_ms(state, context.time_ms), False
    horizons: list[GroupHorizon] = []
    for at, group in enumerate(groups):
        variance, before = group_variance(state, group), state.price_ranges.get(group.id)
        span = margin_horizon_ms(
            parameters, delay, max(variance.age_ms, report_age_ms(state, group.feed, context.time_ms))
        )
        filtered = history_figures(parameters, [sample.moves[at] for sample in window], variance)
        after = next_published_range(parameters, group, variance, filtered, before, span, context.block.height)
        state.price_ranges.put(group.id, after)
        horizons.append(group_horizon(parameters, variance, after, level_variance(state, group), span))
        if _published_range(before, group) != _published_range(after, group):
            changed = True
            _range_receipt(context, group, after)
    changed |= _renew_joint_scenarios(context, parameters, window, [each.price_nano for each in horizons])
    changed |= _renew_historical_moves(context, parameters, window, horizons)
    if changed:
        context.rebuild_arrays()


def _published_range(published: PublishedRangeRecord | None, group: RiskGroup) -> tuple[int, int, int]:
    """Range, volatility and volatility range of a group."""
    source = published or group
    return source.range_ppm, source.volatility_ppm, source.volatility_range_ppm


def _range_receipt(context: BlockContext, group: RiskGroup, after: PublishedRangeRecord) -> None:
    context.receipts.append(
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
    for instrument in context.terms.instruments.values():
        if instrument.group == group.id:
            context.touched_accounts.update(holders(context.state, INSTRUMENT_HOLDERS, instrument.id))


def _renew_joint_scenarios(
    context: BlockContext, parameters: RangeParameters, window: list[MovesRecord], horizons: list[int]
) -> bool:
    """Update the joint scenarios from the window and the new ranges. Returns whether they changed."""
    if parameters.joint_scenarios == 0:
        return False
    risk = context.terms.risk
    groups = [effective_risk_group(context.state, group) for group in risk.groups]
    columns = joint_columns(window, risk, groups, horizons, parameters)
    sizes = [column_sizes(group.scenarios or risk.scenarios, group.range_ppm) for group in groups]
    joint_scenarios = JointScenariosRecord(joint_credit(columns, sizes, parameters, risk.joint))
    before = context.state.joint_scenarios.get(0)
    if joint_scenarios == before:
        return False
    context.state.joint_scenarios.put(0, joint_scenarios)
    _touch_holders(context)
    return True


def _renew_historical_moves(
    context: BlockContext, parameters: RangeParameters, window: list[MovesRecord], horizons: list[GroupHorizon]
) -> bool:
    """Update the moves of history from the window. Returns whether they changed."""
    if parameters.historical_scenarios == 0:
        return False
    levels = {record.time_ms: record for _, record in context.state.level_moves.ordered()}
    groups = [effective_risk_group(context.state, group) for group in context.terms.risk.groups]
    moves = historical_moves(window, levels, horizons)
    requirement = historical_requirement(moves, groups, parameters, context.terms.risk.history)
    record = HistoricalMovesRecord(requirement)
    if record == (context.state.historical_moves.get(0) or HistoricalMovesRecord(context.terms.risk.history)):
        return False
    context.state.historical_moves.put(0, record)
    _touch_holders(context)
    return True


def _touch_holders(context: BlockContext) -> None:
    """Margin the holders of every instrument."""
    for instrument in context.terms.instruments:
        context.touched_accounts.update(holders(context.state, INSTRUMENT_HOLDERS, instrument))
