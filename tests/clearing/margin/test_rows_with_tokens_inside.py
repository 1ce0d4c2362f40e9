"""Rows and engine are one rule where tokens move in the scenarios: the requirement is the least that the rows allow."""

from hypothesis import given
from hypothesis import strategies as st

from clearing.margin.requirement.account_margin import account_margin
from clearing.margin.statement.rows import account_holdings, build_rows, build_slots, count_rows
from tests.kit.clearing.rows import group_maxima, row_value, shortfall_of
from tests.kit.margin.inside import HUGE_INSIDE, INSIDE, holdings, modest_holdings

WORLDS = {**INSIDE, "huge": HUGE_INSIDE}
ROWS = {name: build_rows(arrays, arrays.parameters) for name, arrays in WORLDS.items()}
SLOTS = {name: [slot.name for slot in build_slots(arrays)] for name, arrays in WORLDS.items()}
HELD = 11
"""Two cash groups, four tokens, five instruments; maxima and auxiliary slots follow."""
SIGNED = "tail"
names = st.sampled_from(list(INSIDE))
units = st.integers(0, 2**56 - 1)
large = st.tuples(
    st.just("huge"), st.builds(lambda row, held: (row[0], held, row[2]), holdings, st.tuples(*(units,) * 4))
)
cases = st.one_of(st.tuples(names, modest_holdings), large)


def values_of(arrays, row) -> list[int]:
    own = account_holdings(arrays, 1, *row)
    return [*own.values, *group_maxima(arrays, *row), *own.auxiliary]


def test_a_token_is_in_every_row_of_its_group_in_which_it_moves_and_in_no_other() -> None:
    arrays, at = INSIDE["none"], SLOTS["none"].index
    tokens = {"token:31337:WETH": 0, "token:31337:STETH": 1, "token:31337:OP": 2, "token:31337:GOLD": 3}
    for row in ROWS["none"]:
        kind, _, rest = row.name.partition(":")
        if kind != "loss":
            continue
        group, scenario = rest.split(":")
        found = dict(row.coefficients)
        for name, number in tokens.items():
            values = arrays.token_rows[number]
            change = values[int(scenario)] - values[0] if values and group == "ETH" else 0
            assert found.get(at(name), 0) == change


def test_tokens_inside_change_no_slot_and_no_number_of_rows() -> None:
    for name, arrays in INSIDE.items():
        assert len(ROWS[name]) == count_rows(arrays)
        assert SLOTS[name][HELD : HELD + 2] == ["max:BTC", "max:ETH"]


@given(cases)
def test_the_least_values_satisfy_the_rows_exactly_when_margin_is_covered(case):
    name, row = case
    arrays = WORLDS[name]
    values = values_of(arrays, row)
    met = {each.name: row_value(each, values, 0) >= 0 for each in ROWS[name]}
    limits = [met.pop("cash-limit:USD"), met.pop("cash-limit:EUR")]
    assert met.pop("maintenance") is account_margin(arrays, *row).maintenance_ok
    assert all(met.values())
    assert limits == [cash >= -arrays.parameters.cash_limit_micros for cash in row[0]]


@given(cases)
def test_the_requirement_is_what_the_least_values_charge(case):
    """The maintenance row at the least values is denominator x equity - numerator x requirement, to the micro."""
    name, row = case
    arrays = WORLDS[name]
    margin, parameters = account_margin(arrays, *row), arrays.parameters
    (maintenance,) = [each for each in ROWS[name] if each.name == "maintenance"]
    charged = parameters.maintenance_denominator * margin.equity - parameters.maintenance_numerator * margin.initial
    assert row_value(maintenance, values_of(arrays, row), 0) == charged


@given(cases)
def test_a_shortfall_is_the_smallest_that_mends_the_rows(case):
    name, row = case
    values, shortfall = values_of(WORLDS[name], row), shortfall_of(WORLDS[name], *row)
    assert all(row_value(each, values, shortfall) >= 0 for each in ROWS[name])
    if shortfall:
        assert any(row_value(each, values, shortfall - 1) < 0 for each in ROWS[name])


@given(names, modest_holdings)
def test_ordinary_rows_lie_in_the_range_that_is_proven(name, row):
    values, shortfall = values_of(INSIDE[name], row), shortfall_of(INSIDE[name], *row)
    assert all(0 <= row_value(each, values, shortfall) < 2**64 for each in ROWS[name])


@given(cases, st.integers(1, 10**6))
def test_an_understated_maximum_or_auxiliary_value_breaks_a_row(case, less):
    name, row = case
    values = values_of(WORLDS[name], row)
    for at in range(HELD, len(values)):
        if SLOTS[name][at] == SIGNED or values[at] == 0:
            continue
        lower = [*values[:at], values[at] - less, *values[at + 1 :]]
        broken = any(row_value(each, lower, 0) < 0 for each in ROWS[name] if not each.shortfall)
        assert broken or (lower[at] < 0 and not SLOTS[name][at].startswith("max:")), SLOTS[name][at]
