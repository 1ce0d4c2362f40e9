"""`LiveSurfaces`: a `SurfaceSource` over option quotes that connections fill into cells.

Rule: a surface that cannot be fitted now keeps its last report until that is too old. One surface's failure is its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter

import numpy as np
import structlog

from clearing.base.errors import LocalFault
from node.config_oracle import FeedConfig, SurfaceConfig
from node.oracle.guard import Flaw
from node.oracle.source import OracleCode
from node.oracle.surfaces.chain_cell import ChainCell
from node.oracle.surfaces.comparison import ChainComparison, ChainVerdict
from node.oracle.surfaces.group_fit import fitted_report
from node.oracle.surfaces.surface_source import SurfaceStanding

log = structlog.get_logger(__name__)

FIRST_MS = 500
"""How often a first report is tried."""
IndexOf = Callable[[str], float | None]
"""The own value of a feed by its name, in units of money; None while it has none."""


class LiveSurfaces:
    """Raises LocalFault PRICE_SOURCE_UNUSABLE as `check_surfaces`."""

    def __init__(
        self,
        surfaces: Sequence[SurfaceConfig],
        cells: Sequence[ChainCell],
        feeds: Sequence[FeedConfig],
        index_of: IndexOf,
    ) -> None:
        check_surfaces(surfaces, cells, feeds)
        self.cells = {each.name: [cell for cell in cells if cell.config.surface == each.name] for each in surfaces}
        self.all_cells = tuple(cells)
        self._surfaces = tuple(sorted(surfaces, key=lambda each: each.group))
        self._comparisons = {each.name: ChainComparison(each) for each in surfaces}
        self._index_of = index_of
        self._standings = {each.name: SurfaceStanding(each, None) for each in surfaces}
        self._fitted_ms: dict[str, int] = {}

    def read(self, now_ms: int) -> tuple[SurfaceStanding, ...]:
        """Every surface's standing; those that are due are fitted."""
        for config in self._surfaces:
            since = now_ms - self._fitted_ms.get(config.name, 0)
            wait_ms = config.interval_ms if self._standings[config.name].report is not None else FIRST_MS
            if not 0 <= since < wait_ms:
                self._fitted_ms[config.name] = now_ms
                self._standings[config.name] = self._fitted(config, now_ms)
        return tuple(self._standings[config.name] for config in self._surfaces)

    def _fitted(self, config: SurfaceConfig, now_ms: int) -> SurfaceStanding:
        last = self._standings[config.name]
        verdicts = self._comparisons[config.name].judge(self.cells[config.name], self._index_of(config.feed), now_ms)
        usable = [each.chain for each in verdicts if each.chain is not None and each.flaw is None]
        if len(usable) < config.quorum:
            return replace(last, verdicts=verdicts, flaw=_too_few(verdicts))
        begun = perf_counter()
        try:
            before = last.report.expiries if last.report is not None else ()
            report, smiles, ways = fitted_report(config, usable, now_ms, before)
        except (ValueError, ArithmeticError, LookupError, np.linalg.LinAlgError) as error:
            log.warning("surface not fitted", surface=config.name, error=str(error))
            why = f"{type(error).__name__}: {str(error)[:80]}"
            return replace(last, verdicts=verdicts, flaw=Flaw(OracleCode.SURFACE_UNFITTED, why))
        took_ms = (perf_counter() - begun) * 1_000
        return SurfaceStanding(config, report, verdicts, smiles, None, took_ms, ways)


def _too_few(verdicts: Sequence[ChainVerdict]) -> Flaw:
    return Flaw(OracleCode.SOURCES_TOO_FEW, "" if verdicts else "it has no sources")


def check_surfaces(surfaces: Sequence[SurfaceConfig], cells: Sequence[ChainCell], feeds: Sequence[FeedConfig]) -> None:
    """Raises LocalFault PRICE_SOURCE_UNUSABLE: two of one name or group, a name that nothing has, too few sources."""
    names, groups = [each.name for each in surfaces], [each.group for each in surfaces]
    if len(set(names)) < len(names) or len(set(groups)) < len(groups):
        raise _unusable("oracle.surfaces", "two surfaces have one name or one group")
    keys = [(cell.config.surface, cell.config.name) for cell in cells]
    if len(set(keys)) < len(keys):
        raise _unusable("oracle.options", "two sources of a surface have one name")
    for cell in cells:
        if cell.config.surface not in names:
            raise _unusable("oracle.options", f"{cell.config.name}: no surface is named {cell.config.surface}")
    known = {feed.name for feed in feeds}
    for each in surfaces:
        count = sum(cell.config.surface == each.name for cell in cells)
        if each.feed not in known:
            raise _unusable("oracle.surfaces", f"{each.name}: no feed is named {each.feed}")
        if count < each.quorum:
            raise _unusable("oracle.surfaces", f"{each.name} has {count} sources and needs {each.quorum}")


def _unusable(at: str, why: str) -> LocalFault:
    return LocalFault(OracleCode.PRICE_SOURCE_UNUSABLE, at, why=why)
