"""`clean`: what of a venue's quotes may be fitted, or why none of it.

Rule: pure. Every quote that is left out is counted under its reason; a source's flaw is the first rule that it fails,
in a fixed order. Only options at or out of the money are used: the others repeat them by parity, with wider spreads.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log, sqrt

import numpy as np

from clearing.base.units import PPM, YEAR_MS
from clearing.pricing.black76 import greeks
from node.config_oracle import SurfaceConfig
from node.oracle.guard import Flaw
from node.oracle.option_quotes import OptionChain, OptionQuote
from node.oracle.source import OracleCode
from node.oracle.surfaces.forwards import Forward, forward_of
from node.oracle.surfaces.quantised import years_until
from node.oracle.surfaces.smiles import SmileQuotes

TENOR_MS_MIN = 2 * 3_600_000
"""A nearer expiry is left out: the rulebook's shortest smile has an hour."""
TENOR_MS_MAX = 5 * YEAR_MS
EXPIRIES_MAX = 16
QUOTES_MAX = 120
"""Of an expiry, the nearest to the money: a venue cannot make a fit long."""
VOLATILITY_MIN = 0.02
DEVIATIONS_MAX = 4.0
"""Out of the money. What is farther says nothing but the smallest price of the venue."""
HALF_WIDTH_MIN = 0.0025
"""In volatility. A quote is not taken for better than that."""
MARK_ONLY = 0.1
"""Half-width of a quote without two sides, of its volatility."""
BROKEN = ("crossed", "negative", "absurd")


@dataclass(frozen=True, slots=True)
class CleanExpiry:
    """Usable quotes of one expiry. `forward_ratio`: over the index; `at_money`: volatility of the nearest strikes."""

    expiry_ms: int
    forward_ratio: float
    forward: Forward
    quotes: SmileQuotes
    at_money: float


@dataclass(frozen=True, slots=True)
class CleanChain:
    """Usable expiries, rising, and how many quotes were left out for which reason."""

    time_ms: int
    expiries: tuple[CleanExpiry, ...]
    left_out: Counter[str]

    @property
    def used(self) -> int:
        """Quotes that may be fitted."""
        return sum(each.quotes.moneyness.size for each in self.expiries)


def clean(
    chain: OptionChain, arrived_ms: int, feed_index: float | None, config: SurfaceConfig, now_ms: int
) -> CleanChain | Flaw:
    """`feed_index`: of the surface's feed at this node, None without a value. Forwards are measured from the venue's
    own index where it has one, which must be near to the feed's."""
    if (flaw := _time_flaw(chain, arrived_ms, config, now_ms)) is not None:
        return flaw
    index = chain.index if chain.index is not None and chain.index > 0.0 else feed_index
    if index is None:
        return Flaw(OracleCode.INDEX_MISSING)
    if feed_index is not None and abs(index / feed_index - 1.0) * PPM > config.basis_ppm_max:
        return Flaw(OracleCode.FORWARD_FAR, f"its index is {index:.10g}, the feed {feed_index:.10g}")
    left_out: Counter[str] = Counter()
    expiries = tuple(_expiries(chain, index, config, now_ms, left_out))
    return _judged(CleanChain(min(chain.time_ms, arrived_ms), expiries, left_out), config)


def _time_flaw(chain: OptionChain, arrived_ms: int, config: SurfaceConfig, now_ms: int) -> Flaw | None:
    if chain.time_ms > now_ms + config.skew_ms_max:
        return Flaw(OracleCode.CLOCK_SKEWED, f"{chain.time_ms - now_ms} ms ahead")
    age = now_ms - min(chain.time_ms, arrived_ms)
    return Flaw(OracleCode.SOURCE_STALE, f"{age} ms old") if age > config.age_ms_max else None


def _judged(found: CleanChain, config: SurfaceConfig) -> CleanChain | Flaw:
    counts, used = found.left_out, found.used
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    if sum(counts[reason] for reason in BROKEN) > used:
        return Flaw(OracleCode.QUOTES_BROKEN, reasons)
    if not found.expiries and counts["forward"]:
        return Flaw(OracleCode.FORWARD_FAR, reasons)
    if used < config.quotes_min:
        return Flaw(OracleCode.QUOTES_TOO_FEW, f"{used} usable; {reasons}" if reasons else f"{used} usable")
    return found


def _expiries(
    chain: OptionChain, index: float, config: SurfaceConfig, now_ms: int, left_out: Counter[str]
) -> Iterator[CleanExpiry]:
    of_expiry: dict[int, list[OptionQuote]] = {}
    for quote in chain.options:
        of_expiry.setdefault(quote.expiry_ms, []).append(quote)
    found = 0
    for expiry_ms, options in sorted(of_expiry.items()):
        if found == EXPIRIES_MAX or not TENOR_MS_MIN <= expiry_ms - now_ms <= TENOR_MS_MAX:
            left_out["expiry"] += len(options)
            continue
        futures = [quote for quote in chain.futures if quote.expiry_ms == expiry_ms]
        forward = forward_of(options, futures, index, is_inverse=chain.is_inverse)
        years = years_until(expiry_ms, now_ms)
        if forward is None or abs(forward.price / index - 1.0) * PPM > config.basis_ppm_max * (1.0 + years):
            left_out["forward"] += len(options)
            continue
        quotes = _quotes(options, forward.price, years, chain, config, left_out)
        if quotes.moneyness.size:
            nearest = np.argsort(np.abs(quotes.moneyness), kind="stable")[:3]
            at_money = float(np.median(quotes.volatility[nearest]))
            found += 1
            yield CleanExpiry(expiry_ms, forward.price / index, forward, quotes, at_money)


def _quotes(
    options: Sequence[OptionQuote],
    forward: float,
    years: float,
    chain: OptionChain,
    config: SurfaceConfig,
    left_out: Counter[str],
) -> SmileQuotes:
    rows: list[tuple[float, float, float]] = []
    unit = forward if chain.is_inverse else 1.0
    for quote in options:
        if quote.strike <= 0.0:
            left_out["absurd"] += 1
            continue
        moneyness = log(quote.strike / forward)
        if (moneyness < 0.0) == quote.is_call and moneyness != 0.0:
            left_out["in the money"] += 1
            continue
        read = _volatility(quote, forward, unit, years)
        reason = read if isinstance(read, str) else _misfit(*read, moneyness, years, config)
        if reason:
            left_out[reason] += 1
        elif not isinstance(read, str):
            rows.append((moneyness, *read))
    rows.sort(key=lambda row: (abs(row[0]), row))
    left_out.update({"surplus": len(rows) - QUOTES_MAX} if len(rows) > QUOTES_MAX else {})
    columns = np.array(sorted(rows[:QUOTES_MAX]), dtype=np.float64).reshape(-1, 3)
    return SmileQuotes(years, columns[:, 0], columns[:, 1], columns[:, 2])


def _volatility(quote: OptionQuote, forward: float, unit: float, years: float) -> tuple[float, float] | str:
    """Volatility and its half-width, or why there is none: of volatilities of both sides, else of mark and prices."""
    sides = (quote.bid_volatility, quote.ask_volatility, quote.bid, quote.ask, quote.mark_volatility)
    if any(each is not None and each < 0.0 for each in sides):
        return "negative"
    bid, ask, mark = quote.bid_volatility or 0.0, quote.ask_volatility or 0.0, quote.mark_volatility or 0.0
    if bid and ask:
        if bid > ask:
            return "crossed"
        inside = bid <= mark <= ask
        return (mark if inside else (bid + ask) / 2.0), max((ask - bid) / 2.0, HALF_WIDTH_MIN)
    low, high = (quote.bid or 0.0) * unit, (quote.ask or 0.0) * unit
    if low and high and low >= high:
        return "crossed"
    if not mark:
        return "empty"
    if not low or not high:
        return mark, max(MARK_ONLY * mark, HALF_WIDTH_MIN)
    if mark < VOLATILITY_MIN:
        return "absurd"
    vega = greeks(forward, quote.strike, mark, years, 1.0, quote.is_call).vega
    if vega <= 1e-9 * forward:
        return "far"
    return mark, max((high - low) / 2.0 / vega, HALF_WIDTH_MIN)


def _misfit(volatility: float, half_width: float, moneyness: float, years: float, config: SurfaceConfig) -> str:
    """Why a volatility is not fitted; empty: it is."""
    if not VOLATILITY_MIN <= volatility <= config.volatility_ppm_max / PPM:
        return "absurd"
    if half_width * PPM > config.spread_ppm_max * volatility:
        return "wide"
    return "far" if abs(moneyness) > DEVIATIONS_MAX * volatility * sqrt(years) else ""
