"""Routes that explain and simulate margins.

Rule: inputs are taken from the view at once; the work, bounded by what is listed, is done in a worker thread, so
that votes never wait for it. A member sees its own accounts only.
"""

from clearing.base.errors import LocalFault
from clearing.margin_explanation import ExplainedTerm, MarginInputs, explain_margin
from clearing.margin_simulation import LiquidationPrice, Shock, SimulatedTrade, liquidation_prices, simulate
from member.api.margin import (
    GreeksView,
    LiquidationPriceView,
    MarginView,
    PartView,
    SimulateBody,
    SimulationView,
    TermView,
)
from member.codes import NodeCode
from node.api.calls import ApiCall, ApiRefusal, own_account, read_json, run_in_worker


async def margin(call: ApiCall) -> object:
    """Every term of the margin of an own account."""
    inputs = _inputs(call)
    return await run_in_worker(margin_view, inputs)


async def simulation(call: ApiCall) -> object:
    """The same after a shock."""
    inputs = _inputs(call)
    shock = shock_of(read_json(call.body, SimulateBody))
    try:
        after = simulate(inputs, shock)
        return await run_in_worker(simulation_view, inputs, after)
    except LocalFault as fault:
        raise ApiRefusal(422, fault.code, fault.at, **fault.values) from None


def margin_view(inputs: MarginInputs) -> MarginView:
    """As the API shows it."""
    told = explain_margin(inputs)
    risk = inputs.parameters
    return MarginView(
        account=inputs.account,
        height=inputs.height,
        time_ms=inputs.time_ms,
        arrays_time_ms=inputs.arrays_time_ms,
        equity_micros=str(told.margin.equity),
        initial_margin_micros=str(told.margin.initial),
        maintenance_margin_micros=str(told.margin.maintenance),
        initial_ok=told.margin.initial_ok,
        maintenance_ok=told.margin.maintenance_ok,
        equity=tuple(_term(each) for each in told.equity),
        requirement=tuple(_term(each) for each in told.requirement),
        maintenance_fraction=(risk.maintenance_numerator, risk.maintenance_denominator),
        liquidation=tuple(_liquidation(liquidation_price) for liquidation_price in liquidation_prices(inputs)),
        greeks=tuple(
            GreeksView(
                group=each.group,
                name=group.name,
                delta_nano=str(each.delta_nano),
                gamma_nano=str(each.gamma_nano),
                vega_micros=str(each.vega_micros),
                theta_micros=str(each.theta_micros),
            )
            for each, group in zip(told.greeks, risk.groups, strict=True)
        ),
    )


def simulation_view(before: MarginInputs, after: MarginInputs) -> SimulationView:
    """As the API shows it."""
    return SimulationView(before=margin_view(before), after=margin_view(after))


def shock_of(body: SimulateBody) -> Shock:
    """The shock that a body asks for. Raises ApiRefusal when something is named twice."""
    names = (
        [each.feed for each in body.index],
        [each.group for each in body.volatility],
        [each.cash_group for each in body.cash],
        [token.asset for token in body.tokens],
    )
    for ids in names:
        if len(set(ids)) != len(ids):
            raise ApiRefusal(400, NodeCode.API_BODY, "body", why="something is named twice")
    return Shock(
        index_ppm={each.feed: each.move_ppm for each in body.index},
        volatility_ppm={each.group: each.points_ppm for each in body.volatility},
        trades=tuple(
            SimulatedTrade(
                trade.instrument, int(trade.lots), None if trade.price_ticks is None else int(trade.price_ticks)
            )
            for trade in body.trades
        ),
        cash_micros={each.cash_group: int(each.amount_micros) for each in body.cash},
        token_units={token.asset: int(token.amount_units) for token in body.tokens},
    )


def _inputs(call: ApiCall) -> MarginInputs:
    found = call.view.margin_inputs(own_account(call))
    if found is None:
        raise ApiRefusal(503, NodeCode.API_NOT_READY, "account")
    return found


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
