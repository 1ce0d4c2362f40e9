"""The devnet's live surfaces: their terms in genesis, and what each node reports beside the recorded prices.

Rule: the surfaces are SIMULATED, as the file's first line says. Every group with options has one, for the expiry of the
market's options, which counts from the time of genesis.
"""

from clearing.schema.terms.surfaces import SurfaceTerms
from devnet.market import CONFIGS, Market
from node.config_oracle import SurfaceConfig

SURFACES = CONFIGS / "surfaces-2020-03.csv"
GRACE_BLOCKS, KEEP_BLOCKS = 50, 600
INTERVAL_MS = 500
"""A recorded hour of the demonstration takes 1.25 seconds."""


def surface_terms(market: Market) -> tuple[SurfaceTerms, ...]:
    """Of each group that has options, in the order of the groups' numbers."""
    return tuple(
        SurfaceTerms(group=number, sources_min=1, grace_blocks=GRACE_BLOCKS, keep_blocks=KEEP_BLOCKS)
        for number, _ in _with_options(market)
    )


def surface_configs(market: Market) -> tuple[SurfaceConfig, ...]:
    """The same groups as a node reports them."""
    return tuple(
        SurfaceConfig(name=name, group=number, feed=name, interval_ms=INTERVAL_MS)
        for number, name in _with_options(market)
    )


def _with_options(market: Market) -> list[tuple[int, str]]:
    """Number and feed of each such group."""
    written = {each.group for each in market.instruments if each.strike_ticks}
    return [(number, group.feed) for number, group in enumerate(market.groups, start=1) if group.name in written]
