"""Every file under configs/examples/settle, run through the command line and held to its figures."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from lab.models.numbers import exact_rational

EXAMPLES = Path(__file__).resolve().parents[3] / "configs/examples/settle"


def steps(name: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run(["settle", "run", str(EXAMPLES / f"{name}.json")]) == 0
    return {each["name"]: each for each in json.loads(capsys.readouterr().out)["steps"]}


def shares(step: dict[str, Any]) -> list[Fraction]:
    return [exact_rational(each["amount"]) for each in step["shares"]]


def payments(step: dict[str, Any]) -> dict[str, Fraction]:
    return {each["account"]: exact_rational(each["amount"]) for each in step["payments"]}


def test_c03_the_last_bears_the_remainder(capsys):
    share = steps("c03-gains-beyond-what-was-collected", capsys)["share"]
    assert shares(share) == [50, 5030]
    assert share["shortages"][1]["short"] == "2970"
    assert share["sum"] == "5080"


def test_c04_hardly_anything_is_shared(capsys):
    assert shares(steps("c04-hardly-anything-collected", capsys)["share"]) == [124, 1]


def test_c14_ewma_variance(capsys):
    assert steps("c14-ewma-variance", capsys)["variance"]["variance"] == "0.000526"


def test_c15_filtered_historical_simulation(capsys):
    found = steps("c15-filtered-historical-simulation", capsys)
    assert found["rescaled"]["returns"] == ["-0.06", "0.03", "-0.045", "0.03", "0.06"]
    assert found["shortfall"]["expected_shortfall"] == "52.5"


def test_c16_default_fund_size(capsys):
    fund = steps("c16-default-fund-size", capsys)["fund"]
    assert (fund["size"], fund["cover_2"]) == ("160", "200")


def test_c17_waterfall(capsys):
    last = steps("c17-waterfall", capsys)["waterfall"]["layers"][-1]
    assert last["borne"] == "1500"
    assert shares(last) == [750, 500, 250]


def test_c18_gains_haircut(capsys):
    haircut = steps("c18-gains-haircut", capsys)["haircut"]
    assert (shares(haircut), haircut["sum"]) == ([9049, 6033, 251], "15333")


def test_c19_remainders_go_to_the_largest_fraction_then_the_first(capsys):
    assert shares(steps("c19-remainders", capsys)["split"]) == [34, 33, 33]


def test_variation_margin_pays_carried_positions_and_trades(capsys):
    day = steps("variation-margin", capsys)["day"]
    trade = Fraction("0.5") * Fraction("22.5")
    assert payments(day) == {"alice": 1025 - trade, "bob": -1025, "carol": trade}
    assert day["sum"] == "0"


def test_funding_follows_the_premium_beyond_the_dampener(capsys):
    found = steps("perpetual-funding", capsys)
    # (150 x 0.002 + 50 x 0.001) / (200 + 50), of which half after one window
    assert (found["premium"]["premium_ppb"], found["premium"]["mark"]) == (700_000, "3002.1")
    assert found["funding"]["rate"] == "0.0002"
    assert payments(found["funding"]) == {"alice": -6, "bob": Fraction("4.38"), "carol": Fraction("1.62")}


def test_options_are_exercised_at_the_time_averaged_price(capsys):
    found = steps("option-expiry", capsys)
    assert found["average"]["price"] == "3118.16"
    assert payments(found["call"]) == {"holder": Fraction("590.8"), "writer": Fraction("-590.8")}
    assert (found["put"]["exercised"], payments(found["put"])) == (False, {"holder": 0, "writer": 0})


def test_a_future_is_paid_from_its_last_mark_and_a_forward_from_its_own(capsys):
    found = steps("future-expiry", capsys)
    assert [each["counted_ms"] for each in found["average"]["parts"]] == [20_000, 30_000, 10_000]
    assert payments(found["future"]) == {"alice": 57, "bob": -57}
    assert payments(found["forward"]) == {"alice": -100, "bob": 100}
    legs = {each["account"]: (each["underlying"], each["cash"]) for each in found["forward"]["delivery"]}
    assert legs == {"alice": ("-1", "60100"), "bob": ("1", "-60100")}


def test_moving_an_inventory_out_of_balance_costs_and_back_earns(capsys):
    found = steps("cash", capsys)
    assert (found["unbalancing"]["fee"], found["balancing"]["fee"]) == ("15", "-5")
    assert shares(found["interest"]) == [Fraction("5.479452"), Fraction("-0.548055")]
    assert sum(shares(found["interest"])) + exact_rational(found["interest"]["house"]) == 0


def test_a_haircut_is_its_parts_rounded_up_to_the_step(capsys):
    token = steps("haircut", capsys)["stETH"]
    # 9.15 % + 2 % + 0.31 % = 11.46 %, so 12 %
    assert (token["haircut"], token["before"]) == ("0.12", "43125")
    assert exact_rational(token["value"]) == 43_125 * Fraction("0.99") * Fraction("0.88")


def test_an_outlier_does_not_move_the_median(capsys):
    price = steps("price-median", capsys)["price"]
    assert (price["price"], price["dropped"]) == ("3001", [6])


def test_every_example_is_executed_here():
    text = Path(__file__).read_text()
    assert [each.stem for each in sorted(EXAMPLES.glob("*.json")) if f'"{each.stem}"' not in text] == []
