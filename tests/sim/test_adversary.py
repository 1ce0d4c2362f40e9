"""The search for profits of colluding members finds weaknesses, and what it found is ended by the rule that says so."""

from pathlib import Path

import pytest

from lab.engine import LocalEngine
from tests.sim.adversary.paths import ALL, START
from tests.sim.adversary.planted import PLANTED, find
from tests.sim.adversary.play import Judgement, judge
from tests.sim.adversary.regressions import load, saved
from tests.sim.adversary.rules import RULES, with_rules
from tests.sim.adversary.scenarios import SCENARIOS, opened, without_cryptography
from tests.sim.adversary.search import ROUNDING_MICROS, search

FOUND = pytest.mark.parametrize("path", saved(), ids=lambda path: path.stem)
CLOSED = pytest.mark.parametrize("path", [path for path in saved() if load(path).closed_by], ids=lambda path: path.stem)


def played(path: Path, off: tuple[str, ...], *, real: bool = False) -> Judgement:
    """A regression played with these rules off. `real`: with signatures and roots."""
    found = load(path)
    scenario, start = SCENARIOS[found.scenario], opened(found.scenario, off, real=real)
    if real:
        with scenario.without_rules(off):
            return judge(start, [found.actions], scenario.paths, **scenario.judged)[0][0]
    with without_cryptography(), scenario.without_rules(off):
        return judge(start, [found.actions], scenario.paths, **scenario.judged)[0][0]


@pytest.mark.parametrize("weakness", sorted(PLANTED))
def test_a_planted_weakness_is_found(weakness: str) -> None:
    found = find(weakness, 3_000)
    assert found is not None


def test_nothing_is_found_where_no_weakness_is_planted() -> None:
    found = search(SCENARIOS["withdrawals"], (), 500, 1, LocalEngine())
    assert found.judgement.profit <= ROUNDING_MICROS
    assert found.operations >= 500


@CLOSED
def test_what_was_found_is_a_profit_without_the_rules_that_end_it(path: Path) -> None:
    found = load(path)
    assert played(path, tuple(sorted({*found.off, *found.closed_by}))).profit > ROUNDING_MICROS


@CLOSED
def test_each_rule_ends_what_was_found(path: Path) -> None:
    found = load(path)
    for rule in found.closed_by:
        others = {*found.off, *found.closed_by} - {rule}
        assert played(path, tuple(sorted(others))).profit <= ROUNDING_MICROS, rule


@FOUND
def test_with_all_rules_on_nothing_that_was_found_is_a_profit(path: Path) -> None:
    assert played(path, ()).profit <= ROUNDING_MICROS


def test_every_rule_has_a_sequence_that_it_ends_or_says_why_it_has_none() -> None:
    closed = {rule for path in saved() for rule in load(path).closed_by}
    assert closed == {name for name, rule in RULES.items() if not rule.not_found}


def test_a_play_without_cryptography_gives_what_real_signatures_and_roots_give() -> None:
    path = saved()[0]
    off = tuple(sorted(RULES))
    assert played(path, off, real=True) == played(path, off)


def test_a_seed_finds_the_same_again() -> None:
    first, again = (search(SCENARIOS["auction"], tuple(RULES), 100, 5, LocalEngine()) for _ in range(2))
    assert first == again


def test_doing_nothing_gains_nothing() -> None:
    for name, scenario in SCENARIOS.items():
        with without_cryptography():
            judgements, _ = judge(opened(name, ()), [()], scenario.paths, **scenario.judged)
        assert judgements[0].profit == 0, name


def test_the_index_of_the_general_search_is_a_martingale() -> None:
    for block in range(1, len(ALL[0].ticks)):
        for before in {path.ticks[:block] for path in ALL}:
            after = [path for path in ALL if path.ticks[:block] == before]
            weight = sum(path.weight_ppm for path in after)
            assert sum(path.weight_ppm * path.ticks[block] for path in after) == weight * before[-1]
    assert {path.ticks[0] for path in ALL} == {START}


def test_only_known_rules_can_be_switched_off() -> None:
    genesis = SCENARIOS["client"].genesis(())
    assert with_rules(genesis) == genesis
    with pytest.raises(KeyError, match="no such rule"):
        with_rules(genesis, ("luck",))
