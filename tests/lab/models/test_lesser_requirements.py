"""The lesser of two requirements: a loss that is bounded is never charged beyond its bound."""

import json
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.schema.codes import ClearingCode
from lab.models.numbers import exact_rational
from lab.runs.margin import margin_run, read_margin_run
from tests.kit.refusals import refused

PRICES = [Fraction(percent, 100) for percent in range(-100, 201, 5)]
BOUNDED = {
    "kind": "scan",
    "name": "largest loss at expiry",
    "points": [{"price": str(move), "volatility": -1} for move in PRICES],
    "ranges": [{"price": 1, "volatility_down": 1, "volatility_up": 0}],
    "volatility_moves": "relative",
}
PLAIN = {"kind": "option_formula", "name": "plain", "upper": "0.15", "lower": "0.1"}
CHARGE = {"kind": "per_size", "name": "charge", "amount": 1}
LESSER = {
    "kind": "lesser",
    "name": "lesser",
    "alternatives": [{"terms": ["largest loss at expiry"]}, {"terms": ["plain", "charge"]}],
}
TERMS = [BOUNDED, PLAIN, CHARGE, LESSER]
STRIKES = (80, 90, 100, 110, 120)


def run(positions: dict[str, int], terms: list[Any] = TERMS) -> Any:
    listed = [
        {"id": f"{kind}{strike}", "kind": kind, "group": "X", "strike": strike, "seconds_to_expiry": 2_592_000}
        for kind in ("call", "put")
        for strike in STRIKES
    ]
    file = {
        "format": "crossclear.margin.v1",
        "portfolio": {
            "groups": [{"id": "X", "price": 100, "volatility": "0.6"}],
            "instruments": listed,
            "accounts": [{"id": "a", "positions": [{"instrument": of, "size": n} for of, n in positions.items()]}],
        },
        "model": {"terms": terms, "levels": [{"name": "initial"}]},
    }
    return margin_run(read_margin_run(json.dumps(file).encode()))["accounts"][0]


def amounts(result: Any) -> dict[str, Fraction]:
    return {term["name"]: exact_rational(term["amount"]) for term in result["terms"]}


def test_a_vertical_spread_costs_its_width_and_a_naked_option_the_plain_charge():
    """100 less 90 is lost at most, of which the premium is in equity; a naked put costs 15 % and the charge."""
    spread = run({"put100": -1, "put90": 1})
    found = amounts(spread)
    net = exact_rational(spread["position_value"])
    assert found["lesser"] == found["largest loss at expiry"] == 10 + net < found["plain"] + found["charge"]
    naked = run({"call100": -1})
    assert amounts(naked)["lesser"] == 16
    assert [level["requirement"] for level in naked["levels"]] == ["16"]


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.sampled_from([f"{k}{s}" for k in ("call", "put") for s in STRIKES]), st.integers(-9, 9)))
def test_the_lesser_is_no_more_than_each_alternative_and_counts_alone(book):
    result = run(book)
    found = amounts(result)
    least = min(found["largest loss at expiry"], found["plain"] + found["charge"])
    assert found["lesser"] == least
    assert exact_rational(result["levels"][0]["requirement"]) - least < Fraction(1, 10**6)


def test_an_alternative_names_earlier_terms_of_groups():
    fixed = {"kind": "amount", "name": "fixed", "amount": 1}
    for terms in (
        [BOUNDED, LESSER, PLAIN, CHARGE],
        [BOUNDED, PLAIN, CHARGE, LESSER | {"alternatives": LESSER["alternatives"][:1]}],
        [BOUNDED, fixed, LESSER | {"alternatives": [{"terms": ["fixed"]}, {"terms": ["largest loss at expiry"]}]}],
        [BOUNDED, PLAIN, LESSER | {"alternatives": [{"terms": []}, {"terms": ["plain"]}]}],
    ):
        with refused(ClearingCode.BAD_MODEL):
            run({"call100": -1}, terms)


def test_a_scenario_may_count_more_than_once():
    scan = {"kind": "scan", "name": "scan", "points": [{"price": "0.1", "weight": "1.5"}]}
    once = amounts(run({"call100": -2}, [scan | {"points": [{"price": "0.1"}]}]))["scan"]
    assert amounts(run({"call100": -2}, [scan]))["scan"] == once * Fraction(3, 2)
    with refused(ClearingCode.BAD_MODEL):
        run({"call100": -2}, [scan | {"points": [{"price": "0.1", "weight": 11}]}])
