"""Instruments, assets and risk parameters: what may be listed, and how tokens become clearing units."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.codec import decode, encode
from clearing.base.errors import LocalFault
from clearing.pricing.collateral_value import unit_value_after_haircut
from clearing.schema.risk.parameters import SPAN_SIXTEEN, RiskParameters, Scenario, check_parameters
from clearing.schema.terms.assets import Feed, check_assets
from clearing.schema.terms.instruments import MICROS_PER_TICK_MAX, Instrument, InstrumentKind, check_instruments
from tests.kit.margin.books import ASSETS, CASH_GROUPS, INSTRUMENTS, PARAMETERS, WETH

FEEDS = (Feed(1, "BTC"), Feed(2, "ETH"))


def test_what_the_small_world_lists_is_accepted_and_has_one_encoding():
    check_instruments(INSTRUMENTS)
    check_assets(ASSETS, CASH_GROUPS, FEEDS)
    check_parameters(PARAMETERS)
    for each in INSTRUMENTS:
        assert decode(encode(each), Instrument) == each
    assert decode(encode(PARAMETERS), RiskParameters) == PARAMETERS


@pytest.mark.parametrize(
    ("at", "change", "field"),
    [
        (0, {"micros_per_tick": 0}, "micros_per_tick"),
        (0, {"micros_per_tick": MICROS_PER_TICK_MAX + 1}, "micros_per_tick"),
        (0, {"expiry_ms": 1}, "expiry_ms"),
        (2, {"expiry_ms": 0}, "expiry_ms"),
        (2, {"strike_ticks": 1}, "strike_ticks"),
        (3, {"strike_ticks": 0}, "strike_ticks"),
        (3, {"strike_ticks": 2**40}, "strike_ticks"),
        (3, {"band_ppm": 0}, "band_ppm"),
        (0, {"id": 0}, "id"),
        (0, {"cash_group": 0}, "cash_group"),
        (1, {"id": 1}, "instruments"),
        (1, {"name": "BTC-PERP"}, "instruments"),
    ],
)
def test_an_instrument_out_of_range_is_refused_by_field(at, change, field):
    listed = list(INSTRUMENTS)
    listed[at] = msgspec.structs.replace(listed[at], **change)
    with pytest.raises(LocalFault, match=field):
        check_instruments(listed)


@pytest.mark.parametrize(
    ("at", "change", "field"),
    [
        (0, {"unit_decimals": 5}, "unit_decimals"),
        (0, {"feed": 1}, "feed"),
        (0, {"haircut_ppm": 1}, "haircut_ppm"),
        (0, {"cash_group": 9}, "cash_group"),
        (1, {"feed": 0}, "feed"),
        (1, {"feed": 3}, "feed"),
        (1, {"haircut_ppm": 1_000_001}, "haircut_ppm"),
        (1, {"unit_decimals": 19}, "unit_decimals"),
        (1, {"cap_units": 2**56}, "cap_units"),
        (1, {"token": ASSETS[0].token}, "assets"),
        (1, {"id": 1}, "assets"),
    ],
)
def test_an_asset_out_of_range_is_refused_by_field(at, change, field):
    listed = list(ASSETS)
    listed[at] = msgspec.structs.replace(listed[at], **change)
    with pytest.raises(LocalFault, match=field):
        check_assets(listed, CASH_GROUPS, FEEDS)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"scenarios": ()}, "scenarios"),
        ({"scenarios": (Scenario(4, 1, 0),)}, "move"),
        ({"scenarios": (Scenario(0, 0, 0),)}, "move"),
        ({"scenarios": (Scenario(0, 1, 2),)}, "volatility"),
        ({"scenarios": (Scenario(0, 1, 0, 1_000_001),)}, "weight_ppm"),
        ({"maintenance_numerator": 6}, "maintenance_denominator"),
        ({"maintenance_numerator": 0}, "maintenance_numerator"),
        ({"groups": (PARAMETERS.groups[1], PARAMETERS.groups[0])}, "groups"),
        ({"rate_ppm": 1_000_001}, "rate_ppm"),
    ],
)
def test_a_risk_parameter_out_of_range_is_refused_by_field(change, field):
    with pytest.raises(LocalFault, match=field):
        check_parameters(msgspec.structs.replace(PARAMETERS, **change))


def test_the_grid_is_spans_sixteen():
    assert len(SPAN_SIXTEEN) == 16
    assert [(each.move_numerator, each.move_denominator) for each in SPAN_SIXTEEN[12:]] == [
        (-1, 1),
        (-1, 1),
        (2, 1),
        (-2, 1),
    ]
    assert [each.volatility_direction for each in SPAN_SIXTEEN] == [1, -1] * 7 + [0, 0]
    assert sum(each.weight_ppm for each in SPAN_SIXTEEN) == 14_700_000


@given(st.integers(0, 2**256 - 1))
def test_a_deposit_rounds_down_and_its_dust_is_told(amount):
    for asset in ASSETS:
        units, dust = asset.to_units(amount)
        assert asset.to_amount(units) + dust == amount
        assert 0 <= dust < asset.base_units


def test_a_unit_of_collateral_counts_at_price_less_haircut_rounded_down():
    assert WETH.base_units == 10**14
    assert WETH.to_units(15 * 10**17 + 99) == (15_000, 99)
    assert unit_value_after_haircut(WETH, 19_400) == 17_460  # 10^-4 ETH at 194.00 less 10 %
    assert unit_value_after_haircut(WETH, 19_401) == 17_460
    assert unit_value_after_haircut(msgspec.structs.replace(WETH, haircut_ppm=1_000_000), 19_400) == 0


def test_negative_amounts_are_our_own_mistake():
    with pytest.raises(ValueError, match="negative"):
        WETH.to_units(-1)
    with pytest.raises(ValueError, match="negative"):
        WETH.to_amount(-1)


def test_only_options_keep_a_value_of_their_own():
    assert [each.is_marked for each in INSTRUMENTS] == [True, True, True, False, False]
    assert {each.kind for each in INSTRUMENTS} == set(InstrumentKind) - {InstrumentKind.FORWARD}  # like a future
    assert not INSTRUMENTS[0].expired(2**62)
    assert INSTRUMENTS[2].expired(INSTRUMENTS[2].expiry_ms)
    assert not INSTRUMENTS[2].expired(INSTRUMENTS[2].expiry_ms - 1)
