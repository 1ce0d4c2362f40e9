"""Values and greeks beside QuantLib, software of others that prices the same formula."""

import itertools

import pytest
import QuantLib

from clearing.pricing import black76
from clearing.pricing.black76 import greeks

FORWARD, DISCOUNT = 812_345.0, 0.98
GRID = tuple(
    itertools.product(
        (0.3, 0.6, 0.8, 0.95, 0.999, 1.0, 1.001, 1.05, 1.25, 1.7, 3.0),
        (0.1, 0.3, 0.8, 1.5, 4.0),
        (1e-4, 1 / 365, 7 / 365, 0.25, 1.0, 3.0),
        (True, False),
    )
)
"""strike/forward, volatility, years, call."""

RELATIVE = 1e-9
FLOOR = 1e-6 * FORWARD
"""QuantLib subtracts two products that are near the forward, each rounded: what is smaller has fewer right digits. The
grid against 300-bit arithmetic in `test_black76` has no such floor."""


def kind(*, is_call: bool) -> int:
    return int(QuantLib.Option.Call if is_call else QuantLib.Option.Put)


@pytest.mark.parametrize("is_call", [True, False])
def test_values_agree_with_quantlib(is_call):
    compared = 0
    for ratio, volatility, years, call in GRID:
        if call is not is_call:
            continue
        strike = FORWARD * ratio
        theirs = QuantLib.blackFormula(kind(is_call=call), strike, FORWARD, volatility * years**0.5, DISCOUNT)
        ours = (black76.call if call else black76.put)(FORWARD, strike, volatility, years, DISCOUNT)
        assert ours == pytest.approx(theirs, rel=RELATIVE, abs=RELATIVE * FLOOR)
        compared += theirs > FLOOR
    assert compared > 200


def test_greeks_agree_with_quantlib():
    for ratio, volatility, years, call in GRID:
        strike = FORWARD * ratio
        payoff = QuantLib.PlainVanillaPayoff(kind(is_call=call), strike)
        black = QuantLib.BlackCalculator(payoff, FORWARD, volatility * years**0.5, DISCOUNT)
        ours = greeks(FORWARD, strike, volatility, years, DISCOUNT, call)
        assert ours.delta == pytest.approx(black.deltaForward(), rel=RELATIVE, abs=1e-12)
        assert ours.gamma == pytest.approx(black.gammaForward(), rel=RELATIVE, abs=1e-12 / FORWARD)
        assert ours.vega == pytest.approx(black.vega(years), rel=RELATIVE, abs=1e-12 * FORWARD)
        # QuantLib's theta lets the discount run; at a spot that is the forward discounted it is ours plus rate x value.
        plain = QuantLib.BlackCalculator(payoff, FORWARD, volatility * years**0.5, 1.0)
        kept = greeks(FORWARD, strike, volatility, years, 1.0, call)
        assert kept.theta == pytest.approx(plain.theta(FORWARD, years), rel=1e-7, abs=1e-9 * FORWARD)


def test_the_worked_cases_c12_and_c13_hold_in_both():
    week = 604_800 / (365 * 86_400)
    theirs = QuantLib.blackFormula(kind(is_call=True), 1500.0, 1500.0, week**0.5, 1.0)
    assert theirs == pytest.approx(82.805080668634559515, rel=RELATIVE)
    thirty = (1000.0, 1200.0, 0.25, 30 / 365, 0.9991784198737)
    for is_call, expected in ((True, 0.137082128426579297), (False, 199.972766103166719631)):
        theirs = QuantLib.blackFormula(kind(is_call=is_call), 1200.0, 1000.0, 0.25 * (30 / 365) ** 0.5, thirty[4])
        assert theirs == pytest.approx(expected, rel=RELATIVE)
        assert (black76.call if is_call else black76.put)(*thirty) == pytest.approx(expected, rel=1e-12)
