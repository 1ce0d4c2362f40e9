"""One backtest with options from file to report, and the file of its losses."""

from pathlib import Path

from clearing.base.errors import LocalFault
from clearing.schema.risk.price_ranges import RangeParameters
from lab.backtest.run import prepared, shown_progress
from lab.option_backtest.report import OptionBacktestReport, option_report
from lab.option_backtest.walk import OPEN_MS, OptionWalked, walk_options
from member.codes import NodeCode


def run_option_backtest(
    file: Path, parameters: RangeParameters, books: int, warm_up: int, horizon: int, seed: int
) -> tuple[OptionWalked, OptionBacktestReport]:
    """Read, simulate surfaces, walk, judge. `books` random ones follow the textbook portfolios.

    Raises LocalFault MARKET_DATA_UNUSABLE for a history that is too short, CONFIG_VALUE for a horizon beyond the
    nearest expiry.
    """
    data, setup = prepared(file, parameters, books, warm_up, horizon)
    if setup.parameters.interval_ms * horizon > OPEN_MS:
        raise LocalFault(NodeCode.CONFIG_VALUE, "horizon", horizon_ms_max=OPEN_MS)
    with shown_progress(data) as progress:
        walked = walk_options(data, setup, seed, progress)
    if walked.times_s.size == 0:
        raise LocalFault(NodeCode.MARKET_DATA_UNUSABLE, file.name, why=f"no row is left after {warm_up}")
    return walked, option_report(walked, setup, seed, file.name, data.sha256)


def write_option_losses(path: Path, walked: OptionWalked) -> None:
    """Every loss of every book in micros, gains negative: Unix seconds, then a column for each book."""
    with path.open("w", encoding="ascii") as file:
        file.write(",".join(["unix", *(book.name.replace(" ", "_") for book in walked.books)]) + "\n")
        for time_s, row in zip(walked.times_s.tolist(), walked.losses.tolist(), strict=True):
            file.write(",".join(map(str, (time_s, *row))) + "\n")
