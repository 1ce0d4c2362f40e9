"""The report of a backtest, as data and as the table that the command prints.

Rule: every test of every series, every book and every loss beyond its margin.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from clearing.base.units import DAY_MS, PPM
from lab.backtest.coverage import Coverage, change_ratio, coverage_of, peak_to_trough, years_of
from lab.backtest.walk import Setup, Walked, form_of, worth_of

CHANGE_DAYS = (1, 5, 30)
Integers: TypeAlias = NDArray[np.int64]


class Procyclicality(msgspec.Struct, frozen=True):
    """How jumpy a range was."""

    peak_to_trough: float
    change_ratios: dict[str, float]
    """Largest growth within so many days."""


class RangeReport(msgspec.Struct, frozen=True):
    """One underlying."""

    name: str
    raw: Coverage
    raw_by_year: dict[str, Coverage]
    published: Coverage
    median_raw_ppm: int
    median_published_ppm: int
    raw_procyclicality: Procyclicality
    published_procyclicality: Procyclicality


class BookReport(msgspec.Struct, frozen=True):
    """One book."""

    seed: int
    form: str
    worth: tuple[int, ...]
    """Settlement units of each underlying when opened, signed."""
    coverage: Coverage
    median_margin_micros: int
    largest_loss_micros: int
    largest_loss_over_margin_ppm: int


class Breach(msgspec.Struct, frozen=True, array_like=True):
    """A loss beyond margin: [seed, Unix seconds of the margin, margin, loss], money in micros."""

    seed: int
    time_s: int
    margin: int
    loss: int


class Walk(Protocol):
    """What a walk found at its points, of every book."""

    @property
    def times_s(self) -> Integers:
        """[points] Unix seconds."""

    @property
    def gaps(self) -> int:
        """Points that were left out."""

    @property
    def margins(self) -> Integers:
        """[points, books] micros."""

    @property
    def losses(self) -> Integers:
        """[points, books] micros."""


class WalkReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the reports of both backtests have, as it is written as JSON."""

    file: str
    file_sha256: str
    first_s: int
    last_s: int
    interval_s: int
    horizon_observations: int
    warm_up: int
    points: int
    gaps: int
    confidence_ppm: int
    parameters: dict[str, int]
    breaches: tuple[Breach, ...]
    """The seed is the book's place in the list."""
    margin_is_enough: bool
    """One-sided upper bound at 5 % on the margin of every book."""

    @property
    def passed(self) -> bool:
        """Whether no book fails."""
        return self.margin_is_enough


class BacktestReport(WalkReport, frozen=True, kw_only=True):
    """All of it."""

    ranges: tuple[RangeReport, ...]
    books: tuple[BookReport, ...]
    raw_is_calibrated: bool
    """Two-sided Kupiec at 5 % on the raw range of every underlying."""

    @property
    def passed(self) -> bool:
        """Both."""
        return self.raw_is_calibrated and self.margin_is_enough


def walk_figures(walked: Walk, setup: Setup, coverages: Iterable[Coverage], file: str, sha256: str) -> dict[str, Any]:
    """The fields of `WalkReport`, from a walk and the coverage of each book."""
    rules = setup.parameters
    return {
        "file": file,
        "file_sha256": sha256,
        "first_s": int(walked.times_s[0]),
        "last_s": int(walked.times_s[-1]),
        "interval_s": rules.interval_ms // 1000,
        "horizon_observations": setup.steps,
        "warm_up": setup.warm_up,
        "points": int(walked.times_s.size),
        "gaps": walked.gaps,
        "confidence_ppm": rules.confidence_ppm,
        "parameters": {name: int(getattr(rules, name)) for name in rules.__struct_fields__},
        "breaches": tuple(
            Breach(int(book), int(walked.times_s[at]), int(walked.margins[at, book]), int(walked.losses[at, book]))
            for at, book in np.argwhere(walked.losses > walked.margins)
        ),
        "margin_is_enough": all(coverage.is_enough for coverage in coverages),
    }


def procyclicality_of(series: Integers, setup: Setup) -> Procyclicality:
    """Of a series with a value a point."""
    span_ms = setup.parameters.interval_ms * setup.steps
    ratios = {f"{days}d": round(change_ratio(series, max(days * DAY_MS // span_ms, 1)), 4) for days in CHANGE_DAYS}
    return Procyclicality(round(peak_to_trough(series), 4), ratios)


def report_of(walked: Walked, setup: Setup, file: str, file_sha256: str) -> BacktestReport:
    """Judge a walk."""
    probability = 1.0 - setup.parameters.confidence_ppm / PPM
    ranges = tuple(_range(walked, setup, at, probability) for at in range(len(walked.names)))
    books = tuple(_book(walked, seed, probability) for seed in range(setup.seeds))
    return BacktestReport(
        **walk_figures(walked, setup, (book.coverage for book in books), file, file_sha256),
        ranges=ranges,
        books=books,
        raw_is_calibrated=all(series.raw.is_calibrated for series in ranges),
    )


def _range(walked: Walked, setup: Setup, at: int, probability: float) -> RangeReport:
    moves, raw, published = walked.moves_ppm[:, at], walked.raw_ppm[:, at], walked.ranges_ppm[:, at]
    years = years_of(walked.times_s.tolist())
    by_year = {str(year): coverage_of((moves > raw)[years == year], probability) for year in np.unique(years)}
    return RangeReport(
        name=walked.names[at],
        raw=coverage_of(moves > raw, probability),
        raw_by_year=by_year,
        published=coverage_of(moves > published, probability),
        median_raw_ppm=int(np.median(raw)),
        median_published_ppm=int(np.median(published)),
        raw_procyclicality=procyclicality_of(raw, setup),
        published_procyclicality=procyclicality_of(published, setup),
    )


def _book(walked: Walked, seed: int, probability: float) -> BookReport:
    margins, losses = walked.margins[:, seed], walked.losses[:, seed]
    worst = int(losses.argmax())
    largest = max(
        (int(loss) * PPM // int(margin) for loss, margin in zip(losses, margins, strict=True) if margin), default=0
    )
    return BookReport(
        seed=seed,
        form=form_of(seed),
        worth=worth_of(seed, len(walked.names)),
        coverage=coverage_of(losses > margins, probability),
        median_margin_micros=int(np.median(margins)),
        largest_loss_micros=int(losses[worst]),
        largest_loss_over_margin_ppm=largest,
    )


def report_text(report: BacktestReport) -> str:
    """Lines for a terminal of 100 columns."""
    confidence = report.confidence_ppm / 10_000
    lines = [
        f"{report.file}: {report.points} points from {day_of(report.first_s)} to {day_of(report.last_s)}, one each"
        f" {report.interval_s * report.horizon_observations} s, warm-up {report.warm_up}, gaps {report.gaps}",
        "",
        f"Raw range at {confidence:g} %: two-sided Kupiec test at 5 %",
        _header("series"),
    ]
    for series in report.ranges:
        lines.append(_row(series.name, series.raw, calibrated=True))
        lines += [_row(f"  {year}", coverage, calibrated=True) for year, coverage in series.raw_by_year.items()]
    lines += ["", "Published range: one-sided upper bound at 5 %", _header("series")]
    lines += [_row(series.name, series.published, calibrated=False) for series in report.ranges]
    lines += ["", f"Initial margin of {len(report.books)} books: one-sided upper bound at 5 %", _header("book")]
    lines += [
        _row(f"{notable_book.seed} {notable_book.form}", notable_book.coverage, calibrated=False)
        for notable_book in _notable_books(report.books)
    ]
    failing = sum(not book.coverage.is_enough for book in report.books)
    lines += [
        f"  books that fail: {failing}; losses beyond margin: {len(report.breaches)} of"
        f" {report.points * len(report.books)}, each in the JSON",
        "",
        f"Procyclicality{'':<12}peak/trough  " + "  ".join(f"{name:>8}" for name in _names(report)),
    ]
    for series in report.ranges:
        for label, measured in (("raw", series.raw_procyclicality), ("published", series.published_procyclicality)):
            ratios = "  ".join(f"{value:>8.2f}" for value in measured.change_ratios.values())
            lines.append(f"  {series.name + ' ' + label:<24}{measured.peak_to_trough:>11.2f}  {ratios}")
    lines += [
        "",
        f"raw range calibrated: {_yes(report.raw_is_calibrated)}; margin enough: {_yes(report.margin_is_enough)}",
    ]
    return "\n".join(lines)


def _notable_books(books: tuple[BookReport, ...]) -> list[BookReport]:
    """The worst book of each form."""
    worst: dict[str, BookReport] = {}
    for book in books:
        before = worst.get(book.form)
        if before is None or book.coverage.exceeded > before.coverage.exceeded:
            worst[book.form] = book
    return list(worst.values())


def _header(of: str) -> str:
    return f"  {of:<24}{'exceeded':>9}{'of':>8}{'expected':>10}{'percent':>9}{'p':>8}{'clusters p':>12}"


def _row(name: str, seen: Coverage, *, calibrated: bool) -> str:
    p, good = (seen.kupiec_p, seen.is_calibrated) if calibrated else (seen.too_many_p, seen.is_enough)
    return (
        f"  {name:<24}{seen.exceeded:>9}{seen.points:>8}{seen.expected:>10.1f}{100 * seen.frequency:>9.3f}{p:>8.3f}"
        f"{seen.independence_p:>12.2g}  {'pass' if good else 'FAIL'}"
    )


def _names(report: BacktestReport) -> list[str]:
    return list(report.ranges[0].raw_procyclicality.change_ratios) if report.ranges else []


def day_of(seconds: int) -> str:
    """The date (UTC) of a time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def _yes(good: bool) -> str:
    return "yes" if good else "NO"
