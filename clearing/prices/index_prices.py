"""Index prices: from the validators' reports to one agreed index per feed.

Rule: the index is the stake-weighted lower median of fresh, confident reports without outliers, and is used only when
more than two thirds of the stake are left. A move beyond the cap halts the feed. It reopens when the median held
still for some blocks, or when an auction confirms it, and not at another scale. Reports are kept until they are too
old, so one late validator makes no feed stale.
"""

from dataclasses import dataclass

import msgspec

from clearing.base.units import PPM
from clearing.context.block_context import BlockContext
from clearing.prices.medians import WeightedReport, filter_outliers, lower_median, upper_median
from clearing.prices.price_status import update_price_status
from clearing.prices.reopening import is_confirmed, is_out_of_scale
from clearing.schema.blocks.vote_extension import PriceReport
from clearing.schema.receipts.prices import FeedStatusChanged, OutliersDropped, PriceApplied
from clearing.schema.records.prices import FeedState, FeedStatus, PriceReportRecord
from clearing.schema.terms.instruments import INDEX_TICKS_MAX
from clearing.validators.validator_sets import attesting_set


@dataclass(frozen=True, slots=True)
class AgreedMedian:
    """What a quorum of fresh reports says."""

    ticks: int
    reports: int
    power: int
    confidence_ticks: int = 0


def agree_prices(run: BlockContext) -> None:
    """Step 1: take in the reports, decide every feed, and let those without an open price down the ladder."""
    store_reports(run)
    for feed in run.terms.feeds:
        held = run.state.feeds.get(feed)
        if held is not None:
            _decide_feed(run, feed, held, fresh_median(run, feed))
            update_price_status(run, feed)


def store_reports(run: BlockContext) -> None:
    """Keep each validator's newest acceptable report; drop those of feeds that no one knows, and the uncertain."""
    known = set(run.terms.feeds)
    for observed in run.block.extensions:
        for report in observed.extension.prices if observed.extension else ():
            before = run.state.price_reports.get((report.feed, observed.validator))
            newer = before is None or report.time_ms > before.time_ms
            if report.feed in known and newer and is_acceptable(run, report):
                run.state.price_reports.put(
                    (report.feed, observed.validator),
                    PriceReportRecord(observed.power, report.ticks, report.confidence_ticks, report.time_ms),
                )


def is_acceptable(run: BlockContext, report: PriceReport) -> bool:
    """Whether a report is in range, certain enough, of enough sources, and of this time."""
    certain = report.confidence_ticks * PPM <= report.ticks * run.terms.market.confidence_ppm_max
    founded = report.sources >= run.terms.market.prices.sources_min
    return 0 < report.ticks <= INDEX_TICKS_MAX and certain and founded and is_fresh(run, report.time_ms)


def is_fresh(run: BlockContext, time_ms: int) -> bool:
    """Whether a time is at most the allowed age before the block's, and at most the allowed lead after it."""
    age_ms = run.time_ms - time_ms
    return -run.terms.market.report_ahead_ms_max <= age_ms <= run.terms.market.report_age_ms_max


def fresh_median(run: BlockContext, feed: int) -> AgreedMedian | None:
    """The stake-weighted lower median of the fresh reports that are no outliers; None unless they are of a quorum.

    The lower median is the smallest reported price such that at least half of the reporting stake is at or below it.
    """
    fresh = _fresh_reports(run, feed)
    if not _is_quorum(run, fresh):
        return None
    terms = run.terms.market.prices
    sifted = filter_outliers(fresh, terms.outlier_deviations, terms.outlier_floor_ppm)
    quorum, power = _is_quorum(run, sifted.kept), sum(each.power for each in sifted.kept)
    if sifted.dropped:
        dropped = tuple(each.validator for each in sifted.dropped)
        run.receipts.append(
            OutliersDropped(
                feed, sifted.median_ticks, sifted.deviation_ticks, sifted.limit_ticks, dropped, power, quorum
            )
        )
    if not quorum:
        return None
    ticks = lower_median((each.ticks, each.power) for each in sifted.kept)
    confidence = upper_median((each.confidence_ticks, each.power) for each in sifted.kept)
    return AgreedMedian(ticks, len(sifted.kept), power, confidence)


def within_cap(ticks: int, reference: int, cap_ppm: int) -> bool:
    """Whether a price lies within the cap of a reference; exactly at the cap it does."""
    return abs(ticks - reference) * PPM <= reference * cap_ppm


def _fresh_reports(run: BlockContext, feed: int) -> list[WeightedReport]:
    """All that are fresh, ordered by validator; those that are too old are forgotten."""
    fresh = []
    for validator in range(len(attesting_set(run.state).validators)):
        report = run.state.price_reports.get((feed, validator))
        if report is None:
            continue
        if is_fresh(run, report.time_ms):
            fresh.append(WeightedReport(validator, report.power, report.ticks, report.confidence_ticks))
        elif report.time_ms < run.time_ms:
            run.state.price_reports.remove((feed, validator))
    return fresh


def _is_quorum(run: BlockContext, reports: list[WeightedReport] | tuple[WeightedReport, ...]) -> bool:
    return 3 * sum(each.power for each in reports) > 2 * run.block.total_power


def _decide_feed(run: BlockContext, feed: int, held: FeedState, median: AgreedMedian | None) -> None:
    if median is None:
        if held.status in (FeedStatus.OPEN, FeedStatus.HALTED):
            _close_feed(run, feed, held, FeedStatus.STALE, 0)
        return
    market = run.terms.market
    if held.status == FeedStatus.UNOPENED or (
        held.status != FeedStatus.HALTED and within_cap(median.ticks, held.ticks, market.move_cap_ppm)
    ):
        _move_index(run, feed, held, median)
        return
    if held.status != FeedStatus.HALTED:
        _close_feed(run, feed, held, FeedStatus.HALTED, median.ticks)
        return
    steady = held.steady_blocks + 1 if within_cap(median.ticks, held.observed_ticks, market.move_cap_ppm) else 1
    opens = steady > market.reopen_blocks or is_confirmed(run, feed, held, median.ticks)
    if opens and not is_out_of_scale(held, median.ticks):
        _move_index(run, feed, held, median)
    else:
        run.state.feeds.put(feed, msgspec.structs.replace(held, seen_ticks=median.ticks, steady_blocks=steady))


def _close_feed(run: BlockContext, feed: int, held: FeedState, status: FeedStatus, seen_ticks: int) -> None:
    """From now on there is no open price: what was last good stays."""
    run.receipts.append(FeedStatusChanged(feed, status, held.ticks, seen_ticks))
    since = held.since_height or run.block.height
    halted = run.block.height if status == FeedStatus.HALTED else held.halted_height
    closed = msgspec.structs.replace(
        held,
        status=status,
        seen_ticks=seen_ticks,
        steady_blocks=1 if seen_ticks else 0,
        since_height=since,
        halted_height=halted,
    )
    run.state.feeds.put(feed, closed)


def _move_index(run: BlockContext, feed: int, held: FeedState, median: AgreedMedian) -> None:
    """Take the median as the index."""
    same = held.status == FeedStatus.OPEN and held.ticks == median.ticks
    if same and held.confidence_ticks == median.confidence_ticks:
        return
    time_ms = held.time_ms if same else run.time_ms
    moved = FeedState(
        FeedStatus.OPEN, median.ticks, time_ms, confidence_ticks=median.confidence_ticks, price_status=held.price_status
    )
    run.state.feeds.put(feed, moved)
    if same:
        return
    if held.status != FeedStatus.OPEN:
        run.receipts.append(FeedStatusChanged(feed, FeedStatus.OPEN, median.ticks, median.ticks))
    run.receipts.append(PriceApplied(feed, median.ticks, held.ticks, median.reports, median.power))
    run.moved_feeds.append(feed)
