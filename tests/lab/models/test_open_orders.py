"""Open orders are margined: the worst of all subsets that may be filled, or a refusal with the order's path."""

import json
from fractions import Fraction
from itertools import combinations
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.schema.codes import ClearingCode
from lab.evaluation.open_orders import order_fills
from lab.evaluation.scan import ScenarioScanner
from lab.evaluation.values import instrument_quotes
from lab.models.numbers import exact_rational
from lab.models.portfolio import Contract, Group, OpenOrder, Portfolio, PortfolioAccount
from lab.models.scan_terms import BasisScenario, GridPoint, Scan, ScanRange, SkewShock, StaticDiscount
from lab.runs.margin import margin_run, read_margin_run
from tests.kit.refusals import refused

SCAN = {"kind": "scan", "name": "scan", "grid": "span16", "ranges": [{"price": "0.1", "volatility_up": "0.2"}]}
DAYS_30 = 2_592_000
PERPETUAL = {"id": "P", "kind": "perpetual", "group": "X"}
CALL = {"id": "C", "kind": "call", "group": "X", "strike": 1000, "seconds_to_expiry": DAYS_30}


def order(side: str, size: int, price: int | None = None, instrument: str = "P") -> dict[str, Any]:
    return {"instrument": instrument, "side": side, "size": size, "price": price}


def run(terms: list[Any], *orders: Any, size: int = 0, **account: Any) -> Any:
    portfolio = {
        "groups": [{"id": "X", "price": 1000, "volatility": "0.5"}, {"id": "Y"}],
        "instruments": [PERPETUAL, CALL],
        "accounts": [
            {"id": "a", "positions": [{"instrument": "P", "size": size}] if size else [], "orders": orders} | account
        ],
    }
    model = {"terms": terms, "levels": [{"name": "initial"}]}
    file = {"format": "crossclear.margin.v1", "portfolio": portfolio, "model": model}
    return margin_run(read_margin_run(json.dumps(file).encode()))["accounts"][0]


def required(terms: list[Any], *orders: Any, size: int = 0) -> str:
    return str(run(terms, *orders, size=size)["levels"][0]["requirement"])


@pytest.mark.parametrize(
    ("orders", "size", "requirement"),
    [
        ([order("sell", 1_000_000)], 0, "100000000"),
        ([order("sell", 3), order("buy", 2)], 0, "300"),
        ([order("sell", 3), order("buy", 2)], 2, "400"),
        # the first three sold close the position, whose loss stays possible while none is
        ([order("sell", 3)], 3, "300"),
        ([order("sell", 5)], 3, "300"),
        ([order("sell", 7)], 3, "400"),
        # bought at 1,100 a lot is worth 100 less at once, and 200 in the worst scenario
        ([order("buy", 1, 1100)], 0, "200"),
        # a limit below the market gives nothing
        ([order("buy", 1, 900)], 0, "100"),
        ([order("sell", 1, 900)], 0, "200"),
    ],
)
def test_a_scan_fills_the_orders_that_make_a_scenario_worse(orders, size, requirement):
    assert required([SCAN], *orders, size=size) == requirement


def test_orders_that_no_scenario_fills_together_do_not_add_up():
    part = run([SCAN], order("buy", 2), order("sell", 3))["terms"][0]["parts"][0]
    buy, sell = (each["losses"] for each in part["orders"])
    assert [each["size"] for each in part["orders"]] == ["2", "-3"]
    assert all("0" in pair for pair in zip(buy, sell, strict=True))
    assert part["worst_loss"] == "300"


def test_charges_count_the_worse_side_of_orders():
    gross = {"kind": "per_size", "name": "gross", "amount": 1}
    naked = {"kind": "per_size", "name": "naked", "count": "naked_short", "amount": 1}
    convex = {"kind": "convex", "name": "convex", "secants": [{"slope": 2}]}
    formula = {"kind": "option_formula", "name": "formula", "upper": "0.1", "lower": "0.1"}
    minimum = {"kind": "minimum", "name": "minimum", "over": ["scan"], "charge": 500}
    sell = order("sell", 3, instrument="C")
    assert required([gross], order("sell", 3), order("buy", 9), size=-7) == "10"
    assert required([naked], sell) == "3"
    assert required([convex], order("sell", 3), size=-7) == "20"
    assert required([formula], sell) == "300"
    assert required([SCAN, minimum], sell) == "1500"


def test_an_order_that_no_term_margins_is_refused_with_its_path():
    fraction = {"kind": "fraction", "name": "fraction", "fraction": "0.1"}
    path = "portfolio.accounts[0].orders[1]"
    for terms in (
        [fraction],
        [SCAN | {"orders": "none"}],
        [SCAN | {"select": {"kinds": ["call"]}}],
    ):
        both = [{**SCAN, "name": "options", "select": {"kinds": ["call"]}}, *terms]
        with refused(ClearingCode.ORDER_NOT_MARGINED, at=path):
            run(both, order("buy", 1, instrument="C"), order("sell", 1))
    assert required([fraction | {"with_orders": True}], order("sell", 1)) == "100"
    initial = [{"level": "initial", "weight": 1}]
    plain = SCAN | {"name": "positions", "orders": "none", "weights": []}
    assert required([plain, SCAN | {"weights": initial}], order("sell", 1), size=1) == "200"


@pytest.mark.parametrize(
    ("term", "side", "instrument"),
    [
        # a call bought at 5,000 that is worth some 60 loses the rest at once
        ({"kind": "option_formula", "upper": "0.1", "lower": "0.1"}, "buy", "C"),
        ({"kind": "per_size", "count": "naked_short", "amount": 1}, "buy", "C"),
        ({"kind": "per_size", "count": "naked_short", "amount": 1}, "sell", "P"),
        ({"kind": "per_size", "count": "short", "amount": 1}, "buy", "P"),
        ({"kind": "per_size", "count": "long", "amount": 1}, "sell", "P"),
    ],
)
def test_a_term_of_one_side_margins_no_order_of_the_other(term: Any, side: str, instrument: str) -> None:
    with refused(ClearingCode.ORDER_NOT_MARGINED, at="portfolio.accounts[0].orders[0]"):
        run([term | {"name": "one-sided"}], order(side, 1, 5_000, instrument))


@pytest.mark.parametrize(
    "term",
    [
        {"kind": "calendar", "name": "spread", "group": "X", "charge": 1},
        {
            "kind": "group_credit",
            "name": "spread",
            "spreads": [{"legs": [{"of": "X", "side": "A"}, {"of": "Y", "side": "B"}], "rate": 1}],
        },
    ],
)
def test_an_order_that_could_break_up_a_spread_is_refused(term):
    with refused(ClearingCode.ORDER_NOT_MARGINED, at="portfolio.accounts[0].orders[0]"):
        run([SCAN, term], order("sell", 1))


def test_an_order_in_a_group_whose_risk_is_given_is_refused():
    with refused(ClearingCode.ORDER_NOT_MARGINED, at="portfolio.accounts[0].orders[0]"):
        run([SCAN], order("sell", 1), given=[{"group": "X", "scan": 5}])


INSTRUMENTS = (
    Contract("PERP", "perpetual", "X", mark=1001),
    Contract("NEAR", "call", "X", seconds_to_expiry=604_800, strike=1000),
    Contract("FAR", "put", "X", seconds_to_expiry=DAYS_30, strike=950),
)
MARKET = Portfolio((Group("X", 1000, "0.05", "0.6"),), INSTRUMENTS)
QUOTES = instrument_quotes(MARKET, 12)
POINTS = (
    GridPoint(1, 1),
    GridPoint(-1, 1),
    GridPoint(2, 0, "0.3"),
    GridPoint(0, 0, skew="linear"),
    GridPoint(0, 0, skew="absolute_down"),
)
PLAIN = Scan(
    "scan",
    points=POINTS,
    ranges=(ScanRange("", "0.1", volatility_up="0.2"),),
    skew=SkewShock("0.3", "0.2", "0.1"),
)
SCANS = {
    "linear": PLAIN,
    "linear with basis": msgspec.structs.replace(PLAIN, basis=BasisScenario("0.2", "-0.2", "0.5", 1)),
    "discount": msgspec.structs.replace(PLAIN, static_discount=StaticDiscount("0.9", short_base="1.1")),
    "skew loses": msgspec.structs.replace(PLAIN, skew_each_expiry_loses=True),
    "both, with basis": msgspec.structs.replace(
        PLAIN,
        static_discount=StaticDiscount("0.9"),
        skew_each_expiry_loses=True,
        basis=BasisScenario("0.2", "-0.2", "0.5", 1),
    ),
    "a factor that helps": msgspec.structs.replace(PLAIN, static_discount=StaticDiscount("1.1", short_base="0.9")),
}
BOUNDED = ("both, with basis", "a factor that helps")
"""Not concave in what is filled: at least the worst subset."""
orders = st.builds(
    OpenOrder,
    st.sampled_from([each.id for each in INSTRUMENTS]),
    st.sampled_from(["buy", "sell"]),
    st.integers(1, 9),
    st.one_of(st.none(), st.integers(1, 1200)),
)
positions = st.dictionaries(st.sampled_from([each.id for each in INSTRUMENTS]), st.integers(-9, 9))


@pytest.mark.parametrize("name", SCANS)
@settings(max_examples=25, deadline=None)
@given(positions, st.lists(orders, max_size=4))
def test_the_loss_is_that_of_the_worst_subset_of_orders(name, book, listed):
    account = PortfolioAccount("a", orders=tuple(listed))
    fills = order_fills(account, QUOTES)
    sizes = {each.id: Fraction(book.get(each.id, 0)) for each in INSTRUMENTS}
    (found,) = ScenarioScanner(SCANS[name], QUOTES, 12).scan(sizes, fills)
    worst = Fraction(0)
    for count in range(len(fills) + 1):
        for filled in combinations(fills, count):
            after = dict(sizes)
            for fill in filled:
                after[fill.quote.contract.id] += fill.size
            (alone,) = ScenarioScanner(SCANS[name], QUOTES, 12).scan(after)
            losses = alone.losses if alone.basis is None else (*alone.losses, alone.basis)
            worst = max(worst, max(losses) + sum((fill.cost for fill in filled), Fraction(0)))
    if name in BOUNDED:
        assert found.worst_loss >= worst
    else:
        assert found.worst_loss == worst


def test_a_fill_costs_what_its_price_is_worse_than_the_mark():
    listed = (OpenOrder("PERP", "buy", 2, 1005), OpenOrder("PERP", "buy", 2, 990), OpenOrder("PERP", "sell", 2, 990))
    costs = [fill.cost for fill in order_fills(PortfolioAccount("a", orders=listed), QUOTES)]
    assert costs == [exact_rational(8), 0, 22]
