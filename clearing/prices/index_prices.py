"""Index prices: from the validators' reports to one agreed index per feed.

Rule: the index is the stake-weighted lower median of fresh, confident reports without outliers, used only when more
than two thirds of the stake remain. A price that half of the stake reports cannot be dropped as an outlier: the limit
is at least the median absolute deviation, and at least half of the stake is within it. A move beyond the cap halts the
feed. The feed reopens when the median was steady for some blocks, or when an auction confirms it, unless the median is
out of scale. Reports are stored until they are too old, so one late validator does not make a feed stale.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from clearing.base.units import PPM, mul_div_down
from clearing.context.block_context import BlockContext
from clearing.prices.price_status import update_price_status
from clearing.prices.reopening import is_confirmed, is_out_of_scale
from clearing.schema.blocks.block import PriceReport
from clearing.schema.receipts.prices import FeedStatusChanged, OutliersDropped, PriceApplied
from clearing.schema.records.prices import FeedState, FeedStatus, PriceReportRecord
from clearing.schema.terms.instruments import INDEX_TICKS_MAX
from clearing.validators.validator_sets import attesting_set


@dataclass(frozen=True, slots=True)
class WeightedReport:
    """One validator's report on one feed."""

    validator: int
    power: int
    ticks: int
    confidence_ticks: int


@dataclass(frozen=True, slots=True)
class FilteredReports:
    """The reports that are used and those dropped as outliers."""

    used: tuple[WeightedReport, ...]
    dropped: tuple[WeightedReport, ...]
    median_ticks: int
    deviation_ticks: int
    limit_ticks: int


def lower_median(weighted: Iterable[tuple[int, int]]) -> int:
    """The smallest value such that at least half of the weight is at or below it. Raises ValueError without weight."""
    ordered = sorted(weighted)
    whole = sum(weight for _, weight in ordered)
    below = 0
    for value, weight in ordered:
        below += weight
        if weight and 2 * below >= whole:
            return value
    raise ValueError("no weight to take a median of")


def upper_median(weighted: Iterable[tuple[int, int]]) -> int:
    """The largest value such that at least half of the weight is at or above it. Raises ValueError without weight."""
    return -lower_median((-value, weight) for value, weight in weighted)


def filter_outliers(reports: Sequence[WeightedReport], deviations: int, floor_ppm: int) -> FilteredReports:
    """Drop the reports further from the lower median than max(deviations x MAD, floor); those exactly at it are used.

    MAD is the stake-weighted lower median of |report - median|. When more than half of the stake reports the same price
    it is zero, and the floor, a fraction of the median rounded down, admits small honest differences. `deviations` 0
    drops nothing. Raises ValueError without weight. Source: Hampel's identifier, weighted by stake.
    """
    middle = lower_median((report.ticks, report.power) for report in reports)
    spread = lower_median((abs(report.ticks - middle), report.power) for report in reports)
    limit = max(deviations * spread, mul_div_down(middle, floor_ppm, PPM))
    if deviations == 0:
        return FilteredReports(tuple(reports), (), middle, spread, limit)
    used = tuple(report for report in reports if abs(report.ticks - middle) <= limit)
    dropped = tuple(report for report in reports if abs(report.ticks - middle) > limit)
    return FilteredReports(used, dropped, middle, spread, limit)


@dataclass(frozen=True, slots=True)
class AgreedMedian:
    """The median of a quorum of fresh reports."""

    ticks: int
    reports: int
    power: int
    confidence_ticks: int = 0


def agree_prices(context: BlockContext) -> None:
    """Phase 4: store the reports, decide every feed, and lower the price status of those without an open price."""
    store_reports(context)
    for feed in context.terms.feeds:
        feed_state = context.state.feeds.get(feed)
        if feed_state is not None:
            _decide_feed(context, feed, feed_state, fresh_median(context, feed))
            update_price_status(context, feed)


def store_reports(context: BlockContext) -> None:
    """Store each validator's newest acceptable report. Drop reports on unknown feeds and uncertain ones."""
    known = set(context.terms.feeds)
    for observed in context.block.extensions:
        for report in observed.extension.prices if observed.extension else ():
            before = context.state.price_reports.get((report.feed, observed.validator))
            newer = before is None or report.time_ms > before.time_ms
            if report.feed in known and newer and _is_acceptable(context, report):
                context.state.price_reports.put(
                    (report.feed, observed.validator),
                    PriceReportRecord(observed.power, report.ticks, report.confidence_ticks, report.time_ms),
                )


def _is_acceptable(context: BlockContext, report: PriceReport) -> bool:
    """Whether a report is in range, fresh, certain enough, and from enough sources."""
    certain = report.confidence_ticks * PPM <= report.ticks * context.terms.market.confidence_ppm_max
    well_sourced = report.sources >= context.terms.market.prices.sources_min
    return 0 < report.ticks <= INDEX_TICKS_MAX and certain and well_sourced and is_fresh(context, report.time_ms)


def is_fresh(context: BlockContext, time_ms: int) -> bool:
    """Whether a time is at most the allowed age before the block's, and at most the allowed lead after it."""
    age_ms = context.time_ms - time_ms
    return -context.terms.market.report_ahead_ms_max <= age_ms <= context.terms.market.report_age_ms_max


def fresh_median(context: BlockContext, feed: int) -> AgreedMedian | None:
    """The stake-weighted lower median of the fresh reports without outliers; None without a quorum of them.

    The lower median is the smallest reported price such that at least half of the reporting stake is at or below it.
    """
    fresh = _fresh_reports(context, feed)
    if not _is_quorum(context, fresh):
        return None
    terms = context.terms.market.prices
    filtered = filter_outliers(fresh, terms.outlier_deviations, terms.outlier_floor_ppm)
    quorum, power = _is_quorum(context, filtered.used), sum(report.power for report in filtered.used)
    if filtered.dropped:
        dropped = tuple(report.validator for report in filtered.dropped)
        context.receipts.append(
            OutliersDropped(
                feed, filtered.median_ticks, filtered.deviation_ticks, filtered.limit_ticks, dropped, power, quorum
            )
        )
    if not quorum:
        return None
    ticks = lower_median((report.ticks, report.power) for report in filtered.used)
    confidence = upper_median((report.confidence_ticks, report.power) for report in filtered.used)
    return AgreedMedian(ticks, len(filtered.used), power, confidence)


def _within_cap(ticks: int, reference: int, cap_ppm: int) -> bool:
    """Whether a price is within the cap around a reference, limits included."""
    return abs(ticks - reference) * PPM <= reference * cap_ppm


def _fresh_reports(context: BlockContext, feed: int) -> list[WeightedReport]:
    """All fresh reports, ordered by validator. Deletes those that are too old."""
    fresh = []
    for validator in range(len(attesting_set(context.state).validators)):
        report = context.state.price_reports.get((feed, validator))
        if report is None:
            continue
        if is_fresh(context, report.time_ms):
            fresh.append(WeightedReport(validator, report.power, report.ticks, report.confidence_ticks))
        elif report.time_ms < context.time_ms:
            context.state.price_reports.remove((feed, validator))
    return fresh


def _is_quorum(context: BlockContext, reports: list[WeightedReport] | tuple[WeightedReport, ...]) -> bool:
    return 3 * sum(report.power for report in reports) > 2 * context.block.total_power


def _decide_feed(context: BlockContext, feed: int, feed_state: FeedState, median: AgreedMedian | None) -> None:
    if median is None:
        if feed_state.status in (FeedStatus.OPEN, FeedStatus.HALTED):
            _close_feed(context, feed, feed_state, FeedStatus.STALE, 0)
        return
    market = context.terms.market
    if feed_state.status == FeedStatus.UNOPENED or (
        feed_state.status != FeedStatus.HALTED and _within_cap(median.ticks, feed_state.ticks, market.move_cap_ppm)
    ):
        _move_index(context, feed, feed_state, median)
        return
    if feed_state.status != FeedStatus.HALTED:
        _close_feed(context, feed, feed_state, FeedStatus.HALTED, median.ticks)
        return
    steady = (
        feed_state.steady_blocks + 1 if _within_cap(median.ticks, feed_state.observed_ticks, market.move_cap_ppm) else 1
    )
    reopens = steady > market.reopen_blocks or is_confirmed(context, feed, feed_state, median.ticks)
    if reopens and not is_out_of_scale(feed_state, median.ticks):
        _move_index(context, feed, feed_state, median)
    else:
        context.state.feeds.put(
            feed, msgspec.structs.replace(feed_state, observed_ticks=median.ticks, steady_blocks=steady)
        )


def _close_feed(
    context: BlockContext, feed: int, feed_state: FeedState, status: FeedStatus, observed_ticks: int
) -> None:
    """Close the feed: there is no open price from now on, and the last good price stays."""
    context.receipts.append(FeedStatusChanged(feed, status, feed_state.ticks, observed_ticks))
    since = feed_state.since_height or context.block.height
    halted = context.block.height if status == FeedStatus.HALTED else feed_state.halted_height
    closed = msgspec.structs.replace(
        feed_state,
        status=status,
        observed_ticks=observed_ticks,
        steady_blocks=1 if observed_ticks else 0,
        since_height=since,
        halted_height=halted,
    )
    context.state.feeds.put(feed, closed)


def _move_index(context: BlockContext, feed: int, feed_state: FeedState, median: AgreedMedian) -> None:
    """Use the median as the index."""
    unchanged = feed_state.status == FeedStatus.OPEN and feed_state.ticks == median.ticks
    if unchanged and feed_state.confidence_ticks == median.confidence_ticks:
        return
    time_ms = feed_state.time_ms if unchanged else context.time_ms
    moved = FeedState(
        FeedStatus.OPEN,
        median.ticks,
        time_ms,
        confidence_ticks=median.confidence_ticks,
        price_status=feed_state.price_status,
    )
    context.state.feeds.put(feed, moved)
    if unchanged:
        return
    if feed_state.status != FeedStatus.OPEN:
        context.receipts.append(FeedStatusChanged(feed, FeedStatus.OPEN, median.ticks, median.ticks))
    context.receipts.append(PriceApplied(feed, median.ticks, feed_state.ticks, median.reports, median.power))
    context.moved_feeds.append(feed)
