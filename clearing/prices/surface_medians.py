"""The agreed surface of one risk group from validators' reports: medians of parameters, limited, free of arbitrage.

Rule: integers, pure. In this order:

1. An expiry is agreed when the reports that quote it and every nearer agreed expiry are a quorum. These reports, the
   same at every expiry, are what medians are taken of.
2. Forward, rate, level, skew and wing of an expiry are stake-weighted lower medians, each by itself.
3. A surface with a level or forward beyond the bounds of the terms is not used; other values count as the bound.
4. No value changes by more than the terms allow in one block.
5. What is left that allows arbitrage is corrected (`clearing.pricing.arbitrage_free`).

Medians of parameters, not of whole reports: a report is as wrong as its worst value, and a liar may state one that is
near the others in all but one. Liars with less than half of the stake behind step 1 move no median out of the range of
honest values: so do those with less than a third of all stake. Levels need no correction for it, because variance at
the money that does not fall in any report does not fall in medians of the same reports. A correction moves skew and
wing only towards those of nearer expiries, which are within honest ranges too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from clearing.base.units import PPM
from clearing.prices.index_prices import lower_median
from clearing.pricing.arbitrage_free import without_arbitrage
from clearing.schema.risk.live_surface import PPB, WHOLE_VOLATILITY_PPM, ExpiryQuote, pillars_of
from clearing.schema.terms.instruments import forward_ticks
from clearing.schema.terms.surfaces import SurfaceTerms

PPB_PER_PPM = PPB // PPM


@dataclass(frozen=True, slots=True)
class WeightedSurface:
    """One validator's report: its stake, and its quotes by expiry."""

    power: int
    quotes: dict[int, ExpiryQuote]


def agreed_reports(
    reports: Sequence[WeightedSurface], listed: Iterable[int], total_power: int
) -> tuple[tuple[int, ...], tuple[WeightedSurface, ...]]:
    """The agreed expiries among those `listed` (rising), and the reports that quote all of them."""
    agreed: list[int] = []
    among = tuple(reports)
    for expiry_ms in listed:
        quoting = tuple(report for report in among if expiry_ms in report.quotes)
        if 3 * sum(report.power for report in quoting) > 2 * total_power:
            agreed.append(expiry_ms)
            among = quoting
    return tuple(agreed), among


def median_quotes(expiries: Sequence[int], reports: Sequence[WeightedSurface]) -> tuple[ExpiryQuote, ...]:
    """Each value's lower median by stake, expiry by expiry. Every report must quote every expiry."""
    return tuple(
        ExpiryQuote(
            expiry_ms,
            *(
                lower_median((getattr(report.quotes[expiry_ms], field), report.power) for report in reports)
                for field in ("forward_ppb", "rate_ppm", "level_ppm", "skew_ppm", "wing_ppm")
            ),
        )
        for expiry_ms in expiries
    )


def is_within_bounds(quotes: Iterable[ExpiryQuote], terms: SurfaceTerms, carry_ppm: int, time_ms: int) -> bool:
    """Whether every level and forward is within the bounds; `carry_ppm` is the rate of the index's carry."""
    return all(
        terms.level_min_ppm <= quote.level_ppm <= terms.level_max_ppm
        and _is_near_carry(quote, terms.basis_max_ppm, carry_ppm, time_ms)
        for quote in quotes
    )


def _is_near_carry(quote: ExpiryQuote, basis_max_ppm: int, carry_ppm: int, time_ms: int) -> bool:
    carried = forward_ticks(PPB, quote.expiry_ms, carry_ppm, time_ms)
    return abs(quote.forward_ppb - carried) * PPM <= carried * basis_max_ppm


def bounded_quotes(quotes: Iterable[ExpiryQuote], terms: SurfaceTerms) -> tuple[ExpiryQuote, ...]:
    """Rates, skews and wings at most the terms' bounds."""
    return tuple(
        msgspec.structs.replace(
            quote,
            rate_ppm=_within(quote.rate_ppm, 0, terms.rate_max_ppm),
            skew_ppm=_within(quote.skew_ppm, 0, terms.skew_max_ppm),
            wing_ppm=min(quote.wing_ppm, terms.wing_max_ppm),
        )
        for quote in quotes
    )


def limited_quotes(
    quotes: Iterable[ExpiryQuote], before: Iterable[ExpiryQuote], terms: SurfaceTerms
) -> tuple[ExpiryQuote, ...]:
    """Each value at most one block's change away from that of the same expiry `before`; a new expiry has no limit."""
    known = {quote.expiry_ms: quote for quote in before}
    return tuple(
        _limited(quote, known[quote.expiry_ms], terms) if quote.expiry_ms in known else quote for quote in quotes
    )


def _limited(quote: ExpiryQuote, was: ExpiryQuote, terms: SurfaceTerms) -> ExpiryQuote:
    level_step = max(was.level_ppm * terms.level_change_ppm // PPM, 1)
    return ExpiryQuote(
        quote.expiry_ms,
        forward_ppb=_within(quote.forward_ppb, was.forward_ppb, terms.carry_change_ppm * PPB_PER_PPM),
        rate_ppm=_within(quote.rate_ppm, was.rate_ppm, terms.carry_change_ppm),
        level_ppm=_within(quote.level_ppm, was.level_ppm, level_step),
        skew_ppm=_within(quote.skew_ppm, was.skew_ppm, terms.shape_change_ppm),
        wing_ppm=_within(quote.wing_ppm, was.wing_ppm, terms.shape_change_ppm),
    )


def _within(value: int, centre: int, distance: int) -> int:
    return min(max(value, centre - distance), centre + distance)


def corrected_quotes(quotes: Sequence[ExpiryQuote], time_ms: int) -> tuple[ExpiryQuote, ...]:
    """The quotes with levels, skews and wings that are free of arbitrage at a time; `quotes` are living."""
    pillars = pillars_of(quotes, time_ms)
    corrected = without_arbitrage(pillars, WHOLE_VOLATILITY_PPM)
    if corrected == pillars:
        return tuple(quotes)
    # of several expiries within the last hour only the last has a pillar, which all of them share
    shared = len(quotes) - len(pillars)
    smiles = (corrected[0],) * shared + corrected
    return tuple(
        msgspec.structs.replace(quote, level_ppm=smile.level_ppm, skew_ppm=smile.skew_ppm, wing_ppm=smile.wing_ppm)
        for quote, smile in zip(quotes, smiles, strict=True)
    )
