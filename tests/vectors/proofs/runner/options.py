"""Page "Options": values and volatilities, operation by operation."""

from collections.abc import Mapping, Sequence
from math import floor, frexp, ldexp, sqrt
from typing import Any, NamedTuple

from tests.vectors.proofs.runner import tables

PPM, YEAR, REFERENCE = 1_000_000, 31_536_000_000, 2_592_000_000
Record = Mapping[str, Any]


def poly(series: Sequence[float], x: float) -> float:
    value = series[-1]
    for coefficient in series[-2::-1]:
        value = value * x + coefficient
    return value


def exp(x: float) -> float:
    if x < -700.0:
        return 0.0
    x, of = min(x, 700.0), tables.constants()
    k = floor(x * of["LOG2_E"] + 0.5)
    r = (x - k * of["LN2_HIGH"]) - k * of["LN2_LOW"]
    return ldexp(poly(tables.series("exp"), r), k)


def twice_atanh(s: float) -> float:
    return (2.0 * s) * poly(tables.series("atanh"), s * s)


def log_ratio(h: float, low: float) -> float:
    of, q = tables.constants(), h / low
    if q < of["SQRT_TWO"]:
        return twice_atanh((h - low) / (h + low))
    m, e = frexp(q)
    if m < of["SQRT_HALF"]:
        m, e = m * 2.0, e - 1
    k = float(e)
    return k * of["LN2_HIGH"] + (k * of["LN2_LOW"] + twice_atanh((m - 1.0) / (m + 1.0)))


def log(x: float) -> float:
    return log_ratio(x, 1.0) if x >= 1.0 else -log_ratio(1.0, x)


def mills(x: float) -> float:
    t = (x - 4.0) / (x + 4.0)
    return poly(tables.series("mills"), t) / (1.0 + x)


def density(x: float) -> float:
    return tables.constants()["INVERSE_SQRT_TWO_PI"] * exp(-0.5 * (x * x))


def time_value(forward: float, strike: float, v: float) -> float:
    if v <= 0.0:
        return 0.0
    low, h = min(forward, strike), max(forward, strike)
    m = log_ratio(h, low) / v
    half = 0.5 * v
    a, b = half - m, half + m
    d = density(a)
    if v < 0.001:
        of_m = mills(m)
        first = m * of_m - 1.0
        third = 2.0 * first + m * (of_m + m * first)
        return low * (d * (-v * (first + (v * v / 24.0) * third)))
    near, far = mills(abs(a)), mills(b)
    if a > 0.0:
        return low * (1.0 - d * (near + far))
    return low * (d * (near - far))


class Carry(NamedTuple):
    """A forward of x + ⌊x · top / bottom⌋, at least 1, and the discount's rate."""

    top: int
    bottom: int
    rate_ppm: int

    def forward(self, x: int) -> int:
        return max(x + x * self.top // self.bottom, 1)


class Known(NamedTuple):
    """W, A, whole and left of an averaged option."""

    window: int
    weighted: int
    whole: int
    left: int


def forward_of(index: int, expiry_ms: int, rate_ppm: int, time_ms: int) -> int:
    return index + index * rate_ppm * max(expiry_ms - time_ms, 0) // (10**6 * 31_536_000_000)


def option_value(
    option: Record, is_call: bool, x: int, vol: int, carry: Carry, time_ms: int, known: Known | None = None
) -> int:
    left = max(option["expiry_ms"] - time_ms, 0)
    years = float(left) / float(YEAR)
    of_index = carry.forward(x)
    forward = float(settling_forward(known, of_index))
    strike = float(option["strike_ticks"])
    disc = 1.0 / max(1.0 + (float(carry.rate_ppm) / float(PPM)) * years, 0.5)
    v = float(max(vol, 10_000)) / float(PPM)
    if known is not None:
        v *= deviation_factor(known, of_index, option["expiry_ms"] - time_ms)
    v *= sqrt(max(years, 0.0))
    inner = max(forward - strike, 0.0) if is_call else max(strike - forward, 0.0)
    value = disc * (inner + time_value(forward, strike, v))
    return round(value * float(option["micros_per_tick"]))


# Options on an average.


def settling_forward(known: Known | None, f: int) -> int:
    return f if known is None else max((known.weighted + known.left * f) // known.whole, 1)


def deviation_factor(known: Known, f: int, tenor: int) -> float:
    if tenor <= 0:
        return 1.0
    if tenor >= known.window:
        return sqrt(float(3 * tenor - 2 * known.window) / float(3 * tenor))
    return (float(known.left * f) / float(known.whole * settling_forward(known, f))) * 0.5773502691896258


# Volatility.


def bounded(x: int) -> int:
    return min(max(x, 10_000), 1_000_000_000)


def log_moneyness(forward: float, strike: float) -> float:
    return log_ratio(strike, forward) if strike >= forward else -log_ratio(forward, strike)


Smile = tuple[float, float, float, float]
"""(years, w, open, tilt)."""


def pillar_smile(pillar: Record, vol: int, tenor: int) -> Smile:
    years = float(tenor) / float(YEAR)
    level = (float(vol) / float(PPM)) * (float(pillar["level_ppm"]) / float(PPM))
    w = (level * level) * years
    opening = (float(pillar["wing_ppm"]) / float(PPM)) * sqrt(w)
    return years, w, opening, (float(pillar["skew_ppm"]) / float(PPM)) * opening


def smile(pillars: Sequence[Record], vol: int, tenor: int) -> Smile:
    at = next((i for i, pillar in enumerate(pillars) if tenor <= pillar["tenor_ms"]), len(pillars))
    if at == 0 or at == len(pillars):
        return pillar_smile(pillars[0] if at == 0 else pillars[-1], vol, tenor)
    low, high = pillars[at - 1], pillars[at]
    near, far = (pillar_smile(pillar, vol, pillar["tenor_ms"]) for pillar in (low, high))
    part = float(tenor - low["tenor_ms"]) / float(high["tenor_ms"] - low["tenor_ms"])
    w, opening, tilt = (a + part * (b - a) for a, b in zip(near[1:], far[1:], strict=True))
    return float(tenor) / float(YEAR), w, opening, tilt


def option_volatility(group: Record, k: float, tenor: int) -> int:
    vol: int = group["volatility_ppm"]
    if not group["surface"] or tenor <= 0:
        return vol
    years, w, opening, tilt = smile(group["surface"], vol, tenor)
    reach, lean = opening * k, tilt * k
    root = sqrt(max(reach * reach + (2.0 * lean) * w + w * w, 0.0))
    variance = max(0.5 * ((w + lean) + root), 0.0)
    return bounded(round(sqrt(variance / years) * float(PPM)))


FLAT = {"tenor_ms": REFERENCE, "level_ppm": PPM, "skew_ppm": 0, "wing_ppm": 0}


def deviations(group: Record, k: float, tenor: int) -> float:
    if tenor <= 0:
        return 0.0
    _, w, _, _ = smile(group["surface"] or [FLAT], group["volatility_ppm"], tenor)
    return k / sqrt(w)


# Scenarios.


def term_factor(shock: Record, tenor: int) -> int:
    t = max(tenor, shock["tenor_min_ms"])
    power = shock["short_power_ppm"] if t <= REFERENCE else shock["long_power_ppm"]
    if power == 0:
        return PPM
    return round(exp((float(power) / float(PPM)) * log(float(REFERENCE) / float(t))) * float(PPM))


def up(a: int, b: int, c: int) -> int:
    """⌈a·b/c⌉."""
    return -(-a * b // c)


def scenario_volatility(group: Record, vol: int, from_money: float, tenor: int, scenario: Record) -> int:
    shock, size = group["shock"], group["volatility_range_ppm"]
    base = up(size, vol, PPM) if shock["relative"] else size
    higher = min(up(min(base, 10**9), term_factor(shock, tenor), PPM), 10**9)
    lower = up(higher, shock["down_ppm"], PPM)
    width = float(shock["skew_width_ppm"]) / float(PPM)
    z = min(max(from_money / width, -1.0), 1.0)
    linear, absolute = round(z * float(shock["skew_linear_ppm"])), round(abs(z) * float(shock["skew_absolute_ppm"]))
    stated = scenario["volatility_ppm"]
    apart = min(up(min(up(abs(stated), vol, PPM), 10**9), term_factor(shock, tenor), PPM), 10**9) if stated else 0
    moved = vol + apart if stated > 0 else vol - apart
    if scenario["volatility_direction"] == 1:
        moved = max(vol + higher, shock["up_floor_ppm"])
    elif scenario["volatility_direction"] == -1:
        moved = vol - lower
    share = PPM + scenario["skew_linear"] * linear + scenario["skew_absolute"] * absolute
    return bounded(bounded(moved) * share // PPM)
