"""Margins explained and simulated.

Rule: inputs are frozen at once; the work is done in a worker thread, so that votes never wait for it. A member sees its
own accounts only.
"""

from collections.abc import Mapping
from typing import Any

from clearing.base.errors import LocalFault
from clearing.margin.requirement.greeks import GroupGreeks
from clearing.margin_explanation import (
    ExplainedTerm,
    MarginInputs,
    ScenarioLoss,
    collect_margin_inputs,
    explain_margin,
)
from clearing.margin_simulation import LiquidationPrice, Shock, SimulatedTrade, liquidation_prices, simulate
from member.api.margin import (
    ExpiryGreeksView,
    GreeksView,
    LiquidationPriceView,
    MarginView,
    PartView,
    ScenarioLossView,
    SimulateBody,
    SimulationView,
    TermView,
)
from member.codes import NodeCode
from node.api.calls import ACCOUNT, ApiCall, ApiRefusal, Routes, own_account, read_json, run_in_worker

routes = Routes()


@routes.get("/v1/accounts/{account}/margin", ACCOUNT, signed=True, refusals=(403,))
async def margin(call: ApiCall) -> MarginView:
    """Every term of an own account's margin, with inputs, price source and rounding, and its liquidation prices."""
    return await run_in_worker(margin_view, _inputs(call))


@routes.post("/v1/accounts/{account}/margin/simulate", ACCOUNT, body=SimulateBody, signed=True, refusals=(403, 422))
async def simulate_margin(call: ApiCall) -> SimulationView:
    """The same before and after a shock; nothing is changed."""
    inputs = _inputs(call)
    shock = shock_of(read_json(call.body, SimulateBody))
    try:
        after = simulate(inputs, shock)
        return await run_in_worker(simulation_view, inputs, after)
    except LocalFault as fault:
        raise ApiRefusal(422, fault.code, fault.at, **fault.values) from None


def margin_view(inputs: MarginInputs) -> MarginView:
    """The explained margin, and liquidation prices."""
    explained = explain_margin(inputs)
    risk = inputs.parameters
    names = {group.id: group.name for group in risk.groups}
    return MarginView(
        account=inputs.account,
        height=inputs.height,
        time_ms=inputs.time_ms,
        arrays_time_ms=inputs.arrays_time_ms,
        equity_micros=str(explained.margin.equity),
        initial_margin_micros=str(explained.margin.initial),
        maintenance_margin_micros=str(explained.margin.maintenance),
        initial_ok=explained.margin.initial_ok,
        maintenance_ok=explained.margin.maintenance_ok,
        equity=tuple(_term(term) for term in explained.equity),
        requirement=tuple(_term(term) for term in explained.requirement),
        maintenance_fraction=(risk.maintenance_numerator, risk.maintenance_denominator),
        liquidation=tuple(_liquidation(liquidation_price) for liquidation_price in liquidation_prices(inputs)),
        greeks=tuple(GreeksView(**_greeks(greeks, names)) for greeks in explained.greeks),
        expiry_greeks=tuple(
            ExpiryGreeksView(**_greeks(part.greeks, names), expiry_ms=part.expiry_ms)
            for part in explained.expiry_greeks
        ),
    )


def simulation_view(before: MarginInputs, after: MarginInputs) -> SimulationView:
    """Both margins."""
    return SimulationView(before=margin_view(before), after=margin_view(after))


def shock_of(body: SimulateBody) -> Shock:
    """The shock that a body asks for. Raises ApiRefusal when an id is named twice."""
    names = (
        [index.feed for index in body.index],
        [volatility.group for volatility in body.volatility],
        [cash.cash_group for cash in body.cash],
        [token.asset for token in body.tokens],
    )
    for ids in names:
        if len(set(ids)) != len(ids):
            raise ApiRefusal(400, NodeCode.API_BODY, "body", why="an id is named twice")
    return Shock(
        index_ppm={index.feed: index.move_ppm for index in body.index},
        volatility_ppm={volatility.group: volatility.points_ppm for volatility in body.volatility},
        trades=tuple(
            SimulatedTrade(
                trade.instrument, int(trade.lots), None if trade.price_ticks is None else int(trade.price_ticks)
            )
            for trade in body.trades
        ),
        cash_micros={cash.cash_group: int(cash.amount_micros) for cash in body.cash},
        token_units={token.asset: int(token.amount_units) for token in body.tokens},
    )


def _greeks(greeks: GroupGreeks, names: Mapping[int, str]) -> dict[str, Any]:
    """The fields of `GreeksView`."""
    return {
        "group": greeks.group,
        "name": names[greeks.group],
        "delta_nano": str(greeks.delta_nano),
        "gamma_nano": str(greeks.gamma_nano),
        "vega_micros": str(greeks.vega_micros),
        "theta_micros": str(greeks.theta_micros),
    }


def _inputs(call: ApiCall) -> MarginInputs:
    return collect_margin_inputs(call.state, own_account(call))


def _term(term: ExplainedTerm) -> TermView:
    parts = tuple(
        PartView(
            name=part.name,
            of=part.of,
            amount_micros=str(part.micros),
            inputs=_term_values(part),
            source=part.source,
            rounding=part.rounding,
        )
        for part in term.parts
    )
    return TermView(
        name=term.name,
        of=term.of,
        amount_micros=str(term.micros),
        inputs=_term_values(term),
        source=term.source,
        rounding=term.rounding,
        parts=parts,
        scenarios=tuple(map(_scenario, term.scenarios)),
    )


def _scenario(loss: ScenarioLoss) -> ScenarioLossView:
    scenario = loss.scenario
    return ScenarioLossView(
        number=loss.number,
        move=f"{scenario.move_numerator}/{scenario.move_denominator}",
        of="index" if scenario.of_index else "range",
        volatility_direction=scenario.volatility_direction,
        weight_ppm=scenario.weight_ppm,
        amount_micros=str(loss.micros),
    )


def _term_values(term: ExplainedTerm) -> dict[str, str]:
    return {name: str(value) for name, value in term.inputs}


def _liquidation(price: LiquidationPrice) -> LiquidationPriceView:
    return LiquidationPriceView(
        feed=price.feed,
        name=price.name,
        index_ticks=str(price.index_ticks),
        below_ticks=None if price.below_ticks is None else str(price.below_ticks),
        above_ticks=None if price.above_ticks is None else str(price.above_ticks),
    )
