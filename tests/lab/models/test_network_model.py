"""The network's requirement, said as a risk model and evaluated by the models' engine, is the network's requirement."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import decode, encode
from clearing.margin.requirement.account_margin import account_margin
from clearing.schema.terms.instruments import InstrumentKind
from lab.evaluation.evaluate import evaluate
from lab.evaluation.scan import ScenarioScanner
from lab.evaluation.values import instrument_quotes
from lab.models import network
from lab.models.check_model import check_model
from lab.models.check_portfolio import check_fit, check_portfolio
from lab.models.named import from_named, to_named
from lab.models.network import model_of, portfolio_of
from lab.models.portfolio import Contract, Group, Portfolio
from lab.models.scan_terms import Scan, ScanRange
from lab.models.terms import RiskModel
from tests.kit.margin import inside
from tests.kit.margin.books import (
    BTC,
    CHARGED,
    CHARGED_HUGE,
    ETH,
    INDEX,
    INSTRUMENTS,
    NORMAL,
    NOW_MS,
    holdings,
    modest_holdings,
)

worlds = st.sampled_from([*CHARGED.values(), CHARGED_HUGE])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(holdings, modest_holdings), min_size=1, max_size=3), worlds)
def test_the_model_of_the_network_equals_account_margin(rows, arrays):
    model = model_of(arrays)
    portfolio = portfolio_of(arrays, {f"account {number}": row for number, row in enumerate(rows)})
    for row, found in zip(rows, evaluate(model, portfolio), strict=True):
        wanted = account_margin(arrays, *row)
        initial, maintenance = found.level("initial"), found.level("maintenance")
        assert initial.equity == wanted.equity
        assert (initial.requirement, maintenance.requirement) == (wanted.initial, wanted.maintenance)
        assert initial.covered == wanted.initial_ok
        assert maintenance.covered == wanted.maintenance_ok
        losses = found.term("scan").by_group
        assert tuple(losses.get(group.name, 0) for group in arrays.groups) == wanted.group_losses


@settings(max_examples=40, deadline=None)
@given(st.one_of(inside.modest_holdings, inside.holdings), st.sampled_from(list(inside.INSIDE)))
def test_a_token_inside_the_scenarios_is_a_spot_instrument_of_its_group(row, name):
    arrays = inside.INSIDE[name]
    model, portfolio = model_of(arrays), portfolio_of(arrays, {"account": row})
    check_model(model)
    check_fit(model, portfolio)
    (found,) = evaluate(model, portfolio)
    wanted, initial = account_margin(arrays, *row), found.level("initial")
    assert (initial.equity, initial.requirement) == (wanted.equity, wanted.initial)
    losses = found.term("scan").by_group
    assert tuple(losses.get(group.name, 0) for group in arrays.groups) == wanted.group_losses


@settings(max_examples=10, deadline=None)
@given(modest_holdings, worlds)
def test_the_model_of_the_network_passes_every_check_and_survives_both_encodings(row, arrays):
    model, portfolio = model_of(arrays), portfolio_of(arrays, {"account": row})
    check_model(model)
    if arrays is not CHARGED_HUGE:
        check_portfolio(portfolio)
    check_fit(model, portfolio)
    assert decode(encode(model), RiskModel) == model
    assert from_named(to_named(model), RiskModel, "model") == model
    assert from_named(to_named(portfolio), Portfolio, "portfolio") == portfolio


KINDS = {InstrumentKind.PERPETUAL: "perpetual", InstrumentKind.FUTURE: "future", InstrumentKind.CALL: "call"}


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda each: each.name)
def test_the_networks_arrays_are_the_sixteen_of_a_model_up_to_a_tick(instrument):
    group = {1: BTC, 2: ETH}[instrument.group]
    contract = Contract(
        instrument.name,
        KINDS.get(instrument.kind, "put"),
        group.name,
        multiplier=instrument.micros_per_tick,
        seconds_to_expiry=max(instrument.expiry_ms - NOW_MS, 0) // 1000,
        strike=instrument.strike_ticks,
    )
    market = Group(group.name, INDEX[group.feed], f"{30_000}/1000000", f"{group.volatility_ppm}/1000000")
    span = ScanRange("", f"{group.range_ppm}/1000000", volatility_up=f"{group.volatility_range_ppm}/1000000")
    portfolio = Portfolio((market,), (contract,))
    quotes = instrument_quotes(portfolio, 12)
    values = ScenarioScanner(Scan("scan", grid="span16", ranges=(span,)), quotes, 12).scan({contract.id: 1})[0]
    at = NORMAL.instruments.index(instrument)
    row = [value - NORMAL.rows[at][0] for value in NORMAL.rows[at][1:]]
    # The index moves by whole ticks, away from where it is, and each entry is rounded down to a micro.
    slack = 3 * instrument.micros_per_tick
    assert [-float(loss) for loss in values.losses] == pytest.approx(row, abs=slack)


def test_every_kind_of_the_network_has_a_name_in_models():
    assert set(network._KINDS) == set(InstrumentKind)


@settings(max_examples=40, deadline=None)
@given(modest_holdings)
def test_each_charge_on_a_net_amount_is_the_engines(row):
    arrays = CHARGED["net and all"]
    (found,) = evaluate(model_of(arrays), portfolio_of(arrays, {"account": row}))
    names = [f"{charge.name} of {arrays.groups[charge.group].name}" for charge in arrays.tariff.net]
    assert names == ["basis of BTC", "delta of BTC", "vega of BTC", "vega of ETH"]
    assert tuple(found.term(name).amount for name in names) == account_margin(arrays, *row).terms.net


def test_history_beyond_the_scan_is_required_by_the_model_too():
    arrays, row = CHARGED["history"], ((0, 0), (0,), (100, 50, 0, 0, 0))
    (found,) = evaluate(model_of(arrays), portfolio_of(arrays, {"account": row}))
    wanted = account_margin(arrays, *row)
    assert found.level("initial").requirement == wanted.initial
    assert found.term("credit between groups").amount == -wanted.terms.credit


def test_the_terms_of_the_network_are_told_by_name():
    model = model_of(CHARGED["all"])
    names = [term.name for term in model.terms]
    assert names[:3] == ["scan", "short option minimum", "credit between groups"]
    assert {"charge on BTC-PERP", "impact of BTC-PERP", "concentration of WETH"} <= set(names)
    assert all(isinstance(term, msgspec.Struct) for term in model.terms)
