"""Prices: from what each validator reports to one agreed index per feed.

Rule: the index is the stake-weighted lower median of fresh, confident reports, used only when more than two thirds of
the stake reported. A move beyond the cap halts the feed; it reopens when the median held still for some blocks.
Reports are kept in the state until they are too old, so one late validator does not make a feed stale.
"""

from dataclasses import dataclass

from clearing.assets import PPM
from clearing.extension import PriceReport
from clearing.instruments import INDEX_TICKS_MAX
from clearing.receipts import FeedChanged, FeedStatus, PriceApplied
from clearing.run import Run
from clearing.state.records import FeedState, ReportHeld


@dataclass(frozen=True, slots=True)
class Median:
    """What a quorum of fresh reports says."""

    ticks: int
    reports: int
    power: int


def apply_prices(run: Run) -> None:
    """Step 1: take in the reports, then decide every feed."""
    keep_reports(run)
    for feed in run.terms.feeds:
        held = run.state.feeds.get(feed)
        if held is not None:
            _decide(run, feed, held, median_of(run, feed))


def keep_reports(run: Run) -> None:
    """Keep each validator's newest acceptable report; drop those of feeds that no one knows, and the uncertain."""
    known = set(run.terms.feeds)
    for observed in run.block.extensions:
        for report in observed.extension.prices if observed.extension else ():
            before = run.state.reports.get((report.feed, observed.validator))
            newer = before is None or report.time_ms > before.time_ms
            if report.feed in known and newer and acceptable(run, report):
                run.state.reports.put(
                    (report.feed, observed.validator),
                    ReportHeld(observed.power, report.ticks, report.confidence_ticks, report.time_ms),
                )


def acceptable(run: Run, report: PriceReport) -> bool:
    """Whether a report is in range, certain enough, and of this time."""
    certain = report.confidence_ticks * PPM <= report.ticks * run.terms.market.confidence_ppm_max
    return 0 < report.ticks <= INDEX_TICKS_MAX and certain and is_fresh(run, report.time_ms)


def is_fresh(run: Run, time_ms: int) -> bool:
    """Whether a time is at most the allowed age before the block's, and at most the allowed lead after it."""
    age_ms = run.time_ms - time_ms
    return -run.terms.market.report_ahead_ms_max <= age_ms <= run.terms.market.report_age_ms_max


def median_of(run: Run, feed: int) -> Median | None:
    """The stake-weighted lower median of the fresh reports; None unless they hold more than two thirds of the stake.

    The lower median is the smallest reported price such that at least half of the reporting stake is at or below it.
    """
    fresh = []
    for validator in range(len(run.terms.genesis.validators.validators)):
        report = run.state.reports.get((feed, validator))
        if report is None:
            continue
        if is_fresh(run, report.time_ms):
            fresh.append((report.ticks, report.power))
        elif report.time_ms < run.time_ms:
            run.state.reports.remove((feed, validator))
    power = sum(weight for _, weight in fresh)
    if 3 * power <= 2 * run.block.total_power:
        return None
    below = 0
    for ticks, weight in sorted(fresh):
        below += weight
        if 2 * below >= power:
            return Median(ticks, len(fresh), power)
    return None


def within_cap(ticks: int, reference: int, cap_ppm: int) -> bool:
    """Whether a price lies within the cap of a reference; exactly at the cap it does."""
    return abs(ticks - reference) * PPM <= reference * cap_ppm


def _decide(run: Run, feed: int, held: FeedState, median: Median | None) -> None:
    if median is None:
        if held.status in (FeedStatus.OPEN, FeedStatus.HALTED):
            stale = FeedState(FeedStatus.STALE, held.ticks, held.time_ms)
            run.state.feeds.put(feed, stale)
            run.receipts.append(FeedChanged(feed, stale.status, stale.ticks, 0))
        return
    market = run.terms.market
    if held.status == FeedStatus.UNOPENED or (
        held.status != FeedStatus.HALTED and within_cap(median.ticks, held.ticks, market.move_cap_ppm)
    ):
        _move(run, feed, held, median)
        return
    if held.status != FeedStatus.HALTED:
        run.receipts.append(FeedChanged(feed, FeedStatus.HALTED, held.ticks, median.ticks))
        run.state.feeds.put(feed, FeedState(FeedStatus.HALTED, held.ticks, held.time_ms, median.ticks, 1))
        return
    steady = held.steady_blocks + 1 if within_cap(median.ticks, held.seen_ticks, market.move_cap_ppm) else 1
    if steady > market.reopen_blocks:
        _move(run, feed, held, median)
    else:
        run.state.feeds.put(feed, FeedState(FeedStatus.HALTED, held.ticks, held.time_ms, median.ticks, steady))


def _move(run: Run, feed: int, held: FeedState, median: Median) -> None:
    """Take the median as the index."""
    if held.status != FeedStatus.OPEN:
        run.receipts.append(FeedChanged(feed, FeedStatus.OPEN, median.ticks, median.ticks))
    elif held.ticks == median.ticks:
        return
    run.state.feeds.put(feed, FeedState(FeedStatus.OPEN, median.ticks, run.time_ms))
    run.receipts.append(PriceApplied(feed, median.ticks, held.ticks, median.reports, median.power))
    run.moved_feeds.append(feed)
