"""Statistics of exceedances, against figures that others published or that can be worked out by hand."""

from math import comb

import numpy as np
import pytest

from lab.backtest.coverage import (
    at_least,
    change_ratio,
    chi_squared_tail,
    coverage_of,
    independence_ratio,
    kupiec_ratio,
    peak_to_trough,
    years_of,
)


@pytest.mark.parametrize(("points", "low", "high"), [(255, 0, 7), (510, 1, 11), (1000, 4, 17)])
def test_kupiec_accepts_the_published_regions_at_one_percent(points: int, low: int, high: int) -> None:
    """Kupiec (1995), table 1, at p = 0.01 and 5 %; at 255 it leaves 0 open, whose ratio of 5.1 is beyond 3.84."""
    accepted = [n for n in range(40) if chi_squared_tail(kupiec_ratio(points, n, 0.01)) >= 0.05]
    assert accepted == list(range(low + 1, high))


def test_kupiec_s_ratio_by_hand() -> None:
    assert kupiec_ratio(100, 1, 0.01) == pytest.approx(0.0, abs=1e-12)
    assert kupiec_ratio(250, 0, 0.01) == pytest.approx(5.0252, abs=1e-4)
    assert kupiec_ratio(250, 10, 0.01) == pytest.approx(12.9555, abs=1e-3)
    assert kupiec_ratio(0, 0, 0.01) == 0.0


def test_the_tail_of_chi_squared() -> None:
    assert chi_squared_tail(3.841458820694124) == pytest.approx(0.05)
    assert chi_squared_tail(0.0) == 1.0


@pytest.mark.parametrize(("points", "count"), [(10, 0), (10, 1), (10, 5), (10, 10), (40, 3)])
def test_the_binomial_tail_is_exact(points: int, count: int) -> None:
    exact = sum(comb(points, n) * 0.1**n * 0.9 ** (points - n) for n in range(count, points + 1))
    assert at_least(points, count, 0.1) == pytest.approx(exact, rel=1e-9)


def test_clusters_are_seen() -> None:
    clustered = np.zeros(1000, np.bool_)
    clustered[100:120] = True
    spread = np.zeros(1000, np.bool_)
    spread[::50] = True
    assert chi_squared_tail(independence_ratio(clustered)) < 1e-6
    assert chi_squared_tail(independence_ratio(spread)) > 0.2
    assert independence_ratio(np.zeros(9, np.bool_)) == independence_ratio(np.ones(9, np.bool_)) == 0.0


def test_a_right_range_is_calibrated_and_a_wrong_one_is_not() -> None:
    for count, calibrated, enough in ((10, True, True), (0, False, True), (30, False, False)):
        exceeded = np.zeros(1000, np.bool_)
        exceeded[np.arange(count) * 33] = True
        seen = coverage_of(exceeded, 0.01)
        assert (seen.is_calibrated, seen.is_enough) == (calibrated, enough)


def test_jumps_are_measured_from_low_to_later_high() -> None:
    series = np.array([4, 2, 3, 6, 1], np.int64)
    assert change_ratio(series, 1) == 2.0
    assert change_ratio(series, 2) == 3.0
    assert change_ratio(series, 50) == 1.0
    assert peak_to_trough(series) == 6.0


def test_a_year_begins_at_midnight_utc() -> None:
    assert years_of([1_577_836_799, 1_577_836_800]).tolist() == [2019, 2020]
