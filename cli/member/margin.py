"""`crossclear margin run|period|explain|simulate`: of a file, a running node, or a block log."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from cli.lab import margin_period, margin_run
from cli.options import AnswerSource, parsed, source_options
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
@click.argument("account")
@click.option("--group", metavar="NAME", help="Only what a risk group adds, with its positions.")
@click.option("--term", metavar="NAME", help="Only terms of this name, with their parts: impact, group_loss.")
@click.option("--scenarios", is_flag=True, help="The loss in every scenario of each risk group, too.")
@click.option("--detail", is_flag=True, help="Inputs, source and rounding of each term, too, in integers.")
@source_options
@output_option
def margin_explain(
    account: str,
    group: str | None,
    term: str | None,
    source: AnswerSource,
    output: str,
    *,
    detail: bool,
    scenarios: bool,
) -> None:
    """Print every term of an own account's margin in currency, with its share and the reason; drill down by options.

    The terms of equity sum to equity, those of the requirement to initial margin. The liquidation price is found by
    bisection with the same engine: the nearest index at which the account would be liquidated, with everything else
    unchanged. JSON has every term with its inputs, price source and rounding.

    Example: crossclear margin explain alice --group BTC --key trade --home HOME
    """
    from member.printing.accounts import margin_text

    own = source.account(account)
    if source.log is None:
        view, scales = source.ask(lambda client: client.margin(own)), _scales(source)
    else:
        from node.api.margin import margin_view
        from node.offline.log_readers import margin_inputs_of_log

        view, scales = margin_view(margin_inputs_of_log(source.open_log(), own)), {}
    more = {"detail": detail, "scenarios": scenarios}
    text = parsed("--group or --term", lambda: margin_text(view, group, term, scales, **more))
    show(view, text, output)


def _scales(source: AnswerSource) -> dict[int, int]:
    """Ticks that make a unit, by feed, as the node displays prices."""
    from member.client.ask import ask_node

    prices = ask_node(source.key.url, lambda client: client.state()).prices
    return {each.feed: each.ticks_per_unit for each in prices}


@margin.command("simulate")
@click.argument("account", metavar="ACCOUNT")
@click.option("--index", multiple=True, metavar="FEED=PERCENT", help="The index of a feed moves: BTC=-12.5.")
@click.option("--volatility", multiple=True, metavar="GROUP=POINTS", help="Volatility of a risk group: BTC=+10.")
@click.option("--trade", multiple=True, metavar="INSTRUMENT=LOTS[@TICKS]", help="Added lots: BTC-PERP=-20, 4=5@790000.")
@click.option("--cash", multiple=True, metavar="GROUP=MICROS", help="Deposited cash, negative to withdraw.")
@click.option("--token", multiple=True, metavar="ASSET=UNITS", help="Deposited tokens, negative to withdraw.")
@source_options
@output_option
def margin_simulate(
    account: str,
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

    own = source.account(account)
    given = (*index, *volatility, *trade, *cash, *token)
    ids = listed_ids(source.ask(lambda client: client.terms())) if source.log is None and _has_names(given) else None
    shock = shock_body(index, volatility, trade, cash, token, ids)
    if source.log is None:
        view = source.ask(lambda client: client.simulate_margin(own, shock))
    else:
        from clearing.margin_simulation import simulate
        from node.api.margin import shock_of, simulation_view
        from node.offline.log_readers import margin_inputs_of_log

        inputs = margin_inputs_of_log(source.open_log(), own)
        view = simulation_view(inputs, simulate(inputs, shock_of(shock)))
    scales = _scales(source) if source.log is None else None
    show(view, simulation_text(view, scales), output)


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
