"""Acceptance over recorded prices: hourly BTC and ETH of 2018 to 2022, every hour, every book."""

from pathlib import Path

import pytest

from clearing.schema.risk.price_ranges import RangeParameters
from lab.backtest.report import BacktestReport
from lab.backtest.run import run_backtest

HOURLY = "btc_eth_1h_2018_2022.csv"


@pytest.fixture(scope="module")
def report(market_data_dir: Path) -> BacktestReport:
    """The defaults of the command."""
    _, report = run_backtest(market_data_dir / HOURLY, RangeParameters(), 100, 1_000, 1)
    return report


def test_all_hours_are_tested(report: BacktestReport) -> None:
    assert (report.points, report.gaps, report.interval_s) == (31_658, 0, 3_600)
    assert [each.name for each in report.ranges] == ["btc", "eth"]
    assert [book.seed for book in report.books] == list(range(100))


def test_the_raw_range_passes_the_two_sided_kupiec_test(report: BacktestReport) -> None:
    for each in report.ranges:
        assert each.raw.kupiec_p >= 0.05, each
        assert each.raw.kupiec_ratio < 3.8415
        assert all(year.kupiec_p >= 0.05 for year in each.raw_by_year.values())


def test_no_book_loses_more_than_its_margin_too_often(report: BacktestReport) -> None:
    for book in report.books:
        assert book.coverage.too_many_p >= 0.05, book
    assert sum(book.coverage.exceeded for book in report.books) == len(report.breaches)


def test_published_ranges_are_calmer_than_raw_ones(report: BacktestReport) -> None:
    for each in report.ranges:
        raw, published = each.raw_procyclicality, each.published_procyclicality
        assert published.peak_to_trough < raw.peak_to_trough / 4
        assert all(published.change_ratios[days] < raw.change_ratios[days] for days in raw.change_ratios)


def test_a_day_s_range_passes_too(market_data_dir: Path) -> None:
    _, daily = run_backtest(market_data_dir / HOURLY, RangeParameters(), 4, 1_000, 24)
    assert daily.points == 1_319
    for each in daily.ranges:
        assert each.raw.kupiec_p >= 0.05, each
    assert daily.margin_is_enough
