"""Surfaces in votes: offered some times, within their bytes, fresh; by connections, a generator and a replay."""

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio

from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.units import DAY_MS
from clearing.schema.blocks.block import (
    SURFACE_EXPIRIES_MAX,
    SURFACES_BYTES_MAX,
    ExpiryQuote,
    SurfaceReport,
    VoteExtension,
    check_extension,
)
from node.config_oracle import FeedConfig, SurfaceConfig
from node.ops.health import HealthMonitor
from node.ops.meters import Meters
from node.ops.metrics import Metrics
from node.oracle.connections.chain_questions import ChainConnections, ChainQuestions
from node.oracle.pauses import Pauses
from node.oracle.source import OracleCode, Schedule
from node.oracle.surfaces.chain_cell import ChainCell
from node.oracle.surfaces.chain_guard import TENOR_MS_MIN
from node.oracle.surfaces.generated_surfaces import GeneratedSurfaces, expiries_after
from node.oracle.surfaces.live import LiveSurfaces
from node.oracle.surfaces.quantised import is_free_of_arbitrage
from node.oracle.surfaces.recorded_surfaces import RecordedSurfaces, load_surfaces
from node.oracle.surfaces.service import OFFERS, SurfaceService, encoded_size
from node.oracle.surfaces.surface_source import SurfaceStanding
from tests.kit.oracle.option_venue import NOW_MS, OptionMarket, OptionVenue, cell, surface_config
from tests.kit.refusals import refused
from tests.kit.until import until

HTML = b"<html><h1>502 Bad Gateway</h1></html>"
LARGE = ExpiryQuote(0, 1_000 * 10**9, -1_000_000, 500_000, -300_000, 800_000)


def clock_ms() -> int:
    return time.time_ns() // 1_000_000


def report(group: int, time_ms: int = NOW_MS, expiries: int = 2) -> SurfaceReport:
    quotes = tuple(msgspec.structs.replace(LARGE, expiry_ms=NOW_MS + (2 + at) * DAY_MS) for at in range(expiries))
    return SurfaceReport(group, time_ms, 2**32 - 1, quotes)


def voted(service: SurfaceService) -> tuple[SurfaceReport, ...]:
    """Where the network lists exactly the expiries that were reported."""
    known = {each.report.group: each.report for each in service.standings if each.report is not None}
    return service.reports(
        lambda: {group: tuple(quote.expiry_ms for quote in known[group].expiries) for group in known}
    )


def standing(given: SurfaceReport) -> SurfaceStanding:
    return SurfaceStanding(surface_config(name=f"S{given.group}", group=given.group), given)


def service(*reports: SurfaceReport, now_ms: int = NOW_MS) -> SurfaceService:
    found = SurfaceService(SimpleNamespace(read=lambda _: ()), lambda: now_ms)
    assert found.take(tuple(map(standing, reports)))
    return found


def test_a_report_is_offered_to_some_votes_and_then_left_out_until_there_is_a_newer_one() -> None:
    given = report(1)
    found = service(given)
    assert [voted(found) for _ in range(OFFERS + 2)] == [(given,)] * OFFERS + [()] * 2
    assert not found.take((standing(given),)), "it is the same"
    assert voted(found) == ()
    newer = report(1, NOW_MS + 1)
    assert found.take((standing(newer),))
    assert voted(found) == (newer,)


def test_a_report_that_is_too_old_or_absent_is_not_voted() -> None:
    assert voted(service(report(1, NOW_MS - 20_000))) == (report(1, NOW_MS - 20_000),)
    assert voted(service(report(1, NOW_MS - 20_001))) == ()
    empty = SurfaceService(SimpleNamespace(read=lambda _: ()), lambda: NOW_MS)
    assert not empty.take((SurfaceStanding(surface_config(), None),))
    assert voted(empty) == ()


def test_an_absurd_report_is_left_out_alone() -> None:
    bad = msgspec.structs.replace(
        report(2), expiries=(msgspec.structs.replace(LARGE, expiry_ms=NOW_MS + DAY_MS, forward_ppb=10**13),)
    )
    assert voted(service(report(1), bad)) == (report(1),)


def test_many_groups_take_turns_within_the_bytes_of_surfaces() -> None:
    groups = [report(2**31 + at, NOW_MS, SURFACE_EXPIRIES_MAX) for at in range(6)]
    found = service(*groups)
    offered: dict[int, int] = {}
    for _ in range(6 * OFFERS):
        chosen = voted(found)
        check_extension(VoteExtension(surfaces=chosen))
        assert encoded_size(chosen) <= SURFACES_BYTES_MAX
        for each in chosen:
            offered[each.group] = offered.get(each.group, 0) + 1
    assert offered == {each.group: OFFERS for each in groups}


async def test_the_source_is_read_in_a_thread_and_its_failures_end_nothing() -> None:
    results: list[Any] = [LocalFault(OracleCode.PRICE_SOURCE_UNUSABLE, "x"), ValueError("no"), (standing(report(1)),)]
    threads = []

    def read(_: int) -> Any:
        threads.append(trio.lowlevel.in_trio_task())
        found = results.pop(0) if len(results) > 1 else results[0]
        if isinstance(found, Exception):
            raise found
        return found

    found = SurfaceService(SimpleNamespace(read=read), lambda: NOW_MS, read_ms=1)
    changes = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(found.run, lambda: changes.append(1))
        await until(lambda: bool(changes), "a report")
        nursery.cancel_scope.cancel()
    assert (found.failures, changes, any(threads)) == (2, [1], False)
    assert voted(found) == (report(1),)


async def test_the_answers_of_a_venue_become_a_surface_whatever_it_answered_before() -> None:
    """An error page, a limit, a cut answer; then honest ones."""
    market = OptionMarket()
    venues = [OptionVenue(name, market, clock_ms) for name in ("deribit", "okx")]
    venues[0].broken = [*[(502, HTML, "")] * 2, *[(200, b'{"result":[', "")] * 2, (429, b"", "1")]
    async with trio.open_nursery() as nursery:
        for venue in venues:
            await nursery.start(venue.run)
        cells = [cell(each.venue, each.venue, each.url, poll_ms=500) for each in venues]
        for each in cells:
            nursery.start_soon(ChainQuestions(each, clock_ms, Pauses(lambda: 0.0)).run)
        await until(lambda: all(each.state.chain is not None for each in cells), "both chains")
        surfaces = LiveSurfaces(
            [surface_config(quorum=2)], cells, [FeedConfig(name="BTC", feed=1)], lambda _: market.index
        )
        (found,) = surfaces.read(clock_ms())
        nursery.cancel_scope.cancel()
    assert found.report is not None
    assert found.report.sources == 2
    assert dict(cells[0].faults) == {
        OracleCode.VENUE_UNREACHABLE: 1,
        OracleCode.VENUE_MALFORMED: 1,
        OracleCode.VENUE_RATE_LIMITED: 1,
    }


async def test_a_venue_that_cannot_be_reached_is_asked_again() -> None:
    lost = cell()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ChainConnections([lost], clock_ms).run)
        await until(lambda: lost.faults[OracleCode.VENUE_UNREACHABLE] >= 1, "a failure")
        nursery.cancel_scope.cancel()
    assert lost.state.fault is OracleCode.VENUE_UNREACHABLE


def test_scipy_is_loaded_by_the_first_fit_and_not_by_the_node() -> None:
    script = (
        "import sys, node.app.node\n"
        "assert 'scipy' not in sys.modules\n"
        "from tests.kit.oracle.surface_markets import random_market\n"
        "from node.oracle.surfaces.smiles import fit_smiles\n"
        "fit_smiles(random_market(0).quotes)\n"
        "assert 'scipy.optimize' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).resolve().parents[3])


def test_generated_surfaces_are_the_same_at_every_node_and_free_of_arbitrage() -> None:
    configs = [surface_config(group=2, name="B"), surface_config(group=1, name="A", generated_level_ppm=900_000)]
    one, other = GeneratedSurfaces(configs, 7), GeneratedSurfaces(configs[::-1], 7)
    levels = set()
    for at in range(200):
        now_ms = NOW_MS + at * 1_234_567
        found = one.read(now_ms)
        assert found == other.read(now_ms)
        assert [each.config.group for each in found] == [1, 2]
        for each in found:
            assert each.report is not None
            assert each.report.time_ms == now_ms - now_ms % each.config.interval_ms
            assert is_free_of_arbitrage(each.report.expiries, now_ms)
            check_extension(VoteExtension(surfaces=(each.report,)))
            levels.add(each.report.expiries[0].level_ppm)
    assert len(levels) > 300
    assert GeneratedSurfaces(configs, 8).read(NOW_MS) != one.read(NOW_MS)


def test_generated_expiries_are_days_and_fridays_at_eight() -> None:
    for at in range(24 * 8):
        found = expiries_after(NOW_MS + at * 3_600_000)
        assert found == sorted(found)
        assert found[0] - (NOW_MS + at * 3_600_000) > TENOR_MS_MIN
        assert {each % DAY_MS for each in found} == {8 * 3_600_000}
        assert sum(time.gmtime(each // 1000).tm_wday == 4 for each in found) >= 6


HEAD = "hour,group,expires_after_ms,forward_ppb,rate_ppm,level_ppm,skew_ppm,wing_ppm\n"
CALM = "0,1,86400000,1000000000,0,600000,-100000,500000\n0,1,864000000,1001000000,50000,600000,-100000,500000\n"
CRASH = "1.5,1,86400000,990000000,0,1500000,-300000,500000\n1.5,1,864000000,990000000,0,1100000,-300000,500000\n"


def recorded(path: Path, text: str, schedule: Schedule | None) -> RecordedSurfaces:
    path.write_text("# a comment\n" + HEAD + text)
    return RecordedSurfaces([surface_config()], load_surfaces(path), lambda: schedule)


def test_recorded_surfaces_follow_the_schedule_of_prices(tmp_path: Path) -> None:
    path = tmp_path / "surfaces.csv"
    (silent,) = recorded(path, CALM, None).read(NOW_MS)
    assert silent.report is None
    replay = recorded(path, CRASH + CALM, Schedule(NOW_MS, 60.0))
    calm, crash = 600_000, 1_500_000
    for read_ms, level in ((0, calm), (89_999, calm), (90_000, crash), (80_000_000, crash)):
        (found,) = replay.read(NOW_MS + read_ms)
        assert found.report is not None
        after_ms = read_ms - read_ms % found.config.interval_ms
        assert (found.report.expiries[0].level_ppm, found.report.time_ms) == (level, NOW_MS + after_ms)
        assert found.report.expiries[0].expiry_ms == NOW_MS + DAY_MS
    (later,) = replay.read(NOW_MS + DAY_MS)
    assert later.report is not None
    assert len(later.report.expiries) == 1
    assert replay.read(NOW_MS + 11 * DAY_MS)[0].report is None


def test_with_a_stated_time_expiries_count_from_it_and_the_first_surface_is_reported_before_the_start(
    tmp_path: Path,
) -> None:
    path, origin = tmp_path / "surfaces.csv", NOW_MS - 60_000
    path.write_text(HEAD + CRASH + CALM)
    for schedule, level in ((None, 600_000), (Schedule(NOW_MS, 60.0), 600_000), (Schedule(NOW_MS, 120.0), 1_500_000)):
        replay = RecordedSurfaces([surface_config()], load_surfaces(path), lambda: schedule, origin)  # noqa: B023
        (found,) = replay.read(NOW_MS + 60_000)
        assert found.report is not None
        assert found.report.expiries[0].level_ppm == level
        assert found.report.expiries[0].expiry_ms == origin + DAY_MS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0,1\n",
        "soon,1,86400000,1000000000,0,600000,0,0\n",
        "1e400,1,86400000,1000000000,0,600000,0,0\n",
        "0,1,86400000,0,0,600000,0,0\n",
        "0,1,86400000,1000000000,0,600000,0,0\n" * 2,
        "0,1,86400000,1000000000,0,600000,0,0\n0,1,864000000,1000000000,0,100000,0,0\n",
        "0,1,86400000,1000000000,0,600000,900000,2000000\n",
    ],
)
def test_a_file_of_surfaces_that_cannot_be_used_is_refused(tmp_path: Path, text: str) -> None:
    with refused(OracleCode.PRICE_SOURCE_UNUSABLE, LocalFault):
        recorded(tmp_path / "surfaces.csv", text, None)
    with refused(OracleCode.PRICE_SOURCE_UNUSABLE, LocalFault):
        load_surfaces(tmp_path / "missing.csv")


NOBODY: Any = SimpleNamespace()


def fitted(now_ms: int = NOW_MS) -> tuple[LiveSurfaces, list[ChainCell]]:
    good, lost = cell(), cell("lost")
    good.take(OptionMarket().chain(now_ms=now_ms), now_ms)
    surfaces = LiveSurfaces([surface_config()], [good, lost], [FeedConfig(name="BTC", feed=1)], lambda _: 50_000.0)
    return surfaces, [good, lost]


def test_a_surface_without_a_fresh_report_is_a_reason_not_to_be_ready() -> None:
    surfaces, _ = fitted()
    standings = surfaces.read(NOW_MS)
    monitor = HealthMonitor.__new__(HealthMonitor)
    monitor._surfaces = lambda: standings
    (good,) = monitor.surface_checks(NOW_MS)
    assert (good.name, good.ok) == ("surface-BTC", True)
    assert good.detail == "5 expiries, 0 ms old; 1 of 2 sources usable, 1 needed; lost R0980 source_silent"
    (old,) = monitor.surface_checks(NOW_MS + 20_001)
    assert not old.ok
    assert "R0981 no surface is reported" in old.detail


def test_a_surface_and_its_sources_have_their_figures() -> None:
    surfaces, cells = fitted()
    cells[1].failed(RemoteFault(OracleCode.VENUE_UNREACHABLE, "venue"))
    standings = surfaces.read(NOW_MS)
    metrics = Metrics()
    meters = Meters(metrics, *[NOBODY] * 7, lambda: NOW_MS, surfaces=lambda: standings, option_cells=cells)
    for _ in range(2):
        meters.measure_surfaces(NOW_MS + 1_500)
    lines = metrics.render().decode().splitlines()
    assert {
        'crossclear_oracle_surface_age_seconds{surface="BTC"} 1.5',
        'crossclear_oracle_surface_expiries{surface="BTC"} 5.0',
        'crossclear_oracle_surface_source_usable{source="deribit",surface="BTC"} 1.0',
        'crossclear_oracle_surface_source_usable{source="lost",surface="BTC"} 0.0',
        'crossclear_oracle_surface_source_faults_total{code="R0990",source="lost",surface="BTC"} 1.0',
    } <= set(lines)
    error = next(line for line in lines if line.startswith("crossclear_oracle_surface_error{"))
    assert 0 < float(error.rpartition(" ")[2]) < 0.002


def test_the_config_of_surfaces_has_defaults_that_fit_the_terms() -> None:
    """A report is made more often than it is old, and is old before the network's own limit of 30 seconds."""
    config = SurfaceConfig(name="BTC", group=1, feed="BTC")
    assert 2 * config.interval_ms < config.age_ms_max < 30_000
