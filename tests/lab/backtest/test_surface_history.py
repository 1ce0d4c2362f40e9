"""The shipped history of surfaces beside the devnet's recorded prices is what the simulation makes of them."""

from pathlib import Path

import pytest

from clearing.base.units import DAY_MS
from clearing.schema.risk.volatility_surface import VolPillar, surface_checks
from lab.backtest.market_data import read_market_data
from lab.option_backtest.surface_history import COLUMNS, surface_file

CONFIGS = Path(__file__).resolve().parents[3] / "configs/devnet"
FILE = CONFIGS / "surfaces-2020-03.csv"
FIRST_S = 1_583_971_200
HOURS = 48


def rows() -> list[dict[str, int]]:
    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    assert tuple(lines[0].split(",")) == COLUMNS
    return [dict(zip(COLUMNS, map(int, line.split(",")), strict=True)) for line in lines[1:]]


def test_the_shipped_surfaces_are_those_of_the_simulation(market_data_dir: Path) -> None:
    data = read_market_data(market_data_dir / "btc_eth_1h_2018_2022.csv")
    assert FILE.read_text() == surface_file(data, FIRST_S, HOURS, 30, 20_000, 1)


def test_they_cover_every_recorded_hour_of_both_groups_and_say_that_they_are_simulated() -> None:
    assert FILE.read_text().startswith("# SIMULATED")
    recorded = [line for line in (CONFIGS / "crash-2020-03.csv").read_text().splitlines() if line[0].isdigit()]
    assert recorded[0].startswith(str(FIRST_S))
    assert [(row["hour"], row["group"]) for row in rows()] == [(at, of) for at in range(HOURS + 1) for of in (1, 2)]
    assert len(recorded) == HOURS


def test_none_allows_arbitrage() -> None:
    for row in rows():
        pillar = VolPillar(30 * DAY_MS, row["level_ppm"], row["skew_ppm"], row["wing_ppm"])
        assert [found for found in surface_checks((pillar,), 1_000_000) if not found[2]] == []


@pytest.mark.parametrize("group", [1, 2])
def test_volatility_rises_by_more_than_half_in_the_crash(group: int) -> None:
    levels = [row["level_ppm"] for row in rows() if row["group"] == group]
    assert max(levels) > 1.5 * levels[0]
    assert levels.index(max(levels)) > 10
