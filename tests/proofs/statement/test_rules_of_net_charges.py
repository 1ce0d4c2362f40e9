"""Charges on what a group nets to, in the proof: a slot kind of their own, whose shape both readers check."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.errors import LocalFault
from clearing.margin.statement.snapshot import AccountHoldings, SlotKind
from proofs.errors import VerificationFailed
from proofs.linear.statement import make_witness
from proofs.statement.arithmetization import complete_holdings, layout_of
from proofs.statement.row_checks import check_rows
from proofs.statement.rulebook_checks import check_rulebook
from tests.kit.clearing.rows import group_maxima
from tests.kit.proofs.made_market import (
    FUTURE,
    PERPETUAL,
    PUT,
    arrays_of,
    holdings_of,
    listed,
    make_rulebook,
    statement_of,
)
from tests.kit.proofs.requirement import PARAMETERS
from tests.kit.proofs.write_vectors import EVERY_CHARGE
from tests.vectors.proofs.runner.encoding import Refused
from tests.vectors.proofs.runner.statement import Shapes

N = 256
replace = msgspec.structs.replace
BTC, ETH = PARAMETERS.groups
CHARGED = replace(PARAMETERS, groups=(replace(BTC, charges=EVERY_CHARGE), ETH))
RULEBOOK = make_rulebook(
    CHARGED,
    (
        listed(1, "BTC-PERP", PERPETUAL, 1),
        listed(2, "BTC-30D", FUTURE, 1),
        listed(3, "BTC-PUT", PUT, 1, 750_000),
        listed(4, "ETH-PERP", PERPETUAL, 2),
    ),
)
VECTORS = {
    0: (10**12, 3_000_000, 200, 300, 5, 4_000),
    1: (10**11, 2_000_000, -500, 40, -30, -4_010),
    5: (5 * 10**10, 0, 300, -340, 25, 10),
}
STATED = statement_of(RULEBOOK, list(VECTORS.values()))
NET = [at for at, slot in enumerate(STATED.slots) if slot.kind is SlotKind.NET_CHARGE]
cash, lots = st.integers(-(10**11), 10**12), st.integers(-(10**5), 10**5)


@settings(max_examples=40)
@given(vector=st.tuples(cash, st.integers(0, 10**9), lots, lots, lots, lots))
def test_a_witness_exists_exactly_when_the_engine_finds_no_shortfall(vector):
    arrays = arrays_of(RULEBOOK)
    account = holdings_of(arrays, 1, vector)
    derived = complete_holdings(STATED, AccountHoldings(1, vector))
    assert derived == (*vector, *group_maxima(arrays, vector[:1], vector[1:2], vector[2:]), *account.auxiliary)
    layout = layout_of(STATED, N)
    make_witness(layout, derived, account.shortfall, (1, 2))
    if account.shortfall:
        with pytest.raises(LocalFault):
            make_witness(layout, derived, account.shortfall - 1, (1, 2))


def test_the_charges_are_slots_of_their_own_kind_that_the_rulebook_makes():
    assert [STATED.slots[at].name for at in NET] == ["basis:BTC", "delta:BTC", "vega:BTC"]
    check_rows(STATED)
    assert "rows are those of" in check_rulebook(STATED)


def test_an_understated_charge_breaks_a_row():
    vector = (10**12, 0, 500, -300, 100, 0)
    values = list(complete_holdings(STATED, AccountHoldings(1, vector)))
    for at in NET:
        assert values[at] > 0
        lower = [*values[:at], values[at] - 1, *values[at + 1 :]]
        with pytest.raises(LocalFault):
            make_witness(layout_of(STATED, N), tuple(lower), 0, (1, 2))


def rows_changed(change):
    """The statement with `change` made to each bound of the first net charge, numbered from 0."""
    number, rows = 0, []
    for row in STATED.rows:
        if row.name.startswith("basis:BTC:"):
            changed = change(number, row)
            number += 1
            if changed is not None:
                rows.append(changed)
        else:
            rows.append(row)
    return replace(STATED, rows=tuple(rows))


def with_part(row, slot, value):
    parts = {**dict(row.coefficients), slot: value}
    return replace(row, coefficients=tuple((j, a) for j, a in sorted(parts.items()) if a))


def not_in_maintenance():
    rows = tuple(with_part(row, NET[0], 0) if row.name == "maintenance" else row for row in STATED.rows)
    return replace(STATED, rows=rows)


PERP, ETH_PERP, CASH = 2, 5, 0
WRONG = {
    "one direction left out": rows_changed(lambda n, row: None if n == 1 else row),
    "one direction charged less": rows_changed(lambda n, row: with_part(row, PERP, 1) if n == 1 else row),
    "one direction free up to an amount": rows_changed(lambda n, row: replace(row, constant=7) if n == 1 else row),
    "no row at all": rows_changed(lambda n, row: None),
    "twice the slot": rows_changed(lambda n, row: with_part(row, NET[0], 2)),
    "another slot in it": rows_changed(lambda n, row: with_part(row, NET[1], -1)),
    "cash in it": rows_changed(lambda n, row: with_part(row, CASH, 1 if n % 2 else -1)),
    "positions of two groups": rows_changed(lambda n, row: with_part(row, ETH_PERP, 1 if n % 2 else -1)),
    "a charge that equity need not cover": not_in_maintenance(),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_net_charge_of_another_shape_is_refused_by_both_readers(name):
    with pytest.raises(VerificationFailed):
        check_rows(WRONG[name])
    with pytest.raises(Refused):
        Shapes(decoded(WRONG[name])).check()


def decoded(statement):
    return {
        "slots": [{"name": slot.name, "kind": int(slot.kind), "group": slot.group} for slot in statement.slots],
        "rows": [
            {
                "name": row.name,
                "kind": int(row.kind),
                "coefficients": [list(pair) for pair in row.coefficients],
                "constant": row.constant,
                "shortfall": row.shortfall,
            }
            for row in statement.rows
        ],
        "groups": list(statement.groups),
        "scenarios": statement.scenarios,
    }


def test_the_second_reader_accepts_what_the_engine_makes():
    Shapes(decoded(STATED)).check()
