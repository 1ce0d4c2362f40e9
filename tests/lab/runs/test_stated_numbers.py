"""What a margin file must state, how it may write numbers, how much it may list, and which defaults are safe."""

import json
from typing import Any

import pytest

from clearing.base.errors import BaseCode
from lab.models.numbers import plain_decimal
from lab.runs.margin import margin_run, read_margin_run
from lab.runs.waterfall import read_waterfall_run, waterfall_run
from tests.kit.refusals import refused

SCAN = {"kind": "scan", "name": "scan", "grid": "span16", "ranges": [{"price": "0.1", "volatility_up": "0.2"}]}
MAINTENANCE = [{"name": "maintenance"}]
DAYS_30 = 2_592_000
CALL = {"id": "C", "kind": "call", "group": "X", "strike": 110, "seconds_to_expiry": DAYS_30}
GROUP = {"id": "X", "price": 100, "volatility": "0.6"}


def run(terms: list[Any], group: Any, *instruments: Any, text: str = "", **account: Any) -> Any:
    """One account with one short lot of each instrument."""
    positions = [{"instrument": each["id"], "size": -1} for each in instruments]
    portfolio = {
        "groups": [group],
        "instruments": list(instruments),
        "accounts": [{"id": "a", "cash": 10, "positions": positions} | account],
    }
    file = {"format": "crossclear.margin.v1", "portfolio": portfolio, "model": {"terms": terms, "levels": MAINTENANCE}}
    return margin_run(read_margin_run((text or json.dumps(file)).encode()))


def without(of: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in of.items() if name not in names}


PERPETUAL = {"id": "P", "kind": "perpetual", "group": "X"}
FUTURE = {"id": "F", "kind": "future", "group": "X"}
NAKED = {"kind": "per_size", "name": "naked", "count": "naked_short", "amount": 1}
CALENDAR = {"kind": "calendar", "name": "calendar", "group": "X", "charge": 1}
FRACTION = {"kind": "fraction", "name": "fraction", "fraction": "0.1"}
LISTED = {"id": "L", "kind": "call", "group": "X", "scanning": [-1, 1]}
GIVEN_SCAN = {"kind": "scan", "name": "scan"}


@pytest.mark.parametrize(
    ("terms", "group", "instrument", "at"),
    [
        ([SCAN], without(GROUP, "price"), CALL, "portfolio.groups[0].price"),
        ([SCAN], without(GROUP, "volatility"), CALL, "portfolio.instruments[0].volatility"),
        ([SCAN], GROUP, without(CALL, "seconds_to_expiry"), "portfolio.instruments[0].seconds_to_expiry"),
        ([SCAN], GROUP | {"rate": "0.1"}, FUTURE, "portfolio.instruments[0].seconds_to_expiry"),
        ([CALENDAR], GROUP, FUTURE, "portfolio.instruments[0].seconds_to_expiry"),
        ([GIVEN_SCAN, CALENDAR], GROUP, LISTED | {"tier": "near"}, "portfolio.instruments[0].seconds_to_expiry"),
        ([GIVEN_SCAN, NAKED], GROUP, LISTED, "portfolio.instruments[0].seconds_to_expiry"),
        ([GIVEN_SCAN, FRACTION], without(GROUP, "price"), LISTED, "portfolio.groups[0].price"),
        (
            [FRACTION],
            without(GROUP, "price"),
            {"id": "P", "kind": "perpetual", "group": "X"},
            "portfolio.groups[0].price",
        ),
    ],
)
def test_a_number_that_is_used_and_missing_is_refused_with_its_path(terms, group, instrument, at):
    with refused(BaseCode.MALFORMED, at=at):
        run(terms, group, instrument)


def test_a_number_that_is_not_used_may_be_missing():
    assert run([GIVEN_SCAN], {"id": "X"}, LISTED)["accounts"][0]["levels"][0]["requirement"] == "1"
    assert run([SCAN], GROUP, FUTURE)["accounts"][0]["levels"][0]["requirement"] == "10"
    marked = CALL | {"mark": 3}
    formula = {"kind": "option_formula", "name": "formula", "upper": "0.15", "lower": "0.1"}
    unused = without(marked, "seconds_to_expiry"), without(GROUP, "volatility")
    assert run([formula], unused[1], unused[0])["accounts"][0]["levels"][0]["requirement"] == "10"


def test_zero_counts_where_it_is_stated():
    """At expiry, and without volatility, an option is worth what it is in the money."""
    expired = CALL | {"strike": 90, "seconds_to_expiry": 0}
    still = CALL | {"strike": 90, "volatility": 0}
    for option in (expired, still):
        result = run([SCAN | {"ranges": [{"price": "0.1"}]}], without(GROUP, "volatility"), option)
        assert result["instruments"][0]["price"] == "10"
        assert result["accounts"][0]["levels"][0]["requirement"] == "10"


def test_a_literal_with_an_exponent_is_taken_by_its_digits():
    """Python and JavaScript write 0.000001 as 1e-06 and 1e-6."""
    for literal, requirement in (("1e-06", "0.0001"), ("2.5E-1", "25"), ("1e0", "100")):
        term = '{"kind": "fraction", "name": "f", "fraction": ' + literal + "}"
        text = (
            '{"format": "crossclear.margin.v1", "model": {"terms": [' + term + '], "levels": [{"name": "initial"}]},'
            '"portfolio": {"groups": [{"id": "X", "price": 1e2}], "instruments": [{"id": "P", "kind": "perpetual",'
            '"group": "X"}], "accounts": [{"id": "a", "positions": [{"instrument": "P", "size": 1}]}]}}'
        )
        assert run([], {}, text=text)["accounts"][0]["levels"][0]["requirement"] == requirement
        with refused(BaseCode.MALFORMED, at="portfolio.groups[0].price"):
            run([], {}, text=text.replace("1e2", "1e-99"))


def test_an_exponent_that_is_absurd_is_not_written_out():
    assert plain_decimal("1e999999999") == "1e999999999"


@pytest.mark.parametrize("count", [2_049, 4_096])
def test_as_many_instruments_as_a_list_may_have_are_evaluated(count):
    listed = [{"id": f"P{number}", "kind": "perpetual", "group": "X"} for number in range(count)]
    assert run([FRACTION], GROUP, *listed)["accounts"][0]["levels"][0]["requirement"] == str(10 * count)


def test_a_book_in_one_group_gets_no_credit_between_groups_by_default():
    """Ten and five are lost in two joint scenarios; the mean of both is not what one group may be credited."""
    credit = {
        "kind": "joint_credit",
        "name": "credit",
        "over": ["scan"],
        "scenarios": [{"columns": [1]}, {"columns": [2]}],
        "tail": 2,
    }
    scan = {"kind": "scan", "name": "scan", "points": [{"price": "0.1"}, {"price": "0.05"}]}
    short = {"id": "P", "kind": "perpetual", "group": "X"}
    assert run([scan, credit], GROUP, short)["accounts"][0]["levels"][0]["requirement"] == "10"
    off = run([scan, credit | {"keep_largest": False}], GROUP, short)["accounts"][0]["levels"][0]["requirement"]
    assert off == "8"


@pytest.mark.parametrize(
    ("term", "requirement"),
    [
        # 0.2 + 0.234567 x 0.8 = 0.3876536: the case "Open interest within bounds, rounded" of dYdX v4,
        # x/perpetuals/types/liquidity_tier_test.go
        ({"fraction": "0.2", "open_interest": {"lower": 1_000_000, "upper": 2_000_000}}, "38765.3"),
        # 63.7239 % x 28.9284 % = 18.4343047476 %: the case of that name there
        ({"fraction": "0.184343047476"}, "18434.3"),
    ],
)
def test_a_fraction_may_count_in_parts_per_million(term, requirement):
    instrument = {"id": "P", "kind": "perpetual", "group": "X", "open_interest": 1_234_567}
    size = {"positions": [{"instrument": "P", "size": 1000}]}
    exact = run([FRACTION | term], GROUP, instrument, **size)["accounts"][0]["levels"][0]["requirement"]
    parts = run([FRACTION | term | {"fraction_decimals": 6}], GROUP, instrument, **size)
    assert parts["accounts"][0]["levels"][0]["requirement"] == requirement != exact


def test_a_survivor_may_be_a_gainer_too():
    case = {"kind": "waterfall", "name": "w", "loss": 15, "survivors": [{"of": "A", "contribution": 10}]}
    file = {"format": "crossclear.waterfall.v1", "steps": [case | {"gainers": [{"of": "A", "gains": 20}]}]}
    layers = waterfall_run(read_waterfall_run(json.dumps(file).encode()))["steps"][0]["layers"]
    assert [(each["layer"], each["shares"][0]["of"], each["borne"]) for each in layers] == [
        ("survivors", "A", "10"),
        ("gains", "A", "5"),
    ]
