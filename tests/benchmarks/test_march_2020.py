"""March 2020 through the state machine: prices, members and counting are what they say."""

from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.march2020.__main__ import figures_of, table
from benchmarks.march2020.books import means_of
from benchmarks.march2020.hours import BLOCKS, HOUR_S, OPENING_S, RECORDED, Hour, blocks_of, hours_of_march, path_of
from benchmarks.march2020.market import Plan
from benchmarks.march2020.replay import Outcome, Replay
from benchmarks.march2020.settings import SETTINGS
from clearing.schema.terms.genesis import crisis_checks

CRASH_S = 1_583_971_200
"""2020-03-12 00:00 UTC."""


@pytest.fixture(scope="module")
def hours(market_data_dir: Path) -> list[Hour]:
    return hours_of_march(market_data_dir / RECORDED)


def replayed(hours: list[Hour], name: str, blocks: int, horizon: int = 1) -> Outcome:
    near = [each for each in hours if CRASH_S - 300 * HOUR_S <= each.time_s < CRASH_S + 36 * HOUR_S]
    return Replay(name, near, range(8), SETTINGS[name], Plan(horizon, blocks, CRASH_S)).run()


def test_every_hour_of_march_and_a_thousand_before_are_recorded(hours: list[Hour]) -> None:
    assert all(after.time_s - before.time_s == 3_600 for before, after in pairwise(hours))
    assert sum(each.time_s >= OPENING_S for each in hours) == 31 * 24
    assert sum(each.time_s < OPENING_S for each in hours) == 1_000


def test_an_hour_goes_through_its_extremes_and_nothing_beyond(hours: list[Hour]) -> None:
    for hour in hours:
        for opened, high, low, close in hour.candles:
            path = path_of((opened, high, low, close))
            assert (len(path), max(opened, *path), min(opened, *path), path[-1]) == (BLOCKS, high, low, close)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 12])
def test_fewer_blocks_see_some_of_the_same_prices(hours: list[Hour], count: int) -> None:
    few, all_of_them = blocks_of(hours[0], count), blocks_of(hours[0])
    assert len(few) == count
    assert set(few) <= set(all_of_them)
    assert few[-1] == all_of_them[-1]


def test_means_do_not_depend_on_who_else_is_there() -> None:
    means = [means_of(seed) for seed in range(100)]
    assert sum(each.reserve_ppm == 0 for each in means) in range(15, 40)
    assert all(1 <= each.delay_blocks <= 36 and 0 <= each.cushion_ppm <= 10**6 for each in means)


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_settings_are_terms_that_a_genesis_may_have(name: str) -> None:
    assert [field for field, _, good in crisis_checks(SETTINGS[name]) if not good] == []


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_nobody_is_left_stuck_in_the_worst_hours(hours: list[Hour], name: str) -> None:
    outcome = replayed(hours, name, 4)
    figures = figures_of(outcome)
    assert figures["accounts"] > 0
    assert "STUCK" not in {fate.end for fate in outcome.fates.values()}
    assert any(line.startswith("forced liquidations") for line in table([outcome]))


def test_what_nobody_could_pay_is_told_by_account(hours: list[Hour]) -> None:
    outcome = replayed(hours, "house", 1)
    missing = sum(each.missing for each in outcome.fates.values())
    assert missing > 0
    assert sum("more than it had" in line for line in table([outcome])) == figures_of(outcome)["defaulters"]
    assert outcome.house_worst <= -missing
