"""Replayed prices are the recorded ones, between open and close, and stand still outside the recording."""

from pathlib import Path

import pytest

from clearing.base.errors import LocalFault
from node.oracle.source import HOUR_MS, ReplaySource, Schedule, load_hours, write_schedule

CRASH = Path(__file__).resolve().parents[3] / "configs/devnet/crash-2020-03.csv"


def source(folder: Path, speed: float = 1.0) -> ReplaySource:
    write_schedule(folder / "schedule.json", Schedule(start_ms=1_000, speed=speed))
    return ReplaySource(CRASH, folder / "schedule.json")


def test_the_first_price_stands_until_the_schedule_exists(tmp_path: Path) -> None:
    waiting = ReplaySource(CRASH, tmp_path / "schedule.json")
    assert [quote.ticks for quote in waiting.read(10**13)] == [793457, 19457]
    write_schedule(tmp_path / "schedule.json", Schedule(start_ms=0, speed=1.0))
    assert [quote.ticks for quote in waiting.read(HOUR_MS)] == [792605, 19375]


def test_prices_run_from_open_to_close_at_the_chosen_speed(tmp_path: Path) -> None:
    replay = source(tmp_path, speed=3_600.0)
    assert replay.read(1_000)[0].ticks == 793457
    assert replay.read(1_500)[0].ticks == (793457 + 792605) // 2
    assert replay.read(2_000)[0].ticks == 792605


def test_the_last_price_stands_after_the_recording(tmp_path: Path) -> None:
    assert source(tmp_path).read(10**13)[0].ticks == load_hours(CRASH)[-1].closes[0] == 562274


def test_the_excerpt_is_the_recorded_market(market_data_dir: Path) -> None:
    recorded = {}
    for line in (market_data_dir / "btc_eth_1h_2018_2022.csv").read_text().splitlines()[1:]:
        unix, *figures = line.split(",")
        recorded[unix] = (figures[0], figures[3], figures[4], figures[7])
    rows = [line.split(",") for line in CRASH.read_text().splitlines() if line[:1].isdigit()]
    assert len(rows) == 48
    assert all(recorded[unix] == tuple(figures) for unix, *figures in rows)


@pytest.mark.parametrize(
    "text", ["", "unix,btc_open,btc_close\n1,2\n", "unix,btc_open,btc_close\n1,-2,3\n", "unix\n1\n"]
)
def test_a_broken_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "hours.csv").write_text(text)
    with pytest.raises(LocalFault) as caught:
        load_hours(tmp_path / "hours.csv")
    assert "hours.csv" in str(caught.value)
