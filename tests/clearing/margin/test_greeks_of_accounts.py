"""Greeks of accounts: what a small move of index, volatility or time does to the value that the arrays give."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given

from clearing.base.units import DAY_MS
from clearing.margin.requirement.greeks import GroupGreeks, account_greeks, account_greeks_by_expiry, greeks_per_lot
from clearing.margin_explanation import collect_margin_inputs, explain_margin
from clearing.state.holdings import current_arrays, current_holdings
from node.api.margin import margin_view
from tests.kit.clearing.genesis import ALICE, BOB, CAROL
from tests.kit.clearing.margined import traded
from tests.kit.margin.books import BTC, ETH, INDEX, INSTRUMENTS, NORMAL, NOW_MS, PARAMETERS, arrays_of, modest_holdings

PER_LOT = greeks_per_lot(NORMAL)
FINE = tuple(msgspec.structs.replace(each, micros_per_tick=each.micros_per_tick * 1000) for each in INSTRUMENTS)
"""Options quoted a thousand times as finely, so that values show small moves."""


def value(at: int, index: int, volatility_more_ppm: int = 0, time_ms: int = NOW_MS) -> float:
    """Micros of one lot of instrument number `at`, in thousandths."""
    groups = tuple(
        msgspec.structs.replace(group, volatility_ppm=group.volatility_ppm + volatility_more_ppm)
        for group in (BTC, ETH)
    )
    parameters = msgspec.structs.replace(PARAMETERS, groups=groups)
    built = arrays_of({**INDEX, FINE[at].feed: index}, time_ms, parameters, instruments=FINE)
    return int(built.values[at, 0]) / 1000


@pytest.mark.parametrize("at", [3, 4])
def test_greeks_are_what_small_moves_do_to_the_values_of_options(at):
    index = INDEX[INSTRUMENTS[at].feed]
    delta, gamma, vega, theta = PER_LOT[at].tolist()
    step = index // 1000
    up, here, down = (value(at, index + by) for by in (step, 0, -step))
    tick = 10_000 / 10**9  # micros of a tick for 10^-9 of the underlying
    assert delta * tick == pytest.approx((up - down) / (2 * step), rel=2e-3)
    assert gamma * tick == pytest.approx((up - 2 * here + down) / step**2 * index / 100, rel=1e-2)
    assert vega == pytest.approx((value(at, index, 5_000) - value(at, index, -5_000)), rel=2e-3)
    # A day less at the same forward and discount: no carry in this comparison's parameters moves it by more.
    later = value(at, index, 0, NOW_MS + DAY_MS // 20) - value(at, index, 0, NOW_MS - DAY_MS // 20)
    assert theta == pytest.approx(later * 10, rel=3e-2)


def test_a_worked_account():
    # 1,000 lots of 0.001 BTC are one BTC long; a future carries a little more.
    (btc, eth) = account_greeks(NORMAL, PER_LOT, [1000, -50, 0, 0, 0])
    assert btc == GroupGreeks(1, 10**9, 0, 0, 0)
    assert (eth.group, eth.delta_nano) == (2, -5 * 10**8)
    future = account_greeks(NORMAL, PER_LOT, [0, 0, 1000, 0, 0])[0].delta_nano
    assert 10**9 < future < 1.01 * 10**9


def test_signs_are_those_of_a_writer_of_options():
    btc, eth = account_greeks(NORMAL, PER_LOT, [0, 0, 0, -100, -100])
    assert btc.delta_nano < 0 < eth.delta_nano  # short a call, short a put
    assert max(btc.gamma_nano, eth.gamma_nano, btc.vega_micros, eth.vega_micros) < 0
    assert min(btc.theta_micros, eth.theta_micros) > 0


@given(modest_holdings, modest_holdings)
def test_greeks_add_up_exactly(one, other):
    together = [a + b for a, b in zip(one[2], other[2], strict=True)]
    parts = zip(*(account_greeks(NORMAL, PER_LOT, lots) for lots in (one[2], other[2], together)), strict=True)
    for first, second, both in parts:
        for name in ("delta_nano", "gamma_nano", "vega_micros", "theta_micros"):
            assert getattr(both, name) == getattr(first, name) + getattr(second, name)


@given(modest_holdings)
def test_greeks_by_expiry_sum_to_those_of_their_group(holdings):
    lots = holdings[2]
    parts = account_greeks_by_expiry(NORMAL, PER_LOT, lots)
    open_ = {(each.group, each.expiry_ms) for each, count in zip(NORMAL.instruments, lots, strict=True) if count}
    assert [(part.greeks.group, part.expiry_ms) for part in parts] == sorted(open_)
    for whole in account_greeks(NORMAL, PER_LOT, lots):
        of_group = [part.greeks for part in parts if part.greeks.group == whole.group]
        for name in ("delta_nano", "gamma_nano", "vega_micros", "theta_micros"):
            assert sum(getattr(each, name) for each in of_group) == getattr(whole, name)


def test_without_a_price_there_are_none_and_arrays_made_by_hand_are_refused():
    assert not greeks_per_lot(arrays_of({1: 790_000}))[[1, 4]].any()
    with pytest.raises(ValueError, match="built from prices"):
        greeks_per_lot(replace(NORMAL, plan=None))
    with pytest.raises(ValueError, match="positions"):
        account_greeks(NORMAL, PER_LOT, [1])


def test_an_explanation_tells_the_greeks_of_all_positions():
    world = traded()
    arrays = current_arrays(world.state)
    per_lot = greeks_per_lot(arrays)
    for account in (ALICE, BOB, CAROL):
        inputs = collect_margin_inputs(world.state, account)
        expected = account_greeks(arrays, per_lot, current_holdings(world.state, account).lots)
        assert explain_margin(inputs).greeks == expected
        assert any(each.delta_nano for each in expected)
        shown = margin_view(inputs).greeks
        assert [(each.name, each.delta_nano) for each in shown] == [
            (group.name, str(each.delta_nano)) for group, each in zip(arrays.groups, expected, strict=True)
        ]
    writer = explain_margin(collect_margin_inputs(world.state, ALICE)).greeks[0]
    assert writer.gamma_nano < 0 < writer.theta_micros  # alice sold the calls
