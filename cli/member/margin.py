"""`crossclear margin run|period|explain|simulate`: of a file, a running node, or a block log."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from cli.lab import margin_period, margin_run
from cli.options import AnswerSource, listing_at, parsed, source_options
from cli.output import output_option, show

if TYPE_CHECKING:
    from member.api.margin import SimulateBody
    from member.notation.listing import Listing


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
        view, listing = source.ask(lambda client: client.margin(own)), listing_at(source.key.url)
    else:
        from member.notation.listing import Listing
        from node.api.margin import margin_view
        from node.offline.homes import displayed_ticks
        from node.offline.log_readers import margin_inputs_of_log

        inputs, terms = margin_inputs_of_log(source.open_log(), own)
        view, listing = margin_view(inputs), Listing(terms, displayed_ticks(source.key.home))
    more = {"detail": detail, "scenarios": scenarios}
    text = parsed("--group or --term", lambda: margin_text(view, group, term, listing, **more))
    show(view, text, output)


@margin.command("simulate")
@click.argument("account", metavar="ACCOUNT")
@click.option("--index", multiple=True, metavar="FEED=PERCENT", help="The index of a feed moves: BTC=-12.5.")
@click.option("--volatility", multiple=True, metavar="GROUP=POINTS", help="Volatility of a risk group: BTC=+10.")
@click.option(
    "--trade",
    multiple=True,
    metavar="INSTRUMENT=SIZE[@PRICE]",
    help="Units of the underlying, negative to sell: BTC-PERP=-0.5, or BTC-PERP=0.5@30000.5; else at the mark.",
)
@click.option(
    "--lots",
    multiple=True,
    metavar="INSTRUMENT=LOTS[@TICKS]",
    help="Lots, in place of --trade: BTC-PERP=-20, or BTC-PERP=20@790000.",
)
@click.option("--cash", multiple=True, metavar="CURRENCY=AMOUNT", help="Paid in, negative to withdraw: USD=-1000.5.")
@click.option("--token", multiple=True, metavar="TOKEN=AMOUNT", help="Paid in, negative to withdraw: WETH@base=2.5.")
@source_options
@output_option
def margin_simulate(
    account: str,
    source: AnswerSource,
    index: tuple[str, ...],
    volatility: tuple[str, ...],
    trade: tuple[str, ...],
    lots: tuple[str, ...],
    cash: tuple[str, ...],
    token: tuple[str, ...],
    output: str,
) -> None:
    """Print an own account's margin after a shock: deposits, then trades, then prices. Nothing is changed.

    Feeds, groups, instruments, currencies and tokens are named, or numbered as in the terms in force. Amounts, sizes
    and prices are exact: more decimals, or a part of a lot or tick, are refused. With --log the terms are those of the
    last block, and units of sizes and prices those of HOME/node.toml.

    Example: crossclear margin simulate alice --index BTC=-10 --trade BTC-PERP=0.5 --key trade --home HOME
    """
    from member.printing.accounts import simulation_text

    given = {"index": index, "volatility": volatility, "trade": trade, "lots": lots, "cash": cash, "token": token}
    own = source.account(account)
    if source.log is None:
        listing = listing_at(source.key.url)
        shock = shock_body(listing, given)
        view = source.ask(lambda client: client.simulate_margin(own, shock))
    else:
        from clearing.margin_simulation import simulate
        from member.notation.listing import Listing
        from node.api.margin import shock_of, simulation_view
        from node.offline.homes import displayed_ticks
        from node.offline.log_readers import margin_inputs_of_log

        inputs, terms = margin_inputs_of_log(source.open_log(), own)
        listing = Listing(terms, displayed_ticks(source.key.home))
        view = simulation_view(inputs, simulate(inputs, shock_of(shock_body(listing, given))))
    show(view, simulation_text(view, listing), output)


def shock_body(listing: "Listing", given: dict[str, tuple[str, ...]]) -> "SimulateBody":
    """The request of these options, by their names. Raises click.BadParameter with the option and its value."""
    from member.api.margin import SHOCKS_MAX, SimulateBody
    from member.notation import shocks

    def read(option: str, one: "Callable[[Listing, str], Any]", field: str = "") -> tuple[Any, ...]:
        texts = given[option]
        if len(texts) > SHOCKS_MAX:
            raise click.BadParameter(f"expected at most {SHOCKS_MAX}, got {len(texts)}", param_hint=f"--{option}")
        if field:
            return parsed(f"--{option}", lambda: shocks.once(texts, lambda text: one(listing, text), field))
        return parsed(f"--{option}", lambda: tuple(one(listing, text) for text in texts))

    return SimulateBody(
        index=read("index", shocks.index_shock, "feed"),
        volatility=read("volatility", shocks.volatility_shock, "group"),
        trades=(*read("trade", shocks.trade_shock), *read("lots", shocks.lots_shock)),
        cash=read("cash", shocks.cash_shock, "cash_group"),
        tokens=read("token", shocks.token_shock, "asset"),
    )
