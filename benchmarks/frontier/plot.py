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
    corners = lowest_so_far(sorted(zip(across, losses, strict=True)))
    axis.step([x * 100 for x, _ in corners], [y for _, y in corners], where="post", color="#c1121f", linewidth=0.8)
    for x, y, row in zip(across, losses, rows, strict=True):
        turned = {"rotation": 60, "xytext": (0, 6)} if y == 0 else {"xytext": (4, 3)}
        axis.annotate(row.name, (x * 100, y), fontsize=7, textcoords="offset points", **turned)
    axis.set_yscale("symlog", linthresh=0.001)
    axis.set_ylim(bottom=-0.0003)
    axis.set_xlabel(label)
    axis.set_ylabel("loss to others, percent of the books")
    axis.figure.colorbar(drawn, ax=axis)


def lowest_so_far(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of points by rising x, those below all before them: the corners of a line that never rises."""
    lowest: list[tuple[float, float]] = []
    for x, y in points:
        if not lowest or y < lowest[-1][1]:
            lowest.append((x, y))
    return lowest
