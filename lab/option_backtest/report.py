"""The report of a backtest with options, as data and as the table that the command prints.

Rule: every book and every loss beyond its margin; the first line says that the surfaces are simulated.
"""

import msgspec
import numpy as np

from clearing.base.units import PPM
from lab.backtest.coverage import Coverage, coverage_of
from lab.backtest.report import Procyclicality, WalkReport, day_of, procyclicality_of, walk_figures
from lab.backtest.walk import Setup
from lab.option_backtest.books import OptionBook
from lab.option_backtest.variance_path import HestonFit
from lab.option_backtest.walk import Integers, OptionWalked

SIMULATED = "SIMULATED surfaces: a seeded Heston path along recorded prices; no option price was recorded"
QUANTILE = 0.99


class Excess(msgspec.Struct, frozen=True):
    """How much margin there was for the losses that came."""

    mean_margin_micros: int
    largest_loss_micros: int
    """The realised worst loss; 0 where the book never lost."""
    mean_over_largest_ppm: int | None
    """Mean margin over the realised worst loss; none where the book never lost."""
    quantile_loss_micros: int
    """The loss that 99 of 100 do not exceed; 0 at least."""
    mean_over_quantile_ppm: int | None


class OptionBookReport(msgspec.Struct, frozen=True):
    """One book."""

    name: str
    coverage: Coverage
    excess: Excess
    procyclicality: Procyclicality
    """Of the initial margin. The book is opened again every week at the same worth."""


class OptionBacktestReport(WalkReport, frozen=True, kw_only=True):
    """All of it, as it is written as JSON."""

    surfaces: str
    surface_seed: int
    fits: dict[str, HestonFit]
    volatility_ppm: dict[str, tuple[int, int, int]]
    """Least, median and largest simulated volatility at the money for 30 days."""
    books: tuple[OptionBookReport, ...]


def option_report(walked: OptionWalked, setup: Setup, seed: int, file: str, file_sha256: str) -> OptionBacktestReport:
    """Judge a walk."""
    books = tuple(_book(walked, setup, at, book) for at, book in enumerate(walked.books))
    return OptionBacktestReport(
        **walk_figures(walked, setup, (book.coverage for book in books), file, file_sha256),
        surfaces=SIMULATED,
        surface_seed=seed,
        fits=dict(zip(walked.names, walked.fits, strict=True)),
        volatility_ppm={name: _extent(walked.volatilities_ppm[:, at]) for at, name in enumerate(walked.names)},
        books=books,
    )


def _extent(series: Integers) -> tuple[int, int, int]:
    return int(series.min()), int(np.median(series)), int(series.max())


def _book(walked: OptionWalked, setup: Setup, at: int, book: OptionBook) -> OptionBookReport:
    margins, losses = walked.margins[:, at], walked.losses[:, at]
    probability = 1.0 - setup.parameters.confidence_ppm / PPM
    mean, largest = int(np.mean(margins)), max(int(losses.max()), 0)
    quantile = max(int(np.quantile(losses, QUANTILE)), 0)
    return OptionBookReport(
        name=book.name,
        coverage=coverage_of(losses > margins, probability),
        excess=Excess(mean, largest, _ratio_ppm(mean, largest), quantile, _ratio_ppm(mean, quantile)),
        procyclicality=procyclicality_of(margins, setup),
    )


def _ratio_ppm(margin: int, loss: int) -> int | None:
    return margin * PPM // loss if loss else None


def option_report_text(report: OptionBacktestReport) -> str:
    """Lines for a terminal of 120 columns."""
    span = report.interval_s * report.horizon_observations
    lines = [
        report.surfaces,
        f"{report.file}: {report.points} points from {day_of(report.first_s)} to {day_of(report.last_s)}, one each"
        f" {span} s, warm-up {report.warm_up}, gaps {report.gaps}, surface seed {report.surface_seed}",
        "",
        *(_fit_line(name, fit, report.volatility_ppm[name]) for name, fit in report.fits.items()),
        "",
        f"Initial margin at {report.confidence_ppm / 10_000:g} %: one-sided upper bound at 5 %; money in thousands",
        f"  {'book':<22}{'exceeded':>9}{'percent':>9}{'Kupiec p':>10}{'p':>7}{'clusters p':>12}"
        f"{'mean':>8}{'worst':>8}{'ratio':>7}{'peak/trough':>13}{'1d':>6}{'5d':>6}{'30d':>7}",
        *map(_line, _shown(report)),
        *_summary(report),
        "",
        f"margin enough: {'yes' if report.margin_is_enough else 'NO'}",
    ]
    return "\n".join(lines)


def _fit_line(name: str, fit: HestonFit, volatility: tuple[int, int, int]) -> str:
    least, median, largest = (ppm / 10_000 for ppm in volatility)
    return (
        f"{name}: theta {fit.theta:.3f}, kappa {fit.kappa:.1f}, xi {fit.xi:.2f}, rho {fit.rho:.3f}, surprise"
        f" {fit.surprise:.2f}; simulated 30-day volatility {least:.0f} to {largest:.0f} %, median {median:.0f} %"
    )


def _shown(report: OptionBacktestReport) -> list[OptionBookReport]:
    """The textbook portfolios, and the three random books with most breaches."""
    drawn = [book for book in report.books if book.name.startswith("random")]
    worst = sorted(drawn, key=lambda book: -book.coverage.exceeded)[:3]
    return [*(book for book in report.books if book not in drawn), *worst]


def _line(book: OptionBookReport) -> str:
    seen, excess, cycle = book.coverage, book.excess, book.procyclicality
    ratio = "-" if excess.mean_over_largest_ppm is None else f"{excess.mean_over_largest_ppm / PPM:.2f}"
    changes = list(cycle.change_ratios.values())
    return (
        f"  {book.name:<22}{seen.exceeded:>9}{100 * seen.frequency:>9.3f}{seen.kupiec_p:>10.2g}{seen.too_many_p:>7.3f}"
        f"{seen.independence_p:>12.2g}{excess.mean_margin_micros / 1e9:>8.2f}{excess.largest_loss_micros / 1e9:>8.2f}"
        f"{ratio:>7}{cycle.peak_to_trough:>13.2f}{changes[0]:>6.2f}{changes[1]:>6.2f}{changes[2]:>7.2f}"
        f"  {'pass' if seen.is_enough else 'FAIL'}"
    )


def _summary(report: OptionBacktestReport) -> list[str]:
    drawn = [book for book in report.books if book.name.startswith("random")]
    failing = sum(not book.coverage.is_enough for book in report.books)
    total = report.points * len(report.books)
    lines = [f"  books that fail: {failing}; losses beyond margin: {len(report.breaches)} of {total}, each in the JSON"]
    if drawn:
        ratios = [book.excess.mean_over_largest_ppm / PPM for book in drawn if book.excess.mean_over_largest_ppm]
        exceeded = [book.coverage.exceeded for book in drawn]
        peaks = [book.procyclicality.peak_to_trough for book in drawn]
        middle = f"{np.median(ratios):.2f}" if ratios else "-"
        lines.append(
            f"  {len(drawn)} random books: exceeded {min(exceeded)} to {max(exceeded)}; mean margin over worst loss,"
            f" median {middle}; peak/trough, median {np.median(peaks):.1f}"
        )
    return lines
