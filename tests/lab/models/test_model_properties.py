"""Rules of the models' engine for any book: offsetting, rounding, order, and what equals what."""

from fractions import Fraction
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import decode, encode
from clearing.base.errors import RemoteFault
from clearing.margin.risk_arrays.grid import OPTION_GRID
from lab.evaluation.evaluate import evaluate
from lab.models.check_model import check_model
from lab.models.check_portfolio import check_fit
from lab.models.named import from_named, to_named
from lab.models.numbers import Rounding, exact_rational, in_units, printed, rounded
from lab.models.portfolio import (
    Collateral,
    Contract,
    Group,
    HaircutComponent,
    Holding,
    OpenOrder,
    Portfolio,
    PortfolioAccount,
    PortfolioPosition,
)
from lab.models.scan_terms import GridPoint, Scan, ScanRange, Selection, grid_points
from lab.models.terms import (
    Calendar,
    Convex,
    GroupCredit,
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

GROUPS = (Group("BTC", 60_000, "0.05", "0.6"), Group("ETH", 3000, "0.03", "0.8"))
INSTRUMENTS = (
    Contract("BTC-PERP", "perpetual", "BTC", mark=60_100),
    Contract("BTC-90D", "future", "BTC", seconds_to_expiry=7_776_000),
    Contract("BTC-30D-65000-C", "call", "BTC", seconds_to_expiry=2_592_000, strike=65_000),
    Contract("ETH-PERP", "perpetual", "ETH", multiplier="0.1"),
    Contract("ETH-7D-2800-P", "put", "ETH", seconds_to_expiry=604_800, strike=2800),
)
NAMES = [each.id for each in INSTRUMENTS]
SCAN = Scan("scan", grid="span16", ranges=(ScanRange("", "0.15", volatility_up="0.2"),))
LEVELS = (MarginLevel("initial"), MarginLevel("maintenance", "initial", "0.8"))

sizes = st.integers(-10_000, 10_000).map(lambda each: f"{each}/100")
books = st.dictionaries(st.sampled_from(NAMES), sizes, max_size=5)
decimals = st.integers(0, 12)
fractions = st.fractions(max_denominator=10**12).filter(lambda each: abs(each) < 10**15)


def account(book: dict[str, str], name: str = "a", **more: object) -> PortfolioAccount:
    return PortfolioAccount(name, positions=tuple(PortfolioPosition(each, size) for each, size in book.items()), **more)


def required(model: RiskModel, *accounts: PortfolioAccount, level: str = "initial") -> list[Fraction]:
    results = evaluate(model, Portfolio(GROUPS, INSTRUMENTS, (), accounts))
    return [each.level(level).requirement for each in results]


def plus(first: dict[str, str], second: dict[str, str]) -> dict[str, str]:
    return {
        each: str(exact_rational(first.get(each, 0)) + exact_rational(second.get(each, 0)))
        for each in {**first, **second}
    }


@settings(deadline=None)
@given(fractions)
def test_a_number_that_is_shown_reads_back(value):
    assert exact_rational(printed(value)) == value


@settings(deadline=None)
@given(fractions, decimals)
def test_each_rounding_goes_where_its_name_says(value, places):
    unit = Fraction(1, 10**places)
    up, down = rounded(value, places, "up"), rounded(value, places, "down")
    assert down <= value <= up
    assert up - down in (0, unit)
    assert abs(rounded(value, places, "away")) >= abs(value) >= abs(rounded(value, places, "towards_zero"))
    assert abs(rounded(value, places, "half_even") - value) <= unit / 2
    assert rounded(value, places, "exact") == value
    for rounding in get_args(Rounding):
        if rounding != "exact":
            assert rounded(value, places, rounding) * 10**places == in_units(value, places, rounding)


@settings(max_examples=40, deadline=None)
@given(books, books)
def test_a_scan_of_two_books_together_is_no_more_than_apart(first, second):
    together, one, other = required(
        RiskModel((SCAN,), LEVELS), account(plus(first, second)), account(first, "b"), account(second, "c")
    )
    # Each of the three is rounded up at six decimals.
    assert together <= one + other + Fraction(1, 10**6)


@settings(max_examples=30, deadline=None)
@given(books, st.sampled_from(NAMES), st.integers(1, 100))
def test_a_position_split_in_two_is_the_same_position(book, name, part):
    whole = account(book)
    split = account({each: size for each, size in book.items() if each != name}, "b")
    size = exact_rational(book.get(name, 0))
    pieces = (PortfolioPosition(name, str(size * part / 100)), PortfolioPosition(name, str(size * (100 - part) / 100)))
    split = msgspec.structs.replace(split, positions=(*split.positions, *pieces))
    terms = (SCAN, PerSize("contingency", fraction="0.01"), MarginFraction("fraction", "0.05"))
    first, second = required(RiskModel(terms, LEVELS), whole, split)
    assert first == second


@settings(max_examples=30, deadline=None)
@given(books, st.randoms(use_true_random=False))
def test_the_order_of_positions_and_accounts_does_not_matter(book, random):
    items = list(book.items())
    random.shuffle(items)
    terms = (
        SCAN,
        Calendar("calendar", "BTC", 100),
        GroupCredit("credit", (SpreadCreditTerm((SpreadLeg("BTC", "A"), SpreadLeg("ETH", "B", 2)), "0.5"),)),
        MinimumTerm("minimum", ("scan", "calendar", "credit"), charge=5),
    )
    model = RiskModel(terms, LEVELS)
    first, second = required(model, account(book), account(dict(items), "b"))
    assert first == second == required(model, account(dict(items), "c"))[0]


@settings(max_examples=30, deadline=None)
@given(books)
def test_a_credit_never_takes_off_more_than_the_scan(book):
    credit = GroupCredit("credit", (SpreadCreditTerm((SpreadLeg("BTC", "A"), SpreadLeg("ETH", "B", 3)), 1),))
    assert required(RiskModel((SCAN, credit), LEVELS), account(book))[0] >= 0


@settings(max_examples=30, deadline=None)
@given(books, st.integers(1, 9))
def test_a_requirement_grows_in_proportion_to_the_book(book, times):
    larger = {each: str(exact_rational(size) * times) for each, size in book.items()}
    model = RiskModel((SCAN, PerSize("contingency", fraction="0.02")), (MarginLevel("initial", rounding="exact"),))
    one, many = required(model, account(book), account(larger, "b"))
    assert many == times * one


@settings(max_examples=30, deadline=None)
@given(st.integers(-50, 50), st.integers(0, 30), st.integers(0, 30))
def test_orders_on_one_side_never_lower_a_slippage_margin(size, buys, sells):
    term = Slippage("slippage", linear="0.1", quadratic="0.01", factor_long="0.2", factor_short="0.3")
    orders = (OpenOrder("ETH-PERP", "buy", buys), OpenOrder("ETH-PERP", "sell", sells))
    book = {"ETH-PERP": str(size)} if size else {}
    plain, with_orders = required(RiskModel((term,), LEVELS), account(book), account(book, "b", orders=orders))
    assert with_orders >= plain


@settings(max_examples=30, deadline=None)
@given(st.integers(-1000, 1000), st.lists(st.tuples(st.integers(0, 50), st.integers(0, 100)), min_size=1, max_size=4))
def test_an_impact_charge_is_convex(size, lines):
    term = Convex("impact", tuple(Secant(slope, -intercept) for slope, intercept in lines))
    model = RiskModel((term,), (MarginLevel("initial", rounding="exact"),))
    near, middle, far = required(
        model, *(account({"ETH-PERP": str(each)}, f"{each}") for each in (size - 1, size, size + 1))
    )
    assert 2 * middle <= near + far


@settings(deadline=None)
@given(st.lists(st.fractions(0, 1, max_denominator=1000), max_size=4), st.integers(0, 10**9))
def test_collateral_never_counts_for_more_than_its_value(haircuts, amount):
    listed = tuple(HaircutComponent(f"{number}", printed(each)) for number, each in enumerate(haircuts))
    token = Collateral("T", "1.37", haircuts=listed)
    held = PortfolioAccount("a", collateral=(Holding("T", amount),))
    portfolio = Portfolio(GROUPS, INSTRUMENTS, (token,), (held,))
    result = evaluate(RiskModel((SCAN,), LEVELS), portfolio)[0].level("initial").equity
    assert 0 <= result <= amount * Fraction("1.37")
    assert result == rounded(amount * Fraction("1.37") * (1 - min(sum(haircuts, Fraction(0)), 1)), 6, "down")


def test_a_term_counts_only_at_the_levels_that_it_names():
    terms = (PerSize("both", amount=1), PerSize("initial only", amount=2, weights=()))
    weighted = msgspec.structs.replace(terms[1], weights=from_weights("initial", 3))
    model = RiskModel((terms[0], weighted), (MarginLevel("initial"), MarginLevel("maintenance")))
    book = account({"ETH-PERP": "1"})
    assert required(model, book) == [1 + 2 * 3]
    assert required(model, book, level="maintenance") == [1]


def from_weights(level: str, weight: int) -> tuple[object, ...]:
    scenario = {"kind": "amount", "name": "x", "amount": 0, "weights": [{"level": level, "weight": weight}]}
    model = from_named({"terms": [scenario], "levels": []}, RiskModel, "model")
    return model.terms[0].weights


def test_a_model_has_one_encoding_and_reads_back_from_json():
    model = RiskModel(
        (SCAN, Scan("own", points=(GridPoint("1/3", 1, "0.5", "linear"),), select=Selection(kinds=("call",)))), LEVELS
    )
    check_model(model)
    assert decode(encode(model), RiskModel) == model
    assert from_named(to_named(model), RiskModel, "model") == model


def test_the_grids_have_the_points_that_are_told():
    sixteen, wide = grid_points(SCAN), grid_points(Scan("x", grid="grid33"))
    assert [exact_rational(each.price) for each in sixteen[2:6]] == [Fraction(1, 3)] * 2 + [-Fraction(1, 3)] * 2
    assert (len(sixteen), len(wide)) == (16, 33)
    assert [each.skew for each in wide[-4:]] == ["linear", "linear_down", "absolute", "absolute_down"]


def test_the_grid_of_33_is_the_networks_option_grid():
    def values(point: GridPoint) -> tuple[object, ...]:
        tilt = {"linear": 1, "linear_down": -1}.get(point.skew, 0)
        lift = {"absolute": 1, "absolute_down": -1}.get(point.skew, 0)
        weight = exact_rational(point.weight) * 10**6 // 1
        return exact_rational(point.price), exact_rational(point.volatility), weight, point.of_price, tilt, lift

    network = [
        (
            Fraction(each.move_numerator, each.move_denominator),
            each.volatility_direction,
            each.weight_ppm,
            each.of_index,
            each.skew_linear,
            each.skew_absolute,
        )
        for each in OPTION_GRID
    ]
    base = (0, 0, 10**6, False, 0, 0)
    assert sorted([*network, base]) == sorted(values(each) for each in grid_points(Scan("x", grid="grid33")))


def test_a_grid_with_points_of_its_own_and_a_name_is_refused():
    with pytest.raises(RemoteFault):
        check_model(RiskModel((Scan("x", grid="span16", points=(GridPoint(0),)),), LEVELS))


def test_given_arrays_are_needed_only_of_what_a_scan_selects():
    listed = Contract("LISTED", "future", "BTC", scanning=(-5, 7), scanning_tells="loss")
    portfolio = Portfolio(GROUPS, (*INSTRUMENTS, listed), (), (account({"LISTED": "2", "ETH-PERP": "-10"}, "both"),))
    scan, fraction = Scan("scan", select=Selection(instruments=("LISTED",))), MarginFraction("fraction", "0.1")
    model = RiskModel(
        (scan, msgspec.structs.replace(fraction, select=Selection(instruments=("ETH-PERP",)))),
        (MarginLevel("initial"),),
    )
    check_fit(model, portfolio)
    # The worse of a gain of 10 and a loss of 14, and a tenth of 10 x 0.1 x 3000.
    assert evaluate(model, portfolio)[0].level("initial").requirement == 14 + 300
    with pytest.raises(RemoteFault):
        check_fit(RiskModel((Scan("scan"),), (MarginLevel("initial"),)), portfolio)
