"""Haircuts in force: collateral tokens as risk arrays count them at a state.

Rule: genesis where nothing moves, what `clearing.collateral.haircut_parts` noted where it does. Whoever asks what a
token counts for asks here. Reads only.
"""

import msgspec

from clearing.assets import RATE_TIMES_MAX, Asset
from clearing.prices.receipts import FeedStatus, Rung
from clearing.state.state import State


def effective_assets(state: State) -> tuple[Asset, ...]:
    """All collateral tokens, ordered by id, with the haircuts and rates in force: what risk arrays are built from."""
    return tuple(effective_asset(state, token) for token in state.terms.tokens)


def effective_asset(state: State, token: Asset) -> Asset:
    """One collateral token of `Terms.tokens` with its haircut and rate in force."""
    held = state.haircuts.get(token.id)
    if held is None and not token.yields.feed:
        return token
    rate = state.feeds.get(token.yields.feed) if token.yields.feed else None
    priced = rate is not None and rate.status != FeedStatus.UNOPENED and rate.rung != Rung.SETTLED
    return msgspec.structs.replace(
        token,
        haircut_ppm=held.haircut_ppm if held else token.haircut_ppm,
        rate_ticks=min(rate.ticks, RATE_TIMES_MAX * token.yields.unit_ticks) if rate is not None and priced else 0,
    )
