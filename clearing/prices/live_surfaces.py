"""Live surfaces: from validators' reports to the surface in force of each risk group, and its fallback ladder.

Rule: the same ladder as for prices, for the options of a group alone. It falls with the number of blocks without an
agreement, while the group's feed is open, and rises only with one.

1. With a fresh surface, options are traded and liquidated at it.
2. Without one the last agreed surface stays: positions in options may only be reduced, and are liquidated.
3. After `grace_blocks` they are neither traded nor liquidated.
4. After `keep_blocks` the voted surface of the group is in force: options are reduced and liquidated at it.

Medians beyond the bounds of the terms count as no agreement. While the feed is not open the ladder stands still. A
quote whose expiry has passed is no part of the surface any more, whatever the feed: options are marked anew then, so a
mark is always of the surface in force. Before the first agreement the voted surface is in force, as in 4. This module
must not know what an option is worth.
"""

from dataclasses import dataclass

import msgspec

from clearing.context.block_context import BlockContext
from clearing.prices.surface_medians import (
    WeightedSurface,
    agreed_reports,
    bounded_quotes,
    corrected_quotes,
    is_within_bounds,
    limited_quotes,
    median_quotes,
)
from clearing.schema.blocks.block import SurfaceReport
from clearing.schema.receipts.surfaces import SurfaceApplied, SurfaceCause, SurfaceStatusChanged
from clearing.schema.records.prices import FeedStatus, PriceStatus
from clearing.schema.records.surfaces import SurfaceReportRecord, SurfaceState
from clearing.schema.risk.live_surface import TENOR_MAX_MS, ExpiryQuote, living_quotes
from clearing.schema.terms.surfaces import SurfaceTerms
from clearing.state.indexes import INSTRUMENT_HOLDERS, holders
from clearing.validators.validator_sets import attesting_set


@dataclass(frozen=True, slots=True)
class AgreedSurface:
    """What a quorum of fresh reports agrees on."""

    quotes: tuple[ExpiryQuote, ...]
    reports: int
    power: int
    corrected: bool


def agree_surfaces(context: BlockContext) -> None:
    """Phase 4, after index prices: store the reports and decide the surface of every group that has live ones."""
    if not context.terms.surfaces:
        return
    _store_reports(context)
    _drop_passed_quotes(context)
    for terms in context.terms.surfaces.values():
        feed = context.state.feeds.get(context.terms.groups[terms.group].feed)
        if feed is not None and feed.status == FeedStatus.OPEN:
            _decide_surface(context, terms, _fresh_surface(context, terms))


def _drop_passed_quotes(context: BlockContext) -> None:
    """A surface moves with each expiry that passes: what it says of later ones has changed."""
    for group, agreed in context.state.surfaces.ordered():
        passed = any(context.previous_time_ms < quote.expiry_ms <= context.time_ms for quote in agreed.expiries)
        if agreed.in_force and passed and group in context.terms.surfaces and group not in context.moved_surfaces:
            context.moved_surfaces.append(group)


def surface_status(blocks: int, terms: SurfaceTerms) -> PriceStatus:
    """What options may be used for after so many blocks without a fresh surface; the first such block is number 0."""
    if _is_given_up(blocks, terms) or blocks < terms.grace_blocks:
        return PriceStatus.NO_NEW_RISK
    return PriceStatus.NO_LIQUIDATION


def _is_given_up(blocks: int, terms: SurfaceTerms) -> bool:
    return 0 < terms.keep_blocks <= blocks


def _store_reports(context: BlockContext) -> None:
    """Store each validator's newest acceptable report. Drop reports on other groups."""
    reports = context.state.surface_reports
    for observed in context.block.extensions:
        for report in observed.extension.surfaces if observed.extension else ():
            terms = context.terms.surfaces.get(report.group)
            before = reports.get((report.group, observed.validator))
            newer = before is None or report.time_ms > before.time_ms
            if terms is not None and newer and _is_acceptable(context, terms, report):
                reports.put(
                    (report.group, observed.validator),
                    SurfaceReportRecord(observed.power, report.expiries, report.time_ms),
                )


def _is_acceptable(context: BlockContext, terms: SurfaceTerms, report: SurfaceReport) -> bool:
    return report.sources >= terms.sources_min and _is_fresh(context, terms, report.time_ms)


def _is_fresh(context: BlockContext, terms: SurfaceTerms, time_ms: int) -> bool:
    """Whether a time is at most the allowed age before the block's, and at most the allowed lead after it."""
    return -context.terms.market.report_ahead_ms_max <= context.time_ms - time_ms <= terms.age_ms_max


def _fresh_surface(context: BlockContext, terms: SurfaceTerms) -> AgreedSurface | SurfaceCause:
    """The agreed surface of a group, or why there is none."""
    expiries, among = agreed_reports(
        _fresh_reports(context, terms), _listed_expiries(context, terms.group), context.block.total_power
    )
    if not expiries:
        return SurfaceCause.NO_QUORUM
    medians = median_quotes(expiries, among)
    if not is_within_bounds(medians, terms, context.terms.risk.rate_ppm, context.time_ms):
        return SurfaceCause.OUT_OF_BOUNDS
    before = context.state.surfaces.get(terms.group)
    known = before.expiries if before is not None and before.in_force else ()
    limited = limited_quotes(bounded_quotes(medians, terms), known, terms)
    quotes = corrected_quotes(limited, context.time_ms)
    return AgreedSurface(quotes, len(among), sum(report.power for report in among), quotes != limited)


def _listed_expiries(context: BlockContext, group: int) -> list[int]:
    """The expiries of a group that are reported on and ahead, rising."""
    listed = context.terms.quoted_expiries.get(group, ())
    return [each for each in listed if context.time_ms < each <= context.time_ms + TENOR_MAX_MS]


def _fresh_reports(context: BlockContext, terms: SurfaceTerms) -> list[WeightedSurface]:
    """All fresh reports, ordered by validator. Deletes those that are too old."""
    fresh = []
    for validator in range(len(attesting_set(context.state).validators)):
        report = context.state.surface_reports.get((terms.group, validator))
        if report is None:
            continue
        if _is_fresh(context, terms, report.time_ms):
            fresh.append(WeightedSurface(report.power, {quote.expiry_ms: quote for quote in report.expiries}))
        elif report.time_ms < context.time_ms:
            context.state.surface_reports.remove((terms.group, validator))
    return fresh


def _decide_surface(context: BlockContext, terms: SurfaceTerms, found: AgreedSurface | SurfaceCause) -> None:
    before = context.state.surfaces.get(terms.group)
    if isinstance(found, AgreedSurface):
        _apply_surface(context, terms.group, before, found)
    elif before is not None:
        _fall_back(context, terms, before, found)


def _apply_surface(context: BlockContext, group: int, before: SurfaceState | None, found: AgreedSurface) -> None:
    after = SurfaceState(found.quotes, context.time_ms)
    context.state.surfaces.put(group, after)
    moved = before is None or not before.in_force or living_quotes(before.expiries, context.time_ms) != found.quotes
    if moved:
        context.moved_surfaces.append(group)
        context.receipts.append(SurfaceApplied(group, found.quotes, found.reports, found.power, found.corrected))
    _report_status(context, group, before, after, SurfaceCause.AGREED)


def _fall_back(context: BlockContext, terms: SurfaceTerms, before: SurfaceState, cause: SurfaceCause) -> None:
    """One more block without a fresh surface."""
    since = before.since_height or context.block.height
    blocks = context.block.height - since
    kept = before.in_force and not _is_given_up(blocks, terms)
    after = msgspec.structs.replace(before, status=surface_status(blocks, terms), since_height=since, in_force=kept)
    if after != before:
        context.state.surfaces.put(terms.group, after)
    if after.in_force != before.in_force:
        context.moved_surfaces.append(terms.group)
    _report_status(context, terms.group, before, after, cause)


def _report_status(
    context: BlockContext, group: int, before: SurfaceState | None, after: SurfaceState, cause: SurfaceCause
) -> None:
    if before is None or (before.status, before.in_force) != (after.status, after.in_force):
        for instrument in context.terms.instruments.values():
            if instrument.is_option and instrument.group == group:  # calls may count them otherwise now
                context.touched_accounts.update(holders(context.state, INSTRUMENT_HOLDERS, instrument.id))
        context.receipts.append(
            SurfaceStatusChanged(group, after.status, after.in_force, cause, after.time_ms, after.since_height)
        )
