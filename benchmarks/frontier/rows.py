"""A row of the frontier: one set of parameters over all months.

Rule: losses are those of the worst month, everything else is the mean of the recorded months, because drawn ones were
chosen for their moves. A row is efficient if no other is at least as good in loss, price, forced sales and growth, and
better in one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.frontier.screen import Screened

RECORDED_MONTHS = 3
"""March 2020, May 2021, and November 2022 as modelled come first."""
COLUMNS = (
    ("loss", "loss, ppm", 1e6),
    ("bad", "months", 1),
    ("margin", "margin %", 100),
    ("asked", "asked %", 100),
    ("costs", "costs %", 100),
    ("forced", "forced %", 100),
    ("own", "own sales %", 100),
    ("house", "house %", 100),
    ("growth", "growth", 1),
)


@dataclass(frozen=True, slots=True)
class Row:
    """Shares are of the notional of all books when opened."""

    name: str
    worst: str
    """The month with the largest loss."""
    loss: float
    """To others, in that month."""
    bad: int
    """Months with a loss."""
    margin: float
    asked: float
    costs: float
    forced: float
    own: float
    house: float
    """The largest notional that the house took over in a month."""
    growth: float
    is_efficient: bool = False

    @property
    def price(self) -> float:
        """What members pay for it: margin or what early calls ask for, and penalties and discounts."""
        return self.asked + self.costs


def row_of(name: str, screened: Screened) -> Row:
    """Of one set."""
    losses, few = screened.insolvency + screened.house_loss, slice(RECORDED_MONTHS)
    at = int(np.argmax(losses))
    return Row(
        name=name,
        worst=screened.names[at] if losses[at] > 0 else "",
        loss=float(losses[at]),
        bad=int((losses > 0).sum()),
        margin=float(screened.margin[few].mean()),
        asked=float(screened.asked[few].mean()),
        costs=float(screened.costs[few].mean()),
        forced=float(screened.forced[few].mean()),
        own=float(screened.own[few].mean()),
        house=float(screened.house.max()),
        growth=float(screened.growth[few].max()),
    )


def efficient(rows: Sequence[Row]) -> list[Row]:
    """The same rows, those marked that no other dominates."""
    measures = [(round(row.loss, 9), row.price, row.forced, row.growth) for row in rows]
    return [
        replace(row, is_efficient=not any(_is_better(other, own) for other in measures))
        for row, own in zip(rows, measures, strict=True)
    ]


def _is_better(other: tuple[float, ...], own: tuple[float, ...]) -> bool:
    return other != own and all(theirs <= ours for theirs, ours in zip(other, own, strict=True))


def table(rows: Sequence[Row]) -> list[str]:
    """Lines for a terminal; efficient rows have a star."""
    lines = [f"{'':32}" + "".join(f"{title:>12}" for _, title, _ in COLUMNS) + "  worst month"]
    for row in rows:
        cells = (getattr(row, field) * scale for field, _, scale in COLUMNS)
        texts = (f"{cell:>12,}" if isinstance(cell, int) else f"{cell:>12,.2f}" for cell in cells)
        lines.append(f"{'* ' if row.is_efficient else '  '}{row.name:30}" + "".join(texts) + f"  {row.worst}")
    return lines
