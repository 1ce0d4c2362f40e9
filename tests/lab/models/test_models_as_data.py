"""Shipped models as data, each against a second computation in plain arithmetic."""

import itertools
import json
from math import erf, exp, log, pi, sqrt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.errors import BaseCode
from clearing.schema.codes import ClearingCode
from lab.evaluation.sensitivities import root_up
from lab.models.numbers import exact_rational
from lab.runs.margin import margin_run, read_margin_run
from tests.kit.refusals import refused

EXAMPLES = Path(__file__).resolve().parents[3] / "configs/examples/margin"


def shipped(name: str) -> Any:
    return json.loads((EXAMPLES / f"model-{name}.json").read_text())


def run(file: Any) -> Any:
    return margin_run(read_margin_run(json.dumps(file).encode()))


def real(number: str | int) -> float:
    return float(exact_rational(number))


def account(result: Any, name: str) -> Any:
    return next(each for each in result["accounts"] if each["account"] == name)


def term(result: Any, of: str, name: str) -> Any:
    return next(each for each in account(result, of)["terms"] if each["name"] == name)


def normal(x: float) -> float:
    return 0.5 * (1 + erf(x / sqrt(2)))


def black(kind: str, strike: float, forward: float, volatility: float, years: float, discount: float) -> float:
    deviation = volatility * sqrt(years)
    upper = log(forward / strike) / deviation + deviation / 2
    call = discount * (forward * normal(upper) - strike * normal(upper - deviation))
    return call if kind == "call" else call - discount * (forward - strike)


class Market:
    """A file's instruments, in floats, on one underlying with a level, skew and curvature for each expiry."""

    def __init__(self, file: Any) -> None:
        self.groups = {group["id"]: group for group in file["portfolio"]["groups"]}
        self.instruments = {each["id"]: each for each in file["portfolio"]["instruments"]}

    def years(self, name: str) -> float:
        return self.instruments[name].get("seconds_to_expiry", 0) / (365 * 86_400)

    def forward(self, name: str) -> float:
        group = self.groups[self.instruments[name]["group"]]
        return real(group["price"]) * (1 + real(group.get("rate", 0)) * self.years(name))

    def discount(self, name: str) -> float:
        return 1 / (1 + real(self.groups[self.instruments[name]["group"]].get("rate", 0)) * self.years(name))

    def moneyness(self, name: str) -> float:
        return log(self.instruments[name]["strike"] / self.forward(name))

    def volatility(self, name: str) -> float:
        group = self.groups[self.instruments[name]["group"]]
        if "smiles" not in group:
            return real(group["volatility"])
        smile = next(
            each for each in group["smiles"] if each["seconds_to_expiry"] == self.instruments[name]["seconds_to_expiry"]
        )
        skewed = real(smile["skew"]) * self.moneyness(name)
        return real(smile["level"]) + skewed + real(smile["curvature"]) * self.moneyness(name) ** 2

    def is_option(self, name: str) -> bool:
        return self.instruments[name]["kind"] in ("call", "put")

    def value(self, name: str, factor: float = 1.0, volatility: float | None = None) -> float:
        each = self.instruments[name]
        if not self.is_option(name):
            return real(each.get("mark", self.groups[each["group"]]["price"])) * factor
        moved = self.volatility(name) if volatility is None else volatility
        forward, years = self.forward(name) * factor, self.years(name)
        return black(each["kind"], each["strike"], forward, moved, years, self.discount(name))


def positions(file: Any, of: str) -> dict[str, float]:
    listed = next(each["positions"] for each in file["portfolio"]["accounts"] if each["id"] == of)
    return {each["instrument"]: real(each["size"]) for each in listed}


def derive_losses(file: Any, of: str) -> list[float]:
    """The grid of Derive's PM2, the basis last; its source is in docs/explanation/textbook-portfolios.md."""
    market, book, scan = Market(file), positions(file, of), file["model"]["terms"][0]
    expiries = sorted({market.instruments[name]["seconds_to_expiry"] for name in book if market.is_option(name)})
    losses = []
    for point in scan["points"]:
        move, weight, direction = real(point["price"]), real(point.get("weight", 1)), point.get("volatility", 0)
        skewed = point.get("skew")
        loss = -sum(
            size * market.value(name) * move * weight for name, size in book.items() if not market.is_option(name)
        )
        for expiry in expiries:
            options = [
                name
                for name in book
                if market.is_option(name) and market.instruments[name]["seconds_to_expiry"] == expiry
            ]
            years = market.years(options[0])
            then = 0.0
            for name in options:
                volatility = market.volatility(name)
                days = max(expiry / 86_400, 1)
                scaled = (30 / days) ** (0.3 if days <= 30 else 0.13)
                if direction > 0:
                    volatility = max(volatility * (1 + 0.5 * scaled), 0.4)
                elif direction < 0:
                    volatility *= max(1 - 0.3 * scaled, 0)
                if skewed:
                    cap, width = 0.25 - 0.1 * sqrt(years), max(0.01, 2.4 * sqrt(years))
                    moneyness = market.moneyness(name) if skewed == "linear" else abs(market.moneyness(name))
                    volatility *= 1 + max(min(moneyness * cap / width, abs(cap)), -abs(cap))
                then += book[name] * market.value(name, 1 + move, volatility)
            factor = 0.95 * exp(-0.16 * years)
            if then < 0:
                factor = min(1.05 * exp(0.16 * years), 1 / market.discount(options[0]))
            gain = (then * factor - sum(book[name] * market.value(name) for name in options)) * weight
            loss += abs(gain) if skewed else -gain
        losses.append(loss)
    basis = 0.0
    for expiry in expiries:
        options = [
            name for name in book if market.is_option(name) and market.instruments[name]["seconds_to_expiry"] == expiry
        ]
        gains = [
            sum(book[name] * (market.value(name, 1 + move) - market.value(name)) for name in options)
            for move in (0.045, -0.045)
        ]
        basis -= min(0.0, *gains) * (0.5 + 2 * market.years(options[0]))
    return [*losses, basis]


@pytest.mark.parametrize("of", ["short skew", "calendar"])
def test_a_grid_over_three_expiries_discounts_and_skews_each_by_its_time(of):
    file = shipped("multi-expiry")
    part = term(run(file), of, "scenarios")["parts"][0]
    expected = derive_losses(file, of)
    assert [real(each) for each in (*part["losses"], part["basis"])] == pytest.approx(expected, abs=1e-6)
    assert real(part["worst_loss"]) == pytest.approx(max(expected), abs=1e-6)


def test_a_weight_over_one_counts_a_scenario_more_than_once():
    file = shipped("multi-expiry")
    losses = term(run(file), "short skew", "scenarios")["parts"][0]["losses"]
    file["model"]["terms"][0]["points"][0]["weight"] = 1
    once = term(run(file), "short skew", "scenarios")["parts"][0]["losses"]
    assert real(losses[0]) == pytest.approx(1.25 * real(once[0]))
    assert losses[1:] == once[1:]


def test_the_lesser_of_bounded_loss_and_plain_charge():
    """A vertical of 3,000 and 2,850 loses 150 at most, less its premium; a naked call costs 10 % of the price."""
    file = shipped("lesser")
    result, market = run(file), Market(file)
    premium = 2 * (market.value("ETH-30D-3000-P") - market.value("ETH-30D-2850-P"))
    assert real(term(result, "vertical", "lesser")["amount"]) == pytest.approx(2 * 150 - premium, abs=1e-9)
    assert real(term(result, "vertical", "plain")["amount"]) == 2 * 450
    plain = max(450 - 300, 300)
    assert real(term(result, "naked", "lesser")["amount"]) == plain
    assert account(result, "vertical")["levels"][0]["covered"]


def test_a_share_of_an_options_own_value():
    """Puts of 1,000: 75 dollars for the far one, 7.5 % of 4,000 for the deep one; a quarter of 8 calls at 24.5."""
    file = shipped("option-value")
    result = run(file)
    deep = 0.075 * Market(file).value("ETH-30D-5000-P")
    assert deep == pytest.approx(300)
    assert real(term(result, "writer", "puts")["amount"]) == pytest.approx(2 * 75 + deep)
    assert real(term(result, "holder", "long options")["amount"]) == 8 * 24.5 / 4
    for name in ("writer", "holder"):
        level = account(result, name)["levels"][0]
        assert real(level["requirement"]) == pytest.approx(
            sum(real(each["amount"]) for each in account(result, name)["terms"])
        )


def test_every_subset_of_open_orders_in_every_scenario_is_covered():
    """The worst subset by trying all eight; a fill 100 above the mark costs 100."""
    part = term(run(shipped("open-orders")), "maker", "scan")["parts"][0]
    moves = [0.1, -0.1, 0.05, -0.05, 0.0]
    orders = [(-3, 60_000, 0.0), (1, 60_000, 100.0), (-4, 61_000, 0.0)]
    expected = []
    for move in moves:
        subsets = itertools.product((0, 1), repeat=len(orders))
        losses = [
            -2 * 60_000 * move
            + sum(take * (cost - size * mark * move) for take, (size, mark, cost) in zip(taken, orders, strict=True))
            for taken in subsets
        ]
        expected.append(max(losses))
    assert [real(each) for each in part["losses"]] == pytest.approx(expected)
    assert real(part["worst_loss"]) == pytest.approx(30_400)
    alone = term(run(shipped("open-orders")), "without orders", "scan")["parts"][0]
    assert real(alone["worst_loss"]) == 12_000


def test_log_normal_moves_are_exponentials_of_deviations():
    file = shipped("log-normal")
    result, market = run(file), Market(file)
    ranges = {"BTC": (0.6, 0.15), "ETH": (0.8, 0.2)}
    for of in ("long", "short", "strangle"):
        book = positions(file, of)
        group = market.instruments[next(iter(book))]["group"]
        level, volatility_range = ranges[group]
        expected = []
        for k, direction in itertools.product((0, 1, -1, 2, -2, 3, -3), (1, -1)):
            factor = exp(k * level * sqrt(2 / 365))
            gains = [
                size
                * (market.value(name, factor, _moved(market, name, direction * volatility_range)) - market.value(name))
                for name, size in book.items()
            ]
            expected.append(-sum(gains))
        tail = [
            size * (market.value(name, 0.1, _moved(market, name, 0.0)) - market.value(name)) * 0.1
            for name, size in book.items()
        ]
        losses = term(result, of, "scan")["parts"][0]["losses"]
        assert [real(each) for each in losses] == pytest.approx([*expected, -sum(tail)], abs=1e-4)
    up = real(term(result, "short", "scan")["amount"])
    down = 60_000 * (1 - exp(-3 * 0.6 * sqrt(2 / 365)))
    assert up == pytest.approx(60_000 * (exp(3 * 0.6 * sqrt(2 / 365)) - 1))
    assert up > down


def _moved(market: Market, name: str, by: float) -> float | None:
    return market.volatility(name) + by if market.is_option(name) else None


def simm(file: Any, of: str) -> tuple[float, float, float]:
    """Delta, vega and curvature margin in floats, by double sums over risk factors."""
    market, book, terms = Market(file), positions(file, of), file["model"]["terms"][0]
    bucket_of = {group: bucket for bucket in terms["buckets"] for group in bucket["groups"]}
    delta, vega, curvature = (dict.fromkeys(bucket_of, 0.0) for _ in range(3))
    for name, size in book.items():
        group = market.instruments[name]["group"]
        bucket, years = bucket_of[group], market.years(name)
        if not market.is_option(name):
            delta[group] += size * market.value(name) * real(bucket["delta_weight"])
            continue
        forward, volatility, strike = market.forward(name), market.volatility(name), market.instruments[name]["strike"]
        upper = log(forward / strike) / (volatility * sqrt(years)) + volatility * sqrt(years) / 2
        chance = normal(upper) if market.instruments[name]["kind"] == "call" else normal(upper) - 1
        delta[group] += size * market.discount(name) * chance * forward * real(bucket["delta_weight"])
        per_point = market.discount(name) * forward * exp(-upper * upper / 2) / sqrt(2 * pi) * sqrt(years)
        risk = size * per_point * real(bucket.get("volatility", volatility))
        vega[group] += risk * real(bucket["vega_weight"])
        curvature[group] -= 0.5 * min(1.0, 14 / (years * 365)) * risk

    def root(weighted: dict[str, float], power: int) -> float:
        square, nets = 0.0, {}
        for bucket in terms["buckets"]:
            correlation = real(bucket.get("correlation", 0)) ** power
            inside = sum(
                weighted[one] * weighted[other] * (1.0 if one == other else correlation)
                for one in bucket["groups"]
                for other in bucket["groups"]
            )
            margin, total = sqrt(max(inside, 0.0)), sum(weighted[group] for group in bucket["groups"])
            nets[bucket["name"]] = max(min(total, margin), -margin)
            square += inside
        return sqrt(square + 2 * 0.5**power * nets["large"] * nets["small"])

    total, size = sum(curvature.values()), sum(map(abs, curvature.values()))
    theta = min(total / size, 0.0)
    factor = (2.5758293035489004**2 - 1) * (1 + theta) - theta
    return root(delta, 1), root(vega, 1), max(total + factor * root(curvature, 2), 0.0)


@pytest.mark.parametrize("of", ["hedged", "writer", "buyer"])
def test_weighted_sensitivities_agree_with_the_published_formula(of):
    file = shipped("sensitivities")
    result = run(file)
    parts = {part["of"]: real(part["amount"]) for part in term(result, of, "sensitivities")["parts"]}
    assert list(parts.values()) == pytest.approx(simm(file, of), rel=1e-9)
    assert real(account(result, of)["levels"][0]["requirement"]) == pytest.approx(sum(simm(file, of)), rel=1e-9)


def test_curvature_charges_short_options_and_not_long_ones():
    """A single long option has theta -1 and lambda 1: its curvature cancels. The same one short costs 6.63 times it."""
    file = shipped("sensitivities")
    for size, expected in ((1, 0.0), (-1, 1 + 5.634896601021214)):
        file["portfolio"]["accounts"] = [{"id": "one", "positions": [{"instrument": "ETH-90D-3000-C", "size": size}]}]
        part = term(run(file), "one", "sensitivities")["parts"][2]
        lost = abs(real(part["buckets"][0]["weighted"]["ETH"]))
        assert real(part["amount"]) == pytest.approx(expected * lost, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.fractions(0, 10**12), st.integers(0, 12))
def test_a_root_rounds_up(value, decimals):
    root = root_up(value, decimals)
    assert root * root >= value
    assert root == 0 or (root - exact_rational(f"1/{10**decimals}")) ** 2 < value


@settings(max_examples=25, deadline=None)
@given(*[st.lists(st.integers(-20, 20), min_size=3, max_size=3) for _ in range(2)])
def test_the_root_of_one_bucket_is_convex_in_positions(one, other):
    """Half of two books requires at most half of both requirements, for delta and vega of one bucket."""
    file = shipped("sensitivities")
    file["model"]["terms"][0] |= {
        "buckets": [file["model"]["terms"][0]["buckets"][0] | {"groups": ["BTC", "ETH", "SOL"]}],
        "correlations": [],
        "curvature": None,
    }
    names = ("BTC-PERP", "ETH-90D-3000-C", "SOL-60D-180-C")
    half = [(left + right) / 2 for left, right in zip(one, other, strict=True)]
    file["portfolio"]["accounts"] = [
        {"id": of, "positions": [{"instrument": i, "size": str(size)} for i, size in zip(names, book, strict=True)]}
        for of, book in (("one", one), ("other", other), ("half", half))
    ]
    result = run(file)
    first, second, joined = (real(term(result, of, "sensitivities")["amount"]) for of in ("one", "other", "half"))
    assert joined <= (first + second) / 2 * (1 + 1e-12) + 1e-9


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"buckets": []}, ClearingCode.BAD_MODEL),
        ({"correlations": [{"one": "large", "other": "none", "correlation": "0.5"}]}, ClearingCode.BAD_MODEL),
        ({"correlations": [{"one": "large", "other": "small", "correlation": "1.5"}]}, ClearingCode.BAD_MODEL),
        ({"correlations": [{"one": a, "other": b, "correlation": 0} for a, b in ("AB", "BA")]}, ClearingCode.BAD_MODEL),
        ({"curvature": {"days": 0}}, ClearingCode.BAD_MODEL),
        ({"buckets": [{"name": "x", "groups": ["BTC", "BTC"], "delta_weight": 1}]}, ClearingCode.BAD_MODEL),
        ({"buckets": [{"name": "x", "groups": ["BTC", "ETH"], "delta_weight": 1}]}, ClearingCode.BAD_MODEL),
    ],
    ids=["no bucket", "no such bucket", "correlation", "a pair twice", "no days", "a group twice", "a group left out"],
)
def test_sensitivities_without_sense_are_refused(change, code):
    file = shipped("sensitivities")
    file["model"]["terms"][0] |= change
    with refused(code):
        run(file)


def test_orders_and_missing_prices_are_refused_with_sensitivities():
    file = shipped("sensitivities")
    file["portfolio"]["accounts"][0]["orders"] = [{"instrument": "BTC-PERP", "side": "buy", "size": 1}]
    with refused(ClearingCode.ORDER_NOT_MARGINED):
        run(file)
    file = shipped("sensitivities")
    del file["portfolio"]["groups"][1]["volatility"]
    with refused(BaseCode.MALFORMED):
        run(file)


@pytest.mark.parametrize(
    "change",
    [{"absolute": True}, {"lognormal": {"volatility": -1, "days": 1}}, {"lognormal": {"volatility": 900, "days": 365}}],
    ids=["absolute too", "a negative volatility", "a factor beyond e^20"],
)
def test_log_normal_moves_without_sense_are_refused(change):
    file = shipped("log-normal")
    file["model"]["terms"][0]["ranges"][0] |= change
    with refused(ClearingCode.BAD_MODEL):
        run(file)
