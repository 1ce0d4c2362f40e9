"""Option values, greeks and risk arrays: ours beside plain numpy float64 and QuantLib.

Rule: every figure is checked against its peers before it is reported. QuantLib is called as from Python, one
option at a time: it has no vectorised interface. Plain numpy has no normal distribution; it is given both of what one
would write: the seven-digit polynomial of Abramowitz and Stegun 26.2.17, and `math.erfc` element by element.
"""

import math
import time

import numpy as np
import QuantLib

from benchmarks.figures import Figure, repeated
from clearing.pricing.black76 import option_greeks, option_values

COUNT = 100_000
THEIRS = 20_000
"""As many as QuantLib and `math.erfc` are asked for."""


def quotes(count: int) -> list[np.ndarray]:
    """Forward, strike, volatility, years, discount, is call."""
    rng = np.random.default_rng(3)
    forward = rng.uniform(1e5, 1e7, count)
    strike = forward * rng.uniform(0.5, 2.0, count)
    volatility, years = rng.uniform(0.2, 2.0, count), rng.uniform(0.001, 1.0, count)
    return [forward, strike, volatility, years, np.ones(count), rng.random(count) < 0.5]


def seven_digits(x: np.ndarray) -> np.ndarray:
    """Abramowitz and Stegun 26.2.17."""
    t = 1.0 / (1.0 + 0.2316419 * np.abs(x))
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    tail = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi) * series
    return np.where(x > 0, 1.0 - tail, tail)


def by_element(x: np.ndarray) -> np.ndarray:
    return np.array([0.5 * math.erfc(-each / math.sqrt(2.0)) for each in x.tolist()])


def naive(phi, forward, strike, volatility, years, discount, is_call) -> np.ndarray:
    """The formula as it is in the books."""
    deviation = volatility * np.sqrt(years)
    d1 = np.log(forward / strike) / deviation + deviation / 2
    d2 = d1 - deviation
    call = forward * phi(d1) - strike * phi(d2)
    return discount * np.where(is_call, call, call - forward + strike)


def quantlib(forward, strike, volatility, years, discount, is_call) -> list[float]:
    black, kinds = QuantLib.blackFormula, (QuantLib.Option.Put, QuantLib.Option.Call)
    deviations = (volatility * np.sqrt(years)).tolist()
    rows = zip(is_call.tolist(), strike.tolist(), forward.tolist(), deviations, discount.tolist(), strict=True)
    return [black(kinds[call], k, f, v, d) for call, k, f, v, d in rows]


def quantlib_greeks(forward, strike, volatility, years, discount, is_call) -> list[tuple[float, ...]]:
    found = []
    kinds = (QuantLib.Option.Put, QuantLib.Option.Call)
    deviations = (volatility * np.sqrt(years)).tolist()
    rows = (is_call.tolist(), strike.tolist(), forward.tolist(), deviations, discount.tolist(), years.tolist())
    for call, k, f, v, d, t in zip(*rows, strict=True):
        black = QuantLib.BlackCalculator(QuantLib.PlainVanillaPayoff(kinds[call], k), f, v, d)
        found.append((black.deltaForward(), black.gammaForward(), black.vega(t), black.theta(f, t)))
    return found


def rate(seconds: list[float], count: int, name: str, goal: str = "", peer: str = "") -> Figure:
    """Options a second, in millions."""
    speeds = [count / each / 1e6 for each in seconds]
    return Figure(name, float(np.median(speeds)), "M/s", min(speeds), max(speeds), goal, peer)


def figures(*, quick: bool = False) -> list[Figure]:
    """Prices and greeks a second."""
    columns, few = quotes(COUNT), [column[:THEIRS] for column in quotes(COUNT)]
    ours = option_values(*columns)
    # Neither of the two is right to 1e-9 of a small value: they subtract. So the check is against the forward.
    assert np.abs(ours - naive(seven_digits, *columns)).max() < 2e-7 * columns[0].max()
    assert np.abs(ours[:THEIRS] - naive(by_element, *few)).max() < 1e-13 * columns[0].max()
    assert np.abs(ours[:THEIRS] - quantlib(*few)).max() < 1e-13 * columns[0].max()
    turns = 5 if quick else 15
    plain = rate(repeated(lambda: naive(seven_digits, *columns), turns), COUNT, "")
    digits = rate(repeated(lambda: naive(by_element, *few), 3), THEIRS, "")
    theirs = rate(repeated(lambda: quantlib(*few), 3), THEIRS, "")
    peer = f"{plain.value:.1f} numpy, 7 digits; {digits.value:.2f} numpy, erfc; {theirs.value:.2f} QuantLib"
    greek = option_greeks(*few)
    compared = np.array(quantlib_greeks(*few)).T
    for mine, other in zip((greek.delta, greek.gamma, greek.vega), compared, strict=False):
        assert np.allclose(mine, other, rtol=1e-9, atol=1e-13 * np.abs(other).max())
    slow = rate(repeated(lambda: quantlib_greeks(*few), 2), THEIRS, "")
    found = [
        rate(
            repeated(lambda: option_values(*columns), turns), COUNT, f"option values, {COUNT:,} at once", ">= 10", peer
        ),
        rate(
            repeated(lambda: option_greeks(*columns), turns),
            COUNT,
            "their four greeks",
            "",
            f"{slow.value:.2f} QuantLib",
        ),
    ]
    small = quotes(1_320)
    found.append(rate(repeated(lambda: option_values(*small), 200), 1_320, "option values, 40 x 33 at once"))
    return found if quick else [*found, *steady(columns)]


def steady(columns: list[np.ndarray], seconds: float = 5.0) -> list[Figure]:
    """Prices without a pause: what is left when caches and clock rate have settled.

    By the clock, and by the processor time that was got: on a busy machine the clock tells how busy it is.
    """
    speeds: tuple[list[float], list[float]] = ([], [])
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        start, used = time.perf_counter(), time.process_time()
        for _ in range(10):
            option_values(*columns)
        speeds[0].append(10 * COUNT / (time.perf_counter() - start) / 1e6)
        speeds[1].append(10 * COUNT / (time.process_time() - used) / 1e6)
    name = f"option values, {seconds:.0f} s without a pause"
    return [
        Figure(what, float(np.median(found)), "M/s", min(found), max(found), ">= 10")
        for what, found in zip((name, "the same, of processor time"), speeds, strict=True)
    ]
