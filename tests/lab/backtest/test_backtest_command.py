"""`crossclear backtest`: files, pictures, exit codes."""

import json
from pathlib import Path

import pytest

from cli.main import run
from cli.output import ExitCode

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


def test_a_run_writes_what_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {name: tmp_path / name for name in ("r.json", "r.png", "r.svg", "r.html", "l.csv")}
    options = [
        str(prices(tmp_path)), "--warm-up", "120", "--window", "100", "--books", "6", "--joint", "8",
        "--json", str(wanted["r.json"]), "--losses", str(wanted["l.csv"]),
        "--plot", str(wanted["r.png"]), "--plot", str(wanted["r.svg"]), "--plot", str(wanted["r.html"]),
    ]  # fmt: skip
    assert run(["backtest", *options, "--output", "json"]) in (ExitCode.OK, ExitCode.VERIFICATION)
    printed, written = json.loads(capsys.readouterr().out), json.loads(wanted["r.json"].read_text())
    assert printed == written
    assert len(written["books"]) == 6
    assert wanted["r.png"].read_bytes().startswith(PNG)
    assert "<svg" in wanted["r.svg"].read_text()
    page = wanted["r.html"].read_text()
    assert "<svg" in page
    assert "Kupiec" in page
    assert len(wanted["l.csv"].read_text().splitlines()) == 1 + written["points"]
    before = wanted["r.svg"].read_bytes()
    assert run(["backtest", *options]) == ExitCode.SAFETY  # never overwritten
    assert run(["backtest", *options, "--force"]) in (ExitCode.OK, ExitCode.VERIFICATION)
    assert wanted["r.svg"].read_bytes() == before


def test_neither_the_prices_nor_another_output_are_overwritten_even_by_force(tmp_path: Path) -> None:
    path, out = prices(tmp_path), str(tmp_path / "out.json")
    before = path.read_bytes()
    (tmp_path / "link.csv").symlink_to(path)
    for wanted in (["--losses", str(tmp_path / "link.csv")], ["--json", out, "--losses", out]):
        assert run(["backtest", str(path), *wanted, "--force"]) == ExitCode.SAFETY
    assert path.read_bytes() == before
    assert not Path(out).exists()


def test_the_ending_tells_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(prices(tmp_path))
    short = ["backtest", path, "--warm-up", "120", "--window", "100", "--books", "2", "--output", "json"]
    code = run(short)
    told = json.loads(capsys.readouterr().out)
    passed = told["raw_is_calibrated"] and told["margin_is_enough"]
    assert code == (ExitCode.OK if passed else ExitCode.VERIFICATION)


def test_without_a_file_the_folder_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CROSSCLEAR_MARKET_DATA", raising=False)
    assert run(["backtest"]) == ExitCode.USAGE
    assert "CROSSCLEAR_MARKET_DATA" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--plot", "picture.gif"], ExitCode.CONFIG),
        (["--warm-up", "259"], ExitCode.CONFIG),
        (["--window", "100", "--horizon", "24"], ExitCode.CONFIG),
        (["--books", "0"], ExitCode.USAGE),
        (["--confidence", "1"], ExitCode.USAGE),
    ],
)
def test_what_cannot_be_done_is_told(
    tmp_path: Path, options: list[str], code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["backtest", str(prices(tmp_path)), *options]) == code
    assert capsys.readouterr().err


def test_a_broken_file_ends_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = prices(tmp_path)
    path.write_text(path.read_text() + "nonsense\n")
    assert run(["backtest", str(path)]) == ExitCode.CONFIG
    assert "prices.csv:262" in capsys.readouterr().err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backtest", "--help"]) == ExitCode.OK
    assert "Examples:" in capsys.readouterr().out
