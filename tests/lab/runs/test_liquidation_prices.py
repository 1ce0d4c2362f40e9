"""Liquidation prices: the entry stays, every band of prices that is short of margin is found or the result says so."""

import json
from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.evaluation.evaluate import Evaluator
from lab.evaluation.liquidation_price import EVALUATIONS_MAX, AskLiquidationPrice, liquidation_price
from lab.models.numbers import exact_rational
from lab.models.portfolio import (
    Collateral,
    Contract,
    Group,
    HaircutComponent,
    Holding,
    Portfolio,
    PortfolioAccount,
    PortfolioPosition,
)
from lab.models.scan_terms import BasisScenario, GridPoint, Scan, ScanRange
from lab.models.terms import (
    Alternative,
    Calendar,
    Convex,
    GroupCredit,
    JointCreditTerm,
    JointScenarioTerm,
    LesserTerm,
    MarginFraction,
    MarginLevel,
    MinimumTerm,
    PerSize,
    RiskModel,
    Secant,
    Slippage,
    SpreadCreditTerm,
    SpreadLeg,
)
from lab.runs.margin import margin_run, read_margin_run

FRACTION = {"kind": "fraction", "name": "fraction", "fraction": "0.05"}
SCAN = {"kind": "scan", "name": "scan", "grid": "span16", "ranges": [{"price": "0.02", "volatility_up": "0.1"}]}
DAY = 86_400


def run(terms: list[Any], instruments: list[Any], positions: dict[str, Any], cash: Any, **ask: Any) -> Any:
    listed = [{"instrument": of, "size": size} for of, size in positions.items()]
    file = {
        "format": "crossclear.margin.v1",
        "portfolio": {
            "groups": [{"id": "X", "price": 1000, "volatility": "0.3"}],
            "instruments": instruments,
            "accounts": [{"id": "a", "cash": cash, "positions": listed}],
        },
        "model": {"terms": terms, "levels": [{"name": "maintenance"}]},
        "liquidation_prices": [{"account": "a", "group": "X", **ask}],
    }
    return margin_run(read_margin_run(json.dumps(file).encode()))["liquidation_prices"][0]


PERPETUAL = {"id": "P", "kind": "perpetual", "group": "X"}


def call(strike: int) -> dict[str, Any]:
    return {"id": str(strike), "kind": "call", "group": "X", "strike": strike, "seconds_to_expiry": DAY}


def test_a_position_without_entry_was_entered_at_todays_mark():
    """1,000 + 10 (p - 1,000) meets 0.05 x 10 p at 9,000 / 9.5 = 947.368."""
    found = run([FRACTION], [PERPETUAL], {"P": 10}, 1000)
    assert (found["below"], found["above"]) == ("947.36", None)
    assert found["short_of_margin"] == [{"lowest": "0", "highest": "947.36", "refined": True}]
    assert found["complete"] is True
    marked = run([FRACTION], [PERPETUAL | {"mark": 1001}], {"P": -10}, 1000, decimals=4)
    # 1,000 - 10 x 1.001 (p - 1,000) meets 0.05 x 10.01 p at 11,010 / 10.5105 = 1,047.52390
    assert marked["short_of_margin"] == [{"lowest": "1047.524", "highest": "5000", "refined": True}]
    assert (marked["below"], marked["above"]) == (None, "1047.524")


def test_the_band_of_a_short_butterfly_is_found():
    """The two short wings gain on either side; between them the two long calls are worth the least."""
    book = {"1000": -1, "1050": 2, "1100": -1}
    found = run([SCAN], [call(1000), call(1050), call(1100)], book, 40)
    (band,) = found["short_of_margin"]
    assert 1000 < float(band["lowest"]) < 1050 < float(band["highest"]) < 1100
    assert (found["covered"], found["below"], found["above"]) == (True, None, band["lowest"])
    assert found["complete"] is False
    assert f"{len(found['searched'])} prices were tried" in found["statement"]


def test_an_account_that_is_short_today_has_its_bands_too():
    found = run([FRACTION], [PERPETUAL], {"P": 10}, -100)
    # -100 + 10 (p - 1,000) meets 0.5 p at 10,100 / 9.5
    assert found["short_of_margin"] == [{"lowest": "0", "highest": "1063.15", "refined": True}]
    assert (found["covered"], found["below"], found["above"]) == (False, None, None)


def test_each_band_of_a_piecewise_linear_margin_is_found():
    """10 p - 9,000 meets 0.05 x 10 p at 947.368, and 3 x 10 p - 33,000 at 1,200 exactly, which is covered."""
    secants = [{"slope": "0.05"}, {"slope": 3, "intercept": -33_000}]
    impact = {"kind": "convex", "name": "impact", "secants": secants, "of": "notional"}
    found = run([impact], [PERPETUAL], {"P": 10}, 1000)
    assert found["complete"] is True
    assert [(each["lowest"], each["highest"]) for each in found["short_of_margin"]] == [
        ("0", "947.36"),
        ("1200.01", "5000"),
    ]
    assert (found["below"], found["above"]) == ("947.36", "1200.01")


def test_a_search_among_ratios_of_many_denominators_ends():
    """The sum of their sizes has a denominator of 1,900 bits, and so have the prices where the excess is nothing."""
    listed = [PERPETUAL | {"id": f"P{number}"} for number in range(20)]
    sizes = {each["id"]: f"1/{10**28 + 7 + 2 * number}" for number, each in enumerate(listed)}
    found = run([FRACTION], listed, sizes, "1/10000000000000000000000000000")
    assert found["complete"] is False
    assert found["short_of_margin"]


def test_a_search_of_a_large_account_has_fewer_evaluations():
    listed = [PERPETUAL | {"id": f"P{number}"} for number in range(400)]
    found = run([SCAN], listed, {each["id"]: 1 for each in listed}, 40_000)
    assert found["complete"] is True
    assert found["short_of_margin"][0]["highest"] == "918.36"  # 40,000 + 400 (p - 1,000) = 8 p


GROUPS = (Group("X", 1000, "0.05"), Group("Y", 50, volatility="0.6"))
INSTRUMENTS = (
    Contract("X-PERP", "perpetual", "X", mark=1002, exit_long=990, exit_short=1011),
    Contract("X-SEP", "future", "X", seconds_to_expiry=90 * DAY),
    Contract("X-SPOT", "spot", "X"),
    Contract("Y-PERP", "perpetual", "Y"),
    Contract("Y-CALL", "call", "Y", seconds_to_expiry=30 * DAY, strike=55),
)
NAMES = [each.id for each in INSTRUMENTS]
TOKEN = Collateral("T", 1000, haircuts=(HaircutComponent("all", "0.1"),), group="X")
POINTS = (GridPoint(1, 1), GridPoint(-1, 1), GridPoint("1/2", -1), GridPoint(-2, 0, "0.4"))
ABSOLUTE = (ScanRange("X", 450, absolute=True), ScanRange("Y", "0.2", volatility_up="0.3"))
RELATIVE = (ScanRange("", "0.15", volatility_up="0.3"),)
SPREAD = SpreadCreditTerm((SpreadLeg("X", "A"), SpreadLeg("Y", "B")), "0.5")
JOINT = tuple(JointScenarioTerm(columns) for columns in ((1, 1), (2, 2), (4, 1), (3, 0)))
TERMS = {
    "relative": (Scan("scan", points=POINTS, ranges=RELATIVE),),
    "all together": (Scan("scan", points=POINTS, ranges=RELATIVE, offset="all"),),
    "absolute": (Scan("scan", points=POINTS, ranges=ABSOLUTE), PerSize("size", fraction="0.01")),
    "absolute together": (Scan("scan", points=POINTS, ranges=ABSOLUTE, offset="all"),),
    "basis": (Scan("scan", points=POINTS, ranges=RELATIVE, offset="all", basis=BasisScenario("0.2", "-0.2", 1)),),
    "slippage": (Slippage("slippage", linear="0.01", quadratic="0.001", factor_long="0.1", factor_short="0.12"),),
    "impact": (
        Convex("impact", (Secant("0.01"), Secant("0.05", -200), Secant("0.2", -3000)), of="notional"),
        MarginFraction("fraction", "0.02", decimals=0, rounding="up"),
    ),
    "minimum": (
        Scan("scan", points=POINTS, ranges=ABSOLUTE),
        MinimumTerm("minimum", ("scan",), charge=20, fraction="0.1"),
    ),
    "spreads": (
        Scan("scan", points=POINTS, ranges=ABSOLUTE),
        Calendar("calendar", "X", 30),
        GroupCredit("credit", (SPREAD,)),
    ),
    "joint": (
        Scan("scan", points=POINTS, ranges=ABSOLUTE),
        JointCreditTerm("joint", JOINT, 2, ("scan",), rounding="up", decimals=2),
    ),
    "lesser": (
        Scan("scan", points=POINTS, ranges=ABSOLUTE),
        MarginFraction("fraction", "0.3"),
        LesserTerm("lesser", (Alternative(("scan",)), Alternative(("fraction",)))),
    ),
    "joint without the largest": (
        Scan("scan", points=POINTS, ranges=RELATIVE),
        JointCreditTerm("joint", JOINT, 3, ("scan",), keep_largest=False, weight="0.9"),
    ),
}
LEVELS = (MarginLevel("initial", decimals=2), MarginLevel("maintenance", "initial", "0.8", decimals=2))
ASK = AskLiquidationPrice("a", "X")
books = st.dictionaries(st.sampled_from(NAMES), st.integers(-9, 9).map(str), min_size=1)


def moved(portfolio: Portfolio, price: Fraction) -> Portfolio:
    """What the search claims to move, and nothing else; entries were stated."""
    factor = price / 1000

    def times(number: Any) -> Any:
        return None if number is None else str(exact_rational(number) * factor)

    x, y = portfolio.groups
    contracts = tuple(
        msgspec.structs.replace(
            each, mark=times(each.mark), exit_long=times(each.exit_long), exit_short=times(each.exit_short)
        )
        if each.group == "X"
        else each
        for each in portfolio.instruments
    )
    return msgspec.structs.replace(
        portfolio,
        groups=(msgspec.structs.replace(x, price=str(price)), y),
        instruments=contracts,
        collateral=(msgspec.structs.replace(TOKEN, price=str(price)),),
    )


@pytest.mark.parametrize("name", TERMS)
@settings(max_examples=20, deadline=None)
@given(
    book=books,
    cash=st.integers(-9000, 9000),
    tokens=st.integers(0, 5),
    prices=st.lists(st.integers(1, 500_000).map(lambda cents: Fraction(cents, 100)), min_size=20, max_size=20),
)
def test_a_piecewise_linear_margin_is_searched_without_a_gap(name, book, cash, tokens, prices):
    model = RiskModel(TERMS[name], LEVELS)
    marks = Evaluator(model, Portfolio(GROUPS, INSTRUMENTS, (TOKEN,))).quotes
    entries = {
        each.id: str(marks[each.id].mark) if each.kind in ("perpetual", "future") else None for each in INSTRUMENTS
    }
    plain = tuple(PortfolioPosition(of, size) for of, size in book.items())
    stated = tuple(PortfolioPosition(of, size, entries[of]) for of, size in book.items())
    account = PortfolioAccount("a", cash, (Holding("T", tokens),), plain)
    portfolio = Portfolio(GROUPS, INSTRUMENTS, (TOKEN,), (account,))
    found = liquidation_price(model, portfolio, ASK, "ask")
    assert found.complete

    def excess(price: Fraction, *, exact: bool = False) -> Fraction:
        held = msgspec.structs.replace(account, positions=stated)
        return Evaluator(model, moved(portfolio, price), exact=exact).account(held).level("maintenance").excess

    for low, high in pairwise(found.searched):
        ends = excess(low, exact=True), excess(high, exact=True)
        for part in (Fraction(1, 3), Fraction(1, 2), Fraction(7, 9)):
            assert excess(low + (high - low) * part, exact=True) == ends[0] + (ends[1] - ends[0]) * part
        assert ends[0] * ends[1] >= 0
    for price in prices:
        inside = any(band.lowest <= price <= band.highest for band in found.short_of_margin)
        if abs(excess(price, exact=True)) > Fraction(1, 4):  # more than the roundings
            assert inside == (excess(price) < 0)
    for band in found.short_of_margin:
        assert excess(max(band.lowest, Fraction(1, 100))) < 0
        assert excess(band.highest) < 0


def test_the_evaluations_of_a_search_are_bounded():
    count = 0

    class Counted(Evaluator):
        def account(self, account: PortfolioAccount) -> Any:
            nonlocal count
            count += 1
            return super().account(account)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab.evaluation.liquidation_price.Evaluator", Counted)
        strikes = tuple(
            Contract(str(at), "call", "X", seconds_to_expiry=DAY, strike=at, volatility=1)
            for at in range(900, 1100, 20)
        )
        book = tuple(PortfolioPosition(each.id, (-1) ** at) for at, each in enumerate(strikes))
        portfolio = Portfolio(GROUPS, strikes, (), (PortfolioAccount("a", 5, positions=book),))
        liquidation_price(RiskModel(TERMS["relative"], LEVELS), portfolio, ASK, "ask")
    assert count <= EVALUATIONS_MAX + 60
