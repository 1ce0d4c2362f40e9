"""`crossclear margin run|explain|simulate`: of a file, a running node, or a block log."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.options import account_options, ask, log_options, open_log
from cli.output import output_option, show
from cli.runs import margin_run

if TYPE_CHECKING:
    from clearing.margin_explanation import MarginInputs
    from clearing.state.state import State
    from member.api.margin import MarginView, PartView, SimulateBody, TermView
    from node.agreement.application import DecidedHeight


@click.group()
def margin() -> None:
    """Margins: of an own account, explained and simulated; of a portfolio in a file, with every intermediate."""


margin.add_command(margin_run)


@click.command("explain")
@click.argument("account", type=click.IntRange(0, 2**63 - 1))
@account_options
@log_options
@output_option
def margin_explain(
    account: int, log: Path | None, genesis: Path | None, cut_torn_tail: bool, output: str, **key: Any
) -> None:
    """Print every term of an own account's margin, with inputs, price source and rounding.

    The terms of equity sum to equity, those of the requirement to initial margin. The liquidation price is found by
    bisection with the same engine: the nearest index at which the account would be liquidated, with everything else
    unchanged.
    """
    if log is None:
        view = ask(lambda client: client.margin(account), **key)
    else:
        from node.api.margin import margin_view

        view = margin_view(_inputs_of_log(account, log, genesis, key, cut_torn_tail=cut_torn_tail))
    show(view, _text(view), output)


margin.add_command(margin_explain)


@click.command("simulate")
@click.argument("account", type=click.IntRange(0, 2**63 - 1))
@click.option("--index", multiple=True, metavar="FEED=PERCENT", help="The index of a feed (its id) moves: 1=-12.5.")
@click.option("--volatility", multiple=True, metavar="GROUP=POINTS", help="Volatility of a risk group: 1=+10.")
@click.option("--trade", multiple=True, metavar="INSTRUMENT=LOTS[@TICKS]", help="Added lots: 4=-20, 4=5@790000.")
@click.option("--cash", multiple=True, metavar="GROUP=MICROS", help="Deposited cash, negative to withdraw.")
@click.option("--token", multiple=True, metavar="ASSET=UNITS", help="Deposited tokens, negative to withdraw.")
@account_options
@log_options
@output_option
def margin_simulate(
    account: int,
    log: Path | None,
    genesis: Path | None,
    cut_torn_tail: bool,
    index: tuple[str, ...],
    volatility: tuple[str, ...],
    trade: tuple[str, ...],
    cash: tuple[str, ...],
    token: tuple[str, ...],
    output: str,
    **key: Any,
) -> None:
    """Print an own account's margin after a shock: deposits, then trades, then prices. Nothing is changed."""
    shock = shock_body(index, volatility, trade, cash, token)
    if log is None:
        view = ask(lambda client: client.simulate_margin(account, shock), **key)
    else:
        from clearing.margin_simulation import simulate
        from node.api.margin import shock_of, simulation_view

        inputs = _inputs_of_log(account, log, genesis, key, cut_torn_tail=cut_torn_tail)
        view = simulation_view(inputs, simulate(inputs, shock_of(shock)))
    changes = [
        f"{name:<12} {before:>24} -> {after:>24}"
        for name, before, after in (
            ("equity", view.before.equity_micros, view.after.equity_micros),
            ("initial", view.before.initial_margin_micros, view.after.initial_margin_micros),
            ("maintenance", view.before.maintenance_margin_micros, view.after.maintenance_margin_micros),
        )
    ]
    show(view, "\n".join([*changes, "", _text(view.after)]), output)


margin.add_command(margin_simulate)

T = TypeVar("T")


def shock_body(
    index: tuple[str, ...],
    volatility: tuple[str, ...],
    trade: tuple[str, ...],
    cash: tuple[str, ...],
    token: tuple[str, ...],
) -> "SimulateBody":
    """The request of these options. Raises click.BadParameter naming the option."""
    import msgspec

    from member.api.margin import SimulateBody

    data = {
        "index": [{"feed": each, "move_ppm": _ppm(value, "--index")} for each, value in _pairs(index, "--index")],
        "volatility": [
            {"group": each, "points_ppm": _ppm(value, "--volatility")}
            for each, value in _pairs(volatility, "--volatility")
        ],
        "trades": [_trade(each, value) for each, value in _pairs(trade, "--trade")],
        "cash": [{"cash_group": each, "amount_micros": value} for each, value in _pairs(cash, "--cash")],
        "tokens": [{"asset": each, "amount_units": value} for each, value in _pairs(token, "--token")],
    }
    try:
        return msgspec.convert(data, SimulateBody)
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error)) from None


def _inputs_of_log(
    account: int, log: Path, genesis: Path | None, key: dict[str, Any], *, cut_torn_tail: bool
) -> "MarginInputs":
    """As they were after the log's last block. Raises LocalFault API_NOT_FOUND for an unknown account."""
    from clearing.base.errors import LocalFault
    from clearing.margin_explanation import collect_margin_inputs
    from member.codes import NodeCode
    from node.offline.replay import replay

    files = {name: key[name] for name in ("home", "password_file", "devnet")}
    newest: list[State] = []

    def tell(decided: "DecidedHeight") -> None:
        newest[:] = [decided.state]

    replay(*open_log(log, genesis, cut_torn_tail=cut_torn_tail, **files), tell)
    if not newest or account not in newest[0].accounts:
        raise LocalFault(NodeCode.API_NOT_FOUND, "account", account=account)
    return collect_margin_inputs(newest[0], account)


def _pairs(given: tuple[str, ...], option: str) -> list[tuple[int, str]]:
    found = []
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name.isascii() or not name.isdigit():
            raise click.BadParameter(f"expected ID=VALUE, got {each!r}", param_hint=option)
        found.append((int(name), value.removeprefix("+")))
    return found


def _ppm(percent: str, option: str) -> int:
    """Per cent with at most four decimals, as millionths."""
    from decimal import Decimal, InvalidOperation

    try:
        scaled = Decimal(percent) * 10_000
        whole = int(scaled)
    except (InvalidOperation, ValueError, OverflowError):
        raise click.BadParameter(f"expected a percentage, got {percent!r}", param_hint=option) from None
    if whole != scaled or abs(whole) > 10**9:
        raise click.BadParameter(f"expected at most four decimals, got {percent!r}", param_hint=option)
    return whole


def _trade(instrument: int, value: str) -> dict[str, Any]:
    lots, at, ticks = value.partition("@")
    return {"instrument": instrument, "lots": lots, "price_ticks": ticks if at else None}


def _text(view: "MarginView") -> str:
    """For a terminal; amounts in micros."""
    lines = [
        f"account {view.account} after height {view.height}, dated instruments as of {view.arrays_time_ms} ms",
        "",
        *_table("equity", view.equity, view.equity_micros),
        "",
        *_table("initial margin", view.requirement, view.initial_margin_micros),
        "",
        f"maintenance {view.maintenance_margin_micros} = {view.maintenance_fraction[0]}/{view.maintenance_fraction[1]}"
        " of initial, up",
        f"initial margin {'covered' if view.initial_ok else 'NOT COVERED'},"
        f" maintenance {'covered' if view.maintenance_ok else 'NOT COVERED'}",
    ]
    for price in view.liquidation:
        below, above = price.below_ticks or "-", price.above_ticks or "-"
        lines.append(f"liquidated at {price.name} {below} below, {above} above the index {price.index_ticks}")
    lines += [
        f"greeks {greek.name}: delta {greek.delta_nano} and gamma {greek.gamma_nano} x 10^-9 of the underlying,"
        f" vega {greek.vega_micros} a point, theta {greek.theta_micros} a day"
        for greek in view.greeks
    ]
    return "\n".join(lines)


def _table(title: str, terms: "tuple[TermView, ...]", total: str) -> list[str]:
    lines = [f"{title:<22} {'':<16} {total:>24}"]
    for term in terms:
        lines.append(_line("  ", term))
        lines += [_line("    ", part) for part in term.parts]
    return lines


def _line(indent: str, term: "TermView | PartView") -> str:
    inputs = ", ".join(f"{name} {value}" for name, value in term.inputs.items())
    head = f"{indent + term.name:<22} {term.of:<16} {term.amount_micros:>24}"
    return f"{head}  {inputs}; {term.source}; {term.rounding}"
