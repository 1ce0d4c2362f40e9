"""The frontier as a picture: loss to others over margin, costs, forced sales and procyclicality.

Rule: drawn from the rows of the table alone. Matplotlib is an extra of the package and imported only here.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.frontier.rows import Row
from clearing.base.errors import LocalFault
from member.codes import NodeCode


def write_plot(path: Path, rows: Sequence[Row]) -> None:
    """Write a picture, its kind by the suffix (.png or .svg). Raises LocalFault EXTRA_MISSING without Matplotlib."""
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise LocalFault(NodeCode.EXTRA_MISSING, "matplotlib", extra="backtest") from None
    with mpl.rc_context({"svg.hashsalt": "crossclear"}):  # element ids of an SVG, else drawn by chance
        figure = Figure(figsize=(13, 6.5), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        _scatter(left, rows, [row.price for row in rows], "asked margin and costs, percent of the books")
        _scatter(right, rows, [row.forced for row in rows], "sold by force, percent of the books")
        figure.suptitle("Loss to others in the worst month; colour: growth of a range within five days")
        figure.savefig(path, format=path.suffix[1:], dpi=110, metadata={"Date": None} if path.suffix == ".svg" else {})


def _scatter(axis: Any, rows: Sequence[Row], across: Sequence[float], label: str) -> None:
    losses = [row.loss * 100 for row in rows]
    marks = [row.growth for row in rows]
    drawn = axis.scatter([each * 100 for each in across], losses, c=marks, s=45, cmap="viridis", norm="log", zorder=3)
    best = sorted((each, loss) for each, loss, row in zip(across, losses, rows, strict=True) if row.is_efficient)
    axis.plot([each * 100 for each, _ in best], [loss for _, loss in best], color="#c1121f", linewidth=0.8, zorder=2)
    for each, loss, row in zip(across, losses, rows, strict=True):
        axis.annotate(row.name, (each * 100, loss), fontsize=7, xytext=(4, 3), textcoords="offset points")
    axis.set_yscale("symlog", linthresh=0.001)
    axis.set_ylim(bottom=-0.0003)
    axis.set_xlabel(label)
    axis.set_ylabel("loss to others, percent of the books")
    axis.figure.colorbar(drawn, ax=axis)
