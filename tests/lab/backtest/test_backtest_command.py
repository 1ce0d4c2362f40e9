"""`crossclear backtest`: files, pictures, exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.output import ExitCode
from tests.kit.command_line import CommandLine

PNG = b"\x89PNG\r\n\x1a\n"


def prices(folder: Path, rows: int = 260) -> Path:
    """Moves of one or two percent, up and down in turn, in hours."""
    lines, price = ["unix,a_open,a_high,a_low,a_close,b_open,b_high,b_low,b_close"], 100_000
    for at in range(1, rows + 1):
        after = price * (1000 + (7 + at * 7919 % 11) * (1 if at % 2 else -1)) // 1000
        cells = [f"{value / 100:.2f}" for value in (price, max(price, after), min(price, after), after)]
        lines.append(",".join([str(3600 * at), *cells, *cells]))
        price = after
    path = folder / "prices.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


SHORT = ("--warm-up", "120", "--window", "100")


def test_a_run_writes_what_was_asked_for_and_ends_with_its_verdict(tmp_path: Path, cli: CommandLine) -> None:
    report, png, svg, page, losses = (tmp_path / name for name in ("r.json", "r.png", "r.svg", "r.html", "l.csv"))
    words = ["backtest", prices(tmp_path), *SHORT, "--books", "6", "--joint", "8", "--json", report, "--losses", losses]
    words += ["--plot", png, "--plot", svg, "--plot", page]
    written = cli(*words, "--output", "json", code=None).json
    assert written == json.loads(report.read_text())
    assert len(written["books"]) == 6
    assert png.read_bytes().startswith(PNG)
    assert "<svg" in svg.read_text()
    assert all(word in page.read_text() for word in ("<svg", "Kupiec"))
    assert len(losses.read_text().splitlines()) == 1 + written["points"]
    before = svg.read_bytes()
    cli(*words, code=ExitCode.SAFETY)  # never overwritten
    cli(*words, "--force", code=ended(written))
    assert svg.read_bytes() == before


def ended(report: dict[str, Any]) -> ExitCode:
    passed = report["raw_is_calibrated"] and report["margin_is_enough"]
    return ExitCode.OK if passed else ExitCode.VERIFICATION


def test_the_ending_tells_the_verdict(tmp_path: Path, cli: CommandLine) -> None:
    words = ["backtest", prices(tmp_path), *SHORT, "--books", "2", "--output", "json"]
    cli(*words, code=ended(cli(*words, code=None).json))


def test_neither_the_prices_nor_another_output_are_overwritten_even_by_force(tmp_path: Path, cli: CommandLine) -> None:
    path, out, link = prices(tmp_path), tmp_path / "out.json", tmp_path / "link.csv"
    before = path.read_bytes()
    link.symlink_to(path)
    for wanted in (["--losses", link], ["--json", out, "--losses", out]):
        cli("backtest", path, *wanted, "--force", code=ExitCode.SAFETY)
    assert path.read_bytes() == before
    assert not out.exists()


def test_without_a_file_the_folder_is_asked_for(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSCLEAR_MARKET_DATA", raising=False)
    assert "CROSSCLEAR_MARKET_DATA" in cli("backtest", code=ExitCode.USAGE).err


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("--plot picture.gif", ExitCode.CONFIG),
        ("--warm-up 259", ExitCode.CONFIG),
        ("--window 100 --horizon 24", ExitCode.CONFIG),
        ("--books 0", ExitCode.USAGE),
        ("--confidence 1", ExitCode.USAGE),
    ],
)
def test_what_cannot_be_done_is_told(tmp_path: Path, options: str, code: ExitCode, cli: CommandLine) -> None:
    assert cli("backtest", prices(tmp_path), *options.split(), code=code).err


def test_a_broken_file_ends_with_its_line(tmp_path: Path, cli: CommandLine) -> None:
    path = prices(tmp_path)
    path.write_text(path.read_text() + "nonsense\n")
    assert "prices.csv:262" in cli("backtest", path, code=ExitCode.CONFIG).err


def test_help_has_examples(cli: CommandLine) -> None:
    assert "Examples:" in cli("backtest", "--help").out
