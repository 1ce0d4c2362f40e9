"""The devnet's live surfaces: their terms in genesis, and what each node reports beside the recorded prices.

Rule: the surfaces are SIMULATED, as the file's first line says. Every group with options, or with futures on the
curve, has one, for their expiries, which count from the time of genesis.
"""

from clearing.schema.terms.surfaces import SurfaceTerms
from devnet.market import CONFIGS, Market
from node.config_oracle import SurfaceConfig

SURFACES = CONFIGS / "surfaces-2020-03.csv"
GRACE_BLOCKS, KEEP_BLOCKS = 50, 600
INTERVAL_MS = 500
"""A recorded hour of the demonstration takes 1.25 seconds."""


def surface_terms(market: Market) -> tuple[SurfaceTerms, ...]:
    """Of each group that has expiries to report on, in the order of the groups' numbers; none where the file states
    `surfaces` itself."""
    if "surfaces" in market.terms:
        return ()
    return tuple(
        SurfaceTerms(group=number, sources_min=1, grace_blocks=GRACE_BLOCKS, keep_blocks=KEEP_BLOCKS)
        for number, _ in _quoted(market)
    )


def surface_configs(market: Market) -> tuple[SurfaceConfig, ...]:
    """The same groups as a node reports them."""
    return tuple(
        SurfaceConfig(name=name, group=number, feed=name, interval_ms=INTERVAL_MS) for number, name in _quoted(market)
    )


def _quoted(market: Market) -> list[tuple[int, str]]:
    """Number and feed of each group with options, or with futures that are marked off the curve."""
    on_curve = bool(market.risk.terms.get("futures_on_curve"))
    kinds = {"call", "put", *(("future", "forward") if on_curve else ())}
    quoted = {each.group for each in market.instruments if each.kind in kinds}
    return [(number, group.feed) for number, group in enumerate(market.groups, start=1) if group.name in quoted]
