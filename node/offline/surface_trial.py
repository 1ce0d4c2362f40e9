"""`SurfaceTrial`: what the sources of option quotes answer, and the surface that the node would vote.

Rule: the same sources, guards and fit as in the node; nothing is sent to the network.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import trio

from clearing.base.units import PPM
from clearing.schema.blocks.block import ExpiryQuote, SurfaceReport
from node.app.service_settings import surface_source
from node.config import NodeConfig
from node.oracle.connections.chain_questions import ChainConnections
from node.oracle.several_sources import SeveralSources
from node.oracle.surfaces.comparison import ChainVerdict
from node.oracle.surfaces.live import LiveSurfaces
from node.oracle.surfaces.smiles import FittedSmile
from node.oracle.surfaces.surface_source import SurfaceStanding, flaw_text

PPB = 10**9


@dataclass(frozen=True, slots=True)
class TriedOptions:
    """One source of option quotes. `left_out`: how many quotes for which reason; `code` is empty for a usable one."""

    name: str
    market: str
    quotes_used: int
    left_out: dict[str, int]
    age_ms: int
    code: str
    verdict: str
    why: str


@dataclass(frozen=True, slots=True)
class TriedSurface:
    """One surface. `vote`: what the node would report. `error_ppm`: of the fit, in ppm of a year's volatility."""

    name: str
    is_usable: bool
    group: int
    usable: int
    needed: int
    error_ppm: int
    why: str
    vote: SurfaceReport | None
    fits: tuple[FittedSmile, ...]
    sources: tuple[TriedOptions, ...]


class SurfaceTrial:
    """The surfaces of these settings, over option quotes that are asked for. Raises LocalFault as `surface_source`."""

    def __init__(self, config: NodeConfig, prices: SeveralSources, clock_ms: Callable[[], int]) -> None:
        self._source, self._clock_ms = surface_source(config, prices), clock_ms
        cells = self._source.all_cells if isinstance(self._source, LiveSurfaces) else ()
        self._connections = ChainConnections(cells, clock_ms)
        self.standings: tuple[SurfaceStanding, ...] = ()

    async def connect(self) -> None:
        """Ask for ever."""
        await self._connections.run()

    async def read(self) -> None:
        """Fit what is due."""
        self.standings = await trio.to_thread.run_sync(self._source.read, self._clock_ms())

    @property
    def all_count(self) -> bool:
        """Whether every source counts and every surface has a report."""
        return all(
            standing.report is not None and standing.usable == len(standing.verdicts) for standing in self.standings
        )


def tried_surfaces(standings: Sequence[SurfaceStanding], now_ms: int) -> tuple[TriedSurface, ...]:
    """What is printed of each."""
    return tuple(
        TriedSurface(
            name=each.config.name,
            is_usable=each.fresh(now_ms) is not None,
            group=each.config.group,
            usable=each.usable,
            needed=each.config.quorum if each.verdicts else 0,
            error_ppm=each.error_ppm,
            why=flaw_text(each.flaw) if each.flaw is not None else "",
            vote=each.fresh(now_ms),
            fits=each.smiles,
            sources=tuple(map(_tried, each.verdicts)),
        )
        for each in standings
    )


def _tried(verdict: ChainVerdict) -> TriedOptions:
    chain, flaw = verdict.chain, verdict.flaw
    return TriedOptions(
        name=verdict.name,
        market=verdict.market,
        quotes_used=chain.used if chain is not None else 0,
        left_out=dict(sorted(chain.left_out.items())) if chain is not None else {},
        age_ms=verdict.age_ms,
        code=flaw.code.label if flaw is not None else "",
        verdict=flaw.code.name.lower() if flaw is not None else "usable",
        why=flaw.why if flaw is not None else "",
    )


def surface_lines(tried: TriedSurface) -> Iterator[str]:
    """A line of the surface, one for each expiry that is voted, and one for each source."""
    counts = f"{tried.usable} of {len(tried.sources)} sources usable, {tried.needed} needed"
    begin = f"{tried.name} surface of group {tried.group}"
    if tried.vote is None:
        yield f"{begin}: none; {counts}" + (f"; {tried.why}" if tried.why else "")
    else:
        error = f", error {_percent(tried.error_ppm)} of volatility" if tried.fits else ""
        yield f"{begin}: votes {len(tried.vote.expiries)} expiries{error}; {counts}"
        fits = tried.fits if len(tried.fits) == len(tried.vote.expiries) else [None] * len(tried.vote.expiries)
        for quote, fit in zip(tried.vote.expiries, fits, strict=True):
            yield _expiry_line(quote, fit)
    yield from map(_source_line, tried.sources)


def _expiry_line(quote: ExpiryQuote, fit: FittedSmile | None) -> str:
    when = datetime.fromtimestamp(quote.expiry_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M")
    line = (
        f"  {when} forward {quote.forward_ppb / PPB:.6f} of the index, rate {_percent(quote.rate_ppm)}, "
        f"volatility {_percent(quote.level_ppm)}, skew {quote.skew_ppm / PPM:.3f}, wing {quote.wing_ppm / PPM:.3f}"
    )
    if fit is None:
        return line
    shape = "" if fit.has_own_shape else ", skew and wing of its neighbours"
    return f"{line}; {fit.used} of {fit.quotes} quotes{shape}"


def _source_line(source: TriedOptions) -> str:
    left_out = ", ".join(f"{count} {reason}" for reason, count in source.left_out.items())
    counts = f"{source.quotes_used} quotes, {source.age_ms} ms old" if source.quotes_used else "no quotes"
    verdict = f"{source.code} {source.verdict}" if source.code else source.verdict
    why = f" ({source.why})" if source.why else ""
    return f"  {source.name} ({source.market}): {counts}; {verdict}{why}" + (
        f"; left out: {left_out}" if left_out else ""
    )


def _percent(ppm: int) -> str:
    return f"{ppm / 10_000:.2f} %"
