"""Rules of the table of ratios."""

import math

import pytest

from benchmarks.ratios import Ratio, ratio, worse


@pytest.mark.parametrize(
    ("value", "goal", "met"),
    [
        (0.7, ">= 0.7", True),
        (0.69, ">= 0.7", False),
        (4.0, "<= 4", True),
        (4.1, "<= 4", False),
        (None, "<= 4", False),
        (math.nan, ">= 0.7", False),
        (math.inf, ">= 0.7", False),
    ],
)
def test_a_goal_is_met_by_what_was_measured_only(value: float | None, goal: str, met: bool) -> None:
    assert ratio("x", goal, value).met is met


@pytest.mark.parametrize(
    ("goal", "before", "now", "fails"),
    [
        ("<= 4", 4.0, 4.9, False),
        ("<= 4", 4.0, 5.1, True),
        ("<= 4", 4.0, 1.0, False),
        (">= 0.7", 0.7, 0.6, False),
        (">= 0.7", 0.7, 0.5, True),
        (">= 0.7", 0.7, None, True),
        (">= 0.7", None, 0.1, False),
    ],
)
def test_a_ratio_that_is_worse_by_more_than_a_quarter_is_a_regression(
    goal: str, before: float | None, now: float | None, fails: bool
) -> None:
    assert bool(worse([ratio("x", goal, now)], [ratio("x", goal, before)])) is fails


def test_a_ratio_that_is_no_longer_in_the_table_is_a_regression() -> None:
    assert worse([], [Ratio("x", 1.0, "<= 4", met=True)])
