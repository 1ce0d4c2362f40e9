"""All rules at once: tokens inside the scenarios, charges on net amounts and a part of a scenario in the tail.

The other side is the row system alone: each slot is raised until no row breaks, for every threshold of the tail.
"""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.margin.requirement.account_margin import account_margin, batch_margin
from clearing.margin.requirement.margin_book import MarginBook
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.margin.risk_arrays.reference_arrays import build_reference_arrays
from clearing.margin.statement.rows import build_rows, build_slots
from clearing.margin.statement.snapshot import Row
from tests.kit.clearing.rows import row_value
from tests.kit.margin.inside import INDEX, TIERS, inside_arrays, modest_holdings, parameters_of, priced

HELD = 11
"""Two cash groups, four tokens, five instruments."""
EVERY = parameters_of("net and all")
PARTS = (250_000, 333_333)


def world(part: int, *, keep_largest: bool) -> RiskArrays:
    joint = msgspec.structs.replace(EVERY.joint, tail_part_ppm=part, keep_largest=keep_largest)
    return inside_arrays(msgspec.structs.replace(EVERY, joint=joint))


WORLDS = {(part, largest): world(part, keep_largest=largest) for part in PARTS for largest in (False, True)}
ROWS = {key: build_rows(arrays, arrays.parameters) for key, arrays in WORLDS.items()}
SLOTS = {key: [slot.name for slot in build_slots(arrays)] for key, arrays in WORLDS.items()}
keys = st.sampled_from(list(WORLDS))


def raised(rows: list[Row], values: list[int]) -> list[int]:
    """The least values of the slots beyond what is held under which no row breaks: each row bounds its last slot."""
    settled = False
    while not settled:
        settled = True
        for row in rows:
            lacking = -row_value(row, values, 0)
            if lacking > 0:
                slot, whole = max((slot, factor) for slot, factor in row.coefficients if factor > 0)
                assert slot >= HELD
                values[slot] += -(-lacking // whole)
                settled = False
    return values


def least_requirement(key, row) -> int:
    """The least sum of the charged slots that the rows allow, over every threshold at which the tail can bend."""
    slots, rows = SLOTS[key], ROWS[key]
    held = [*row[0], *row[1], *row[2]]
    bounds = [each for each in rows if not each.shortfall]
    (maintenance,) = [each for each in rows if each.name == "maintenance"]
    numerator = WORLDS[key].parameters.maintenance_numerator
    start, tail = [*held, *[0] * (len(slots) - HELD)], slots.index("tail")
    losses = [-row_value(each, start, 0) for each in rows if each.name.startswith("beyond:")]
    found = []
    for threshold in sorted(set(losses)):
        values = raised(bounds, [*start[:tail], threshold, *start[tail + 1 :]])
        assert values[tail] == threshold
        charged = [values[slot] for slot, factor in maintenance.coefficients if slot >= HELD and factor == -numerator]
        assert len(charged) == sum(factor < 0 for slot, factor in maintenance.coefficients if slot >= HELD)
        found.append(sum(charged))
    return min(found)


@given(keys, modest_holdings)
def test_the_requirement_is_the_least_that_the_rows_allow(key, row):
    arrays = WORLDS[key]
    expected = least_requirement(key, row)
    assert account_margin(arrays, *row).initial == expected
    assert batch_margin(arrays, *(np.array([part], np.int64) for part in row)).initial.tolist() == [expected]
    book = MarginBook(arrays)
    book.put(1, *row)
    assert book.totals([1]).initial.tolist() == [expected]


ALL_AT_ONCE = ((10**9, 0), (200_000, 50_000, 100_000, 0), (40, -300, -25, 60, -80))


@pytest.mark.parametrize("key", list(WORLDS))
def test_each_of_the_three_rules_changes_the_requirement_of_the_same_book(key):
    arrays = WORLDS[key]
    initial, parameters = account_margin(arrays, *ALL_AT_ONCE).initial, arrays.parameters
    assert initial == least_requirement(key, ALL_AT_ONCE)
    uncharged = tuple(msgspec.structs.replace(group, charges=type(group.charges)()) for group in parameters.groups)
    whole = msgspec.structs.replace(parameters.joint, tail_part_ppm=0)
    tokens = tuple(msgspec.structs.replace(each, scenarios=type(each.scenarios)()) for each in arrays.assets)
    others = (
        inside_arrays(msgspec.structs.replace(parameters, groups=uncharged)),
        inside_arrays(msgspec.structs.replace(parameters, joint=whole)),
        inside_arrays(parameters, tokens=tokens),
    )
    assert all(account_margin(each, *ALL_AT_ONCE).initial != initial for each in others)


@given(keys, st.sampled_from([18_000, 19_399, 25_000]), modest_holdings)
def test_a_book_follows_a_tick_that_moves_tokens_and_charges(key, ticks, row):
    before = WORLDS[key]
    index = {**INDEX, 2: ticks}
    after = inside_arrays(before.parameters, index, before=before)
    assert after.tariff == build_reference_arrays(priced(before.parameters, index)).tariff
    book = MarginBook(before)
    book.put(1, *row)
    book.remargin()
    book.reprice(after)
    assert book.totals([1]).initial.tolist() == [account_margin(after, *row).initial]


def test_the_worlds_have_all_three_rules():
    for (part, _), arrays in WORLDS.items():
        assert [charge.name for charge in arrays.tariff.net] == ["basis", "delta", "vega", "vega"]
        assert (
            arrays.tariff.averaged_losses
            == 3 * arrays.parameters.joint.averaged[1] + part * arrays.parameters.joint.averaged[1] // 10**6
        )
        assert [bool(tokens) for tokens in arrays.token_rows] == [True, True, True, False]
        assert arrays.parameters.concentration == TIERS
