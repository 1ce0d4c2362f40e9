"""`at_listed`: a surface at the expiries that the network lists, which are those that validators agree on.

Rule: between the expiries that were fitted, the rulebook's own interpolation, so freedom from arbitrage is kept;
forward and rate are linear in time. Before the first the forward begins at the index, beyond the last it keeps its
carry, as in the state machine.
"""

from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np

from clearing.base.units import PPM, YEAR_MS
from clearing.pricing.surface import smile_at
from clearing.schema.blocks.block import SURFACE_EXPIRIES_MAX, ExpiryQuote, SurfaceReport
from clearing.schema.risk.volatility_surface import TENOR_MIN_MS
from clearing.state.state import State
from node.oracle.surfaces.quantised import EARLIER_MS, pillars_of, quantised
from node.oracle.surfaces.smiles import FittedSmile

PPB = 10**9
TENOR_MAX_MS = 10 * YEAR_MS


def listed_expiries(state: State) -> Mapping[int, tuple[int, ...]]:
    """The expiries to report on that are ahead, rising, by risk group; a group without any is left out."""
    quoted, now_ms = state.terms.quoted_expiries, state.now.time_ms
    ahead = {group: tuple(each for each in listed if each > now_ms) for group, listed in quoted.items()}
    return {group: listed for group, listed in ahead.items() if listed}


def at_listed(report: SurfaceReport, listed: Sequence[int], now_ms: int) -> SurfaceReport | None:
    """The report at the first `SURFACE_EXPIRIES_MAX` of these expiries (rising) that are ahead; None without any.

    An expiry that was reported keeps its quote where that passes beside the others. One within its last hour has the
    smile of an hour before it, which the state machine keeps.
    """
    known = [quote for quote in report.expiries if quote.expiry_ms > now_ms]
    ahead = [each for each in listed if now_ms < each <= now_ms + TENOR_MAX_MS][:SURFACE_EXPIRIES_MAX]
    if not known or not ahead:
        return None
    smiles = [_smile(known, expiry_ms, now_ms) for expiry_ms in ahead]
    carried = [(expiry_ms, *_carry(known, expiry_ms, now_ms)) for expiry_ms in ahead]
    late = sum(expiry_ms - now_ms <= TENOR_MIN_MS + EARLIER_MS for expiry_ms in ahead)
    last_hour = [_plain(smile, carry) for smile, carry in zip(smiles[:late], carried[:late], strict=True)]
    expiries = (*last_hour, *quantised(smiles[late:], carried[late:], now_ms))
    return SurfaceReport(report.group, report.time_ms, report.sources, expiries)


def _smile(known: Sequence[ExpiryQuote], expiry_ms: int, now_ms: int) -> FittedSmile:
    """Of the rulebook, at a volatility of 100 %."""
    for quote in known:
        if quote.expiry_ms == expiry_ms:
            level, skew, wing = quote.level_ppm / PPM, quote.skew_ppm / PPM, quote.wing_ppm / PPM
            break
    else:
        smile = smile_at(pillars_of(known, now_ms), PPM, max(expiry_ms - now_ms, TENOR_MIN_MS))
        level, wing = sqrt(smile.at_money / smile.years), smile.opening / sqrt(smile.at_money)
        skew = smile.tilt / smile.opening if smile.opening else 0.0
    years = (expiry_ms - now_ms) / YEAR_MS
    return FittedSmile(years, level, skew, wing, has_own_shape=True, error=0.0, used=0, quotes=0)


def _carry(known: Sequence[ExpiryQuote], expiry_ms: int, now_ms: int) -> tuple[int, int]:
    times = [0, *(quote.expiry_ms - now_ms for quote in known)]
    at = expiry_ms - now_ms
    forwards = [PPB, *(quote.forward_ppb for quote in known)]
    rates = [known[0].rate_ppm, *(quote.rate_ppm for quote in known)]
    rate = round(float(np.interp(at, times, rates)))
    if at > times[-1]:
        return max(PPB + (forwards[-1] - PPB) * at // times[-1], 1), rate
    return max(round(float(np.interp(at, times, forwards))), 1), rate


def _plain(smile: FittedSmile, carry: tuple[int, int, int]) -> ExpiryQuote:
    return ExpiryQuote(*carry, round(smile.level * PPM), round(smile.skew * PPM), round(smile.wing * PPM))
