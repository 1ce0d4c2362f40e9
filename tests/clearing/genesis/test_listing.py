"""Instruments and assets: what may be listed, and how tokens become clearing units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from clearing.base.codec import decode, encode
from clearing.base.errors import LocalFault
from clearing.genesis.checks import _check_delivery
from clearing.pricing.value_after_haircut import unit_value_after_haircut
from clearing.schema.terms.assets import Feed, check_assets
from clearing.schema.terms.collateral import YieldTerms
from clearing.schema.terms.instruments import MICROS_PER_TICK_MAX, Instrument, InstrumentKind, check_instruments
from tests.kit.clearing.genesis import BTC_CALL, BTC_FUT, BTC_PERP, ETH_PERP, USDC_1, WETH_1
from tests.kit.clearing.priced import ETH_FWD, FUNDING, priced_genesis
from tests.kit.margin.books import ASSETS, CASH_GROUPS, INSTRUMENTS, WETH

GENESIS = priced_genesis()
FORWARD = next(each for each in GENESIS.instruments if each.id == ETH_FWD)
FEEDS = (Feed(1, "BTC"), Feed(2, "ETH"))


def changed(listed, number, **changes):
    """With changes of the one of this number."""
    return tuple(replace(each, **changes) if each.id == number else each for each in listed)


@pytest.mark.parametrize("listed", [INSTRUMENTS, GENESIS.instruments])
def test_good_instruments_are_taken_and_have_one_encoding(listed):
    check_instruments(listed)
    assert [decode(encode(each), Instrument) for each in listed] == list(listed)


@pytest.mark.parametrize(
    ("number", "changes", "field"),
    [
        (BTC_PERP, {"micros_per_tick": 0}, "BTC-PERP.micros_per_tick"),
        (BTC_PERP, {"micros_per_tick": MICROS_PER_TICK_MAX + 1}, "BTC-PERP.micros_per_tick"),
        (BTC_PERP, {"expiry_ms": 1}, "BTC-PERP.expiry_ms"),
        (BTC_FUT, {"expiry_ms": 0}, "BTC-FUT.expiry_ms"),
        (ETH_FWD, {"expiry_ms": 0}, "ETH-FWD.expiry_ms"),
        (BTC_FUT, {"strike_ticks": 1}, "BTC-FUT.strike_ticks"),
        (ETH_FWD, {"strike_ticks": 1}, "ETH-FWD.strike_ticks"),
        (BTC_CALL, {"strike_ticks": 0}, "BTC-CALL.strike_ticks"),
        (BTC_CALL, {"strike_ticks": 2**40}, "BTC-CALL.strike_ticks"),
        (BTC_CALL, {"band_ppm": 0}, "BTC-CALL.band_ppm"),
        (BTC_PERP, {"id": 0}, "BTC-PERP.id"),
        (BTC_PERP, {"cash_group": 0}, "BTC-PERP.cash_group"),
        (BTC_FUT, {"id": BTC_PERP}, "instruments"),
        (BTC_FUT, {"name": "BTC-PERP"}, "instruments"),
        (ETH_PERP, {"delivery_asset": WETH_1}, "ETH-PERP.delivery_asset"),
        (ETH_PERP, {"averaging_ms": 1}, "ETH-PERP.averaging_ms"),
        (ETH_FWD, {"averaging_ms": 86_400_001}, "ETH-FWD.averaging_ms"),
        (BTC_FUT, {"funding": FUNDING}, "BTC-FUT.funding"),
        *(
            (BTC_PERP, {"funding": replace(FUNDING, **{field: value})}, "BTC-PERP.funding")
            for field, value in (
                ("premium_cap_ppm", 500_001),
                ("window_ms", 0),
                ("depth_lots", 0),
                ("depth_lots", 2**32),
                ("rate_cap_ppm", 0),
                ("rate_cap_ppm", 500_001),
                ("period_ms", 0),
                ("period_ms", 449),
                ("interval_ms", 8 * 86_400_000),
                ("interest_ppm", 500_001),
                ("dampener_ppm", 500_001),
            )
        ),
    ],
)
def test_an_instrument_out_of_range_is_refused_by_field(number, changes, field):
    with pytest.raises(LocalFault) as caught:
        check_instruments(changed(GENESIS.instruments, number, **changes))
    assert field in caught.value.at


@pytest.mark.parametrize(
    ("number", "changes", "field"),
    [
        (1, {"unit_decimals": 5}, "unit_decimals"),
        (1, {"feed": 1}, "feed"),
        (1, {"haircut_ppm": 1}, "haircut_ppm"),
        (1, {"cash_group": 9}, "cash_group"),
        (2, {"feed": 0}, "feed"),
        (2, {"feed": 3}, "feed"),
        (2, {"haircut_ppm": 1_000_001}, "haircut_ppm"),
        (2, {"unit_decimals": 19}, "unit_decimals"),
        (2, {"cap_units": 2**56}, "cap_units"),
        (2, {"token": ASSETS[0].token}, "assets"),
        (2, {"id": 1}, "assets"),
    ],
)
def test_an_asset_out_of_range_is_refused_by_field(number, changes, field):
    check_assets(ASSETS, CASH_GROUPS, FEEDS)
    with pytest.raises(LocalFault, match=field):
        check_assets(changed(ASSETS, number, **changes), CASH_GROUPS, FEEDS)


@pytest.mark.parametrize(
    ("genesis", "forward"),
    [
        pytest.param(GENESIS, replace(FORWARD, delivery_asset=USDC_1), id="cash"),
        pytest.param(GENESIS, replace(FORWARD, delivery_asset=9), id="not_listed"),
        pytest.param(GENESIS, replace(FORWARD, feed=1), id="priced_by_another_feed"),
        pytest.param(
            replace(GENESIS, assets=changed(GENESIS.assets, WETH_1, yields=YieldTerms(feed=1))),
            FORWARD,
            id="its_value_also_rests_on_a_rate",
        ),
    ],
)
def test_a_forward_delivers_a_listed_token_that_its_own_feed_alone_prices(genesis, forward):
    _check_delivery(GENESIS, FORWARD)
    with pytest.raises(LocalFault, match="delivery_asset"):
        _check_delivery(genesis, forward)


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
    assert unit_value_after_haircut(replace(WETH, haircut_ppm=1_000_000), 19_400) == 0


@pytest.mark.parametrize("convert", [WETH.to_units, WETH.to_amount])
def test_negative_amounts_are_our_own_mistake(convert):
    with pytest.raises(ValueError, match="negative"):
        convert(-1)


def test_only_options_keep_a_value_of_their_own():
    assert [each.is_marked for each in INSTRUMENTS] == [True, True, True, False, False]
    assert {each.kind for each in INSTRUMENTS} == set(InstrumentKind) - {InstrumentKind.FORWARD}  # like a future


def test_an_instrument_has_expired_from_its_expiry_on_and_a_perpetual_never():
    perpetual, _, future, *_ = INSTRUMENTS
    assert not perpetual.expired(2**62)
    assert future.expired(future.expiry_ms)
    assert not future.expired(future.expiry_ms - 1)
