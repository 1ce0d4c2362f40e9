"""The devnet's requirement has every term on, fits one column of the proof, and leaves no option free to write."""

import msgspec
import pytest

from clearing.base.errors import LocalFault
from clearing.margin.requirement.account_margin import account_margin
from clearing.margin.risk_arrays.arrays import RiskArrays, build_risk_arrays
from clearing.margin.risk_arrays.reference_arrays import PricedListing
from clearing.margin.statement.rows import build_rows, build_slots, build_statement
from clearing.margin.statement.snapshot import PublicTotal, SlotKind
from clearing.margin.statement.stress import build_stress
from clearing.schema.risk.price_ranges import JOINT_MAX
from clearing.schema.terms.genesis import Genesis
from devnet.market import load_market
from proofs.statement.arithmetization import DOMAIN, layout_of
from proofs.statement.row_checks import check_rows
from tests.kit.node.devnet_genesis import genesis_of

INDEX = {1: 793_457, 2: 19_457}


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return genesis_of(load_market())


def arrays_of(genesis: Genesis) -> RiskArrays:
    return build_risk_arrays(
        genesis.instruments, genesis.assets, genesis.cash_groups, {}, INDEX, genesis.risk, genesis.time_ms
    )


def test_the_statement_has_every_rule_and_fits_one_column_with_room_for_joint_scenarios(genesis: Genesis) -> None:
    arrays = arrays_of(genesis)
    listed = (genesis.instruments, genesis.assets, genesis.cash_groups, {}, INDEX)
    stress = build_stress(PricedListing(*listed, genesis.risk, genesis.time_ms))
    slots = build_slots(arrays, stress)
    statement = build_statement(
        arrays,
        genesis.risk,
        network=bytes(32),
        height=1,
        epoch=1,
        state_root=bytes(32),
        prices=[],
        totals=[PublicTotal(at, 0) for at, slot in enumerate(slots) if slot.is_public],
        custody=[],
        shortfalls={},
        stress=stress,
    )
    check_rows(statement)
    names = {slot.name.split(":")[0] for slot in slots if not slot.is_public}
    assert names == {"max", "short", "charge", "concentration", "tail", "beyond", "joint", "groups", "uncovered"}
    layout = layout_of(statement)
    assert layout.columns == 1
    scenarios = sum(slot.name.startswith("beyond:") for slot in slots)
    assert sum(layout.widths) + 16 * (JOINT_MAX - scenarios) <= DOMAIN


def test_every_option_costs_something_to_be_short_however_far_its_strike(genesis: Genesis) -> None:
    far = msgspec.structs.replace(
        genesis,
        instruments=tuple(
            msgspec.structs.replace(each, strike_ticks=1 if each.kind == 4 else 2**39) if each.is_option else each
            for each in genesis.instruments
        ),
    )
    arrays = arrays_of(far)
    for at, each in enumerate(far.instruments):
        if each.is_option:
            lots = [-1_000 if other == at else 0 for other in range(len(far.instruments))]
            margin = account_margin(arrays, [0], [0, 0], lots)
            notional = INDEX[each.feed] * each.micros_per_tick * 1_000
            assert margin.initial >= notional * 3 // 100


def test_a_devnet_that_lists_options_without_a_minimum_is_refused_by_name() -> None:
    market = load_market()
    groups = tuple(msgspec.structs.replace(group, short_option_ppm=0) for group in market.groups)
    with pytest.raises(LocalFault, match="short_option_ppm"):
        genesis_of(msgspec.structs.replace(market, groups=groups))
    plain = tuple(each for each in market.instruments if not each.strike_ticks)
    genesis_of(msgspec.structs.replace(market, groups=groups, instruments=plain))


def test_a_devnet_may_leave_out_credit_and_charges() -> None:
    market = load_market()
    risk = msgspec.structs.replace(market.risk, joint=None)
    instruments = tuple(msgspec.structs.replace(each, charge=None) for each in market.instruments)
    genesis = genesis_of(msgspec.structs.replace(market, risk=risk, instruments=instruments))
    assert not genesis.risk.charges
    assert not genesis.risk.joint.scenarios
    rows = build_rows(arrays_of(genesis), genesis.risk)
    assert not any(row.name.startswith(("charge", "joint")) for row in rows)
    kinds = {slot.kind for slot in build_slots(arrays_of(genesis))}
    assert SlotKind.AUXILIARY_SIGNED not in kinds
