"""A genesis whose epochs could never be proven is refused; one that passes has a layout, at any of its sizes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from clearing.base import bls
from clearing.base.errors import LocalFault
from clearing.base.units import YEAR_MS
from clearing.base.validators import ValidatorSet
from clearing.genesis.checks import DIGITS_MAX, SLOTS_MAX, check_genesis
from clearing.margin.risk_arrays.reference_arrays import PricedListing, build_reference_arrays
from clearing.margin.statement.rows import build_rows, build_slots
from clearing.margin.statement.rulebook import NAME_BYTES_MAX
from clearing.margin.statement.stress import build_stress
from clearing.schema.risk.charges import LotCharge
from clearing.schema.risk.parameters import RiskGroup, Scenario, StressScenario
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.assets import CashGroup
from clearing.schema.terms.instruments import INDEX_TICKS_MAX, Instrument, InstrumentKind
from proofs.linear.layout import COLUMNS_MAX, RowRange, SlotRange, lay_out
from proofs.statement.arithmetization import DOMAIN
from proofs.statement.kinds import ROW_KINDS, SLOT_KINDS
from tests.kit.clearing.genesis import BTC, START_MS, USD, make_genesis
from tests.kit.validator_records import made_validator

SECRET = bls.secret_from_seed(b"a validator of provable epochs..")
VALIDATOR = made_validator(b"\x01" * 32, SECRET)
GENESIS = replace(make_genesis(), validators=ValidatorSet((VALIDATOR,)))


def perpetuals(count):
    return tuple(Instrument(i, f"P{i}", InstrumentKind.PERPETUAL, BTC, 1, USD, 10) for i in range(1, 1 + count))


def grouped(count, stresses=0, grid=16):
    groups = tuple(RiskGroup(i, f"G{i}", BTC, 200_000, 800_000, 200_000) for i in range(1, 1 + count))
    moves = (Scenario(-40, 100, 1, of_index=True),) * count
    stress = tuple(StressScenario(f"S{i}", moves) for i in range(stresses))
    scenarios = tuple(Scenario(1, 1 + i, 1) for i in range(grid))
    return {"groups": groups, "stress": stress, "scenarios": scenarios}


WETH = GENESIS.assets[2]
IMPOSSIBLE = {
    "feeds.name": {"feeds": tuple(replace(each, name="same") for each in GENESIS.feeds)},
    "slots.name": {"assets": (*GENESIS.assets, replace(WETH, id=9, token=b"\xee" * 20))},
    "slots.name ": {"cash_groups": (*GENESIS.cash_groups, CashGroup(2, "USD"))},
    "listing": {"instruments": perpetuals(SLOTS_MAX)},
    "listing.bytes": {"instruments": (replace(GENESIS.instruments[0], name="x" * (1 << 19)),)},
    "names": {"instruments": (replace(GENESIS.instruments[0], name="x" * (NAME_BYTES_MAX + 1)),)},
    "instruments.FUT.carry": {
        "instruments": (Instrument(1, "FUT", InstrumentKind.FUTURE, BTC, 1, USD, 1, START_MS + 500 * YEAR_MS),),
        "risk": replace(GENESIS.risk, rate_ppm=1_000_000),
    },
    "slots": {
        "instruments": perpetuals(1_200),
        "risk": replace(GENESIS.risk, charges=tuple(LotCharge(i, 100) for i in range(1, 1_201))),
    },
    "rows": {"instruments": perpetuals(1), "risk": replace(GENESIS.risk, **grouped(64, grid=64))},
}


@pytest.mark.parametrize("field", IMPOSSIBLE)
def test_what_no_proof_has_room_or_a_name_for_is_refused(field):
    with pytest.raises(LocalFault, match=f"genesis.{field.strip()}: value"):
        check_genesis(replace(GENESIS, **IMPOSSIBLE[field]))


def test_what_history_may_come_to_give_has_room_too():
    risk = replace(GENESIS.risk, **grouped(180))
    full = replace(GENESIS, instruments=perpetuals(1_500), risk=risk)
    check_genesis(full)
    ranges = RangeParameters(interval_ms=3_600_000, window=64, window_min=64, joint_scenarios=64)
    with pytest.raises(LocalFault, match=r"genesis\.rows: value"):
        check_genesis(replace(full, ranges=ranges))


def test_the_sizes_are_those_of_the_proofs():
    widest = max(each.width for each in SLOT_KINDS.values())
    assert (DOMAIN, COLUMNS_MAX * (DOMAIN - widest + 1)) == (SLOTS_MAX, DIGITS_MAX)


@settings(max_examples=12)
@given(st.integers(1, 700), st.integers(1, 60), st.integers(0, 16), st.integers(1, 64))
def test_a_genesis_that_passes_has_a_layout(instruments, groups, stresses, grid):
    risk = replace(GENESIS.risk, **grouped(groups, stresses, grid))
    genesis = replace(GENESIS, instruments=perpetuals(instruments), risk=risk)
    try:
        check_genesis(genesis)
    except LocalFault as fault:
        assert "genesis.rows" in str(fault)
        return
    listing = (genesis.instruments, genesis.assets, genesis.cash_groups)
    priced = PricedListing(*listing, {}, {BTC: INDEX_TICKS_MAX}, risk, START_MS)
    arrays, stress = build_reference_arrays(priced), build_stress(priced)
    kinds = [SLOT_KINDS[each.kind] for each in build_slots(arrays, stress)]
    slots = tuple(SlotRange(kind.width, kind.offset) for kind in kinds)
    rows = build_rows(arrays, risk, stress)
    ranged = tuple(
        RowRange(ROW_KINDS[each.kind].width, each.coefficients, each.constant, each.shortfall) for each in rows
    )
    lay_out(DOMAIN, slots, ranged)
