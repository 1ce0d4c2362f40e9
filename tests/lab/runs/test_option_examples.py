"""Options of run files against QuantLib, and the option grid against a second, plain computation in floats."""

import json
from fractions import Fraction
from math import exp, log, sqrt
from pathlib import Path
from typing import Any

import pytest
import QuantLib as Ql

from lab.models.numbers import exact_rational, printed
from lab.runs.margin import margin_run, read_margin_run

EXAMPLES = Path(__file__).resolve().parents[3] / "configs/examples/margin"
YEAR = 365 * 86_400
SPOT = 3000.0


def run(name: str) -> Any:
    return margin_run(read_margin_run((EXAMPLES / f"{name}.json").read_bytes()))


def real(text: str) -> float:
    return float(exact_rational(text))


def black(kind: str, strike: float, forward: float, volatility: float, years: float, discount: float) -> float:
    option = Ql.Option.Call if kind == "call" else Ql.Option.Put
    return float(Ql.blackFormula(option, strike, forward, volatility * sqrt(years), discount))


@pytest.mark.parametrize("name", ["instrument-option", "model-option-grid", "c12-black76-at-the-money"])
def test_prices_agree_with_quantlib(name: str) -> None:
    file = json.loads((EXAMPLES / f"{name}.json").read_text())
    strikes = {each["id"]: each.get("strike", 0) for each in file["portfolio"]["instruments"]}
    for each in run(name)["instruments"]:
        if each["kind"] in ("call", "put"):
            numbers = [real(each[field]) for field in ("forward", "volatility", "years", "discount")]
            expected = black(each["kind"], strikes[each["instrument"]], *numbers)
            assert real(each["price"]) == pytest.approx(expected, rel=1e-9, abs=1e-11)


def test_the_scan_of_a_strangle_agrees_with_quantlib() -> None:
    losses = run("instrument-option")["accounts"][0]["terms"][0]["parts"][0]["losses"]
    years, rate, volatility = 30 / 365, 0.05, 0.6
    legs = [("call", 3500.0), ("put", 2500.0)]

    def value(move: float, direction: int) -> float:
        forward, discount = SPOT * (1 + move) * (1 + rate * years), 1 / (1 + rate * years)
        moved = volatility + direction * 0.15
        return -10 * sum(black(kind, strike, forward, moved, years, discount) for kind, strike in legs)

    moves = [0, 1 / 30, -1 / 30, 2 / 30, -2 / 30, 0.1, -0.1]
    expected = [value(0, 0) - value(move, direction) for move in moves for direction in (1, -1)]
    expected += [(value(0, 0) - value(move, 0)) * 0.35 for move in (0.2, -0.2)]
    assert [real(each) for each in losses] == pytest.approx(expected, abs=1e-7)


def second_opinion() -> list[float]:
    """Losses of "model-option-grid" by scenario, the basis last, out of the formulas of the reference page."""
    rate = 0.05
    options = [("call", 3000.0, 7 / 365, 10.0), ("put", 2700.0, 30 / 365, -5.0)]

    def smile(strike: float, years: float) -> float:
        moneyness = log(strike / (SPOT * (1 + rate * years)))
        near = 0.65 - 0.1 * moneyness + 0.5 * moneyness**2
        far = 0.60 - 0.05 * moneyness + 0.2 * moneyness**2
        share = (years * 365 - 7) / 53
        return near if share == 0 else sqrt((near**2 * 7 * (1 - share) + far**2 * 60 * share) / (years * 365))

    def value(option: tuple[str, float, float, float], move: float, times: float) -> float:
        kind, strike, years, size = option
        forward = SPOT * (1 + move) * (1 + rate * years)
        return size * black(kind, strike, forward, smile(strike, years) * times, years, 1 / (1 + rate * years))

    def loss(move: float, times: Any, weight: float, *, skewed: bool = False) -> float:
        total = 4 * 3003.0 * move * weight
        for option in options:
            then = value(option, move, times(option))
            then *= 0.97 * exp(-0.05 * option[2]) if then >= 0 else 1.0
            gain = (then - value(option, 0, 1)) * weight
            total -= -abs(gain) if skewed else gain
        return total

    def volatility(direction: int) -> Any:
        size = 0.45 if direction > 0 else 0.3
        return lambda option: 1 + direction * size * (30 / (option[2] * 365)) ** 0.3

    def skew(cap: float, *, absolute: bool) -> Any:
        def times(option: tuple[str, float, float, float]) -> float:
            moneyness = log(option[1] / (SPOT * (1 + rate * option[2])))
            part = (abs(moneyness) if absolute else moneyness) * cap / 0.4
            return 1 + min(max(part, -abs(cap)), abs(cap))

        return times

    quarters = (0, 0.25, -0.25, 0.5, -0.5, 0.75, -0.75, 1, -1)
    losses = [loss(0.18 * move, volatility(direction), 1) for move in quarters for direction in (1, 0, -1)]
    losses += [loss(move, volatility(1), 0.036 / abs(move)) for move in (-0.66, 3.0)]
    for cap, absolute in ((0.25, False), (-0.25, False), (0.2, True), (-0.2, True)):
        losses.append(loss(0, skew(cap, absolute=absolute), 1, skewed=True))
    basis = 0.0
    for option in options:
        moved = min(0.0, *(value(option, move, 1) - value(option, 0, 1) for move in (0.05, -0.05)))
        basis -= moved * (0.25 + 0.01 * option[2])
    return [*losses, basis]


def test_the_option_grid_agrees_with_a_second_computation() -> None:
    result = run("model-option-grid")
    scan = result["accounts"][0]["terms"][0]["parts"][0]
    expected = second_opinion()
    assert [real(each) for each in (*scan["losses"], scan["basis"])] == pytest.approx(expected, abs=1e-6)
    assert real(scan["worst_loss"]) == pytest.approx(max(expected), abs=1e-6)
    levels = {each["level"]: real(each["requirement"]) for each in result["accounts"][0]["levels"]}
    naked, perpetual = 0.01 * SPOT * 5, 4 * SPOT
    assert levels["initial"] == pytest.approx(max(expected) + 0.02 * perpetual + naked, abs=2e-6)
    assert levels["maintenance"] == pytest.approx(0.8 * max(expected) + 0.015 * perpetual + naked, abs=2e-6)


def test_the_ends_of_each_band_are_the_last_uncovered_cents() -> None:
    found = run("model-option-grid")["liquidation_prices"][0]
    file = json.loads((EXAMPLES / "model-option-grid.json").read_text())

    def excess(price: str) -> float:
        moved = json.loads(json.dumps(file))
        factor = exact_rational(price) / 3000
        moved["portfolio"]["groups"][0]["price"] = price
        moved["portfolio"]["instruments"][0]["mark"] = f"{(3003 * factor).numerator}/{(3003 * factor).denominator}"
        moved["portfolio"]["accounts"][0]["positions"][0]["entry"] = 3003
        moved["liquidation_prices"] = []
        levels = margin_run(read_margin_run(json.dumps(moved).encode()))["accounts"][0]["levels"]
        return next(real(each["excess"]) for each in levels if each["level"] == "maintenance")

    low, dip = ([exact_rational(band[end]) for end in ("lowest", "highest")] for band in found["short_of_margin"])
    assert low[0] == 0
    for price, step in ((low[1], 1), (dip[0], -1), (dip[1], 1)):
        assert excess(printed(price)) < 0 <= excess(printed(price + Fraction(step, 100)))
    assert exact_rational(found["below"]) == dip[1] < 3000
    assert (found["above"], found["complete"]) == (None, False)
    assert "may be more" in found["statement"]
