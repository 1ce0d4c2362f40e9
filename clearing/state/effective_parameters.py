"""Effective parameters: risk parameters, haircuts and the rulebook in force at a state.

Rule: published values where the state has them, otherwise the values of the terms. Every rule that needs risk
parameters or haircuts at a height reads them here. Reads only.
"""

import msgspec

from clearing.margin.statement.rulebook import VERSION, FeedLevel, MarkPrice, Rulebook
from clearing.schema.records.prices import FeedStatus, PriceStatus
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
    """Genesis's risk parameters with the current ranges and volatilities of every risk group."""
    risk = state.terms.risk
    if not state.terms.genesis.ranges.enabled:
        return risk
    groups = tuple(effective_risk_group(state, group) for group in risk.groups)
    joint_scenarios = state.joint_scenarios.get(0)
    return msgspec.structs.replace(risk, groups=groups, joint=joint_scenarios.credit if joint_scenarios else risk.joint)


def effective_risk_group(state: State, group: RiskGroup) -> RiskGroup:
    """One risk group with the values in force."""
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
    )
