"""Margin explanation: every term of an account's margin with its inputs, price source and rounding.

Rule: the numbers are those of `account_margin` over arrays built from the same inputs. The terms of equity sum to
equity and those of the requirement to initial margin, exactly. `MarginInputs` contains frozen values only, so it can be
explained elsewhere while the state moves on. It must not know who asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from clearing.margin.requirement.account_margin import AccountMargin, account_margin
from clearing.margin.requirement.greeks import (
    ExpiryGreeks,
    GroupGreeks,
    account_greeks,
    account_greeks_by_expiry,
    greeks_per_lot,
)
from clearing.margin.risk_arrays.arrays import RiskArrays, build_risk_arrays
from clearing.pricing.averages import Averages, listed_averages
from clearing.schema.records.prices import FeedStatus, PriceStatus
from clearing.schema.risk.parameters import RiskGroup, RiskParameters, Scenario
from clearing.schema.terms.assets import Asset, CashGroup
from clearing.schema.terms.instruments import Instrument
from clearing.settlement.accrual import settlement_average
from clearing.settlement.funding import current_premium_ppb
from clearing.settlement.settlement_prices import TimeAverage
from clearing.state.effective_parameters import effective_assets, effective_parameters
from clearing.state.holdings import current_holdings
from clearing.state.state import State

TermInputs = tuple[tuple[str, int | str], ...]


@dataclass(frozen=True, slots=True)
class ExplainedPrice:
    """The source of a price: the feed's last agreed index."""

    feed: int
    name: str
    ticks: int
    time_ms: int
    """Block time at which it was agreed."""
    status: FeedStatus
    usable: bool
    """Whether arrays are built from it."""


@dataclass(frozen=True, slots=True)
class MarginInputs:
    """Everything that one account's margin depends on, at one height; holdings in the order of the listings."""

    account: int
    height: int
    time_ms: int
    arrays_time_ms: int
    """Block time as of which dated instruments are valued."""
    instruments: tuple[Instrument, ...]
    assets: tuple[Asset, ...]
    """With the haircuts in force; cash included."""
    cash_groups: tuple[CashGroup, ...]
    parameters: RiskParameters
    prices: tuple[ExplainedPrice, ...]
    marks: dict[int, int]
    settled: frozenset[int]
    """Instruments that are no longer marked."""
    premia: dict[int, int]
    averages: dict[int, TimeAverage]
    trade_fee_ppm: int
    cash: tuple[int, ...]
    tokens: tuple[int, ...]
    lots: tuple[int, ...]

    @property
    def listed_tokens(self) -> tuple[Asset, ...]:
        """Collateral tokens, in the order of `tokens`."""
        return tuple(sorted((asset for asset in self.assets if not asset.is_cash), key=lambda asset: asset.id))

    @property
    def known_averages(self) -> Averages:
        """Of options that are valued by the average that they settle at."""
        covered = {each: (average.weighted_ticks, average.covered_ms) for each, average in self.averages.items()}
        return listed_averages(self.instruments, covered, enabled=self.parameters.averaged_options)

    @property
    def index(self) -> dict[int, int]:
        """Usable index prices in ticks, by feed."""
        return {price.feed: price.ticks for price in self.prices if price.usable}


@dataclass(frozen=True, slots=True)
class ScenarioLoss:
    """What one scenario of a risk group's grid costs the account; below 0 it gains."""

    number: int
    """Its place in the grid, from 1."""
    scenario: Scenario
    micros: int


@dataclass(frozen=True, slots=True)
class ExplainedTerm:
    """One line: `micros` of equity or of requirement, and its inputs."""

    name: str
    of: str
    micros: int
    inputs: TermInputs
    source: str
    rounding: str
    parts: tuple["ExplainedTerm", ...] = field(default=())
    """They sum to this term, where there are any."""
    scenarios: tuple[ScenarioLoss, ...] = ()
    """Of a group loss: every scenario of the grid. The term is the largest of them, and at least 0."""


@dataclass(frozen=True, slots=True)
class MarginExplanation:
    """The margin of one account, term by term."""

    inputs: MarginInputs
    margin: AccountMargin
    equity: tuple[ExplainedTerm, ...]
    requirement: tuple[ExplainedTerm, ...]
    greeks: tuple[GroupGreeks, ...] = ()
    """Greeks of the positions, by risk group; they do not affect the margin."""
    expiry_greeks: tuple[ExpiryGreeks, ...] = ()
    """The same by expiry within each group."""


def collect_margin_inputs(state: State, account: int) -> MarginInputs:
    """Everything that this account's margin depends on. Costs the size of the listing."""
    terms, holdings = state.terms, current_holdings(state, account)
    names = {feed.id: feed.name for feed in terms.genesis.feeds}
    instruments = tuple(terms.instruments.values())
    return MarginInputs(
        account=account,
        height=state.now.height,
        time_ms=state.now.time_ms,
        arrays_time_ms=state.now.arrays_time_ms,
        instruments=instruments,
        assets=tuple(effective_assets(state)),
        cash_groups=tuple(terms.genesis.cash_groups),
        parameters=effective_parameters(state),
        prices=tuple(
            ExplainedPrice(
                feed,
                names[feed],
                feed_state.ticks,
                feed_state.time_ms,
                feed_state.status,
                usable=feed_state.status != FeedStatus.UNOPENED and feed_state.price_status != PriceStatus.SETTLED,
            )
            for feed, feed_state in state.feeds.ordered()
        ),
        marks={instrument: mark.ticks for instrument, mark in state.marks.ordered()},
        settled=frozenset(instrument for instrument, mark in state.marks.ordered() if mark.settled),
        premia={instrument.id: current_premium_ppb(state, instrument) for instrument in instruments},
        averages={
            instrument.id: settlement_average(state, instrument)
            for instrument in instruments
            if instrument.averaging_ms
        },
        trade_fee_ppm=terms.market.trade_fee_ppm,
        cash=tuple(holdings.cash),
        tokens=tuple(holdings.tokens),
        lots=tuple(holdings.lots),
    )


def arrays_of_inputs(inputs: MarginInputs, before: RiskArrays | None = None) -> tuple[RiskArrays, list[int]]:
    """Arrays of the account's own instruments (nothing else enters its margin), and its lots in their order.

    With the arrays `before` only what moved is computed; the result is the same.
    """
    positions = [(instrument, lots) for instrument, lots in zip(inputs.instruments, inputs.lots, strict=True) if lots]
    arrays = build_risk_arrays(
        [instrument for instrument, _ in positions],
        inputs.assets,
        inputs.cash_groups,
        inputs.marks,
        inputs.index,
        inputs.parameters,
        inputs.arrays_time_ms,
        averages=inputs.known_averages,
        before=before,
    )
    return arrays, [lots for _, lots in positions]


def margin_of_inputs(inputs: MarginInputs, before: RiskArrays | None = None) -> AccountMargin:
    """The account's margin, by the definition; `before` as in `arrays_of_inputs`."""
    arrays, lots = arrays_of_inputs(inputs, before)
    return account_margin(arrays, inputs.cash, inputs.tokens, lots)


def explain_margin(inputs: MarginInputs) -> MarginExplanation:
    """Every term of the account's margin."""
    arrays, lots = arrays_of_inputs(inputs)
    margin = account_margin(arrays, inputs.cash, inputs.tokens, lots)
    per_lot = greeks_per_lot(arrays)
    return MarginExplanation(
        inputs,
        margin,
        equity=_equity_terms(inputs, arrays, lots),
        requirement=_requirement_terms(inputs, arrays, lots, margin),
        greeks=account_greeks(arrays, per_lot, lots),
        expiry_greeks=account_greeks_by_expiry(arrays, per_lot, lots),
    )


def _equity_terms(inputs: MarginInputs, arrays: RiskArrays, lots: list[int]) -> tuple[ExplainedTerm, ...]:
    terms = [
        ExplainedTerm("cash", group.name, micros, (("micros", micros),), "ledger", "exact")
        for group, micros in zip(inputs.cash_groups, inputs.cash, strict=True)
        if micros
    ]
    sources = {price.feed: price for price in inputs.prices}
    for token, units, value in zip(arrays.assets, inputs.tokens, arrays.token_values.tolist(), strict=True):
        if units:
            given: TermInputs = (("units", units), ("micros_per_unit", value), ("haircut_ppm", token.haircut_ppm))
            source = _price_text(sources.get(token.feed))
            terms.append(ExplainedTerm("collateral", token.name, units * value, given, source, "value of a unit down"))
    for instrument, position, row in zip(arrays.instruments, lots, arrays.rows, strict=True):
        if row[0]:
            given = (("lots", position), ("micros_per_lot", row[0]), ("mark_ticks", inputs.marks.get(instrument.id, 0)))
            source = _price_text(sources.get(instrument.feed))
            terms.append(
                ExplainedTerm(
                    "position", instrument.name, position * row[0], given, source, "value of a lot half to even"
                )
            )
    return tuple(terms)


def _requirement_terms(
    inputs: MarginInputs, arrays: RiskArrays, lots: list[int], margin: AccountMargin
) -> tuple[ExplainedTerm, ...]:
    found = [
        _group_loss_term(inputs, arrays, lots, group, number, loss)
        for number, (group, loss) in enumerate(zip(arrays.groups, margin.group_losses, strict=True))
    ]
    terms = margin.terms
    for group, loss, minimum in zip(arrays.groups, margin.group_losses, terms.option_minimums, strict=False):
        if minimum > loss:
            given: TermInputs = (
                ("short_option_minimum", minimum),
                ("scenario_loss", loss),
                ("ppm", group.short_option_ppm),
            )
            found.append(
                ExplainedTerm("short_option_minimum", group.name, minimum - loss, given, "index", "rate of a lot up")
            )
    if terms.credit:
        joint, historical = arrays.tariff.joint, arrays.tariff.historical
        given = (
            ("sum_of_groups", sum(terms.groups(margin.group_losses))),
            ("expected_shortfall", terms.joint),
            ("scenarios", len(joint.scenarios)),
            ("tail", joint.tail),
            ("tail_part_ppm", joint.tail_part_ppm),
            ("weight_ppm", joint.weight_ppm),
        )
        source = "moves of history" if historical else "joint scenarios"
        found.append(ExplainedTerm("inter_group_credit", "", -terms.credit, given, source, "requirement up"))
    found += _charge_terms(arrays, lots)
    for token, units, lines in zip(arrays.assets, inputs.tokens, arrays.tariff.concentration, strict=True):
        if lines.at(units):
            given = (("units", units), ("lines", str(lines.lines)))
            found.append(
                ExplainedTerm("concentration", token.name, lines.at(units), given, "haircut tiers", "rate of a unit up")
            )
    for charge, micros in zip(arrays.tariff.net, terms.net, strict=True):
        group = arrays.groups[charge.group]
        given = tuple((arrays.instruments[at].name, lots[at]) for at in charge.members if lots[at])
        name = "basis_charge" if charge.name == "basis" else f"net_{charge.name}_charge"
        found.append(ExplainedTerm(name, group.name, micros, given, "risk arrays", "coefficient of a lot away from 0"))
    return tuple(term for term in found if term.micros)


def _charge_terms(arrays: RiskArrays, lots: list[int]) -> list[ExplainedTerm]:
    """Contingency and slippage by lot, impact by size."""
    found, tariff = [], arrays.tariff
    listed = zip(arrays.instruments, lots, tariff.lot_rates, tariff.impact, arrays.index_ticks, strict=True)
    for instrument, position, rate, lines, ticks in listed:
        given: TermInputs = (("lots", position), ("index_ticks", ticks))
        by_lot = (*given, ("micros_per_lot", rate))
        found.append(
            ExplainedTerm("lot_charge", instrument.name, rate * abs(position), by_lot, "index", "rate of a lot up")
        )
        by_size = (*given, ("lines", str(lines.lines)))
        found.append(
            ExplainedTerm("impact", instrument.name, lines.at(abs(position)), by_size, "index", "rate of a lot up")
        )
    return found


def _group_loss_term(
    inputs: MarginInputs, arrays: RiskArrays, lots: list[int], group: RiskGroup, number: int, loss: int
) -> ExplainedTerm:
    """The worst scenario's loss, by position and by token that moves in it; the first of equal ones."""
    members = [at for at in arrays.matrices[number].members if lots[at]]
    tokens = [at for at in arrays.matrices[number].tokens if inputs.tokens[at]]
    grid = inputs.parameters.grid(group)
    held: list[tuple[Sequence[int], int]] = [(arrays.rows[at], lots[at]) for at in members]
    held += [(arrays.token_rows[at], inputs.tokens[at]) for at in tokens]
    losses = [sum(size * (row[0] - row[column]) for row, size in held) for column in range(1, 1 + len(grid))]
    worst = max(range(len(losses)), key=lambda column: (losses[column], -column)) if losses else 0
    source = _price_text(next((price for price in inputs.prices if price.feed == group.feed), None))
    parts = tuple(
        ExplainedTerm(
            "position_loss",
            arrays.instruments[at].name,
            lots[at] * (arrays.rows[at][0] - arrays.rows[at][worst + 1]),
            (
                ("lots", lots[at]),
                ("micros_per_lot", arrays.rows[at][0] - arrays.rows[at][worst + 1]),
                ("mark_ticks", inputs.marks.get(arrays.instruments[at].id, 0)),
            ),
            source,
            "value of a lot down",
        )
        for at in members
    )
    parts += tuple(_collateral_loss(inputs, arrays, at, worst + 1) for at in tokens)
    given = (
        ("scenario", worst + 1),
        ("scenarios", len(grid)),
        ("range_ppm", group.range_ppm),
        ("volatility_ppm", group.volatility_ppm),
        ("volatility_range_ppm", group.volatility_range_ppm),
        *_scenario_text(grid[worst]),
    )
    scenarios = tuple(
        ScenarioLoss(at, scenario, micros) for at, (scenario, micros) in enumerate(zip(grid, losses, strict=True), 1)
    )
    rounding = "shocked index away from the index"
    return ExplainedTerm("group_loss", group.name, loss, given, source, rounding, parts, scenarios)


def _collateral_loss(inputs: MarginInputs, arrays: RiskArrays, at: int, column: int) -> ExplainedTerm:
    """The loss of a token in one scenario; a gain is negative, and offsets what positions lose."""
    token, row, units = arrays.assets[at], arrays.token_rows[at], inputs.tokens[at]
    given: TermInputs = (
        ("units", units),
        ("micros_per_unit", row[0] - row[column]),
        ("haircut_ppm", token.haircut_ppm),
        ("fall_share_ppm", token.scenarios.fall_share_ppm),
    )
    source = _price_text(next((price for price in inputs.prices if price.feed == token.feed), None))
    micros = units * (row[0] - row[column])
    return ExplainedTerm("collateral_loss", token.name, micros, given, source, "value of a unit down")


def _scenario_text(scenario: Scenario) -> TermInputs:
    return (
        ("move", f"{scenario.move_numerator}/{scenario.move_denominator}"),
        ("of", "index" if scenario.of_index else "range"),
        ("volatility_direction", scenario.volatility_direction),
        ("weight_ppm", scenario.weight_ppm),
    )


def _price_text(price: ExplainedPrice | None) -> str:
    if price is None:
        return "no price"
    return f"feed {price.name}: {price.ticks} ticks, {price.status.name.lower()}, agreed at {price.time_ms} ms"
