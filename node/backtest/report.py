"""The report of a backtest: every test of every series, every book and every loss beyond its margin.

Rule: nothing that was tested is left out, and what made the report stands in it: files by their hashes, parameters,
rule of the books. The figures are `coverage`'s; here they only get their names.
"""

import msgspec
import numpy as np

from clearing.base.units import DAY_MS, PPM
from node.backtest.books import form_of, worth_of
from node.backtest.coverage import Coverage, change_ratio, coverage_of, peak_to_trough, years_of
from node.backtest.walk import Setup, Walked

CHANGE_DAYS = (1, 5, 30)


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


class Report(msgspec.Struct, frozen=True):
    """All of it, as it is written as JSON."""

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
    ranges: tuple[RangeReport, ...]
    books: tuple[BookReport, ...]
    breaches: tuple[Breach, ...]
    raw_is_calibrated: bool
    """Two-sided Kupiec at 5 % on the raw range of every underlying."""
    margin_is_enough: bool
    """One-sided upper bound at 5 % on the margin of every book."""

    @property
    def passed(self) -> bool:
        """Both."""
        return self.raw_is_calibrated and self.margin_is_enough


def report_of(walked: Walked, setup: Setup, file: str, file_sha256: str) -> Report:
    """Judge a walk."""
    rules = setup.parameters
    probability = 1.0 - rules.confidence_ppm / PPM
    ranges = tuple(_range(walked, setup, at, probability) for at in range(len(walked.names)))
    books = tuple(_book(walked, seed, probability) for seed in range(setup.seeds))
    over = np.argwhere(walked.losses > walked.margins)
    return Report(
        file=file,
        file_sha256=file_sha256,
        first_s=int(walked.times_s[0]),
        last_s=int(walked.times_s[-1]),
        interval_s=rules.interval_ms // 1000,
        horizon_observations=setup.steps,
        warm_up=setup.warm_up,
        points=int(walked.times_s.size),
        gaps=walked.gaps,
        confidence_ppm=rules.confidence_ppm,
        parameters={name: int(getattr(rules, name)) for name in rules.__struct_fields__},
        ranges=ranges,
        books=books,
        breaches=tuple(
            Breach(int(seed), int(walked.times_s[at]), int(walked.margins[at, seed]), int(walked.losses[at, seed]))
            for at, seed in over
        ),
        raw_is_calibrated=all(each.raw.is_calibrated for each in ranges),
        margin_is_enough=all(each.coverage.is_enough for each in books),
    )


def _range(walked: Walked, setup: Setup, at: int, probability: float) -> RangeReport:
    moves, raw, published = walked.moves_ppm[:, at], walked.raw_ppm[:, at], walked.ranges_ppm[:, at]
    years = years_of(walked.times_s.tolist())
    by_year = {str(year): coverage_of((moves > raw)[years == year], probability) for year in np.unique(years)}
    days = {day: day * DAY_MS // (setup.parameters.interval_ms * setup.steps) for day in CHANGE_DAYS}

    def cyclical(series: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Procyclicality:
        ratios = {f"{day}d": round(change_ratio(series, max(steps, 1)), 4) for day, steps in days.items()}
        return Procyclicality(round(peak_to_trough(series), 4), ratios)

    return RangeReport(
        name=walked.names[at],
        raw=coverage_of(moves > raw, probability),
        raw_by_year=by_year,
        published=coverage_of(moves > published, probability),
        median_raw_ppm=int(np.median(raw)),
        median_published_ppm=int(np.median(published)),
        raw_procyclicality=cyclical(raw),
        published_procyclicality=cyclical(published),
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
