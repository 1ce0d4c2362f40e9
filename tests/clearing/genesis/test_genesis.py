"""Genesis: its hash is the network, its file is readable; contradictions, and numbers that could leave their range, are
refused.
"""

import json

import pytest
from msgspec.structs import replace

from clearing.base.codec import decode, encode
from clearing.base.errors import CrossclearError, LocalFault, RemoteFault
from clearing.base.evm.storage import BalanceLocation, BalanceOrder
from clearing.genesis.checks import check_genesis
from clearing.genesis.json import genesis_from_json, genesis_to_json
from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.margin.statement.snapshot import CUSTODY_TERMS_MAX
from clearing.schema.terms.assets import ASSETS_MAX
from clearing.schema.terms.collateral import DepegTerms
from clearing.schema.terms.genesis import Genesis, network_id
from clearing.schema.terms.instruments import INDEX_TICKS_MAX
from tests.kit.clearing.genesis import BTC, BTC_CALL, BTC_FUT, START_MS, make_genesis
from tests.kit.clearing.ranged import ranged_genesis

GENESIS = make_genesis(powers={1: 1})
USDC, _, WETH = GENESIS.assets
YEAR_MS = 365 * 86_400_000


def with_asset(at, **changes):
    assets = list(GENESIS.assets)
    assets[at] = replace(assets[at], **changes)
    return replace(GENESIS, assets=tuple(assets))


def located(*place):
    return with_asset(0, balances=BalanceLocation(*place))


LOCATED = located(BalanceOrder.KEY_FIRST, bytes(31) + b"\x09", 255)
RANGED = replace(ranged_genesis(), validators=GENESIS.validators)


@pytest.mark.parametrize("genesis", [GENESIS, LOCATED, RANGED])
def test_a_good_genesis_passes_and_survives_json_and_bytes(genesis):
    check_genesis(genesis)
    assert genesis_from_json(genesis_to_json(genesis)) == genesis
    assert decode(encode(genesis), Genesis) == genesis


def test_any_change_is_another_network():
    epochs = replace(GENESIS, market=replace(GENESIS.market, epoch_blocks=9))
    others = [replace(GENESIS, name="other"), replace(GENESIS, time_ms=5), epochs, LOCATED]
    assert len({network_id(each) for each in (GENESIS, *others)}) == 5


def test_a_file_may_leave_out_what_has_a_default():
    file = json.loads(genesis_to_json(GENESIS))
    del file["version"]
    for instrument in file["instruments"]:
        if not instrument["strike_ticks"]:
            del instrument["strike_ticks"]
    for asset in file["assets"]:
        del asset["balances"]
    del file["risk"]["scenarios"]
    assert genesis_from_json(json.dumps(file).encode()) == GENESIS


@pytest.mark.parametrize(
    "break_file",
    [
        lambda file: file.pop("chains"),
        lambda file: file.update(colour="red"),
        lambda file: file["chains"][0].update(vault="a1" * 20),
        lambda file: file["chains"][0].update(vault="0x1234"),
        lambda file: file["chains"][0].update(vault="0xzz"),
        lambda file: file.update(time_ms=-1),
        lambda file: file.update(time_ms=1.5),
        lambda file: file.update(feeds={}),
        lambda file: file.update(members=[7]),
        lambda file: file["instruments"][0].update(kind=77),
    ],
)
def test_a_malformed_file_is_refused(break_file):
    file = json.loads(genesis_to_json(GENESIS))
    break_file(file)
    for text in (json.dumps(file).encode(), b"{"):
        with pytest.raises(RemoteFault, match="R0402"):
            genesis_from_json(text)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(GENESIS, members=GENESIS.members[1:]),
        replace(GENESIS, members=GENESIS.members[::-1]),
        replace(GENESIS, members=(*GENESIS.members, replace(GENESIS.members[1], id=9))),
        replace(GENESIS, chains=GENESIS.chains[:1]),
        replace(GENESIS, chains=GENESIS.chains[::-1]),
        replace(GENESIS, feeds=GENESIS.feeds[:1]),
        replace(GENESIS, cash_groups=()),
        with_asset(0, vault=b"\x00" * 20),
        with_asset(0, cap_units=2**62),
        replace(GENESIS, instruments=(replace(GENESIS.instruments[0], group=9), *GENESIS.instruments[1:])),
        replace(GENESIS, market=replace(GENESIS.market, epoch_blocks=0)),
        replace(GENESIS, validators=make_genesis().validators),
    ],
)
def test_contradictions_are_named(wrong):
    with pytest.raises(CrossclearError):
        check_genesis(wrong)


@pytest.mark.parametrize("delay", [5, 6, 2**32 - 1])
def test_commitments_are_carried_within_their_epoch(delay):
    """A header with the commitments of another epoch than its own is refused by every verifier."""
    check_genesis(replace(GENESIS, market=replace(GENESIS.market, epoch_blocks=5, snapshot_delay_blocks=4)))
    with pytest.raises(LocalFault, match=r"R0402.*market\.snapshot_delay_blocks"):
        check_genesis(replace(GENESIS, market=replace(GENESIS.market, epoch_blocks=5, snapshot_delay_blocks=delay)))


def dated(instrument: int, years: int) -> Genesis:
    """The widest genesis: full range, a rate of 100 %, the largest tick, and an expiry so many years away."""
    changes = {"expiry_ms": START_MS + years * YEAR_MS, "micros_per_tick": 2**16}
    listed = tuple(replace(each, **changes) if each.id == instrument else each for each in GENESIS.instruments)
    groups = tuple(replace(each, range_ppm=1_000_000) for each in GENESIS.risk.groups)
    return replace(GENESIS, instruments=listed, risk=replace(GENESIS.risk, rate_ppm=1_000_000, groups=groups))


@pytest.mark.parametrize("instrument", [BTC_FUT, BTC_CALL])
def test_the_highest_price_fits_every_genesis_that_passes(instrument):
    widest = dated(instrument, 6)
    check_genesis(widest)
    index = {BTC: INDEX_TICKS_MAX}
    build_risk_arrays(widest.instruments, widest.assets, widest.cash_groups, {}, index, widest.risk, START_MS)


FINE = replace(GENESIS.risk, maintenance_numerator=800, maintenance_denominator=1000)
SMALL = tuple(replace(each, cap_units=10**14) for each in GENESIS.assets)
LEAVING = {"depeg": DepegTerms(feed=BTC, unit_decimals=2), "cap_units": 10**15}


@pytest.mark.parametrize(
    "genesis",
    [
        pytest.param(replace(GENESIS, risk=FINE, assets=SMALL), id="a_fine_fraction_of_small_caps"),
        pytest.param(with_asset(2, token_decimals=24), id="dust_that_a_receipt_can_tell"),
        pytest.param(with_asset(0, token_decimals=20, **LEAVING), id="dust_of_cash_that_may_leave_its_group"),
    ],
)
def test_numbers_at_the_edge_of_their_range_pass(genesis):
    check_genesis(genesis)


@pytest.mark.parametrize(
    ("genesis", "field"),
    [
        pytest.param(dated(BTC_FUT, 40), "carry", id="arrays_lifted_out_of_range_by_the_carry_of_a_future"),
        pytest.param(dated(BTC_CALL, 40), "carry", id="arrays_lifted_out_of_range_by_the_carry_of_a_call"),
        pytest.param(replace(GENESIS, risk=FINE), "maintenance_denominator", id="a_fraction_too_fine_for_the_caps"),
        pytest.param(with_asset(2, token_decimals=25), "unit_decimals", id="dust_that_a_receipt_cannot_tell"),
        pytest.param(with_asset(0, token_decimals=21, **LEAVING), "depeg.unit_decimals", id="dust_of_leaving_cash"),
        *(
            pytest.param(replace(GENESIS, market=replace(GENESIS.market, **{span: 2**63 - 1})), span, id=span)
            for span in (
                "request_ms_max",
                "withdrawal_valid_ms",
                "hold_ms_max",
                "hold_retry_ms",
                "hold_valid_ms",
                "report_ahead_ms_max",
            )
        ),
        pytest.param(located(BalanceOrder.KEY_FIRST, bytes(32), 0), "balances", id="balances_of_no_bits"),
        pytest.param(located(BalanceOrder.SLOT_FIRST, bytes(32), 257), "balances", id="balances_of_too_many_bits"),
        pytest.param(located(BalanceOrder.UNKNOWN, b"\x01" * 32), "balances", id="a_slot_of_no_order"),
        pytest.param(located(BalanceOrder.UNKNOWN, bytes(32), 255), "balances", id="bits_of_no_order"),
        pytest.param(replace(RANGED, ranges=replace(RANGED.ranges, decay_ppm=0)), "decay_ppm", id="no_decay"),
    ],
)
def test_what_could_leave_its_range_or_means_nothing_is_refused_by_name(genesis, field):
    with pytest.raises(LocalFault) as caught:
        check_genesis(genesis)
    assert field in caught.value.at


def test_more_assets_than_a_statement_has_custody_terms_for_are_refused():
    assert ASSETS_MAX == CUSTODY_TERMS_MAX
    many = tuple(
        replace(WETH, id=10 + number, name=f"T{number}", token=number.to_bytes(20, "big"))
        for number in range(1, ASSETS_MAX + 1)
    )
    with pytest.raises(LocalFault, match="assets"):
        check_genesis(replace(GENESIS, assets=(*GENESIS.assets, *many)))
