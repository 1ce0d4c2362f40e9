"""The model of early calls: its clocks are those of the rules, its money adds up, and drawn years are their seed's."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.early_calls.__main__ import BASE, EARLY, HEAD, PLAIN, as_safe, parser, table
from benchmarks.early_calls.history import MONTH_HOURS, Months, drawn
from benchmarks.early_calls.model import COST, Books, Rules, Tally, play
from benchmarks.march2020.books import has_client, means_of
from benchmarks.march2020.hours import BLOCKS, HOURS_BEFORE

SEEDS = range(12)
MEANS = [means_of(each) for each in range(500)]
PASSIVE = next(
    at for at, each in enumerate(MEANS) if not (each.reserve_ppm or each.is_prudent or has_client(at) or at % 8)
)
"""A long book of BTC alone with nothing to bring, that does not sell either."""
RICH = next(
    at
    for at, each in enumerate(MEANS)
    if each.reserve_ppm > 3 * 10**6 and each.delay_blocks < 12 and not (has_client(at) or at % 8)
)
"""The same, with much to bring, within the hour."""


def falling(ticks: list[float], range_part: float = 0.1) -> Months:
    """One month of as many blocks: prices of both underlyings, a range and a deviation that stay."""
    prices = np.repeat(np.array(ticks)[None, :, None], 2, axis=2)
    hours = (1, len(ticks) // BLOCKS + 1, 2)
    return Months(prices, np.full(hours, range_part), np.full(hours, range_part / 10), ("a month",))


def fall_to(share: float, seed: int) -> float:
    """The price at which a long book of one underlying has this part of its initial margin. It is opened at 100."""
    cushion = 0.1 * (1 + means_of(seed).cushion_ppm / 10**6)
    return 100 * (1 - cushion) / (1 - 0.1 * share)


def played(months: Months, seed: int, rules: Rules) -> tuple[Books, list[int]]:
    """After the month, and the blocks in which something was sold by force."""
    world, blocks = Books(months, [seed], rules), []
    for at in range(1, months.prices.shape[1]):
        before = world.forced.sum()
        world.block(at)
        blocks += [at] if world.forced.sum() > before else []
    return world, blocks


@pytest.mark.parametrize("deadline", [0, 3, 12])
def test_who_does_nothing_is_sold_two_blocks_after_its_time(deadline: int) -> None:
    ticks = [100.0] * 5 + [fall_to(0.7, PASSIVE)] * 40
    world, blocks = played(falling(ticks), PASSIVE, Rules(deadline=deadline))
    assert blocks == [5 + deadline + 2]
    assert world.equity[0, 0] == pytest.approx(world._initial(3)[0, 0])
    assert world.calls.sum() == 1


def test_far_below_the_trigger_there_is_no_time() -> None:
    ticks = [100.0] * 5 + [fall_to(0.39, PASSIVE)] * 40
    assert played(falling(ticks), PASSIVE, Rules())[1] == [7]


@pytest.mark.parametrize(("leaves", "sold"), [(100_000, 50 + 12 + 2), (0, 50 + 2), (4, 50 + 4 + 2)])
def test_a_warning_takes_off_as_much_time_as_the_rules_say(leaves: int, sold: int) -> None:
    ticks = [100.0] * 5 + [fall_to(0.85, PASSIVE)] * 45 + [fall_to(0.7, PASSIVE)] * 40
    world, blocks = played(falling(ticks), PASSIVE, Rules(early=0.2, leaves=leaves))
    assert world.early_calls.sum() == 1
    assert blocks == [sold]


@pytest.mark.parametrize("hears_all", [True, False])
def test_who_heeds_a_warning_is_not_sold(hears_all: bool) -> None:
    ticks = [100.0] * 5 + [fall_to(0.85, RICH)] * 45 + [fall_to(0.7, RICH)] * 60
    rules = Rules(early=0.2, deadline=0, asks_below_initial=hears_all)
    assert played(falling(ticks), RICH, rules)[1] == []
    deaf = replace(rules, early=0.0, asks_below_initial=False)
    assert played(falling(ticks), RICH, deaf)[1] == [52], "without one it had no time"


@pytest.fixture(scope="module")
def year() -> Months:
    whole = drawn(1, 4, 2)
    return Months(whole.prices[:2, :700], whole.ranges[:2], whole.deviations[:2], whole.names[:2])


@pytest.mark.parametrize("rules", [Rules(), Rules(early=0.05, horizon=4), Rules(0, early=0.05, leaves=0)])
def test_money_adds_up(year: Months, rules: Rules) -> None:
    world = Books(year, SEEDS, rules)
    had = world.equity.sum() + world.reserve.sum()
    gained = 0.0
    for at in range(1, year.prices.shape[1]):
        gained += (world.units * (year.prices[:, at : at + 1] - year.prices[:, at - 1 : at])).sum()
        world.block(at)
    under_way = world.sent[world.due < 1 << 60].sum()
    has = world.equity.sum() + world.reserve.sum() + under_way
    paid = world.costs.sum() + 0.002 * world.own_sales.sum()
    assert has == pytest.approx(had + gained - paid + world.missing.sum())
    assert world.costs.sum() <= COST * world.forced.sum() + 1e-6
    assert (world.missing >= 0).all()


def test_a_drawn_year_is_that_of_its_seed(year: Months) -> None:
    again, other = drawn(1, 4, 3), drawn(2, 4, 1)
    assert (again.prices[:2, :700] == year.prices).all()
    assert (other.prices[0] != again.prices[0]).any()
    assert again.prices.shape == (3, MONTH_HOURS * BLOCKS + 1, 2)
    assert again.ranges.shape == again.deviations.shape == (3, MONTH_HOURS, 2)
    assert again.names[0].startswith("seed 1 ")
    assert HOURS_BEFORE == 1_000


def test_the_table_has_every_rule_and_holds_early_ones_against_plain_ones(year: Months) -> None:
    tallies: dict[str, Tally] = {name: play(year, SEEDS, rules) for name, rules in (PLAIN | EARLY).items()}
    lines = table(tallies, [year])
    assert [line[:30].strip() for line in lines[2:]] == list(PLAIN | EARLY)
    for name in EARLY:
        held = as_safe(tallies[name], tallies)
        assert held == "none of these" or held.split(":")[0] in PLAIN
    assert as_safe(tallies[BASE], tallies).split(":")[0] in PLAIN


def test_the_commands_options_are_what_the_page_says() -> None:
    options = parser().parse_args([])
    assert (options.seeds, options.drawn, options.horizon, options.deaf) == ("0:50", 0, 4, False)


PAGE = (Path(__file__).parents[2] / "docs" / "explanation" / "early-calls.md").read_text()


def test_every_command_of_the_page_is_one() -> None:
    commands = re.findall(r"^python -m benchmarks\.early_calls(.*)$", PAGE, re.MULTILINE)
    assert commands
    for command in commands:
        parser().parse_args(command.split("#")[0].split())


def test_the_pages_tables_have_every_rule() -> None:
    tables = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert len(tables) == 4
    for each in tables:
        lines = each.splitlines()
        assert [line[:30].strip() for line in lines[2:]] == list(PLAIN | EARLY)
        assert all(title in lines[1] for title in HEAD)
