"""One backtest from file to report, with a progress bar, and its files.

Rule: outputs are checked before the work begins, so that nothing is computed for a file that cannot be written.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import Progress

from clearing.base.errors import LocalFault
from clearing.schema.risk.price_ranges import RangeParameters, check_range_parameters
from lab.backtest.market_data import MarketData, read_market_data
from lab.backtest.report import BacktestReport, report_of
from lab.backtest.walk import Setup, Walked, walk
from member.codes import NodeCode

PLOT_SUFFIXES = (".png", ".svg", ".html")


def check_outputs(
    file: Path, json_file: Path | None, plots: tuple[Path, ...], losses: Path | None, *, force: bool
) -> None:
    """Raise LocalFault OUTPUT_EXISTS for a file that exists, unless forced, CONFIG_VALUE for an unknown suffix.

    Forced or not, the prices in `file` are never overwritten, nor one output by another: OUTPUT_EXISTS.
    """
    taken = {file.resolve()}
    for path in plots:
        if path.suffix not in PLOT_SUFFIXES:
            raise LocalFault(NodeCode.CONFIG_VALUE, str(path), suffixes=" ".join(PLOT_SUFFIXES))
    for output in (json_file, *plots, losses):
        if output is None:
            continue
        if output.resolve() in taken or (output.exists() and not force):
            raise LocalFault(NodeCode.OUTPUT_EXISTS, str(output))
        taken.add(output.resolve())


def run_backtest(
    file: Path, parameters: RangeParameters, books: int, warm_up: int, horizon: int
) -> tuple[Walked, BacktestReport]:
    """Read, walk, judge. The observation interval is the file's.

    Raises LocalFault MARKET_DATA_UNUSABLE, also when nothing is left after the warm-up.
    """
    data, setup = prepared(file, parameters, books, warm_up, horizon)
    with shown_progress(data) as progress:
        walked = walk(data, setup, progress)
    if walked.times_s.size == 0:
        span = f"{horizon} x {data.interval_s} s"
        why = f"of {len(data.times_s)} rows none is left after {warm_up} that has another {span} later"
        raise LocalFault(NodeCode.MARKET_DATA_UNUSABLE, file.name, why=why)
    return walked, report_of(walked, setup, file.name, data.sha256)


def prepared(
    file: Path, parameters: RangeParameters, books: int, warm_up: int, horizon: int
) -> tuple[MarketData, Setup]:
    """The prices, and what to walk with; the observation interval is the file's.

    Raises LocalFault MARKET_DATA_UNUSABLE, CONFIG_VALUE for parameters that do not fit the interval.
    """
    data = read_market_data(file)
    interval_ms = data.interval_s * 1000
    parameters = msgspec.structs.replace(parameters, interval_ms=interval_ms, horizon_ms=interval_ms * horizon)
    try:
        check_range_parameters(parameters)
    except LocalFault as fault:
        values = {"interval_s": data.interval_s, "horizon": horizon, "window": parameters.window}
        raise LocalFault(NodeCode.CONFIG_VALUE, fault.at, **values) from None
    return data, Setup(parameters, books, warm_up, horizon)


@contextmanager
def shown_progress(data: MarketData) -> Iterator[Callable[[int], None]]:
    """A progress bar over the rows; the function takes how many are done."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"{len(data.names)} series", total=len(data.times_s))
        yield lambda done: progress.update(task, completed=done)


def write_report(path: Path, report: msgspec.Struct) -> None:
    """The report as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def write_losses(path: Path, walked: Walked) -> None:
    """Every loss of every book in micros, gains negative: Unix seconds, then a column for each seed."""
    with path.open("w", encoding="ascii") as file:
        file.write(",".join(["unix", *(f"book_{seed}" for seed in range(walked.losses.shape[1]))]) + "\n")
        for time_s, row in zip(walked.times_s.tolist(), walked.losses.tolist(), strict=True):
            file.write(",".join(map(str, (time_s, *row))) + "\n")
