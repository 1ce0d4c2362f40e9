"""Pictures of a backtest: ranges and exceedances, books, and procyclicality; as PNG, SVG or one HTML file.

Rule: drawn from the walk and the report alone, the same input the same picture. Matplotlib is an extra of the package
and imported only here.
"""

import html
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from clearing.base.errors import LocalFault
from lab.backtest.report import BacktestReport, report_text
from lab.backtest.walk import Walked
from member.codes import NodeCode

POINTS_MAX = 4_000
"""Lines are drawn through so many points at most; exceedances are all drawn."""


def write_plot(path: Path, walked: Walked, report: BacktestReport) -> None:
    """Write a picture, its kind by the suffix (.png or .svg), or with .html a page with picture and figures.

    Raises LocalFault EXTRA_MISSING without Matplotlib.
    """
    write_figure(path, lambda: _figure(walked, report), report.file, report_text(report))


def write_figure(path: Path, draw: Callable[[], Any], file: str, text: str) -> None:
    """Write what `draw` makes, its kind by the suffix; a page has `text` below it.

    Raises LocalFault EXTRA_MISSING without Matplotlib.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise LocalFault(NodeCode.EXTRA_MISSING, "matplotlib", extra="backtest") from None
    with mpl.rc_context({"svg.hashsalt": "crossclear"}):  # element ids of an SVG, else drawn by chance
        _write(path, draw(), file, text)


def _write(path: Path, figure: Any, file: str, text: str) -> None:
    if path.suffix == ".html":
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
        drawing = buffer.getvalue().decode().partition("<svg")[2]
        path.write_text(_PAGE.format(file=html.escape(file), drawing=drawing, report=html.escape(text)))
    else:
        figure.savefig(
            path, format=path.suffix[1:], dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None
        )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>crossclear backtest of {file}</title>
<style>body{{font:15px/1.4 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em}}
svg{{width:100%;height:auto}}pre{{overflow-x:auto;background:#f4f4f4;padding:1em}}</style></head>
<body><h1>Backtest of {file}</h1><svg{drawing}<pre>{report}</pre></body></html>
"""


def _figure(walked: Walked, report: BacktestReport) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(walked.names)
    figure = Figure(figsize=(11, 3.2 * (count + 1)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(count + 1, 1, squeeze=False)[:, 0]
    times = walked.times_s.astype("datetime64[s]")
    thin = slice(None, None, max(1, times.size // POINTS_MAX))
    for at, name in enumerate(walked.names):
        _draw_range(axes[at], walked, report, at, name, times, thin)
    _draw_books(axes[count], report)
    return figure


def _draw_range(axis: Any, walked: Walked, report: BacktestReport, at: int, name: str, times: Any, thin: slice) -> None:
    moves, raw, published = (column[:, at] / 10_000 for column in (walked.moves_ppm, walked.raw_ppm, walked.ranges_ppm))
    beyond = moves > raw
    axis.plot(times[thin], published[thin], color="#1f77b4", linewidth=1.2, label="published range")
    axis.plot(times[thin], raw[thin], color="#ff9f1c", linewidth=0.7, label="raw range")
    axis.scatter(times[beyond], moves[beyond], s=7, color="#c1121f", label=f"moves beyond raw: {int(beyond.sum())}")
    seen = report.ranges[at].raw
    axis.set_title(
        f"{name}: {100 * seen.frequency:.3f} % beyond the raw range, Kupiec p = {seen.kupiec_p:.3f}", loc="left"
    )
    axis.set_ylabel("percent of price")
    axis.set_yscale("log")
    axis.legend(loc="upper right", fontsize=8)


def _draw_books(axis: Any, report: BacktestReport) -> None:
    seeds = np.array([book.seed for book in report.books])
    frequency = np.array([100 * book.coverage.frequency for book in report.books])
    allowed = 100 - report.confidence_ppm / 10_000
    axis.bar(seeds, frequency, color="#1f77b4")
    axis.axhline(allowed, color="#c1121f", linewidth=1, label=f"allowed: {allowed:g} %")
    axis.set_title("Losses beyond initial margin, by book (seed)", loc="left")
    axis.set_ylabel("percent of points")
    axis.legend(loc="upper right", fontsize=8)
