"""Operators see each price source: in readiness as a reason, in metrics as figures."""

from types import SimpleNamespace
from typing import Any

from node.ops.health import HealthMonitor
from node.ops.meters import Meters
from node.ops.metrics import Metrics
from tests.kit.oracle.two_sources import NOW, two_sources

NOBODY: Any = SimpleNamespace()


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
