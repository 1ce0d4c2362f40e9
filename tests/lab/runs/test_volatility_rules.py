"""Volatilities and discounts of options: their order in a scenario, and one discount for each expiry."""

import json
from typing import Any

import msgspec
import pytest

from clearing.base.errors import LocalFault
from clearing.margin.risk_arrays.reference_arrays import scenario_volatility
from clearing.schema.codes import ClearingCode
from clearing.schema.risk.parameters import Scenario
from clearing.schema.risk.price_ranges import RangeParameters, check_range_parameters
from clearing.schema.risk.volatility_surface import VolPillar, VolShock
from lab.runs.margin import margin_run, read_margin_run
from tests.kit.lab.run_files import ROOT
from tests.kit.margin.books import BTC
from tests.kit.refusals import refused

PAGE = (ROOT / "docs/explanation/option-pricing.md").read_text()
DAYS_30 = 2_592_000
POINT = {"price": 0, "volatility": 1, "skew": "linear_down"}
SCAN = {
    "kind": "scan",
    "name": "scan",
    "points": [POINT],
    "ranges": [{"price": 0, "volatility_up": "0.1"}],
    "volatility_min": "0.5",
    "skew": {"linear_cap": "0.2", "width": "0.01"},
}


def call(name: str, **more: Any) -> dict[str, Any]:
    plain = {"id": name, "kind": "call", "group": "X", "strike": 150, "seconds_to_expiry": DAYS_30, "volatility": "0.2"}
    return plain | more


def run(*options: Any, rate: Any = 0) -> Any:
    file = {
        "format": "crossclear.margin.v1",
        "portfolio": {
            "groups": [{"id": "X", "price": 100, "rate": rate}],
            "instruments": options,
            "accounts": [{"id": "a", "positions": [{"instrument": each["id"], "size": -1} for each in options]}],
        },
        "model": {"terms": [SCAN], "levels": [{"name": "maintenance"}]},
    }
    return margin_run(read_margin_run(json.dumps(file).encode()))


def test_the_floor_applies_before_the_skew_in_a_scan_as_in_the_network():
    """20 % moves up to 30 %, is at least 50 %, and the skew takes a fifth of that: 40 %."""
    result = run(call("C"), call("at 40 %", volatility="0.4", strike="150.0"))
    moved = result["scans"][0]["prices"]["C"]
    assert moved == [next(each["price"] for each in result["instruments"] if each["instrument"] == "at 40 %")]
    group = msgspec.structs.replace(
        BTC,
        volatility_range_ppm=100_000,
        shock=VolShock(up_floor_ppm=500_000, skew_linear_ppm=200_000, skew_width_ppm=100_000),
    )
    scenario = Scenario(0, 1, 1, skew_linear=-1)
    assert scenario_volatility(group, 200_000, 5.0, DAYS_30 * 1000, scenario) == 400_000
    steps = [
        "moves up or down",
        "`up_floor_ppm`",
        "within 1 %",
        "the skew multiplies it",
        "within 1 % and 100,000 % again",
    ]
    order = PAGE.index("A volatility in a scenario is computed in this order")
    for step in steps:
        order = PAGE.index(step, order)


def test_options_of_one_expiry_have_one_discount():
    with refused(ClearingCode.BAD_PORTFOLIO, at="portfolio.instruments[1].discount"):
        run(call("C"), call("D", discount="0.99"))
    with refused(ClearingCode.BAD_PORTFOLIO, at="portfolio.instruments[1].discount"):
        run(call("C", discount="0.98"), call("D", discount="0.99"))


def test_one_discount_may_be_stated_or_follow_from_the_rate():
    stated = call("D", discount="1/2", seconds_to_expiry=365 * 86_400)
    assert run(call("C", seconds_to_expiry=365 * 86_400), stated, call("E", discount="0.99"), rate=1)


def test_a_surface_moves_by_vote_only_as_its_page_says():
    group = msgspec.structs.replace(BTC, surface=(VolPillar(86_400_000, 1_000_000),))
    with pytest.raises(LocalFault) as fault:
        check_range_parameters(RangeParameters(interval_ms=3_600_000, volatility_weight_ppm=1), [group])
    assert fault.value.at == "ranges.volatility_weight_ppm"
    assert f"genesis refuses `{fault.value.at}` above 0 beside a surface" in " ".join(PAGE.split())
