"""Eight textbook portfolios under three rules: the network's own requirement, Deribit's and Derive's portfolio margin.

Rule: one market and the same positions for all. The two venues' rules are the run-file models beside this module; what
a model has no term for, Deribit's roll shock, is computed here. Sources are on the page that has this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import expm1
from pathlib import Path

from clearing.base.units import DAY_MS, PPM
from clearing.margin.requirement.account_margin import AccountMargin, account_margin
from clearing.margin.risk_arrays.arrays import RiskArrays, build_risk_arrays
from clearing.margin.risk_arrays.grid import OPTION_GRID, OPTION_SHOCK
from clearing.schema.risk.charges import LotCharge
from clearing.schema.risk.group_charges import BasisMove, BasisPoint, GroupCharges, NetCharge
from clearing.schema.risk.parameters import RiskGroup, RiskParameters
from clearing.schema.terms.assets import CashGroup
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from lab.evaluation.evaluate import AccountResult, Evaluator
from lab.models.check_model import check_model
from lab.models.check_portfolio import check_fit, check_portfolio
from lab.models.named import from_json
from lab.models.numbers import exact_rational
from lab.models.portfolio import Contract, Portfolio, PortfolioAccount
from lab.models.terms import RiskModel
from lab.runs.margin import MarginRun

FOLDER = Path(__file__).parent
TICKS, LOTS = 100, 100
"""Ticks of 0.01 a dollar, lots of 0.01 ETH a contract."""
MICROS_PER_TICK = 10**6 // TICKS // LOTS
NOW_MS = 1_700_000_000_000
KINDS = {"perpetual": InstrumentKind.PERPETUAL, "call": InstrumentKind.CALL, "put": InstrumentKind.PUT}
SHORT_OPTION_PPM = 40_000
"""As the devnet's ETH; so are the charges."""
PERPETUAL_CHARGE = LotCharge(0, 5_000, 500, 80_000, 5_000, 10_000)
OPTION_CHARGE = LotCharge(0, slippage_ppm=2_000)
NET_CHARGES = GroupCharges(
    basis=(
        BasisMove((BasisPoint(30 * DAY_MS, 5_000), BasisPoint(90 * DAY_MS, 12_600))),
        BasisMove((BasisPoint(30 * DAY_MS, 5_000), BasisPoint(90 * DAY_MS, -12_600))),
    ),
    delta=NetCharge(rate_ppm=500),
    vega=NetCharge(rate_ppm=20_000),
)
"""What a network may add: each month apart from the perpetual by what Deribit's roll shock moves it, either way."""
MOVE_RISK, MOVE_LEAST = 0.05, 0.005
"""Deribit's `annualised_move_risk` and `min_annualised_move` of ETH."""
DERIBIT_MAINTENANCE = Fraction(8, 10)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One portfolio under one rule, in dollars."""

    scan: Fraction
    """The worst scenario."""
    further: Mapping[str, Fraction]
    """What is added, by name."""
    maintenance: Fraction

    @property
    def initial(self) -> Fraction:
        """The sum."""
        return self.scan + sum(self.further.values(), Fraction(0))


@dataclass(frozen=True, slots=True)
class Comparison:
    """One portfolio under all rules."""

    portfolio: str
    option_value: Fraction
    here: Requirement
    net: Mapping[str, Fraction]
    """What `NET_CHARGES` add to `here`, by name."""
    deribit: Requirement
    derive: Requirement


def comparisons() -> list[Comparison]:
    """All portfolios in the order of their file."""
    run = from_json((FOLDER / "portfolios.json").read_bytes(), MarginRun)
    check_portfolio(run.portfolio)
    own, netted = _own_arrays(run.portfolio, GroupCharges()), _own_arrays(run.portfolio, NET_CHARGES)
    deribit, derive = (_evaluator(name, run.portfolio) for name in ("deribit", "derive"))
    found = []
    for account in run.portfolio.accounts:
        result = derive.account(account)
        found.append(
            Comparison(
                account.id,
                result.position_value,
                _here(own, account),
                _net(netted, account),
                _deribit(deribit.account(account), run.portfolio),
                _derive(result),
            )
        )
    return found


def _evaluator(name: str, portfolio: Portfolio) -> Evaluator:
    model = from_json((FOLDER / f"{name}.json").read_bytes(), RiskModel)
    check_model(model)
    check_fit(model, portfolio)
    return Evaluator(model, portfolio)


def _own_arrays(portfolio: Portfolio, charges: GroupCharges) -> RiskArrays:
    """The network's arrays of this market, with its option grid and the devnet's charges."""
    (market,) = portfolio.groups
    group = RiskGroup(
        id=1,
        name=market.id,
        feed=1,
        range_ppm=180_000,
        volatility_ppm=int(exact_rational(market.volatility or 0) * PPM),
        volatility_range_ppm=500_000,
        short_option_ppm=SHORT_OPTION_PPM,
        shock=OPTION_SHOCK,
        scenarios=OPTION_GRID,
        charges=charges,
    )
    listed = tuple(_instrument(number, each) for number, each in enumerate(portfolio.instruments, start=1))
    of_lots = tuple(LotCharge(each.id, *_charge(each)) for each in listed)
    parameters = RiskParameters((group,), rate_ppm=int(exact_rational(market.rate) * PPM), charges=of_lots)
    index = {1: int(exact_rational(market.price or 0) * TICKS)}
    return build_risk_arrays(listed, (), (CashGroup(1, "USD"),), {}, index, parameters, NOW_MS)


def _charge(instrument: Instrument) -> tuple[int, int, int, int, int]:
    charge = OPTION_CHARGE if instrument.is_option else PERPETUAL_CHARGE
    return (
        charge.contingency_ppm,
        charge.slippage_ppm,
        charge.depth_lots,
        charge.linear_impact_ppm,
        charge.root_impact_ppm,
    )


def _instrument(number: int, contract: Contract) -> Instrument:
    expiry = NOW_MS + contract.seconds * 1000 if contract.seconds else 0
    strike = int(exact_rational(contract.strike) * TICKS)
    return Instrument(number, contract.id, KINDS[contract.kind], 1, 1, 1, MICROS_PER_TICK, expiry, strike)


def _margin(arrays: RiskArrays, account: PortfolioAccount) -> AccountMargin:
    sizes = {position.instrument: int(exact_rational(position.size) * LOTS) for position in account.positions}
    return account_margin(arrays, [0], [], [sizes.get(each.name, 0) for each in arrays.instruments])


def _net(arrays: RiskArrays, account: PortfolioAccount) -> dict[str, Fraction]:
    charged = zip(arrays.tariff.net, _margin(arrays, account).terms.net, strict=True)
    return {charge.name: Fraction(micros, 10**6) for charge, micros in charged}


def _here(arrays: RiskArrays, account: PortfolioAccount) -> Requirement:
    margin = _margin(arrays, account)
    minimum = max(sum(margin.terms.option_minimums) - sum(margin.group_losses), 0)
    further = {"minimum": minimum, "charges": margin.terms.charges + margin.terms.impact}
    return Requirement(
        Fraction(sum(margin.group_losses), 10**6),
        {name: Fraction(micros, 10**6) for name, micros in further.items()},
        Fraction(margin.maintenance, 10**6),
    )


def _deribit(result: AccountResult, portfolio: Portfolio) -> Requirement:
    """The risk matrix of the run file and the roll shock; the extended table and the delta shock are 0 at this size."""
    scan = result.term("risk matrix").amount
    initial = scan + roll_shock(result, portfolio)
    return Requirement(scan, {"roll shock": initial - scan}, initial * DERIBIT_MAINTENANCE)


def roll_shock(result: AccountResult, portfolio: Portfolio) -> Fraction:
    """Sum over expiries of |net delta| x index x max(least move, exp(move risk x years) - 1), at eight decimals."""
    contracts = {contract.id: contract for contract in portfolio.instruments}
    deltas: dict[int, Fraction] = {}
    for position in result.positions:
        seconds = contracts[position.instrument].seconds
        deltas[seconds] = deltas.get(seconds, Fraction(0)) + position.delta * position.index
    moves = {seconds: max(MOVE_LEAST, expm1(MOVE_RISK * seconds / (365 * 86_400))) for seconds in deltas}
    return sum((abs(delta) * Fraction(f"{moves[seconds]:.8f}") for seconds, delta in deltas.items()), Fraction(0))


def _derive(result: AccountResult) -> Requirement:
    amounts = {term.name: term.amount for term in result.terms}
    further = {
        "perpetuals": amounts["perpetuals"] + amounts["perpetuals, initial"],
        "naked shorts": amounts["naked shorts"] + amounts["naked shorts, initial"],
    }
    return Requirement(amounts["scenarios"], further, result.level("maintenance").requirement)


def tables() -> str:
    """The tables of the page, in Markdown."""
    found = comparisons()
    totals = [
        "| portfolio | value of the options | here | Deribit | Derive |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {each.portfolio} | {_shown(each.option_value)} | "
            + " | ".join(
                f"{_shown(rule.initial)} / {_shown(rule.maintenance)}"
                for rule in (each.here, each.deribit, each.derive)
            )
            + " |"
            for each in found
        ),
    ]
    parts = [
        "| portfolio | here: scan, minimum, charges | Deribit: matrix, roll | Derive: scan, perpetual, naked shorts |",
        "|---|---|---|---|",
        *(
            f"| {each.portfolio} | {_parts(each.here)} | {_parts(each.deribit)} | {_parts(each.derive)} |"
            for each in found
        ),
    ]
    net = [
        "| portfolio | basis | net delta | net vega |",
        "|---|---:|---:|---:|",
        *(
            f"| {each.portfolio} | " + " | ".join(_shown(each.net[name]) for name in ("basis", "delta", "vega")) + " |"
            for each in found
        ),
    ]
    return "\n".join([*totals, "", *parts, "", *net])


def _parts(rule: Requirement) -> str:
    return " + ".join(_shown(amount) for amount in (rule.scan, *rule.further.values()))


def _shown(amount: Fraction) -> str:
    return f"{float(amount):,.2f}"
