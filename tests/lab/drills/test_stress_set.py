"""The stress set: recorded moves are those of the record, and cover is that of the fund."""

import csv
from datetime import UTC, datetime, timedelta
from math import ceil, copysign
from pathlib import Path

import pytest

from clearing.default_fund.sizing import stress_needs
from lab.drills.printing import stress_text
from lab.drills.reverse_stress import losses_in
from lab.drills.stress_set import STRESS_SET, SetScenario, stress_results
from tests.kit.clearing.defaults import with_fund

RECORDED = [scenario for scenario in STRESS_SET if scenario.kind == "historical"]


@pytest.fixture(scope="module")
def closes(market_data_dir: Path) -> dict[str, dict[datetime, float]]:
    found: dict[str, dict[datetime, float]] = {"BTC": {}, "ETH": {}}
    with (market_data_dir / "btc_eth_1h_2018_2022.csv").open() as file:
        for row in csv.DictReader(file):
            for group, column in (("BTC", "btc_close"), ("ETH", "eth_close")):
                found[group][datetime.fromtimestamp(int(row["unix"]), UTC)] = float(row[column])
    return found


def points(closes: dict[datetime, float], begins: datetime, hours: int) -> int:
    """Hundredths of a per cent, rounded away from zero."""
    move = (closes[begins + timedelta(hours=hours)] / closes[begins] - 1) * 10_000
    return int(copysign(ceil(abs(move)), move))


@pytest.mark.parametrize("scenario", RECORDED, ids=lambda each: each.name)
def test_a_recorded_scenario_is_the_largest_move_of_its_month(
    scenario: SetScenario, closes: dict[str, dict[datetime, float]]
) -> None:
    begins = datetime.fromisoformat(scenario.begins).replace(tzinfo=UTC)
    assert {group: points(of, begins, scenario.hours) for group, of in closes.items()} == scenario.points
    sign = copysign(1, scenario.points["BTC"])
    of_month = [
        points(closes["BTC"], hour, scenario.hours)
        for hour in closes["BTC"]
        if (hour.year, hour.month) == (begins.year, begins.month)
        and hour + timedelta(hours=scenario.hours) in closes["BTC"]
    ]
    assert scenario.points["BTC"] == max(of_month, key=lambda move: sign * move)


def test_the_scenarios_that_size_the_fund_are_covered_and_larger_ones_are_not() -> None:
    found = {each.name: each for each in stress_results(with_fund().state)}
    assert (found["crash"].uncovered_by_two, found["rally"].uncovered_by_two) == (0, 0)
    assert found["March 2020"].uncovered_by_two == 0, "48 % are less than the 60 of the crash"
    beyond = found["March 2020 and a half"]
    assert beyond.uncovered_by_one == beyond.lost_by_one - 126_400_000_000 > 0


def test_losses_of_a_scenario_are_those_of_the_same_moves_in_genesis() -> None:
    world = with_fund()
    (crash, rally) = [losses for _, losses in stress_needs(world.state, (), 1).shortfalls]
    assert losses_in(world.state, [{"BTC": -6_000, "ETH": -7_000}, {"BTC": 6_000, "ETH": 7_000}]) == [crash, rally]


def test_the_text_has_a_line_for_every_scenario() -> None:
    results = stress_results(with_fund().state)
    assert len(results) == len(STRESS_SET) + 2
    assert len(stress_text(results).splitlines()) == len(results) + 1
