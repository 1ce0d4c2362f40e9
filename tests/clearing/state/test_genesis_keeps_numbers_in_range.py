"""A genesis under which an agreed price, or money that was taken in, could leave the range of a number is refused."""

import msgspec
import pytest

from clearing.base import bls
from clearing.base.errors import LocalFault
from clearing.base.validators import Validator, ValidatorSet
from clearing.genesis import Genesis, check_genesis
from clearing.instruments import INDEX_TICKS_MAX
from clearing.margin.arrays import build_risk_arrays
from tests.clearing.state.world import BTC, BTC_CALL, BTC_FUT, START_MS, make_genesis

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
