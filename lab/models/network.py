"""The network's own requirement as a `RiskModel`, and its accounts as a `Portfolio`.

Rule: nothing is computed twice: arrays and tariff are the engine's, given as scanning arrays and charges in micros and
lots; their requirement is in the model's own terms. A token that moves in a group's scenarios is a spot instrument of
the group. A test compares the figures of both.
"""

from collections.abc import Mapping, Sequence

from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.margin.risk_arrays.net_charges import ChargeRows
from clearing.schema.risk.charges import Lines
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from lab.models.net_terms import NetRow, NetRows, RowCoefficient
from lab.models.portfolio import (
    Collateral,
    Contract,
    ContractKind,
    Group,
    Holding,
    Portfolio,
    PortfolioAccount,
    PortfolioPosition,
)
from lab.models.scan_terms import Scan, Selection
from lab.models.terms import (
    CollateralCharge,
    Convex,
    InstrumentCharge,
    JointCreditTerm,
    JointScenarioTerm,
    MarginLevel,
    MinimumTerm,
    PerSize,
    RiskModel,
    Secant,
    Term,
)

Holdings = tuple[Sequence[int], Sequence[int], Sequence[int]]
"""(cash, tokens, positions) of an account, in the order of the arrays."""

_KINDS: dict[InstrumentKind, ContractKind] = {
    InstrumentKind.PERPETUAL: "perpetual",
    InstrumentKind.FUTURE: "future",
    InstrumentKind.CALL: "call",
    InstrumentKind.PUT: "put",
    InstrumentKind.FORWARD: "forward",
}


def model_of(arrays: RiskArrays) -> RiskModel:
    """The requirement under these arrays: sizes in lots, amounts in micros, every rounding to a whole micro."""
    tariff, parameters = arrays.tariff, arrays.parameters
    terms: list[Term] = [Scan("scan", joint_points=len(parameters.history.scenarios))]
    over: tuple[str, ...] = ("scan",)
    floor = ""
    if tariff.has_short_rates:
        rates = zip(arrays.instruments, tariff.short_rates, strict=True)
        charges = tuple(InstrumentCharge(instrument.name, rate) for instrument, rate in rates if instrument.is_option)
        terms.append(MinimumTerm("short option minimum", ("scan",), charges=charges))
        over, floor = ("scan", "short option minimum"), "short option minimum"
    if tariff.credits_groups:
        terms.append(
            JointCreditTerm(
                name="credit between groups",
                scenarios=tuple(
                    JointScenarioTerm(scenario.columns, count)
                    for scenario, count in zip(tariff.joint.scenarios, tariff.joint_counts, strict=True)
                ),
                tail=tariff.averaged_losses,
                over=over,
                floor=floor,
                keep_largest=tariff.joint.keep_largest,
                weight=f"{tariff.joint.weight_ppm}/1000000",
                decimals=0,
                rounding="up",
                required=tariff.historical,
            )
        )
    for instrument, rate, impact in zip(arrays.instruments, tariff.lot_rates, tariff.impact, strict=True):
        only = Selection(instruments=(instrument.name,))
        if rate:
            terms.append(PerSize(f"charge on {instrument.name}", amount=rate, select=only))
        if impact.lines:
            terms.append(Convex(f"impact of {instrument.name}", _secants(impact), select=only))
    for at, (token, lines) in enumerate(zip(arrays.assets, tariff.concentration, strict=True)):
        if lines.lines and _is_inside(arrays, at):
            only = Selection(instruments=(_spot_name(token),))
            terms.append(Convex(f"concentration of {token.name}", _secants(lines), select=only))
        elif lines.lines:
            terms.append(CollateralCharge(f"concentration of {token.name}", token.name, _secants(lines)))
    terms += (_net_rows(arrays, charge) for charge in tariff.net)
    fraction = f"{parameters.maintenance_numerator}/{parameters.maintenance_denominator}"
    levels = (MarginLevel("initial", decimals=0), MarginLevel("maintenance", "initial", fraction, decimals=0))
    return RiskModel(tuple(terms), levels, collateral_decimals=0, name="network")


def portfolio_of(arrays: RiskArrays, holdings: Mapping[str, Holdings]) -> Portfolio:
    """Accounts by name, in lots, units and micros; a marked instrument's gains are paid, an option counts whole."""
    groups = {group.id: group.name for group in arrays.groups}
    contracts = [
        _contract(instrument, groups[instrument.group], row)
        for instrument, row in zip(arrays.instruments, arrays.rows, strict=True)
    ]
    listed = list(enumerate(zip(arrays.assets, arrays.token_prices, strict=True)))
    tokens = [Collateral(asset.name, value) for at, (asset, value) in listed if not _is_inside(arrays, at)]
    contracts += [
        _spot(asset, groups[asset.scenarios.group], arrays.token_rows[at])
        for at, (asset, _) in listed
        if _is_inside(arrays, at)
    ]
    return Portfolio(
        groups=tuple(Group(group.name) for group in arrays.groups),
        instruments=tuple(contracts),
        collateral=tuple(tokens),
        accounts=tuple(_account(arrays, name, held) for name, held in holdings.items()),
    )


def _contract(instrument: Instrument, group: str, row: Sequence[int]) -> Contract:
    return Contract(
        instrument.name,
        _KINDS[instrument.kind],
        group,
        strike=instrument.strike_ticks,
        mark=row[0] if instrument.is_option else 0,
        scanning=tuple(value - row[0] for value in row[1:]),
    )


def _is_inside(arrays: RiskArrays, token: int) -> bool:
    return bool(arrays.token_rows and arrays.token_rows[token])


def _spot_name(token: Asset) -> str:
    """Instruments and tokens may have one name."""
    return f"token:{token.name}"


def _spot(token: Asset, group: str, row: Sequence[int]) -> Contract:
    """A token as a position that is worth its value after haircut, and moves as in its row."""
    return Contract(_spot_name(token), "spot", group, mark=row[0], scanning=tuple(value - row[0] for value in row[1:]))


def _account(arrays: RiskArrays, name: str, holdings: Holdings) -> PortfolioAccount:
    cash, tokens, positions = holdings
    held = [
        (token, units, _is_inside(arrays, at))
        for at, (token, units) in enumerate(zip(arrays.assets, tokens, strict=True))
    ]
    lots = [(instrument.name, size) for instrument, size in zip(arrays.instruments, positions, strict=True)]
    lots += [(_spot_name(token), units) for token, units, inside in held if inside]
    return PortfolioAccount(
        name,
        cash=f"{sum(cash)}",
        collateral=tuple(Holding(token.name, units) for token, units, inside in held if units and not inside),
        positions=tuple(PortfolioPosition(name, size) for name, size in lots if size),
    )


def _net_rows(arrays: RiskArrays, charge: ChargeRows) -> NetRows:
    """A charge on a net amount, row by row."""
    group = arrays.groups[charge.group].name
    names = [arrays.instruments[at].name for at in charge.members]
    rows = tuple(
        NetRow(
            tuple(RowCoefficient(name, value) for name, value in zip(names, coefficients, strict=True) if value),
            f"{-intercept}",
        )
        for coefficients, intercept in charge.rows
    )
    return NetRows(f"{charge.name} of {group}", group, rows)


def _secants(lines: Lines) -> tuple[Secant, ...]:
    return tuple(Secant(slope, f"{-intercept}") for slope, intercept in lines.lines)
