"""Every file under configs/examples/margin, run through the command line and held to its figures."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from lab.models.numbers import exact_rational

EXAMPLES = Path(__file__).resolve().parents[3] / "configs/examples/margin"


def result_of(name: str, capsys: pytest.CaptureFixture[str]) -> Any:
    assert run(["margin", "run", str(EXAMPLES / f"{name}.json")]) == 0
    return json.loads(capsys.readouterr().out)


def levels(result: Any, account: str) -> dict[str, Any]:
    found = next(each for each in result["accounts"] if each["account"] == account)
    return {each["level"]: each for each in found["levels"]}


def required(result: Any, account: str) -> dict[str, Fraction]:
    return {name: exact_rational(each["requirement"]) for name, each in levels(result, account).items()}


def excess(result: Any, account: str) -> dict[str, Fraction]:
    return {name: exact_rational(each["excess"]) for name, each in levels(result, account).items()}


def amounts(result: Any, account: str) -> dict[str, Fraction]:
    found = next(each for each in result["accounts"] if each["account"] == account)
    return {each["name"]: exact_rational(each["amount"]) for each in found["terms"]}


def rules(result: Any) -> dict[str, Any]:
    return {each["name"]: each for each in result["rules"]}


def test_c01_slippage_plus_factor(capsys):
    result = result_of("c01-slippage-plus-factor", capsys)
    assert required(result, "trader") == {"maintenance": 5565, "search": 6121, "initial": 6678, "release": 7791}


def test_c02_slippage_on_the_position_and_factor_on_the_worse_side(capsys):
    result = result_of("c02-slippage-with-orders", capsys)
    assert required(result, "trader") == {"maintenance": 25460, "search": 28006, "initial": 30552, "release": 35644}


def test_c05_disposal_in_steps(capsys):
    disposal = rules(result_of("c05-disposal-steps", capsys))["disposal"]
    assert disposal["steps"] == ["100", "90", "45", "45"]


def test_c06_margin_fraction_rounds_up(capsys):
    result = result_of("c06-margin-fraction", capsys)
    assert required(result, "first") == {"initial": 70_030}
    assert required(result, "second") == {"initial": 1}


def test_c07_open_interest_raises_the_fraction(capsys):
    result = result_of("c07-open-interest-scaled-fraction", capsys)
    assert required(result, "trader") == {"initial": 135_697}


def test_c08_bankruptcy_price(capsys):
    assert rules(result_of("c08-bankruptcy-price", capsys))["bankruptcy"]["units"] == 4_501_000_000


def test_c09_span_covered_write(capsys):
    result = result_of("c09-span-covered-write", capsys)
    scan = result["accounts"][0]["terms"][0]["parts"][0]
    assert (scan["worst_loss"], scan["worst_scenario"]) == ("6620", 13)


def test_c10_spreads_and_credit(capsys):
    result = result_of("c10-span-spreads-and-credit", capsys)
    for account in ("positions", "told"):
        assert amounts(result, account) == {"scan": 10_000, "calendar": 300, "credit": -6400}
        assert required(result, account) == {"initial": 3900}


def test_c11_option_grid_engine(capsys):
    result = result_of("c11-option-grid-perpetual", capsys)
    assert excess(result, "trader") == {"initial": -608, "maintenance": Fraction("-481.40")}
    assert amounts(result, "trader")["grid"] == 558
    assert len(result["scans"][0]["scenarios"]) == 33


@pytest.mark.parametrize(
    ("name", "instrument", "value"),
    [
        ("c12-black76-at-the-money", "X-C", 82.805080668634559515),
        ("c13-black76-discounted", "X-C", 0.137082128426579297),
        ("c13-black76-discounted", "X-P", 199.972766103166719631),
    ],
)
def test_c12_and_c13_black76(name, instrument, value, capsys):
    prices = {each["instrument"]: each["price"] for each in result_of(name, capsys)["instruments"]}
    assert float(exact_rational(prices[instrument])) == pytest.approx(value, rel=1e-9)


def test_c20_liquidation_size(capsys):
    sizes = {name: each["units"] for name, each in rules(result_of("c20-liquidation-size", capsys)).items()}
    assert sizes == {"token at 0.99": 1_010_101_010, "token at 1.01": 990_099_009, "with fees": 1_250_000_000}


def test_a_perpetual_counts_unpaid_gain_and_funding(capsys):
    result = result_of("instrument-perpetual", capsys)
    assert required(result, "long") == {"initial": 9009, "maintenance": Fraction("7207.2")}
    assert exact_rational(levels(result, "long")["initial"]["equity"]) == 10_000 + Fraction("1.5") * 2060 - Fraction(
        "12.5"
    )
    prices = {each["account"]: each for each in result["liquidation_prices"]}
    # equity 10,000 + 1.5 (1.001 p - 58,000) - 12.5 meets 0.8 x 0.1 x 1.5 x 1.001 p at 55,750.409
    assert (prices["long"]["below"], prices["long"]["above"]) == ("55750.4", None)
    # equity 12,000 - 1.5 (1.001 p - 58,000) + 12.5 meets the same at 61,057.769
    assert (prices["short"]["below"], prices["short"]["above"]) == (None, "61057.77")


def test_futures_offset_and_pay_for_the_calendar_spread(capsys):
    result = result_of("instrument-future", capsys)
    assert required(result, "outright")["initial"] == 2 * 60_500 * Fraction("0.12")
    assert amounts(result, "calendar") == {"scan": 2 * 1000 * Fraction("0.12"), "calendar": 500}


def test_an_option_that_no_scenario_reaches_still_costs_its_minimum(capsys):
    result = result_of("instrument-option", capsys)
    assert required(result, "far")["initial"] == 10 * 3000 * Fraction("0.02")
    assert amounts(result, "strangle")["short option minimum"] == 0
    assert required(result, "covered")["initial"] > 0


def test_a_forward_counts_its_unpaid_gain_and_spot_its_value(capsys):
    result = result_of("instrument-forward", capsys)
    assert levels(result, "forward")["initial"]["equity"] == "1021.4"
    assert required(result, "forward")["initial"] == Fraction("600.24")
    assert excess(result, "hedged")["initial"] == 6100


def test_collateral_counts_after_every_haircut(capsys):
    result = result_of("collateral-haircuts", capsys)
    values = {each["collateral"]: each["values"] for each in result["accounts"][0]["collateral"]}
    assert values["WBTC"] == {"initial": "104550", "maintenance": "108240"}
    assert values["stETH"] == {"initial": "12022.56", "maintenance": "12022.56"}
    # -500 + 12,022.56 + 2.05 x 0.88 p + 3 (p - 90,000) meets 0.8 x 0.1 x 3 p at 56,633.9702: the collateral falls too
    assert result["liquidation_prices"][0]["below"] == "56633.97"


def test_span_in_full(capsys):
    result = result_of("model-span", capsys)
    assert amounts(result, "spreader") == {
        "scan": 4800 + 4800,
        "near against far": 4 * 40,
        "credit": -Fraction("0.6") * (4 * 1200 + 6 * 400),
        "short option minimum": 0,
    }
    assert required(result, "spreader") == {"maintenance": 5440, "initial": 5984}


def test_slippage_is_bounded_by_the_exit_price_and_auctions_count_order_prices(capsys):
    result = result_of("model-slippage", capsys)
    trading = next(each for each in result["accounts"][0]["terms"] if each["name"] == "trading")["parts"][0]
    assert (trading["long"]["slippage_by_factor"], trading["long"]["slippage"]) == ("280", "120")
    assert amounts(result, "trader") == {"trading": 1440, "auction": Fraction("111.4")}


def test_open_interest_raises_initial_margin_only(capsys):
    result = result_of("model-open-interest", capsys)
    assert required(result, "trader") == {"initial": 3600, "maintenance": 450}
    found = rules(result)
    assert found["size"]["units"] == 66_666_666_666
    assert found["fillable"]["value"] == "150.25"
    assert found["bankrupt"]["value"] == "-6080"
    assert result["liquidation_prices"][0]["below"] == "142.7631"


def test_options_by_formula_cost_by_strike_and_nothing_when_long(capsys):
    result = result_of("model-option-formula", capsys)
    # call: 0.5 x max(9,000 - 2,000, 6,000); put: 2 x max(9,000 - 10,000, 6,000)
    assert required(result, "writer") == {"initial": 3500 + 12_000, "maintenance": Fraction("2.5") * 4500}
    assert required(result, "buyer") == {"initial": 0, "maintenance": 0}
    assert excess(result, "buyer")["initial"] > 10_000


def test_joint_scenarios_replace_a_part_of_the_sum(capsys):
    result = result_of("model-groups-and-joint-scenarios", capsys)
    assert amounts(result, "book") == {
        "scan": 2250,
        "credit": Fraction("0.8") * ((1750 + 500) / 2 - 2250),
        "impact": 20 + 60 + 580,
        "contingency": Fraction("112.5"),
        "concentration": 50,
    }


def test_every_example_is_executed():
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_*examples*.py")]
    missing = [each.stem for each in sorted(EXAMPLES.glob("*.json")) if not any(f'"{each.stem}"' in t for t in texts)]
    assert missing == []
