"""Operators see each price source: in readiness as a reason, in metrics as figures."""

from types import SimpleNamespace
from typing import Any

from clearing.base.errors import RemoteFault
from node.config_oracle import FeedConfig, SourceConfig
from node.ops.health import HealthMonitor
from node.ops.meters import Meters
from node.ops.metrics import Metrics
from node.oracle.events import PriceRead
from node.oracle.readings import E18, Reading
from node.oracle.several_sources import SeveralSources
from node.oracle.source import OracleCode
from node.oracle.source_cell import SourceCell

NOW = 1_700_000_000_000
NOBODY: Any = SimpleNamespace()


def two_sources() -> SeveralSources:
    cells = [
        SourceCell(SourceConfig(feed="BTC", name=name, venue="kraken", market="M", url="wss://venue"))
        for name in ("good", "lost")
    ]
    cells[0].take([PriceRead(Reading(50_000 * E18, time_ms=NOW - 1_500))], NOW)
    cells[1].failed(RemoteFault(OracleCode.VENUE_UNREACHABLE, "venue"), reading_lost=True)
    several = SeveralSources([FeedConfig(name="BTC", feed=1, quorum=2)], cells)
    several.read(NOW)
    return several


def test_a_feed_with_too_few_sources_is_a_reason_not_to_be_ready() -> None:
    several = two_sources()
    monitor = HealthMonitor.__new__(HealthMonitor)
    monitor._feeds = lambda: several.standings
    (check,) = monitor.feed_checks()
    assert (check.name, check.ok) == ("feed-BTC", False)
    assert check.detail.startswith("1 of 2 sources usable, 2 needed; R0989 no price is reported; lost R0990")


def test_each_source_has_its_figures() -> None:
    metrics, several = Metrics(), two_sources()
    meters = Meters(metrics, *[NOBODY] * 7, lambda: NOW, prices=several)
    for _ in range(2):
        meters.measure_sources()
    lines = metrics.render().decode().splitlines()
    feed = 'feed_name="BTC"'
    assert {
        f"crossclear_oracle_sources_usable{{{feed}}} 1.0",
        f"crossclear_oracle_sources_needed{{{feed}}} 2.0",
        f'crossclear_oracle_source_usable{{{feed},source="good"}} 1.0',
        f'crossclear_oracle_source_usable{{{feed},source="lost"}} 0.0',
        f'crossclear_oracle_source_age_seconds{{{feed},source="good"}} 1.5',
        f'crossclear_oracle_source_faults_total{{code="R0990",{feed},source="lost"}} 1.0',
    } <= set(lines)
