"""Risk manager's commands: `backtest`, and `margin run`, `margin period`, `settle`, `waterfall`, `liquidation`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from cli.output import ExitCode, output_option, say, show, show_json

if TYPE_CHECKING:
    from clearing.schema.risk.price_ranges import RangeParameters

DEFAULT_FILE = "btc_eth_1h_2018_2022.csv"


@click.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--market-data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="CROSSCLEAR_MARKET_DATA",
    show_envvar=True,
    help=f"Folder of market data, whose {DEFAULT_FILE} is read when no FILE is given.",
)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the whole report here."
)
@click.option(
    "--plot",
    "plots",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a picture here: .png, .svg, or .html with the figures. May be given more than once.",
)
@click.option("--losses", type=click.Path(dir_okay=False, path_type=Path), help="Write every book's every loss, CSV.")
@click.option("--force", is_flag=True, help="Overwrite these files.")
@click.option("--books", type=click.IntRange(1, 1000), default=100, show_default=True, help="Seeds 0 to N - 1.")
@click.option("--confidence", type=click.FloatRange(0.5, 0.9999), default=0.99, show_default=True)
@click.option(
    "--decay", type=click.FloatRange(0.5, 0.9999), default=0.94, show_default=True, help="Lambda of variance."
)
@click.option("--window", type=click.IntRange(100, 10_000), default=2_000, show_default=True, help="Observations kept.")
@click.option("--warm-up", type=click.IntRange(1), default=1_000, show_default=True, help="Observations not tested.")
@click.option("--horizon", type=click.IntRange(1, 1000), default=1, show_default=True, help="In observations.")
@click.option("--buffer", type=click.FloatRange(0, 1), default=0.25, show_default=True, help="Against procyclicality.")
@click.option("--joint", type=click.IntRange(0, 64), default=0, show_default=True, help="Joint scenarios for credit.")
@click.option(
    "--history",
    type=click.IntRange(0, 255),
    default=0,
    show_default=True,
    help="Past moves that margin covers on average.",
)
@click.option("--options", is_flag=True, help="Books of options on simulated surfaces, instead of perpetuals.")
@click.option("--surface-seed", type=click.IntRange(0), default=1, show_default=True, help="Of simulated surfaces.")
@output_option
def backtest(
    file: Path | None,
    market_data: Path | None,
    json_file: Path | None,
    plots: tuple[Path, ...],
    losses: Path | None,
    force: bool,
    books: int,
    confidence: float,
    decay: float,
    window: int,
    warm_up: int,
    horizon: int,
    buffer: float,
    joint: int,
    history: int,
    options: bool,
    surface_seed: int,
    output: str,
) -> int:
    """Test the network's ranges and margins on recorded prices.

    FILE has rows of unix time, then open, high, low and close of each series. Nothing is estimated from prices at or
    after the point it is tested on. Exits with 0 when the raw range of every series passes the two-sided Kupiec test
    and the margin of every book the one-sided bound, both at 5 %, and with 6 when one fails.

    With --options the books are eight textbook portfolios in each series and N random ones, their options marked on
    SIMULATED volatility surfaces: a seeded Heston path along the prices of FILE. Only the margin is judged.

    \b
    Examples:
      CROSSCLEAR_MARKET_DATA=../shared/data crossclear backtest
      crossclear backtest prices.csv --plot report.png --plot report.html
      crossclear backtest prices.csv --confidence 0.995 --horizon 4 --books 20 --output json
      crossclear backtest prices.csv --options --horizon 24 --plot options.png

    Example: crossclear backtest prices.csv --json report.json
    """
    from clearing.schema.risk.price_ranges import RangeParameters
    from lab.backtest.plot import write_plot
    from lab.backtest.report import report_text
    from lab.backtest.run import check_outputs, run_backtest, write_losses, write_report

    if file is None:
        if market_data is None:
            raise click.UsageError("name a FILE, or set CROSSCLEAR_MARKET_DATA to the folder of market data")
        file = market_data / DEFAULT_FILE
    check_outputs(file, json_file, plots, losses, force=force)
    parameters = RangeParameters(
        decay_ppm=round(decay * 1_000_000),
        confidence_ppm=round(confidence * 1_000_000),
        window=window,
        buffer_ppm=round(buffer * 1_000_000),
        joint_scenarios=joint,
        historical_scenarios=history,
        joint_tail_exact=history > 0,
        joint_floor=history > 0,
    )
    if joint and history:
        raise click.UsageError("--joint and --history exclude each other")
    if options:
        if joint:
            raise click.UsageError("--joint is for books of perpetuals, without --options")
        return _option_backtest(
            file, parameters, (books, warm_up, horizon, surface_seed), json_file, plots, losses, output
        )
    walked, report = run_backtest(file, parameters, books, warm_up, horizon)
    for path in plots:
        write_plot(path, walked, report)
    if losses is not None:
        write_losses(losses, walked)
    if json_file is not None:
        write_report(json_file, report)
    _say_written(*plots, losses, json_file)
    show(report, report_text(report), output)
    return ExitCode.OK if report.passed else ExitCode.VERIFICATION


def _option_backtest(
    file: Path,
    parameters: "RangeParameters",
    figures: tuple[int, int, int, int],
    json_file: Path | None,
    plots: tuple[Path, ...],
    losses: Path | None,
    output: str,
) -> int:
    from lab.backtest.run import write_report
    from lab.option_backtest.plot import write_option_plot
    from lab.option_backtest.report import option_report_text
    from lab.option_backtest.run import run_option_backtest, write_option_losses

    walked, report = run_option_backtest(file, parameters, *figures)
    for path in plots:
        write_option_plot(path, walked, report)
    if losses is not None:
        write_option_losses(losses, walked)
    if json_file is not None:
        write_report(json_file, report)
    _say_written(*plots, losses, json_file)
    show(report, option_report_text(report), output)
    return ExitCode.OK if report.passed else ExitCode.VERIFICATION


def _say_written(*paths: Path | None) -> None:
    for written in paths:
        if written is not None:
            say(f"wrote {written}")


_FILE = click.Path(dir_okay=False, path_type=Path, allow_dash=True)
_pretty = click.option("--pretty", is_flag=True, help="Indent the JSON.")
_REFUSED = "Exits with 6 when the file is refused; the refusal names the path."


@click.command("run")
@click.argument("file", type=_FILE)
@click.option("--model", "model_file", type=_FILE, help="The risk model, where FILE has none.")
@_pretty
def margin_run(file: Path, model_file: Path | None, pretty: bool) -> None:
    """Evaluate a risk model on a portfolio from FILE (JSON; - is standard input): every intermediate as JSON.

    Needs neither node nor keys. Exits with 6 when the file is refused; the refusal names the path.

    Example: crossclear margin run portfolio.json --pretty
    """
    from lab.runs.margin import margin_run, read_margin_run

    model = None if model_file is None else _read(model_file)
    _print(margin_run(read_margin_run(_read(file), model)), pretty=pretty)


@click.command("period")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--block-ms", type=click.IntRange(1, 86_400_000), required=True, help="Time between two blocks.")
@output_option
def margin_period(file: Path, block_ms: int, output: str) -> None:
    """Print each instrument's margin period of risk: the time that margin assumes and that closing out takes.

    FILE is a genesis.json. A warning names each instrument whose margin covers less than calls, sale, steps and auction
    take. Caps of a block and closed prices come on top.

    Example: crossclear margin period genesis.json --block-ms 500
    """
    from clearing.genesis.json import genesis_from_json
    from lab.margin_period import margin_periods, periods_text

    found = margin_periods(genesis_from_json(file.read_bytes()), block_ms)
    show(found, periods_text(found), output)


def _verb(group: str, what: str, run: Callable[[bytes], dict[str, Any]]) -> click.Command:
    """`run FILE` of one kind; `run` imports what it needs when it is called."""
    example = f"Example: crossclear {group} run {group}.json --pretty"

    @click.command("run", help=f"{what}\n\nNeeds neither node nor keys. {_REFUSED}\n\n{example}")
    @click.argument("file", type=_FILE)
    @_pretty
    def verb(file: Path, pretty: bool) -> None:
        _print(run(_read(file)), pretty=pretty)

    return verb


def _settle(data: bytes) -> dict[str, Any]:
    from lab.runs.settle import read_settle_run, settle_run

    return settle_run(read_settle_run(data))


def _waterfall(data: bytes) -> dict[str, Any]:
    from lab.runs.waterfall import read_waterfall_run, waterfall_run

    return waterfall_run(read_waterfall_run(data))


def _liquidation(data: bytes) -> dict[str, Any]:
    from lab.runs.liquidation import liquidation_run, read_liquidation_run

    return liquidation_run(read_liquidation_run(data))


settle_run = _verb(
    "settle",
    "Run the settlement steps of FILE (JSON; - is standard input): every payment and intermediate as JSON.",
    _settle,
)

waterfall_run = _verb(
    "waterfall",
    "Run the losses of FILE (JSON; - is standard input) through the layers: who bears what, with the arithmetic.",
    _waterfall,
)

liquidation_run = _verb(
    "liquidation",
    "Size and stage the liquidations of FILE (JSON; - is standard input): shares, steps, auction paths.",
    _liquidation,
)


def _read(path: Path) -> bytes:
    from lab.models.named import FILE_BYTES_MAX

    if str(path) == "-":
        return sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
    try:
        with path.open("rb") as opened:
            return opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}", param_hint="FILE") from None


def _print(result: dict[str, Any], *, pretty: bool) -> None:
    data = msgspec.json.encode(result)
    show_json(msgspec.json.format(data, indent=2) if pretty else data)


@click.group()
def settle() -> None:
    """Settlement from a file: variation margin, funding, expiry and loss allocation."""


settle.add_command(settle_run)
