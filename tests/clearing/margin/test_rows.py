"""Rows and engine are one rule, whatever rules are on: the rows hold exactly when margin is covered."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clearing.base.codec import decode, encode
from clearing.base.errors import Bug
from clearing.base.ids import Hash32, NetworkId
from clearing.margin.requirement.account_margin import account_margin
from clearing.margin.statement.rows import account_holdings, build_rows, build_slots, build_snapshot, build_statement
from clearing.margin.statement.snapshot import (
    AccountHoldings,
    PriceUsed,
    PublicTotal,
    RiskSnapshot,
    RiskStatement,
    SlotKind,
)
from tests.kit.clearing.rows import group_maxima, row_value, shortfall_of
from tests.kit.margin.books import CHARGED, CHARGED_HUGE, HUGE, JOINT, NORMAL, PARAMETERS, holdings, modest_holdings

WORLDS = {**CHARGED, "huge": HUGE, "all huge": CHARGED_HUGE}
ROWS = {name: build_rows(arrays, arrays.parameters) for name, arrays in WORLDS.items()}
SLOTS = {name: [slot.name for slot in build_slots(arrays)] for name, arrays in WORLDS.items()}
HELD = 8
"""Slots of what an account holds; the maxima of the two groups and what each rule adds follow."""
SIGNED = "tail"
names = st.sampled_from(list(CHARGED))
cases = st.one_of(st.tuples(names, modest_holdings), st.tuples(st.sampled_from(("none", "huge", "all huge")), holdings))


def values_of(arrays, row) -> list[int]:
    own = account_holdings(arrays, 1, *row)
    return [*own.values, *group_maxima(arrays, *row), *own.auxiliary]


def statement_for(accounts, shortfalls=None, arrays=NORMAL) -> RiskStatement:
    return build_statement(
        arrays,
        arrays.parameters,
        network=NetworkId(bytes(32)),
        height=7,
        epoch=1,
        state_root=Hash32(bytes(32)),
        prices=[PriceUsed("ETH", 19_400), PriceUsed("BTC", 790_000)],
        totals=[PublicTotal(slot, sum(values)) for slot, values in enumerate(zip(*accounts, strict=True))],
        custody=[],
        shortfalls=shortfalls or {},
    )


@given(cases)
def test_the_least_values_satisfy_the_rows_exactly_when_margin_is_covered(case):
    name, row = case
    arrays = WORLDS[name]
    values = values_of(arrays, row)
    assert len(values) == len(SLOTS[name])
    assert all(value >= 0 for value, slot in zip(values[HELD:], SLOTS[name][HELD:], strict=True) if slot != SIGNED)
    met = {each.name: row_value(each, values, 0) >= 0 for each in ROWS[name]}
    limits = [met.pop("cash-limit:USD"), met.pop("cash-limit:EUR")]
    assert met.pop("maintenance") is account_margin(arrays, *row).maintenance_ok
    assert all(met.values())
    assert limits == [cash >= -arrays.parameters.cash_limit_micros for cash in row[0]]


@given(cases)
def test_a_shortfall_is_the_smallest_that_mends_the_rows(case):
    name, row = case
    values, shortfall = values_of(WORLDS[name], row), shortfall_of(WORLDS[name], *row)
    assert all(row_value(each, values, shortfall) >= 0 for each in ROWS[name])
    if shortfall:
        assert any(row_value(each, values, shortfall - 1) < 0 for each in ROWS[name])


@given(names, modest_holdings)
def test_ordinary_rows_lie_in_the_range_that_is_proven(name, row):
    values, shortfall = values_of(CHARGED[name], row), shortfall_of(CHARGED[name], *row)
    assert all(0 <= row_value(each, values, shortfall) < 2**64 for each in ROWS[name])


@given(names, modest_holdings, st.data())
def test_no_other_auxiliary_values_need_less(name, row, data):
    """Any values that satisfy their rows charge at least what the engine charges: overstating never helps."""
    values = values_of(CHARGED[name], row)
    maintenance = next(each for each in ROWS[name] if each.name == "maintenance")
    steps = st.sampled_from((0, 0, 0, 0, -1, 1, 7, -10_000))
    moved = [*values[:HELD], *(value + data.draw(steps) for value in values[HELD:])]
    allowed = all(value >= 0 for value, slot in zip(moved[HELD:], SLOTS[name][HELD:], strict=True) if slot != SIGNED)
    if allowed and all(row_value(each, moved, 0) >= 0 for each in ROWS[name] if not each.shortfall):
        assert row_value(maintenance, moved, 0) <= row_value(maintenance, values, 0)


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


HELD_SLOTS = [
    "cash:USD", "cash:EUR", "token:31337:WETH", "position:BTC-PERP", "position:ETH-PERP", "position:BTC-JUN",
    "position:BTC-C8000", "position:ETH-P180",
]  # fmt: skip
LIMITS = ["maintenance", "cash-limit:USD", "cash-limit:EUR"]


def test_without_rules_there_are_slots_of_holdings_and_maxima_and_rows_of_losses_and_limits():
    statement = statement_for([(0,) * HELD])
    assert [slot.name for slot in statement.slots] == SLOTS["none"] == [*HELD_SLOTS, "max:BTC", "max:ETH"]
    assert [slot.group for slot in statement.slots if slot.kind is SlotKind.GROUP_MAX] == [1, 2]
    losses = [f"loss:{group}:{scenario}" for group in ("BTC", "ETH") for scenario in range(1, 17)]
    assert [row.name for row in statement.rows] == losses + LIMITS
    assert (statement.groups, statement.scenarios) == (("BTC", "ETH"), 16)
    assert [price.name for price in statement.prices] == ["BTC", "ETH"]


def test_slots_and_rows_of_every_rule_have_their_order_and_names():
    slots = build_slots(CHARGED["all"])
    beyond = [f"beyond:{n}" for n in range(1, 11)]
    assert SLOTS["all"] == [
        *HELD_SLOTS, "max:BTC", "max:ETH", "short:BTC-C8000", "short:ETH-P180", "charge:BTC-PERP", "charge:ETH-PERP",
        "charge:BTC-C8000", "charge:ETH-P180", "concentration:31337:WETH", SIGNED, *beyond, "joint", "groups",
    ]  # fmt: skip
    assert [slot.name for slot in slots if slot.kind is SlotKind.AUXILIARY_SIGNED] == [SIGNED]
    assert [slot.name for slot in slots if slot.is_public] == HELD_SLOTS
    own = [row.name for row in ROWS["all"]][32:]
    assert own[:6] == [
        "short:BTC-C8000", "short:ETH-P180", "short-options:BTC", "short-options:ETH", "charge:BTC-PERP:1:long",
        "charge:BTC-PERP:1:short",
    ]  # fmt: skip
    assert own[-18:] == [
        "concentration:31337:WETH:1", "concentration:31337:WETH:2", *beyond, "joint", "joint-minimum", "groups",
        *LIMITS,
    ]  # fmt: skip
    assert sum(scenario.count for scenario in JOINT.scenarios) == 11


def test_a_rule_that_is_off_leaves_no_slot_and_no_row():
    prefixes = {
        "minimums": ("short:",),
        "credit": (SIGNED, "beyond:", "joint", "groups"),
        "charges": ("charge:",),
        "concentration": ("concentration:",),
    }
    for name, allowed in prefixes.items():
        added = SLOTS[name][len(SLOTS["none"]) :]
        assert added
        assert all(slot.startswith(allowed) for slot in added)


def test_keeping_the_largest_group_is_a_row_for_each_group():
    added = {row.name for row in ROWS["largest"]} - {row.name for row in ROWS["all"]}
    assert added == {"joint-largest:BTC", "joint-largest:ETH"}
    assert SLOTS["largest"] == SLOTS["all"]


def test_coefficients_are_ordered_by_slot_without_zeros_and_below_two_to_the_62():
    for row in [row for name in (*CHARGED, "huge") for row in ROWS[name]]:
        slots = [slot for slot, _ in row.coefficients]
        assert slots == sorted(set(slots))
        assert all(0 < abs(coefficient) < 2**62 for _, coefficient in row.coefficients)


def test_a_coefficient_of_two_to_the_62_is_a_broken_invariant():
    # The maintenance row multiplies by its denominator, so its entries can outgrow the arrays'.
    gentle = msgspec.structs.replace(PARAMETERS, maintenance_numerator=2, maintenance_denominator=3)
    values = NORMAL.values.copy()
    values[4] = 2**60
    build_rows(replace(NORMAL, values=values), gentle)
    with pytest.raises(Bug, match="maintenance"):
        build_rows(replace(NORMAL, values=values), PARAMETERS)
    values[3, 1:] = values[3, 0] - (2**62 - 1)
    build_rows(replace(NORMAL, values=values), gentle)
    values[3, 7] -= 1
    with pytest.raises(Bug, match="loss:BTC:7"):
        build_rows(replace(NORMAL, values=values), gentle)


def test_a_charge_beyond_the_rows_range_is_a_broken_invariant():
    arrays = CHARGED["charges"]
    steep = replace(arrays, index_ticks=tuple(ticks << 40 for ticks in arrays.index_ticks))
    with pytest.raises(Bug, match="charge:BTC-PERP"):
        build_rows(steep, steep.parameters)


@given(st.lists(modest_holdings, min_size=1, max_size=5))
def test_a_snapshot_holds_every_account_in_order_and_has_one_encoding(rows):
    vectors = {10 - at: (*row[0], *row[1], *row[2]) for at, row in enumerate(rows)}
    short = {10 - at: shortfall_of(NORMAL, *row) for at, row in enumerate(rows)}
    listed = {account: value for account, value in short.items() if value}
    statement = statement_for(vectors.values(), listed)
    snapshot = build_snapshot(statement, [AccountHoldings(each, vectors[each], short[each]) for each in vectors])
    assert [each.account for each in snapshot.accounts] == sorted(vectors)
    assert decode(encode(snapshot), RiskSnapshot) == snapshot
    assert decode(encode(statement), RiskStatement).digest() == statement.digest()


VALUES = (5, 0, 1, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("accounts", "why"),
    [
        ([AccountHoldings(1, VALUES), AccountHoldings(1, VALUES)], "twice"),
        ([AccountHoldings(1, VALUES[:-1])], "7 values"),
        ([AccountHoldings(1, VALUES, 3)], "short by 3"),
        ([AccountHoldings(1, (4, *VALUES[1:]))], "cash:USD sums to 4"),
        ([], "cash:USD sums to 0"),
    ],
)
def test_a_snapshot_that_does_not_match_its_statement_is_a_broken_invariant(accounts, why):
    statement = statement_for([VALUES])
    build_snapshot(statement, [AccountHoldings(1, VALUES)])
    with pytest.raises(Bug, match=why):
        build_snapshot(statement, accounts)


def test_a_statement_without_the_total_of_every_slot_is_a_broken_invariant():
    with pytest.raises(Bug, match="every slot"):
        statement_for([VALUES[:1]])


def test_an_account_that_does_not_bring_every_auxiliary_value_is_a_broken_invariant():
    arrays = CHARGED["all"]
    statement = statement_for([VALUES], arrays=arrays)
    whole = account_holdings(arrays, 1, VALUES[:2], VALUES[2:3], VALUES[3:])
    assert build_snapshot(statement, [msgspec.structs.replace(whole, shortfall=0)]).accounts[0].auxiliary
    with pytest.raises(Bug, match="0 auxiliary values for 20"):
        build_snapshot(statement, [AccountHoldings(1, VALUES)])


@given(modest_holdings)
def test_a_changed_array_changes_the_statement(row):
    assume(any(row[2]))
    statement = statement_for([(*row[0], *row[1], *row[2])])
    other = msgspec.structs.replace(statement, rows=build_rows(HUGE, PARAMETERS))
    assert other.digest() != statement.digest()
