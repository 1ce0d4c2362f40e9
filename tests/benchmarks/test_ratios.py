"""Rules of the table of ratios."""

import math
import pickle
from pathlib import Path

import msgspec
import pytest

from benchmarks.load import Seen
from benchmarks.network import Summary
from benchmarks.ratios import MODERATE, Measured, Ratio, judged, ratio, ratios, worse
from benchmarks.sampler import share_of

ROOT = Path(__file__).resolve().parents[2]


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
        ("<= 1", 1.0, 1.24, False),
        ("<= 1", 1.0, 1.26, True),
        (">= 1", 1.24, 1.0, False),
        (">= 1", 1.26, 1.0, True),
        ("<= 0", 0.0, 0.0, False),
        ("<= 0", 0.0, 1.0, True),
        (">= 0.7", 0.7, 0.0, True),
    ],
)
def test_a_ratio_that_is_worse_by_more_than_a_quarter_is_a_regression(
    goal: str, before: float | None, now: float | None, fails: bool
) -> None:
    assert bool(worse([ratio("x", goal, now)], [ratio("x", goal, before)])) is fails


def test_a_ratio_that_is_no_longer_in_the_table_is_a_regression() -> None:
    assert worse([], [Ratio("x", 1.0, "<= 4", met=True)])


@pytest.mark.parametrize(("now", "code"), [(1.24, 0), (1.26, 1), (None, 1)])
def test_the_guard_reads_the_table_that_it_compares_with(tmp_path: Path, now: float | None, code: int) -> None:
    table = tmp_path / "ratios.json"
    table.write_bytes(msgspec.json.encode([ratio("x", "<= 1", 1.0)]))
    assert judged([ratio("x", "<= 1", now)], table) == code
    assert judged([], table) == 1
    assert judged([], None) == 0


def seen(rate: int) -> Seen:
    return Seen(rate, 10.0, 200, 5.0, [10.0], [20.0] * max(1, rate), 0, 1.0)


def summary(rate: int) -> Summary:
    return Summary(rate, 100, 10.0, {1.0: 100.0}, [10.0], [14.0], [9.0], [30.0], float(rate), 0, 5, 0.0, 0.1, 0.0)


def table() -> list[Ratio]:
    measured = Measured(0.05, 2.0, many=seen(0), overloaded=summary(4000), offered=2000, relay_share=0.01)
    measured.agreement = {rate: seen(rate) for rate in (0, 1000, 2000)}
    measured.peer = {rate: seen(rate) for rate in (1000, 2000)}
    measured.house = {rate: summary(rate) for rate in (0, MODERATE, 2000)}
    measured.bundled = {rate: summary(rate) for rate in (MODERATE, 2000)}
    return ratios(measured)


def test_the_table_has_every_ratio_with_its_goal() -> None:
    found = table()
    assert [(each.what.partition(",")[0], each.goal) for each in found] == [
        ("whole clearing house / agreement alone", ">= 0.7"),
        ("CPU of a trade and node / recovery of one secp256k1 signer", "<= 4"),
        ("in bundles of 24: whole clearing house / agreement alone", ">= 0.7"),
        ("in bundles of 24 at most: CPU of a trade and node / recovery of one secp256k1 signer", "<= 4"),
        ("CPU of an idle height and node / one BLS verification (two pairings)", "<= 5"),
        ("price to agreed block p50", "<= 1.5"),
        ("height p50 at n = 32 / height p50 at n = 4", "<= 12"),
        ("overload", "<= 1"),
        ("overload: POST to answer p99 of all", "<= 1"),
        ("overload: accepted trades that came into no block", "<= 0"),
        ("agreement alone / CometBFT tuned", ">= 1"),
        ("agreement alone / CometBFT tuned", "<= 1"),
        ("CPU of the relay / CPU of agreement alone", "<= 0.03"),
    ]
    assert all(each.value is not None for each in found)


def test_the_committed_run_measured_every_ratio_of_the_table() -> None:
    committed = msgspec.json.decode((ROOT / "benchmarks" / "ratios.json").read_bytes(), type=list[Ratio])
    assert [(each.what, each.goal) for each in committed] == [(each.what, each.goal) for each in table()]
    assert all(each == ratio(each.what, each.goal, each.value) for each in committed)
    assert all(each.value is not None for each in committed)


def test_a_share_of_cpu_counts_each_stack_once(tmp_path: Path) -> None:
    inside, outside = ("/x/consensus/links.py", "hear"), ("/x/trio/run.py", "run")
    stacks = {(inside, inside, outside): 1, (outside,): 3}
    (tmp_path / "1.samples").write_bytes(pickle.dumps((2.0, stacks)))
    assert share_of(tmp_path, ("consensus/links.py",)) == 0.25
    assert share_of(tmp_path / "none", ("x",)) is None
