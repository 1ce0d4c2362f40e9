"""A genesis under which an agreed price, or money that was taken in, could leave the range of a number is refused."""

import json

import msgspec
import pytest

from clearing.base import bls
from clearing.base.errors import LocalFault
from clearing.base.evm.storage import BalanceLocation, BalanceOrder
from clearing.base.validators import Validator, ValidatorSet
from clearing.genesis.checks import check_genesis
from clearing.genesis.json import genesis_from_json, genesis_to_json
from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.margin.statement.snapshot import CUSTODY_TERMS_MAX
from clearing.schema.terms.assets import ASSETS_MAX, Asset
from clearing.schema.terms.collateral import DepegTerms
from clearing.schema.terms.genesis import Genesis, network_id
from clearing.schema.terms.instruments import INDEX_TICKS_MAX
from tests.kit.clearing.genesis import BTC, BTC_CALL, BTC_FUT, START_MS, make_genesis

YEAR_MS = 365 * 86_400_000


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    secret = bls.secret_from_seed(b"genesis range validator, 32 byte+")
    validator = Validator(b"\x01" * 32, bls.public_key(secret), 1, bls.prove_possession(secret))
    return msgspec.structs.replace(make_genesis(), validators=ValidatorSet((validator,)))


def dated(genesis: Genesis, instrument: int, years: int) -> Genesis:
    """The widest genesis: full range, a rate of 100 %, the largest tick, and an expiry so many years away."""
    changes = {"expiry_ms": START_MS + years * YEAR_MS, "micros_per_tick": 2**16}
    listed = tuple(
        msgspec.structs.replace(each, **changes) if each.id == instrument else each for each in genesis.instruments
    )
    groups = tuple(msgspec.structs.replace(each, range_ppm=1_000_000) for each in genesis.risk.groups)
    risk = msgspec.structs.replace(genesis.risk, rate_ppm=1_000_000, groups=groups)
    return msgspec.structs.replace(genesis, instruments=listed, risk=risk)


@pytest.mark.parametrize("instrument", [BTC_FUT, BTC_CALL])
def test_a_carry_that_lifts_risk_arrays_out_of_range_is_refused(genesis: Genesis, instrument: int) -> None:
    with pytest.raises(LocalFault, match="carry"):
        check_genesis(dated(genesis, instrument, 40))


@pytest.mark.parametrize("instrument", [BTC_FUT, BTC_CALL])
def test_the_highest_price_fits_every_genesis_that_passes(genesis: Genesis, instrument: int) -> None:
    widest = dated(genesis, instrument, 6)
    check_genesis(widest)
    index = {BTC: INDEX_TICKS_MAX}
    build_risk_arrays(widest.instruments, widest.assets, widest.cash_groups, {}, index, widest.risk, START_MS)


def test_a_maintenance_fraction_too_fine_for_the_cash_caps_is_refused(genesis: Genesis) -> None:
    fine = msgspec.structs.replace(genesis.risk, maintenance_numerator=800, maintenance_denominator=1000)
    with pytest.raises(LocalFault, match="maintenance_denominator"):
        check_genesis(msgspec.structs.replace(genesis, risk=fine))
    small = tuple(msgspec.structs.replace(each, cap_units=10**14) for each in genesis.assets)
    check_genesis(msgspec.structs.replace(genesis, risk=fine, assets=small))


def test_dust_that_a_receipt_cannot_tell_is_refused(genesis: Genesis) -> None:
    weth = genesis.assets[2]
    for decimals, good in ((24, True), (25, False)):
        changed = msgspec.structs.replace(genesis, assets=(*genesis.assets[:2], _decimals(weth, decimals)))
        if good:
            check_genesis(changed)
            continue
        with pytest.raises(LocalFault, match="unit_decimals"):
            check_genesis(changed)


def test_dust_of_cash_that_may_leave_its_group_is_bounded_too(genesis: Genesis) -> None:
    depeg = DepegTerms(feed=BTC, unit_decimals=2)
    cash = msgspec.structs.replace(genesis.assets[0], depeg=depeg, cap_units=10**15)
    check_genesis(msgspec.structs.replace(genesis, assets=(_decimals(cash, 20), *genesis.assets[1:])))
    with pytest.raises(LocalFault, match=r"depeg\.unit_decimals"):
        check_genesis(msgspec.structs.replace(genesis, assets=(_decimals(cash, 21), *genesis.assets[1:])))


@pytest.mark.parametrize(
    "field",
    ["request_ms_max", "withdrawal_valid_ms", "hold_ms_max", "hold_retry_ms", "hold_valid_ms", "report_ahead_ms_max"],
)
def test_spans_whose_end_the_state_could_not_keep_are_refused(genesis: Genesis, field: str) -> None:
    market = msgspec.structs.replace(genesis.market, **{field: 2**63 - 1})
    with pytest.raises(LocalFault, match=field):
        check_genesis(msgspec.structs.replace(genesis, market=market))


def _decimals(asset: Asset, decimals: int) -> Asset:
    return msgspec.structs.replace(asset, token_decimals=decimals)


@pytest.mark.parametrize(
    "balances",
    [
        BalanceLocation(BalanceOrder.KEY_FIRST, bytes(32), 0),
        BalanceLocation(BalanceOrder.SLOT_FIRST, bytes(32), 257),
        BalanceLocation(BalanceOrder.UNKNOWN, b"\x01" * 32),
        BalanceLocation(BalanceOrder.UNKNOWN, bytes(32), 255),
    ],
)
def test_a_place_of_balances_that_is_none_is_refused(genesis: Genesis, balances: BalanceLocation) -> None:
    first, *others = genesis.assets
    with pytest.raises(LocalFault, match="balances"):
        check_genesis(
            msgspec.structs.replace(genesis, assets=(msgspec.structs.replace(first, balances=balances), *others))
        )


def test_a_place_of_balances_survives_the_file(genesis: Genesis) -> None:
    first, *others = genesis.assets
    listed = msgspec.structs.replace(first, balances=BalanceLocation(BalanceOrder.KEY_FIRST, bytes(31) + b"\x09", 255))
    named = msgspec.structs.replace(genesis, assets=(listed, *others))
    check_genesis(named)
    assert genesis_from_json(genesis_to_json(named)) == named
    assert network_id(named) != network_id(genesis), "it is part of what all agree on"
    without = json.loads(genesis_to_json(genesis))
    for asset in without["assets"]:
        del asset["balances"]
    assert genesis_from_json(json.dumps(without).encode()) == genesis


def test_more_assets_than_a_statement_has_custody_terms_for_are_refused(genesis: Genesis) -> None:
    assert ASSETS_MAX == CUSTODY_TERMS_MAX
    weth = genesis.assets[2]
    many = tuple(
        msgspec.structs.replace(weth, id=10 + number, name=f"T{number}", token=number.to_bytes(20, "big"))
        for number in range(1, ASSETS_MAX + 1)
    )
    with pytest.raises(LocalFault, match="assets"):
        check_genesis(msgspec.structs.replace(genesis, assets=(*genesis.assets, *many)))
