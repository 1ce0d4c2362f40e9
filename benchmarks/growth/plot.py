"""The picture: each axis a panel, each cost a line with its limit as the unit, so that all walls are at height one."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.growth.series import Series, rounded

AXES = {"accounts": "accounts in one node", "validators": "validators", "trades": "trades in a block"}
STYLES = ("-", "--", "-.", ":")


def write_plot(path: Path, series: Sequence[Series]) -> None:
    """As the suffix says: .png or .svg. The same series give the same bytes."""
    axes_of = [axis for axis in AXES if any(each.axis == axis for each in series)]
    with mpl.rc_context({"svg.hashsalt": "crossclear", "font.size": 9}):
        drawing = Figure(figsize=(5.2 * len(axes_of), 6.6), layout="constrained")
        FigureCanvasAgg(drawing)
        panels = drawing.subplots(1, len(axes_of), squeeze=False)[0]
        for panel, axis in zip(panels, axes_of, strict=True):
            panel.axhline(1, color="#c1121f", linewidth=1.2)
            for number, each in enumerate(found for found in series if found.axis == axis):
                panel.plot(
                    [point.size for point in each.points],
                    [max(point.cost, 1e-9) / each.limit for point in each.points],
                    linestyle=STYLES[number // 10],
                    marker="o",
                    markersize=3,
                    label=f"{each.what}: n^{each.exponent:.2f}, limit at {rounded(each.wall)}",
                )
            panel.set_xscale("log")
            panel.set_yscale("log")
            panel.set_xlabel(AXES[axis])
            panel.set_title(axis, loc="left")
            panel.grid(visible=True, which="major", linewidth=0.3)
            panel.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.12))
        panels[0].set_ylabel("cost / its limit")
        metadata = {"Date": None} if path.suffix == ".svg" else None
        drawing.savefig(path, format=path.suffix[1:], dpi=110, metadata=metadata)
