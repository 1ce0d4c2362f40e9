"""With every rule on, rows and engine are still one rule: the rows hold exactly when margin is covered."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import Bug
from clearing.base.ids import Hash32, NetworkId
from clearing.margin.requirement.account_margin import account_margin
from clearing.margin.statement.rows import account_holdings, build_rows, build_slots, build_snapshot, build_statement
from clearing.margin.statement.snapshot import AccountHoldings, PublicTotal, SlotKind
from tests.kit.clearing.rows import group_maxima, row_value, shortfall_of
from tests.kit.margin.books import NORMAL, holdings, modest_holdings
from tests.kit.margin.charged import CHARGED, CHARGED_HUGE, JOINT

ROWS = {name: build_rows(arrays, arrays.parameters) for name, arrays in CHARGED.items()}
SLOTS = {name: [slot.name for slot in build_slots(arrays)] for name, arrays in CHARGED.items()}
names = st.sampled_from(list(CHARGED))
SIGNED = "tail"


def values_of(arrays, row) -> list[int]:
    held = account_holdings(arrays, 1, *row)
    return [*held.values, *group_maxima(arrays, *row), *held.auxiliary]


@given(names, modest_holdings)
def test_the_least_auxiliary_values_satisfy_the_rows_exactly_when_margin_is_covered(name, row):
    arrays = CHARGED[name]
    margin = account_margin(arrays, *row)
    values = values_of(arrays, row)
    assert len(values) == len(SLOTS[name])
    assert all(value >= 0 for value, slot in zip(values[8:], SLOTS[name][8:], strict=True) if slot != SIGNED)
    met = {each.name: row_value(each, values, 0) >= 0 for each in ROWS[name]}
    limits = [met.pop("cash-limit:USD"), met.pop("cash-limit:EUR")]
    assert met.pop("maintenance") is margin.maintenance_ok
    assert all(met.values())
    assert limits == [cash >= -arrays.parameters.cash_limit_micros for cash in row[0]]


@given(names, modest_holdings)
def test_a_shortfall_is_the_smallest_that_mends_the_rows(name, row):
    arrays = CHARGED[name]
    values, shortfall = values_of(arrays, row), shortfall_of(arrays, *row)
    assert account_holdings(arrays, 1, *row).shortfall == shortfall
    assert all(0 <= row_value(each, values, shortfall) < 2**64 for each in ROWS[name])
    if shortfall:
        assert any(row_value(each, values, shortfall - 1) < 0 for each in ROWS[name])


@given(names, modest_holdings, st.data())
def test_no_other_auxiliary_values_need_less(name, row, data):
    """Any values that satisfy their rows charge at least what the engine charges: overstating never helps."""
    arrays = CHARGED[name]
    values = values_of(arrays, row)
    maintenance = next(each for each in ROWS[name] if each.name == "maintenance")
    own = [each for each in ROWS[name] if not each.shortfall]
    moved = list(values)
    for at in range(8, len(values)):
        moved[at] += data.draw(st.sampled_from((0, 0, 0, 0, -1, 1, 7, -10_000)), label=SLOTS[name][at])
    free = SLOTS[name].index(SIGNED) if SIGNED in SLOTS[name] else None
    allowed = all(value >= 0 for at, value in enumerate(moved) if at >= 8 and at != free)
    if allowed and all(row_value(each, moved, 0) >= 0 for each in own):
        assert row_value(maintenance, moved, 0) <= row_value(maintenance, values, 0)


@given(names, modest_holdings, st.integers(1, 10**6))
def test_an_understated_auxiliary_value_breaks_a_row(name, row, less):
    arrays = CHARGED[name]
    values = values_of(arrays, row)
    own = [each for each in ROWS[name] if not each.shortfall]
    for at in range(8, len(values)):
        if SLOTS[name][at] == SIGNED or values[at] == 0:
            continue
        lower = [*values[:at], values[at] - less, *values[at + 1 :]]
        assert lower[at] < 0 or any(row_value(each, lower, 0) < 0 for each in own), SLOTS[name][at]


@given(holdings)
def test_rows_and_engine_agree_whatever_the_sizes(row):
    values, margin = values_of(CHARGED_HUGE, row), account_margin(CHARGED_HUGE, *row)
    met = {each.name: row_value(each, values, 0) >= 0 for each in build_rows(CHARGED_HUGE, CHARGED_HUGE.parameters)}
    assert met["maintenance"] is margin.maintenance_ok
    assert all(ok for name, ok in met.items() if not name.startswith(("maintenance", "cash-limit")))


def test_slots_and_rows_of_every_rule_have_their_order_and_names():
    slots = build_slots(CHARGED["all"])
    assert [slot.name for slot in slots[8:]] == [
        "max:BTC", "max:ETH", "short:BTC-C8000", "short:ETH-P180", "charge:BTC-PERP", "charge:ETH-PERP",
        "charge:BTC-C8000", "charge:ETH-P180", "concentration:31337:WETH", "tail",
        *(f"beyond:{n}" for n in range(1, 11)), "joint", "groups",
    ]  # fmt: skip
    assert [slot.name for slot in slots if slot.kind is SlotKind.AUXILIARY_SIGNED] == ["tail"]
    assert [slot.name for slot in slots if slot.is_public] == [slot.name for slot in slots[:8]]
    own = [row.name for row in ROWS["all"]][32:]
    assert own[:6] == [
        "short:BTC-C8000", "short:ETH-P180", "short-options:BTC", "short-options:ETH", "charge:BTC-PERP:1:long",
        "charge:BTC-PERP:1:short",
    ]  # fmt: skip
    assert own[-18:] == [
        "concentration:31337:WETH:1", "concentration:31337:WETH:2", *(f"beyond:{n}" for n in range(1, 11)), "joint",
        "joint-minimum", "groups", "maintenance", "cash-limit:USD", "cash-limit:EUR",
    ]  # fmt: skip
    assert sum(scenario.count for scenario in JOINT.scenarios) == 11
    for row in ROWS["all"]:
        at = [slot for slot, _ in row.coefficients]
        assert at == sorted(set(at))
        assert all(0 < abs(coefficient) < 2**62 for _, coefficient in row.coefficients)


def test_a_rule_that_is_off_leaves_no_slot_and_no_row():
    assert len(build_slots(NORMAL)) == 10
    prefixes = {
        "minimums": ("short:",),
        "credit": ("tail", "beyond:", "joint", "groups"),
        "charges": ("charge:",),
        "concentration": ("concentration:",),
    }
    for name, allowed in prefixes.items():
        extra = SLOTS[name][10:]
        assert extra
        assert all(each.startswith(allowed) for each in extra)


def test_keeping_the_largest_group_is_a_row_for_each_group():
    extra = {row.name for row in ROWS["largest"]} - {row.name for row in ROWS["all"]}
    assert extra == {"joint-largest:BTC", "joint-largest:ETH"}
    assert SLOTS["largest"] == SLOTS["all"]


def test_a_charge_beyond_the_rows_range_is_a_broken_invariant():
    arrays = CHARGED["charges"]
    steep = replace(arrays, index_ticks=tuple(ticks << 40 for ticks in arrays.index_ticks))
    with pytest.raises(Bug, match="charge:BTC-PERP"):
        build_rows(steep, steep.parameters)


def test_an_account_that_does_not_bring_every_auxiliary_value_is_a_broken_invariant():
    arrays = CHARGED["all"]
    values = (5, 0, 1, 0, 0, 0, 0, 0)
    statement = build_statement(
        arrays,
        arrays.parameters,
        network=NetworkId(bytes(32)),
        height=7,
        epoch=1,
        state_root=Hash32(bytes(32)),
        prices=[],
        totals=[PublicTotal(slot, total) for slot, total in enumerate(values)],
        custody=[],
        shortfalls={},
    )
    held = account_holdings(arrays, 1, values[:2], values[2:3], values[3:])
    assert build_snapshot(statement, [msgspec.structs.replace(held, shortfall=0)]).accounts[0].auxiliary
    with pytest.raises(Bug, match="0 auxiliary values for 20"):
        build_snapshot(statement, [AccountHoldings(1, values)])
