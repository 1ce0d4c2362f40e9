"""`fitted_report`: one group's report out of the usable quotes of its sources.

Rule: each source counts the same at an expiry, however many quotes it has there; the forward is the median of theirs.
"""

from collections import Counter
from collections.abc import Sequence
from math import isfinite, sqrt
from statistics import median

import numpy as np

from clearing.base.units import PPM
from clearing.schema.blocks.block import SURFACE_EXPIRIES_MAX, ExpiryQuote, SurfaceReport
from node.config_oracle import SurfaceConfig
from node.oracle.surfaces.chain_guard import CleanChain, CleanExpiry
from node.oracle.surfaces.quantised import quantised
from node.oracle.surfaces.smiles import FittedSmile, SmileQuotes, fit_smiles

PPB = 10**9


def fitted_report(
    config: SurfaceConfig, chains: Sequence[CleanChain], now_ms: int, before: Sequence[ExpiryQuote] = ()
) -> tuple[SurfaceReport, tuple[FittedSmile, ...], Counter[str]]:
    """The report, its smiles, and the ways in which forwards were found. `before`: the last report's, to begin from.

    Raises ValueError, ArithmeticError or LinAlgError of the solver, and ValueError for a solution that is no number.
    """
    of_expiry: dict[int, list[CleanExpiry]] = {}
    for chain in chains:
        for each in chain.expiries:
            of_expiry.setdefault(each.expiry_ms, []).append(each)
    nearest = sorted(of_expiry.items())[:SURFACE_EXPIRIES_MAX]
    smiles = fit_smiles([_pooled(parts) for _, parts in nearest], _start(before, [each for each, _ in nearest]))
    if not all(isfinite(value) for smile in smiles for value in (smile.level, smile.skew, smile.wing)):
        raise ValueError("the fit found no numbers")
    carried = [(expiry_ms, *_carry(config, parts)) for expiry_ms, parts in nearest]
    ways = Counter[str](each.forward.way for _, parts in nearest for each in parts)
    time_ms = min(chain.time_ms for chain in chains)
    report = SurfaceReport(config.group, time_ms, len(chains), quantised(smiles, carried, now_ms))
    return report, smiles, ways


def _pooled(parts: Sequence[CleanExpiry]) -> SmileQuotes:
    sizes = [each.quotes.moneyness.size for each in parts]
    widths = [each.quotes.half_width * sqrt(size / min(sizes)) for each, size in zip(parts, sizes, strict=True)]
    return SmileQuotes(
        parts[0].quotes.years,
        np.concatenate([each.quotes.moneyness for each in parts]),
        np.concatenate([each.quotes.volatility for each in parts]),
        np.concatenate(widths),
    )


def _start(before: Sequence[ExpiryQuote], expiries: Sequence[int]) -> list[tuple[float, float, float]] | None:
    """The smiles of the last report, if it has all of these expiries and is not flat."""
    known = {quote.expiry_ms: quote for quote in before if quote.wing_ppm}
    if not known.keys() >= set(expiries):
        return None
    found = [known[each] for each in expiries]
    return [(quote.level_ppm / PPM, quote.skew_ppm / PPM, quote.wing_ppm / PPM) for quote in found]


def _carry(config: SurfaceConfig, parts: Sequence[CleanExpiry]) -> tuple[int, int]:
    """Forward over index in 10^-9, and the rate in ppm within its bounds; both rounded half to even."""
    ratio, years = median(each.forward_ratio for each in parts), parts[0].quotes.years
    discounts = [each.forward.discount for each in parts if each.forward.discount is not None]
    if config.rate == "fixed":
        rate_ppm = config.rate_ppm
    elif config.rate == "parity" and discounts:
        rate_ppm = round((1.0 / median(discounts) - 1.0) / years * PPM)
    else:
        rate_ppm = round((ratio - 1.0) / years * PPM)
    bound = config.rate_ppm_max
    return max(round(ratio * PPB), 1), min(max(rate_ppm, -bound), bound)
