"""Market data files: taken whole, or refused with the line that is wrong."""

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.errors import LocalFault
from lab.backtest import market_data
from lab.backtest.market_data import read_market_data, ticks_of

HEADER = "unix,a_open,a_high,a_low,a_close,b_open,b_high,b_low,b_close"
GOOD = "3600,1.00,1.20,0.90,1.10,7,8,6,7.5"


def written(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "prices.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def row(time_s: int | str, close: str = "1.10") -> str:
    return f"{time_s},1.00,1.20,0.90,{close},7,8,6,7.5"


def test_prices_become_ticks(tmp_path: Path) -> None:
    data = read_market_data(written(tmp_path, "# a comment", row(3600), row(7200, "0.955"), row(14_400)))
    assert data.names == ("a", "b")
    assert data.times_s == (3600, 7200, 14_400)
    assert data.closes == ((110, 96, 110), (750, 750, 750))
    assert data.interval_s == 3600


def test_one_series_needs_no_name(tmp_path: Path) -> None:
    rows = [f"{day},10.9,11,10,10.95" for day in (1, 2, 3)]
    assert read_market_data(written(tmp_path, *rows, header="unix,open,high,low,close")).names == ("price",)


@pytest.mark.parametrize(
    "bad",
    [
        "3600,1.00,1.20,0.90,1.10,7,8,6",
        "3600,1.00,1.20,0.90,1.10,7,8,6,7.5,9",
        *(row(3600, close) for close in ("nan", "-1.10", "1e1", "inf", "0x1", "١", "", " 1.10", "1.30")),
        "3600,1.00,1.20,0.00,1.10,7,8,6,7.5",
        "3600,0.80,1.20,0.90,1.10,7,8,6,7.5",
        "3600,1.00,1.20,0.90,1.10,7,8,6,99999999999999",
        *(row(time_s) for time_s in ("-1", "1.5", "999999999999999")),
        "3600," + "1" * 5_000,
        "",
    ],
)
def test_a_bad_row_is_refused_with_its_line(tmp_path: Path, bad: str) -> None:
    path = written(tmp_path, bad, row(7200), row(10_800))
    with pytest.raises(LocalFault, match=r"R0825 .*prices\.csv"):
        read_market_data(path)


@pytest.mark.parametrize("times", [(3600, 3600, 7200), (7200, 3600, 9000), (1, 2, 2)])
def test_times_must_rise(tmp_path: Path, times: tuple[int, ...]) -> None:
    with pytest.raises(LocalFault, match="R0825"):
        read_market_data(written(tmp_path, *map(row, times)))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "unix",
        "time,a_open,a_high,a_low,a_close",
        "unix,a_open,a_high,a_close,a_low",
        "unix,a_open,a_high,a_low,a_close,a_open,a_high,a_low,a_close",
        "unix,<b>_open,<b>_high,<b>_low,<b>_close",
        "unix,a_open,a_high,a_low,b_close",
        "unix" + "".join(f",s{n}_open,s{n}_high,s{n}_low,s{n}_close" for n in range(17)),
    ],
)
def test_a_bad_header_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(LocalFault, match="R0825"):
        read_market_data(written(tmp_path, row(1), row(2), row(3), header=header))


def test_what_is_no_history_is_refused(tmp_path: Path) -> None:
    for rows in ((), (row(1),), (row(1), row(2))):
        with pytest.raises(LocalFault, match="R0825"):
            read_market_data(written(tmp_path, *rows))
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "binary.csv").write_bytes(b"\xff\x00\xfe" * 100)
    endless = Path("/dev/zero")  # refused at once
    for path in (tmp_path / "empty.csv", tmp_path / "binary.csv", tmp_path / "missing.csv", endless):
        with pytest.raises(LocalFault, match="R0825"):
            read_market_data(path)


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "# a comment", row(1), row(2), row(3))
    assert read_market_data(path).sha256 == sha256(path.read_bytes()).hexdigest()


def test_a_file_too_large_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, row(1), row(2), row(3))
    for limit, most, words in (("FILE_BYTES_MAX", 10, "10 in all"), ("ROWS_MAX", 2, "at most 2")):
        monkeypatch.setattr(market_data, limit, most)
        with pytest.raises(LocalFault, match=words):
            read_market_data(path)
        monkeypatch.undo()


@settings(max_examples=60)
@given(st.text(max_size=30))
def test_any_text_is_a_price_or_none(text: str) -> None:
    ticks = ticks_of(text)
    assert ticks is None or ticks > 0


@pytest.mark.parametrize(
    ("text", "ticks"), [("1", 100), ("0.004", None), ("0.005", 1), ("1.239", 124), ("1.2", 120), ("1.", None)]
)
def test_prices_round_half_up_to_ticks(text: str, ticks: int | None) -> None:
    assert ticks_of(text) == ticks


@settings(max_examples=40)
@given(st.binary(max_size=400))
def test_hostile_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.mktemp("junk") / "prices.csv"
    path.write_bytes(HEADER.encode() + b"\n" + GOOD.encode() + b"\n" + junk)
    with pytest.raises(LocalFault, match="R0825"):
        read_market_data(path)
