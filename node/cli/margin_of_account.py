"""`crossclear margin explain ACCOUNT` and `crossclear margin simulate ACCOUNT`: of a running node, or a block log."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from node.cli.log_options import log_options, open_log
from node.cli.output import output_option, show

if TYPE_CHECKING:
    from clearing.explanation import MarginInputs
    from clearing.state.state import State
    from node.api.margin_shapes import MarginView, PartView, SimulateBody, TermView
    from node.application import Decided
    from node.client import NodeClient

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def account_options(command: F) -> F:
    """Whose account, at which node, and the key that may see it."""
    options = (
        click.option("--url", default="http://127.0.0.1:26680", show_default=True, help="The node's API."),
        click.option("--key", "key_name", help="A secp256k1 key in HOME/keys: the member's trade key."),
        click.option("--home", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Of the key."),
        click.option(
            "--secret-file", type=click.Path(dir_okay=False, path_type=Path), help="64 hex digits, mode 0600."
        ),
        click.option(
            "--password-file", type=click.Path(dir_okay=False, path_type=Path), help="Default: HOME/password."
        ),
        click.option("--devnet", is_flag=True, help="Accept a weakly derived keystore."),
    )
    for option in reversed(options):
        command = option(command)
    return command


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
    bisection over the same engine: the nearest index at which the account would be liquidated while all else stands.
    """
    if log is None:
        view = ask(lambda client: client.margin(account), **key)
    else:
        from node.api.margins import margin_view

        view = margin_view(_inputs_of_log(account, log, genesis, key, cut_torn_tail=cut_torn_tail))
    show(view, _text(view), output)


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
        from clearing.simulation import simulate
        from node.api.margins import shock_of, simulation_view

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


def shock_body(
    index: tuple[str, ...],
    volatility: tuple[str, ...],
    trade: tuple[str, ...],
    cash: tuple[str, ...],
    token: tuple[str, ...],
) -> "SimulateBody":
    """The request of these options. Raises click.BadParameter naming the option."""
    import msgspec

    from node.api.margin_shapes import SimulateBody

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


def ask(question: Callable[["NodeClient"], Any], **key: Any) -> Any:
    """Ask the node at `url` as the member whose key is given. Raises LocalFault and RemoteFault as `NodeClient`."""
    import trio

    from clearing.base.ids import NetworkId
    from node.client import NodeClient

    secret = _secret(key["home"], key["key_name"], key["secret_file"], key["password_file"], devnet=key["devnet"])

    async def asked() -> Any:
        async with NodeClient(key["url"], NetworkId(bytes(32))) as stranger:
            network = NetworkId(bytes.fromhex((await stranger.state()).network[2:]))
        async with NodeClient(key["url"], network, secret) as client:
            return await question(client)

    return trio.run(asked)


def _inputs_of_log(
    account: int, log: Path, genesis: Path | None, key: dict[str, Any], *, cut_torn_tail: bool
) -> "MarginInputs":
    """As they were after the log's last block. Raises LocalFault API_NOT_FOUND for an unknown account."""
    from clearing.base.errors import LocalFault
    from clearing.explanation import inputs_of
    from node.codes import NodeCode
    from node.replay import replay

    files = {name: key[name] for name in ("home", "password_file", "devnet")}
    newest: list[State] = []

    def tell(decided: "Decided") -> None:
        newest[:] = [decided.state]

    replay(*open_log(log, genesis, cut_torn_tail=cut_torn_tail, **files), tell)
    if not newest or account not in newest[0].accounts:
        raise LocalFault(NodeCode.API_NOT_FOUND, "account", account=account)
    return inputs_of(newest[0], account)


def _secret(
    home: Path, key_name: str | None, secret_file: Path | None, password_file: Path | None, *, devnet: bool
) -> bytes:
    from node.keys.files import read_password, read_secret
    from node.keys.ring import PASSWORD_FILE, KeyKind, read_key

    if (key_name is None) is (secret_file is None):
        raise click.UsageError("give either --key or --secret-file")
    if secret_file is not None:
        try:
            secret = bytes.fromhex(read_secret(secret_file).decode("ascii").strip().removeprefix("0x"))
        except ValueError:
            secret = b""
        if len(secret) != 32:
            raise click.BadParameter("expected 64 hex digits", param_hint="--secret-file")
        return secret
    password = read_password(password_file or home / PASSWORD_FILE)
    return read_key(home, key_name or "", KeyKind.SECP256K1, password, allow_weak=devnet)


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
        f"greeks {each.name}: delta {each.delta_nano} and gamma {each.gamma_nano} x 10^-9 of the underlying,"
        f" vega {each.vega_micros} a point, theta {each.theta_micros} a day"
        for each in view.greeks
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
