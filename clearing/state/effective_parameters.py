"""Effective parameters: risk parameters, haircuts and the rulebook in force at a state.

Rule: published values where the state has them, otherwise the values of the terms. Every rule that needs risk
parameters or haircuts at a height reads them here. Reads only.
"""

import msgspec

from clearing.margin.statement.rulebook import VERSION, AverageSoFar, FeedLevel, MarkPrice, Rulebook
from clearing.pricing.arbitrage_free import without_arbitrage
from clearing.pricing.averages import Averages, listed_averages
from clearing.schema.records.prices import FeedStatus, PriceStatus
from clearing.schema.risk.live_surface import WHOLE_VOLATILITY_PPM, carries_of, living_quotes, pillars_of
from clearing.schema.risk.parameters import RiskGroup, RiskParameters
from clearing.schema.terms.assets import RATE_TIMES_MAX, Asset
from clearing.state.state import State


def effective_assets(state: State) -> tuple[Asset, ...]:
    """All collateral tokens, ordered by id, with the haircuts and rates in force: the input of risk arrays."""
    return tuple(effective_asset(state, token) for token in state.terms.tokens)


def effective_asset(state: State, token: Asset) -> Asset:
    """One collateral token of `Terms.tokens` with its haircut and rate in force."""
    haircut = state.haircuts.get(token.id)
    if haircut is None and not token.yields.feed and not token.scenarios.group:
        return token
    rate = state.feeds.get(token.yields.feed) if token.yields.feed else None
    priced = rate is not None and rate.status != FeedStatus.UNOPENED and rate.price_status != PriceStatus.SETTLED
    return msgspec.structs.replace(
        token,
        haircut_ppm=haircut.haircut_ppm if haircut else token.base_haircut_ppm,
        rate_ticks=min(rate.ticks, RATE_TIMES_MAX * token.yields.unit_ticks) if rate is not None and priced else 0,
    )


def effective_parameters(state: State) -> RiskParameters:
    """Genesis's risk parameters with the current ranges, volatilities and surfaces of every risk group, as of the time
    that options are valued at."""
    risk = state.terms.risk
    if not (state.terms.genesis.ranges.enabled or state.terms.surfaces):
        return risk
    groups = tuple(effective_risk_group(state, group, state.now.arrays_time_ms) for group in risk.groups)
    joint_scenarios, moves = state.joint_scenarios.get(0), state.historical_moves.get(0)
    return msgspec.structs.replace(
        risk,
        groups=groups,
        joint=joint_scenarios.credit if joint_scenarios else risk.joint,
        history=moves.requirement if moves else risk.history,
    )


def effective_risk_group(state: State, group: RiskGroup, time_ms: int | None = None) -> RiskGroup:
    """One risk group with the values in force; its live surface at `time_ms`, by default the block's time."""
    ranged = _ranged(state, group)
    agreed = state.surfaces.get(group.id) if group.id in state.terms.surfaces else None
    if agreed is None or not agreed.in_force:
        return ranged
    at_ms = state.now.time_ms if time_ms is None else time_ms
    quotes = living_quotes(agreed.expiries, at_ms)
    if not quotes:
        return ranged
    return msgspec.structs.replace(
        ranged,
        volatility_ppm=WHOLE_VOLATILITY_PPM,
        surface=without_arbitrage(pillars_of(quotes, at_ms), WHOLE_VOLATILITY_PPM),
        curve=carries_of(quotes),
    )


def _ranged(state: State, group: RiskGroup) -> RiskGroup:
    """One risk group with the published range and volatilities."""
    published = state.price_ranges.get(group.id)
    if published is None:
        return group
    return msgspec.structs.replace(
        group,
        range_ppm=published.range_ppm,
        volatility_ppm=published.volatility_ppm,
        volatility_range_ppm=published.volatility_range_ppm,
    )


def living_marks(state: State) -> dict[int, int]:
    """Marks in ticks by instrument, ordered, of all that is not settled: the input of risk arrays.

    No position in a settled instrument can exist, so its last mark values nothing. It is nobody's word either: it stays
    where it was when its feed opens again at another price, and no bound beside the index would fit it.
    """
    return {instrument: mark.ticks for instrument, mark in state.marks.ordered() if not mark.settled}


def current_rulebook(state: State) -> Rulebook:
    """Parameters, listing and prices in force, from which the snapshot's slots and rows follow."""
    names = {feed.id: feed.name for feed in state.terms.genesis.feeds}
    return Rulebook(
        version=VERSION,
        parameters=effective_parameters(state),
        instruments=tuple(state.terms.instruments.values()),
        cash_groups=state.terms.genesis.cash_groups,
        tokens=effective_assets(state),
        feeds=tuple(
            FeedLevel(feed, names[feed], feed_state.ticks, feed_state.price_status != PriceStatus.SETTLED)
            for feed, feed_state in state.feeds.ordered()
        ),
        marks=tuple(MarkPrice(instrument, ticks) for instrument, ticks in living_marks(state).items()),
        time_ms=state.now.arrays_time_ms,
        averages=averages_so_far(state),
    )


def averages_so_far(state: State) -> tuple[AverageSoFar, ...]:
    """What is covered of the averaging windows of options, by id, where the parameters count it: whatever extends an
    average values options anew in the same block."""
    if not state.terms.risk.averaged_options:
        return ()
    options = {each.id for each in state.terms.instruments.values() if each.is_option}
    return tuple(
        AverageSoFar(instrument, average.weighted_ticks, average.covered_ms)
        for instrument, average in state.settlement_averages.ordered()
        if instrument in options and average.covered_ms
    )


def known_averages(state: State) -> Averages:
    """The averages of all options that settle at one: the input of risk arrays and marks."""
    covered = {
        each.instrument: (int.from_bytes(each.weighted_ticks, "big"), each.covered_ms)
        for each in averages_so_far(state)
    }
    return listed_averages(state.terms.genesis.instruments, covered, enabled=state.terms.risk.averaged_options)
