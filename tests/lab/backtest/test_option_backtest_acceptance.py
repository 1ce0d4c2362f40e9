"""Books of options over recorded prices and simulated surfaces, day by day from 2018 to 2022."""

from pathlib import Path

import pytest

from clearing.schema.risk.price_ranges import RangeParameters
from lab.option_backtest.report import OptionBacktestReport, OptionBookReport
from lab.option_backtest.run import run_option_backtest

PAGE = Path(__file__).resolve().parents[3] / "docs/explanation/backtest.md"


@pytest.fixture(scope="module")
def report(market_data_dir: Path) -> OptionBacktestReport:
    """The defaults of the command, for a day."""
    file = market_data_dir / "btc_eth_1h_2018_2022.csv"
    _, report = run_option_backtest(file, RangeParameters(), 100, 1_000, 24, 1)
    return report


def test_every_day_and_every_book_is_tested(report: OptionBacktestReport) -> None:
    assert (report.points, report.gaps, len(report.books)) == (1_319, 0, 116)


def test_no_book_of_options_loses_more_than_its_margin_too_often(report: OptionBacktestReport) -> None:
    for book in report.books:
        assert book.coverage.too_many_p >= 0.05, book
    assert sum(book.coverage.exceeded for book in report.books) == len(report.breaches)


def test_the_page_has_the_daily_figures_of_every_textbook_portfolio(report: OptionBacktestReport) -> None:
    lines = PAGE.read_text().splitlines()
    for book in report.books[:16]:
        name, underlying = book.name.rsplit(" ", 1)
        line = next(line for line in lines if line.startswith(f"| {name} {underlying.upper()} |"))
        assert [cell.strip() for cell in line.split("|")[8:15]] == cells(book)


def cells(book: OptionBookReport) -> list[str]:
    excess, cycle = book.excess, book.procyclicality
    lost = excess.mean_over_largest_ppm is not None
    return [
        str(book.coverage.exceeded),
        f"{excess.mean_margin_micros / 1e9:.2f}",
        f"{excess.largest_loss_micros / 1e9:.2f}" if lost else "0",
        f"{(excess.mean_over_largest_ppm or 0) / 1e6:.2f}" if lost else "",
        f"{cycle.peak_to_trough:.1f}",
        f"{cycle.change_ratios['1d']:.1f}",
        f"{cycle.change_ratios['30d']:.1f}",
    ]
