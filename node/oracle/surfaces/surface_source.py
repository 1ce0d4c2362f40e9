"""What every source of surfaces gives: a standing of each surface, and the report in it.

Rule: a standing is replaced whole. Reports of too old quotes are not given on.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from clearing.base.units import PPM
from clearing.schema.blocks.block import SurfaceReport
from node.config_oracle import SurfaceConfig
from node.oracle.guard import Flaw
from node.oracle.source import OracleCode
from node.oracle.surfaces.comparison import ChainVerdict
from node.oracle.surfaces.smiles import FittedSmile


@dataclass(frozen=True, slots=True)
class SurfaceStanding:
    """A surface at the last fit. `report`: the newest, None before the first; `flaw`: why there is no newer one.

    `smiles`: of the report's expiries, empty where they were not fitted here. `fit_ms`: how long the fit took.
    """

    config: SurfaceConfig
    report: SurfaceReport | None
    verdicts: tuple[ChainVerdict, ...] = ()
    smiles: tuple[FittedSmile, ...] = ()
    flaw: Flaw | None = None
    fit_ms: float = 0.0
    ways: Counter[str] = field(default_factory=Counter)
    """How many forwards came from futures, from parity and from what a venue states."""

    @property
    def usable(self) -> int:
        """How many sources count."""
        return sum(verdict.flaw is None for verdict in self.verdicts)

    @property
    def error_ppm(self) -> int:
        """Root mean square of the fit over all quotes that were used, in ppm of volatility."""
        used = sum(smile.used for smile in self.smiles)
        squares = sum(smile.error**2 * smile.used for smile in self.smiles if smile.used)
        return round((squares / used) ** 0.5 * PPM) if used else 0

    def fresh(self, now_ms: int) -> SurfaceReport | None:
        """The report, unless it is older than quotes may be."""
        report = self.report
        return report if report is not None and now_ms - report.time_ms <= self.config.age_ms_max else None

    def detail(self, now_ms: int) -> str:
        """In words: expiries and age, how many sources count, and why the others do not."""
        report, fresh = self.report, self.fresh(now_ms)
        parts = []
        if report is not None:
            parts.append(f"{len(report.expiries)} expiries, {max(0, now_ms - report.time_ms)} ms old")
        if fresh is None:
            parts.append(f"{(self.flaw.code if self.flaw else OracleCode.SOURCE_STALE).label} no surface is reported")
        if self.verdicts:
            parts.append(f"{self.usable} of {len(self.verdicts)} sources usable, {self.config.quorum} needed")
        if self.flaw is not None:
            parts.append(flaw_text(self.flaw))
        parts += [f"{each.name} {flaw_text(each.flaw)}" for each in self.verdicts if each.flaw is not None]
        return "; ".join(parts)


def flaw_text(flaw: Flaw) -> str:
    """Its number, name and reason."""
    named = f"{flaw.code.label} {flaw.code.name.lower()}"
    return f"{named} ({flaw.why})" if flaw.why else named


class SurfaceSource(Protocol):
    """A source of surfaces. `read` may take some hundred milliseconds; it is called from a worker thread."""

    def read(self, now_ms: int) -> tuple[SurfaceStanding, ...]:
        """Every surface's standing, ordered by group. Raises LocalFault when the source is unusable."""
        ...
