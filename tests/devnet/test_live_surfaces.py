"""The devnet's live surfaces: every option has one from the first block on, and the crash raises it."""

from clearing.base.units import DAY_MS
from clearing.schema.terms.surfaces import surface_terms_checks
from devnet.live_surfaces import SURFACES, surface_configs, surface_terms
from devnet.market import load_market
from node.oracle.source import HOUR_MS, Schedule
from node.oracle.surfaces.recorded_surfaces import RecordedSurfaces, load_surfaces

GENESIS_MS = 1_700_000_000_000
SPEED = 2_880.0
MARKET = load_market()


def test_every_group_with_options_has_terms_and_a_report_of_each_node() -> None:
    numbers = {group.name: number for number, group in enumerate(MARKET.groups, start=1)}
    written = sorted({numbers[each.group] for each in MARKET.instruments if each.strike_ticks})
    assert [terms.group for terms in surface_terms(MARKET)] == written
    assert [config.group for config in surface_configs(MARKET)] == written
    checks = surface_terms_checks(surface_terms(MARKET), sorted(numbers.values()))
    assert all(good for _, _, good in checks)


def test_the_expiry_of_every_option_is_reported_before_the_replay_starts_and_while_it_runs() -> None:
    expiries = {GENESIS_MS + each.expiry_days * DAY_MS for each in MARKET.instruments if each.strike_ticks}
    for schedule in (None, Schedule(GENESIS_MS + 20_000, SPEED)):
        source = RecordedSurfaces(surface_configs(MARKET), load_surfaces(SURFACES), lambda: schedule, GENESIS_MS)  # noqa: B023
        for standing in source.read(GENESIS_MS + 30_000):
            assert standing.report is not None
            assert expiries <= {quote.expiry_ms for quote in standing.report.expiries}


def test_reported_volatility_rises_with_the_recorded_hours() -> None:
    schedule = Schedule(GENESIS_MS, SPEED)
    source = RecordedSurfaces(surface_configs(MARKET), load_surfaces(SURFACES), lambda: schedule, GENESIS_MS)
    levels = []
    for hour in (0, 12, 30):
        reports = [standing.report for standing in source.read(GENESIS_MS + round(hour * HOUR_MS / SPEED))]
        levels.append([report.expiries[0].level_ppm for report in reports if report is not None])
    calm, fallen, worst = levels
    assert all(one * 1.2 < other < last for one, other, last in zip(calm, fallen, worst, strict=True))
