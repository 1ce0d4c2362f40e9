"""`crossclear margin run`: a risk model on a portfolio out of one file.

Rule: the file is hostile until checked; what is wrong is refused with a code and the path. The result has every
intermediate, each as an exact number. It must not touch a node, the network or a clock.
"""

from typing import Annotated, Any, Literal

import msgspec

from clearing.base.codec import Wire
from clearing.base.errors import BaseCode, RemoteFault
from lab.evaluation.evaluate import AccountResult, Evaluator
from lab.evaluation.liquidation_price import EVALUATIONS_MAX, EVALUATIONS_MIN, AskLiquidationPrice, liquidation_price
from lab.evaluation.rules import Rule, apply_rule
from lab.models.check_given import check_given
from lab.models.check_model import OPTION_VALUES_MAX, SCAN_ENTRIES_MAX, check_model
from lab.models.check_orders import check_orders
from lab.models.check_portfolio import check_fit, check_portfolio
from lab.models.named import from_json
from lab.models.portfolio import Portfolio
from lab.models.scan_terms import Scan, grid_points
from lab.models.terms import RiskModel
from lab.runs.units import as_json

RULES_MAX = 256
ASKS_MAX = 16
ENTRIES_AGAIN_MAX = 10 * SCAN_ENTRIES_MAX
"""Positions times scenarios and terms, evaluated again for rules and for every price that a search tries."""

Note = Annotated[str, msgspec.Meta(max_length=2000)]


class MarginRun(Wire, frozen=True):
    """The input of `crossclear margin run`."""

    format: Literal["crossclear.margin.v1"]
    portfolio: Portfolio = Portfolio()
    model: RiskModel | None = None
    """May also be given as a file of its own."""
    rules: tuple[Rule, ...] = ()
    """Applied after the margins."""
    liquidation_prices: tuple[AskLiquidationPrice, ...] = ()
    note: Note = ""
    """For people."""


NO_MODEL = RiskModel(terms=(), levels=())


def read_margin_run(data: bytes, model: bytes | None = None) -> MarginRun:
    """Read and check a file, and a model out of a file of its own, if given. Raises RemoteFault with the path."""
    run = from_json(data, MarginRun)
    if model is not None:
        if run.model is not None:
            raise RemoteFault(BaseCode.MALFORMED, "model", why="given twice: in the file and as a file of its own")
        run = MarginRun(run.format, run.portfolio, from_json(model, RiskModel), *_rest(run))
    check_portfolio(run.portfolio)
    if run.model is not None:
        check_model(run.model)
        check_fit(run.model, run.portfolio)
        check_given(run.model, run.portfolio)
        check_orders(run.model, run.portfolio)
        _bounded(run, run.model)
    elif run.portfolio.accounts or run.liquidation_prices:
        raise RemoteFault(BaseCode.MALFORMED, "model", why="missing: there are accounts to be margined")
    if len(run.rules) > RULES_MAX:
        raise RemoteFault(BaseCode.OVERSIZE, "rules", items=len(run.rules), limit=RULES_MAX)
    return run


def margin_run(run: MarginRun) -> dict[str, Any]:
    """Evaluate a checked file: a JSON object. Raises RemoteFault with the path of a rule that makes no sense."""
    model = run.model or NO_MODEL
    try:
        return _evaluated(run, model)
    except (OverflowError, ZeroDivisionError) as error:
        raise RemoteFault(BaseCode.OUT_OF_RANGE, "file", why=str(error)) from None


def _evaluated(run: MarginRun, model: RiskModel) -> dict[str, Any]:
    evaluator, evaluations = Evaluator(model, run.portfolio), _evaluations(run, model)
    results: dict[str, AccountResult] = {}
    for account in run.portfolio.accounts:
        results[account.id] = evaluator.account(account)
    return {
        "format": "crossclear.margin.result.v1",
        "model": model.name,
        "instruments": [_instrument(evaluator, instrument.id) for instrument in run.portfolio.instruments],
        "scans": [_scan(evaluator, term) for term in model.terms if isinstance(term, Scan)],
        "accounts": [_account(result) for result in results.values()],
        "rules": [
            as_json(apply_rule(rule, evaluator, results, f"rules[{number}]")) for number, rule in enumerate(run.rules)
        ],
        "liquidation_prices": [
            as_json(liquidation_price(model, run.portfolio, ask, f"liquidation_prices[{number}]", evaluations))
            for number, ask in enumerate(run.liquidation_prices)
        ],
    }


def _instrument(evaluator: Evaluator, instrument: str) -> dict[str, Any]:
    quote = evaluator.quotes[instrument]
    fields = {name: as_json(getattr(quote, name)) for name in ("index", "forward", "years", "discount", "volatility")}
    return {"instrument": instrument, "kind": quote.contract.kind, **fields} | {
        "price": as_json(quote.value),
        "mark": as_json(quote.mark),
        "delta": as_json(quote.delta),
    }


def _scan(evaluator: Evaluator, scan: Scan) -> dict[str, Any]:
    scanner = evaluator.scanners[scan.name]
    chosen = [
        instrument.id
        for instrument in evaluator.portfolio.instruments
        if not instrument.scanning and scan.select.has(instrument)
    ]
    return {
        "name": scan.name,
        "scenarios": [as_json(point) for point in grid_points(scan)],
        "prices": {instrument: as_json(scanner.values(instrument)) for instrument in chosen},
    }


def _account(result: AccountResult) -> dict[str, Any]:
    fields: dict[str, Any] = as_json(result)
    for level, level_fields in zip(result.levels, fields["levels"], strict=True):
        level_fields["covered"] = level.covered
    return fields


def _bounded(run: MarginRun, model: RiskModel) -> None:
    if len(run.liquidation_prices) > ASKS_MAX:
        raise RemoteFault(BaseCode.OVERSIZE, "liquidation_prices", items=len(run.liquidation_prices), limit=ASKS_MAX)
    values, entries = _work(run, model)
    asks = len(run.liquidation_prices) * EVALUATIONS_MIN
    if asks * values > 5 * OPTION_VALUES_MAX:
        raise RemoteFault(
            BaseCode.OVERSIZE, "liquidation_prices", option_values=asks * values, limit=5 * OPTION_VALUES_MAX
        )
    again = entries * (asks + len(run.rules))
    if again > ENTRIES_AGAIN_MAX:
        raise RemoteFault(BaseCode.OVERSIZE, "liquidation_prices", entries=again, limit=ENTRIES_AGAIN_MAX)


def _work(run: MarginRun, model: RiskModel) -> tuple[int, int]:
    """Option values, and positions times scenarios and terms, of one evaluation of the largest account."""
    options = sum(instrument.kind in ("call", "put") for instrument in run.portfolio.instruments)
    points = sum(len(grid_points(term)) for term in model.terms if isinstance(term, Scan))
    most = max((len(account.positions) + len(account.orders) for account in run.portfolio.accounts), default=0)
    return options * points, most * (points + len(model.terms))


def _evaluations(run: MarginRun, model: RiskModel) -> int:
    """How often each search may evaluate its account, so that all stay within the limits of the work."""
    values, entries = _work(run, model)
    asks = max(len(run.liquidation_prices), 1)
    by_values = 5 * OPTION_VALUES_MAX // max(values * asks, 1)
    by_entries = ENTRIES_AGAIN_MAX // max(entries * asks, 1) - len(run.rules)
    return max(min(by_values, by_entries, EVALUATIONS_MAX), EVALUATIONS_MIN)


def _rest(run: MarginRun) -> tuple[tuple[Rule, ...], tuple[AskLiquidationPrice, ...], Note]:
    return run.rules, run.liquidation_prices, run.note
