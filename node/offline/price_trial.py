"""`try_prices`: what each source of a node's settings answers, what the guard says to it, and what the node would vote.

Rule: the same sources, guards and connections as in the node, for some seconds; nothing is sent to the network and no
file is written. The node may run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import trio

from clearing.base.errors import LocalFault
from node.app.service_settings import price_source, surface_source
from node.config import NodeConfig
from node.config_sources import load_config
from node.offline.surface_trial import SurfaceTrial, TriedSurface, surface_lines, tried_surfaces
from node.oracle.combination import SourceVerdict
from node.oracle.connections.live import LiveConnections
from node.oracle.readings import DECIMALS, E18
from node.oracle.several_sources import FeedStanding, SeveralSources
from node.oracle.source import OracleCode, Quote

POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class TriedSource:
    """One source. Prices are decimal texts in the feed's unit, empty without one; `code` is empty for a usable one."""

    name: str
    market: str
    price: str
    half_width: str
    age_ms: int
    code: str
    verdict: str
    why: str


@dataclass(frozen=True, slots=True)
class TriedFeed:
    """One feed. `is_usable`: it has a value. `vote`: what the node would report; None without a value, and for a feed
    that is not reported."""

    name: str
    is_usable: bool
    price: str
    half_width: str
    usable: int
    needed: int
    vote: Quote | None
    sources: tuple[TriedSource, ...]


def read_oracle(paths: Sequence[Path]) -> NodeConfig:
    """The settings of the first file, with the feeds, sources and chains of all. Raises LocalFault CONFIG_*."""
    first, *others = (load_config(path, {}).config for path in paths)
    feeds = [feed for each in (first, *others) for feed in each.oracle.feeds]
    sources = [source for each in (first, *others) for source in each.oracle.sources]
    contracts = [contract for each in (first, *others) for contract in each.oracle.contracts]
    surfaces = [surface for each in (first, *others) for surface in each.oracle.surfaces]
    options = [source for each in (first, *others) for source in each.oracle.options]
    oracle = msgspec.structs.replace(
        first.oracle,
        feeds=tuple(feeds),
        sources=tuple(sources),
        contracts=tuple(contracts),
        surfaces=tuple(surfaces),
        options=tuple(options),
    )
    if (sources or contracts) and oracle.source != "live":
        oracle = msgspec.structs.replace(oracle, source="live")
    chains = tuple(chain for each in (first, *others) for chain in each.chains)
    return msgspec.structs.replace(first, oracle=oracle, chains=chains)


async def try_prices(
    config: NodeConfig, seconds: float, clock_ms: Callable[[], int]
) -> tuple[TriedFeed | TriedSurface, ...]:
    """Every feed and surface, as soon as all of their sources are usable, or after so many seconds.

    Raises LocalFault PRICE_SOURCE_UNUSABLE, also for settings without a source.
    """
    source = price_source(config)
    if not isinstance(source, SeveralSources):
        quotes = source.read(clock_ms())
        if not quotes:
            raise LocalFault(OracleCode.PRICE_SOURCE_UNUSABLE, "oracle.source", why="the settings have no price source")
        now_ms = clock_ms()
        surfaces = tried_surfaces(surface_source(config, source).read(now_ms), now_ms)
        return (*(_of_quote(quote, config) for quote in quotes), *surfaces)
    trial = SurfaceTrial(config, source, clock_ms)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(LiveConnections(source.all_cells, config.chains, clock_ms).run)
        nursery.start_soon(trial.connect)
        with trio.move_on_after(seconds):
            while True:
                source.read(clock_ms())
                await trial.read()
                all_count = all(
                    each.flaw is None for standing in source.standings for each in standing.judgement.verdicts
                )
                if all_count and trial.all_count:
                    break
                await trio.sleep(POLL_SECONDS)
        nursery.cancel_scope.cancel()
    feeds = tuple(_tried(standing, source) for standing in source.standings)
    return (*feeds, *tried_surfaces(trial.standings, clock_ms()))


def _of_quote(quote: Quote, config: NodeConfig) -> TriedFeed:
    ticks, width = f"{quote.ticks} ticks", f"{quote.confidence_ticks} ticks"
    only = TriedSource(config.oracle.source, str(quote.feed), ticks, width, 0, "", "usable", "")
    name = f"feed {quote.feed}"
    return TriedFeed(
        name, is_usable=True, price=ticks, half_width=width, usable=1, needed=1, vote=quote, sources=(only,)
    )


def _tried(standing: FeedStanding, several: SeveralSources) -> TriedFeed:
    value, config = standing.judgement.value, standing.config
    markets = {cell.config.name: cell.market for cell in several.cells[config.name]}
    return TriedFeed(
        name=config.name,
        is_usable=standing.ok,
        price=decimal_text(value.price_e18) if value is not None else "",
        half_width=decimal_text(value.half_width_e18) if value is not None else "",
        usable=standing.judgement.usable,
        needed=config.quorum,
        vote=standing.quote,
        sources=tuple(_tried_source(each, markets[each.name]) for each in standing.judgement.verdicts),
    )


def _tried_source(verdict: SourceVerdict, market: str) -> TriedSource:
    flaw = verdict.flaw
    return TriedSource(
        name=verdict.name,
        market=market,
        price=decimal_text(verdict.price_e18) if verdict.price_e18 is not None else "",
        half_width=decimal_text(verdict.half_width_e18) if verdict.price_e18 is not None else "",
        age_ms=verdict.age_ms,
        code=flaw.code.label if flaw is not None else "",
        verdict=flaw.code.name.lower() if flaw is not None else "usable",
        why=flaw.why if flaw is not None else "",
    )


def decimal_text(number_e18: int) -> str:
    """A number of units of 10^-18 as a decimal, exactly."""
    whole, part = divmod(abs(number_e18), E18)
    decimals = f"{part:0{DECIMALS}d}".rstrip("0")
    return f"{'-' if number_e18 < 0 else ''}{whole}" + (f".{decimals}" if decimals else "")


def as_text(found: Sequence[TriedFeed | TriedSurface]) -> str:
    """A line a feed and surface, and one under it for each source; of a surface for each expiry, too."""
    lines: list[str] = []
    for each in found:
        if isinstance(each, TriedSurface):
            lines += surface_lines(each)
        else:
            lines += (_feed_line(each), *map(_source_line, each.sources))
    return "\n".join(lines)


def _feed_line(feed: TriedFeed) -> str:
    counts = f"{feed.usable} of {len(feed.sources)} sources usable, {feed.needed} needed"
    if not feed.is_usable:
        return f"{feed.name}: no value; {counts}"
    value = f"{feed.name}: {feed.price} ± {feed.half_width}; {counts}"
    if feed.vote is None:
        return f"{value}; not reported"
    return f"{value}; votes {feed.vote.ticks} ± {feed.vote.confidence_ticks} ticks for feed {feed.vote.feed}"


def _source_line(source: TriedSource) -> str:
    price = f"{source.price} ± {source.half_width}, {source.age_ms} ms old" if source.price else "no price"
    verdict = f"{source.code} {source.verdict}" if source.code else source.verdict
    return f"  {source.name} ({source.market}): {price}; {verdict}" + (f" ({source.why})" if source.why else "")
