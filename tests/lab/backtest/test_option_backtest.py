"""Backtests with options: simulated surfaces, fixed books, the engine's own marks, and no look at what comes."""

import json
import random
from dataclasses import replace
from fractions import Fraction
from math import exp, sqrt
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.textbook.compare import FOLDER
from clearing.base.errors import LocalFault
from clearing.base.units import DAY_MS, YEAR_MS
from clearing.pricing.surface import option_volatility
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.risk.volatility_surface import surface_checks
from cli.output import ExitCode
from lab.backtest.coverage import coverage_of
from lab.backtest.market_data import MarketData
from lab.backtest.walk import Setup
from lab.option_backtest.books import LISTED, TEXTBOOK, book_lots, listed_contracts, option_books, random_book
from lab.option_backtest.report import SIMULATED, option_report, option_report_text
from lab.option_backtest.simulated_surface import simulated_surface
from lab.option_backtest.variance_path import HestonFit, fit_heston, variance_path
from lab.option_backtest.walk import OptionWalker, walk_options
from tests.kit.command_line import CommandLine

HOUR = 3_600_000
RULES = RangeParameters(interval_ms=HOUR, horizon_ms=HOUR, window=60, window_min=20)
SETUP = Setup(RULES, seeds=6, warm_up=80)
FIT = HestonFit(theta=0.6, kappa=30.0, xi=5.0, rho=-0.2, surprise=0.3)


def market(rows: int = 1_100, seed: int = 1) -> MarketData:
    chance = random.Random(seed)
    closes: list[list[int]] = [[4_000_000], [250_000]]
    for at in range(rows - 1):
        level = 0.012 if at // 200 % 2 else 0.004
        common = chance.gauss(0, level)
        for series in closes:
            series.append(max(1, round(series[-1] * (1 + common + chance.gauss(0, level / 2)))))
    return MarketData(("a", "b"), tuple(3600 * at for at in range(1, rows + 1)), tuple(map(tuple, closes)))


def test_history_is_required_with_the_moves_of_the_surface() -> None:
    rules = msgspec.structs.replace(RULES, historical_scenarios=40, joint_tail_exact=True, joint_floor=True)
    data = market()
    walker = OptionWalker(data, replace(SETUP, parameters=rules), 1)
    for at in range(505):
        walker.observe(at)
        walker.ranges.publish(at)
    stated = walker.ranges.history
    assert 20 < sum(scenario.count for scenario in stated.scenarios) <= rules.window
    moved = [move for scenario in stated.scenarios for move in scenario.moves]
    assert min(move.volatility_ppm for move in moved) < 0 < max(move.volatility_ppm for move in moved)
    walker.reopen(504, 505)
    groups = walker.groups(504)
    arrays = walker.arrays(504, groups)
    assert arrays.parameters.history == stated
    plain = walk_options(data, SETUP, 1)
    required = walk_options(data, replace(SETUP, parameters=rules), 1)
    assert np.array_equal(plain.losses, required.losses)
    assert not np.array_equal(plain.margins, required.margins)


fits = st.builds(
    HestonFit,
    theta=st.floats(0.05, 4),
    kappa=st.floats(1, 150),
    xi=st.floats(0.01, 12),
    rho=st.floats(-0.9, 0.9),
    surprise=st.just(0.3),
)


@settings(max_examples=200, deadline=None)
@given(fits, st.floats(0.04, 40))
def test_no_simulated_surface_allows_arbitrage(fit: HestonFit, variance: float) -> None:
    volatility, pillars = simulated_surface(fit, variance)
    assert [found for found in surface_checks(pillars, volatility) if not found[2]] == []


@settings(max_examples=50, deadline=None)
@given(st.floats(0.2, 2), st.sampled_from([1, 7, 30, 90]))
def test_level_and_skew_at_the_money_are_those_of_heston(variance: float, days: int) -> None:
    """The mean of the expected variance, by a sum over a thousand steps, and the slope from two strikes."""
    fit, tenor = msgspec.structs.replace(FIT, xi=1.0), days * DAY_MS
    volatility, pillars = simulated_surface(fit, variance)
    group = RiskGroup(1, "a", 1, 50_000, volatility, 0, surface=pillars)
    years = tenor / YEAR_MS
    path = [fit.theta + (variance - fit.theta) * exp(-fit.kappa * years * (at + 0.5) / 1000) for at in range(1000)]
    level = sqrt(sum(path) / 1000)
    assert option_volatility(group, 1e6, 1e6, tenor) == pytest.approx(level * 1e6, abs=3)
    step = 0.02 * level * sqrt(years)
    high, low = (option_volatility(group, 1e6, 1e6 * exp(sign * step), tenor) / 1e6 for sign in (1, -1))
    x = fit.kappa * years
    expected = fit.rho * fit.xi / (2 * level) * (x - 1 + exp(-x)) / x**2
    assert (high - low) / (2 * step) == pytest.approx(expected, rel=0.02, abs=2e-4 / step)


def test_a_path_is_a_function_of_prices_and_seed_and_knows_no_later_price() -> None:
    data = market()
    whole = variance_path(data.times_s, data.closes[0], FIT, "one")
    again = variance_path(data.times_s[:500], data.closes[0][:500], FIT, "one")
    assert whole[:500].tolist() == again.tolist()
    assert whole.tolist() != variance_path(data.times_s, data.closes[0], FIT, "two").tolist()
    assert whole.min() >= 0.04


def test_the_fit_finds_the_parameters_of_a_simulated_process() -> None:
    """Four years of hours of Heston's process with kappa 30 and a long-run volatility of 80 %."""
    chance, price, variance = random.Random(3), 10_000_000.0, 0.64
    closes, step = [round(price)], 1 / 8760
    for _ in range(4 * 8760):
        z, n = chance.gauss(0, 1), chance.gauss(0, 1)
        price *= exp(sqrt(variance * step) * z - variance * step / 2)
        shock = -0.5 * z + sqrt(0.75) * n
        variance = max(variance + 30 * (0.64 - variance) * step + 4 * sqrt(variance * step) * shock, 1e-3)
        closes.append(round(price))
    fit = fit_heston(range(0, 3600 * len(closes), 3600), closes, "a")
    assert fit.theta == pytest.approx(0.64, rel=0.1)
    assert 15 < fit.kappa < 60
    assert fit.xi == pytest.approx(4, rel=0.35)
    assert -0.6 < fit.rho < -0.1


def test_too_short_a_history_is_refused() -> None:
    data = market(rows=500)
    with pytest.raises(LocalFault, match="40 are needed"):
        walk_options(data, SETUP, 1)


def test_the_textbook_portfolios_are_those_of_the_benchmark() -> None:
    file = json.loads((FOLDER / "portfolios.json").read_text())["portfolio"]
    listed = {each["id"]: each for each in file["instruments"]}
    for account in file["accounts"]:
        expected = set()
        for position in account["positions"]:
            each = listed[position["instrument"]]
            days = each.get("seconds_to_expiry", 0) // 86_400
            expected.add((each["kind"], each.get("strike", 0) // 30, days, position["size"]))
        legs = {
            (terms.kind.name.lower(), terms.strike_percent, terms.days, size) for terms, size in TEXTBOOK[account["id"]]
        }
        assert legs == expected
    assert len(TEXTBOOK) == len(file["accounts"]) == 8


def test_random_books_are_what_they_were_when_they_were_fixed() -> None:
    book = random_book(0, 2)
    assert [(LISTED.index(terms), size) for terms, size in book.legs[0]] == FIXED
    assert book.legs[1] == ()
    assert all(random_book(2, 2).legs)
    assert len(option_books(("a", "b"), 5)) == 2 * 8 + 5


FIXED = [(12, Fraction(34, 100)), (9, Fraction(-13, 100))]


@given(st.integers(0, 2_000))
def test_every_random_book_has_legs_of_bounded_size(seed: int) -> None:
    sizes = [abs(size) for legs in random_book(seed, 2).legs for _, size in legs]
    assert 2 <= len(sizes) <= 10
    assert all(0 < size <= 1 for size in sizes)


def test_a_leg_of_size_one_is_worth_a_hundred_thousand_when_opened() -> None:
    book = option_books(("a",), 0)[7]
    assert book.name == "short strangle a"
    lots = book_lots(book, [4_000_000])
    contracts = listed_contracts(("a",), [4_000_000], 0)[0]
    held = {contracts[at].name: count for at, count in enumerate(lots) if count}
    assert held == {"a-30D-110-C": -2_500, "a-30D-90-P": -2_500}
    assert contracts[8].strike_ticks == 3_600_000
    assert contracts[8].expiry_ms == 30 * DAY_MS


def test_losses_are_changes_of_the_marks_in_the_engines_arrays() -> None:
    """Against the base column of the arrays at both ends; a perpetual's own gain is in its settled mark."""
    data = market()
    walker = OptionWalker(data, SETUP, 1)
    walker.reopen(900, 924)
    before, after = walker.groups(900), walker.groups(924)
    now, then = (walker.arrays(at, groups).values[:, 0].tolist() for at, groups in ((900, before), (924, after)))
    for series, index, later in zip(walker.listed, walker.index_ticks(900), walker.index_ticks(924), strict=True):
        now[series[0].id - 1], then[series[0].id - 1] = 10 * index, 10 * later
    assert walker.worth(900, before) == now
    assert walker.worth(924, after) == then
    change = np.array(then) - np.array(now)
    assert (
        walker.losses(walker.worth(900, before), walker.worth(924, after)).tolist() == (-walker.lots @ change).tolist()
    )


def test_an_option_at_the_end_of_its_week_is_worth_what_it_pays() -> None:
    data = market()
    walker = OptionWalker(data, SETUP, 1)
    walker.reopen(900, 901)
    end = 900 + 7 * 24
    walker.reopen(end - 1, end)
    for series, ticks in zip(walker.listed, walker.index_ticks(end), strict=True):
        for option, micros in zip(series[1:], walker.worth(end, walker.groups(end))[series[1].id - 1 :], strict=False):
            if option.expiry_ms == data.times_s[end] * 1000:
                sign = 1 if option.name.endswith("C") else -1
                assert micros == 10 * max(sign * (ticks - option.strike_ticks), 0)
    opened = walker.listed
    walker.reopen(end, end + 1)
    assert walker.listed != opened


def test_a_margin_does_not_change_when_all_later_prices_do() -> None:
    """With the fit of the simulated world fixed, which knows the whole history."""
    data = market()
    other = MarketData(
        data.names,
        data.times_s,
        tuple((*series[:900], *(price * 2 for price in series[900:])) for series in data.closes),
    )
    found = []
    for each in (data, other):
        walker = OptionWalker(each, SETUP, 1)
        walker.fits = (FIT, FIT)
        walker.paths = [
            variance_path(each.times_s, series, FIT, name) for name, series in zip(each.names, each.closes, strict=True)
        ]
        for at in range(900):
            walker.ranges.observe(at)
            published = walker.ranges.publish(at)
        walker.reopen(890, 891)
        found.append(walker.margins(walker.arrays(899, walker.groups(899, published))).tolist())
    assert found[0] == found[1]
    assert min(found[0]) > 0


def test_the_report_counts_breaches_over_margining_and_procyclicality() -> None:
    walked = walk_options(market(), SETUP, 1)
    report = option_report(walked, SETUP, 1, "prices.csv", "00")
    assert report.points == walked.times_s.size == 1_100 - 80 - 1
    for at, book in enumerate(report.books):
        margins, losses = walked.margins[:, at].tolist(), walked.losses[:, at].tolist()
        exceeded = sum(loss > margin for loss, margin in zip(losses, margins, strict=True))
        assert book.coverage.exceeded == exceeded == sum(breach.seed == at for breach in report.breaches)
        seen = coverage_of(walked.losses[:, at] > walked.margins[:, at], 0.01)
        assert book.coverage.kupiec_p == pytest.approx(seen.kupiec_p)
        assert book.coverage.independence_p == seen.independence_p
        mean, largest = sum(margins) // len(margins), max(*losses, 0)
        assert book.excess.mean_margin_micros == pytest.approx(mean, abs=1)
        assert book.excess.largest_loss_micros == largest
        if largest:
            assert book.excess.mean_over_largest_ppm == pytest.approx(1e6 * mean / largest, abs=2)
        assert book.procyclicality.peak_to_trough == pytest.approx(max(margins) / min(margins), abs=1e-4)
        growth = max(max(margins[at : at + 25]) / margins[at] for at in range(len(margins) - 24))
        assert book.procyclicality.change_ratios["1d"] == pytest.approx(growth, abs=1e-4)
    assert option_report_text(report).splitlines()[0] == report.surfaces == SIMULATED


def test_a_longer_horizon_has_points_apart_and_larger_margins() -> None:
    data = market()
    day = replace(SETUP, parameters=msgspec.structs.replace(RULES, horizon_ms=24 * HOUR, window_min=10), steps=24)
    hourly, daily = walk_options(data, SETUP, 1), walk_options(data, day, 1)
    assert set(np.diff(daily.times_s).tolist()) == {24 * 3600}
    assert daily.margins.mean() > hourly.margins.mean()


def prices(folder: Path) -> Path:
    data, lines = market(), ["unix,a_open,a_high,a_low,a_close,b_open,b_high,b_low,b_close"]
    for time_s, *closes in zip(data.times_s, *data.closes, strict=True):
        lines.append(",".join([str(time_s), *(f"{close / 100:.2f}" for close in closes for _ in range(4))]))
    path = folder / "prices.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_command_writes_a_labelled_report_and_pictures(tmp_path: Path, cli: CommandLine) -> None:
    report, png, page, losses = (tmp_path / name for name in ("r.json", "r.png", "r.html", "l.csv"))
    words = ["backtest", prices(tmp_path), "--options", "--warm-up", "200", "--window", "100", "--books", "3"]
    files = ["--json", report, "--plot", png, "--plot", page, "--losses", losses]
    written = cli(*words, *files, "--output", "json", code=None).json
    assert written == json.loads(report.read_text())
    assert written["surfaces"] == SIMULATED
    assert SIMULATED in page.read_text()
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    header, *rows = losses.read_text().splitlines()
    assert len(rows) == written["points"]
    assert header.split(",")[1:] == [book["name"].replace(" ", "_") for book in written["books"]]
    code = ExitCode.OK if written["margin_is_enough"] else ExitCode.VERIFICATION
    said = cli(*words, code=code).out
    assert SIMULATED in said
    assert "short strangle b" in said
    other = cli(*words, "--surface-seed", "2", "--output", "json", code=None).json
    assert other["volatility_ppm"] != written["volatility_ppm"]


def test_joint_scenarios_and_a_horizon_beyond_a_week_are_refused(tmp_path: Path, cli: CommandLine) -> None:
    path = prices(tmp_path)
    cli("backtest", path, "--options", "--joint", "8", code=ExitCode.USAGE)
    assert "horizon" in cli("backtest", path, "--options", "--horizon", "169", "--window", "1000", code=None).err
