"""What benchmarks tell is computed right."""

import math

from benchmarks.figures import Figure, of_times, percentile, shown
from benchmarks.network import quantile


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 0.0)) == (3.0, 5.0, 1.0)
    assert math.isnan(percentile([], 0.5))


def test_a_quantile_of_a_histogram_is_linear_within_its_bucket() -> None:
    cumulative = {0.01: 0.0, 0.02: 10.0, 0.05: 20.0, math.inf: 20.0}
    assert quantile(cumulative, 0.25) == 0.015
    assert quantile(cumulative, 0.75) == 0.035


def test_a_quantile_beyond_the_last_bound_is_that_bound() -> None:
    assert quantile({0.01: 1.0, math.inf: 10.0}, 0.9) == 0.01


def test_times_are_told_as_median_with_extremes_in_the_unit() -> None:
    assert of_times("x", [0.003, 0.001, 0.002], goal="< 10") == Figure("x", 2.0, "ms", 1.0, 3.0, "< 10")


def test_figures_are_shown_with_three_digits_and_no_exponent() -> None:
    assert [shown(each) for each in (12345.6, 99.44, 1.2345, 0.01234, math.nan)] == [
        "12,346",
        "99.4",
        "1.23",
        "0.0123",
        "-",
    ]
