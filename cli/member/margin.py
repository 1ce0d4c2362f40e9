"""`crossclear margin run|period|explain|simulate`: of a file, a running node, or a block log."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from cli.lab import margin_period, margin_run
from cli.options import NUMBER, AnswerSource, source_options
from cli.output import output_option, show

if TYPE_CHECKING:
    from clearing.schema.terms.genesis import Genesis
    from member.api.margin import SimulateBody


@click.group()
def margin() -> None:
    """Explain and simulate the margin of an own account, or evaluate a portfolio in a file."""


margin.add_command(margin_run)
margin.add_command(margin_period)


@margin.command("explain")
@click.argument("account", type=NUMBER)
@source_options
@output_option
def margin_explain(account: int, source: AnswerSource, output: str) -> None:
    """Print every term of an own account's margin, with inputs, price source and rounding.

    The terms of equity sum to equity, those of the requirement to initial margin. The liquidation price is found by
    bisection with the same engine: the nearest index at which the account would be liquidated, with everything else
    unchanged.

    Example: crossclear margin explain 1 --key trade --home HOME
    """
    from member.printing.accounts import margin_text

    if source.log is None:
        view = source.ask(lambda client: client.margin(account))
    else:
        from node.api.margin import margin_view
        from node.offline.log_readers import margin_inputs_of_log

        view = margin_view(margin_inputs_of_log(source.open_log(), account))
    show(view, margin_text(view), output)


@margin.command("simulate")
@click.argument("account", type=NUMBER)
@click.option("--index", multiple=True, metavar="FEED=PERCENT", help="The index of a feed moves: BTC=-12.5.")
@click.option("--volatility", multiple=True, metavar="GROUP=POINTS", help="Volatility of a risk group: BTC=+10.")
@click.option("--trade", multiple=True, metavar="INSTRUMENT=LOTS[@TICKS]", help="Added lots: BTC-PERP=-20, 4=5@790000.")
@click.option("--cash", multiple=True, metavar="GROUP=MICROS", help="Deposited cash, negative to withdraw.")
@click.option("--token", multiple=True, metavar="ASSET=UNITS", help="Deposited tokens, negative to withdraw.")
@source_options
@output_option
def margin_simulate(
    account: int,
    source: AnswerSource,
    index: tuple[str, ...],
    volatility: tuple[str, ...],
    trade: tuple[str, ...],
    cash: tuple[str, ...],
    token: tuple[str, ...],
    output: str,
) -> None:
    """Print an own account's margin after a shock: deposits, then trades, then prices. Nothing is changed.

    Feeds, groups, instruments and assets are named, or numbered as in the terms in force.

    Example: crossclear margin simulate 1 --index 1=-10 --trade 4=20 --key trade --home HOME
    """
    from member.printing.accounts import simulation_text

    given = (*index, *volatility, *trade, *cash, *token)
    ids = listed_ids(source.ask(lambda client: client.terms())) if source.log is None and _has_names(given) else None
    shock = shock_body(index, volatility, trade, cash, token, ids)
    if source.log is None:
        view = source.ask(lambda client: client.simulate_margin(account, shock))
    else:
        from clearing.margin_simulation import simulate
        from node.api.margin import shock_of, simulation_view
        from node.offline.log_readers import margin_inputs_of_log

        inputs = margin_inputs_of_log(source.open_log(), account)
        view = simulation_view(inputs, simulate(inputs, shock_of(shock)))
    show(view, simulation_text(view), output)


def shock_body(
    index: tuple[str, ...],
    volatility: tuple[str, ...],
    trade: tuple[str, ...],
    cash: tuple[str, ...],
    token: tuple[str, ...],
    ids: Mapping[str, Mapping[str, int]] | None = None,
) -> "SimulateBody":
    """The request of these options. Raises click.BadParameter naming the option.

    `ids`: by option, the ids of what is listed, by name; None where things are numbered.
    """
    import msgspec

    from member.api.margin import SimulateBody

    data = {
        "index": [{"feed": feed, "move_ppm": _ppm(value, "--index")} for feed, value in _pairs(index, "--index", ids)],
        "volatility": [
            {"group": group, "points_ppm": _ppm(value, "--volatility")}
            for group, value in _pairs(volatility, "--volatility", ids)
        ],
        "trades": [_trade(instrument, value) for instrument, value in _pairs(trade, "--trade", ids)],
        "cash": [{"cash_group": group, "amount_micros": value} for group, value in _pairs(cash, "--cash", ids)],
        "tokens": [{"asset": asset, "amount_units": value} for asset, value in _pairs(token, "--token", ids)],
    }
    try:
        return msgspec.convert(data, SimulateBody)
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error)) from None


def listed_ids(terms: "Genesis") -> dict[str, dict[str, int]]:
    """The ids of what is listed, by option and name."""
    return {
        "--index": {each.name: each.id for each in terms.feeds},
        "--volatility": {each.name: each.id for each in terms.risk.groups},
        "--trade": {each.name: each.id for each in terms.instruments},
        "--cash": {each.name: each.id for each in terms.cash_groups},
        "--token": {each.name: each.id for each in terms.assets},
    }


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _has_names(given: tuple[str, ...]) -> bool:
    return any(not _is_number(text.rpartition("=")[0]) for text in given)


def _pairs(given: tuple[str, ...], option: str, ids: Mapping[str, Mapping[str, int]] | None) -> list[tuple[int, str]]:
    found = []
    for text in given:
        name, equals, value = text.rpartition("=")
        listed = ids[option] if ids is not None else {}
        if not equals or not (_is_number(name) or name in listed):
            why = f"; listed: {', '.join(sorted(listed))}" if listed else ""
            raise click.BadParameter(f"expected ID=VALUE or NAME=VALUE, got {text!r}{why}"[:1000], param_hint=option)
        # A name that is a number names what is listed under it.
        found.append((listed[name] if name in listed else int(name), value.removeprefix("+")))
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
