"""Pictures of a backtest with options: simulated volatility, margins and losses, coverage, over-margining.

Rule: drawn from the walk and the report alone; the title says that the surfaces are simulated.
"""

from pathlib import Path
from typing import Any

import numpy as np

from lab.backtest.plot import POINTS_MAX, write_figure
from lab.option_backtest.report import OptionBacktestReport, option_report_text
from lab.option_backtest.walk import OptionWalked

DRAWN = ("covered call", "butterfly", "short strangle")


def write_option_plot(path: Path, walked: OptionWalked, report: OptionBacktestReport) -> None:
    """Write a picture, or with .html a page with picture and figures. Raises LocalFault EXTRA_MISSING."""
    write_figure(path, lambda: _figure(walked, report), report.file, option_report_text(report))


def _figure(walked: OptionWalked, report: OptionBacktestReport) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 14), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(report.surfaces, fontsize=10)
    axes = figure.subplots(4, 1, squeeze=False)[:, 0]
    times = walked.times_s.astype("datetime64[s]")
    thin = slice(None, None, max(1, times.size // POINTS_MAX))
    for at, name in enumerate(walked.names):
        axes[0].plot(times[thin], walked.volatilities_ppm[thin, at] / 10_000, linewidth=0.8, label=name)
    axes[0].set_title("simulated volatility at the money, 30 days", loc="left")
    axes[0].set_ylabel("percent")
    axes[0].legend(loc="upper right", fontsize=8)
    _draw_margins(axes[1], walked, times, thin)
    _draw_coverage(axes[2], report)
    _draw_excess(axes[3], report)
    return figure


def _draw_margins(axis: Any, walked: OptionWalked, times: Any, thin: slice) -> None:
    for at, book in enumerate(walked.books):
        if book.name in [f"{portfolio} {walked.names[0]}" for portfolio in DRAWN]:
            (line,) = axis.plot(times[thin], walked.margins[thin, at] / 1e9, linewidth=0.8, label=book.name)
            beyond = walked.losses[:, at] > walked.margins[:, at]
            axis.scatter(times[beyond], walked.losses[beyond, at] / 1e9, s=9, color=line.get_color())
    axis.set_title("initial margin, and the losses beyond it as dots", loc="left")
    axis.set_ylabel("thousands")
    axis.legend(loc="upper right", fontsize=8)


def _draw_coverage(axis: Any, report: OptionBacktestReport) -> None:
    frequency = [100 * book.coverage.frequency for book in report.books]
    allowed = 100 - report.confidence_ppm / 10_000
    axis.bar(np.arange(len(frequency)), frequency, color="#1f77b4")
    axis.axhline(allowed, color="#c1121f", linewidth=1, label=f"{allowed:g} % allowed")
    axis.set_title("losses beyond initial margin, percent of points, by book: textbook portfolios first", loc="left")
    axis.legend(loc="upper right", fontsize=8)


def _draw_excess(axis: Any, report: OptionBacktestReport) -> None:
    shown = [book for book in report.books if not book.name.startswith("random")]
    place = np.arange(len(shown))
    axis.bar(place - 0.2, [book.excess.mean_margin_micros / 1e9 for book in shown], 0.4, label="mean margin")
    axis.bar(place + 0.2, [book.excess.largest_loss_micros / 1e9 for book in shown], 0.4, label="realised worst loss")
    axis.set_xticks(place, [book.name for book in shown], rotation=45, ha="right", fontsize=8)
    axis.set_ylabel("thousands")
    axis.legend(loc="upper right", fontsize=8)
