"""Market data files: comma-separated prices of one or more underlyings at rising times, read strictly.

Rule: a file is taken whole or refused with the line that is wrong; nothing is repaired, skipped or guessed. Prices
become ticks as the network has them. It must not know what is done with them.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from clearing.base.errors import LocalFault
from clearing.schema.terms.instruments import INDEX_TICKS_MAX
from member.codes import NodeCode

FILE_BYTES_MAX = 256 << 20
ROWS_MAX = 2_000_000
SERIES_MAX = 16
TICK_DECIMALS = 2
LINE_MAX = 4_096
TIME_MAX_S = 253_402_300_799
"""The end of the year 9999."""
_FIELDS = ("open", "high", "low", "close")
_PRICE = re.compile(r"[0-9]{1,15}(?:\.([0-9]{1,18}))?", re.ASCII)
_TIME = re.compile(r"[0-9]{1,15}", re.ASCII)
_NAME = re.compile(r"[a-z0-9]{1,16}", re.ASCII)


@dataclass(frozen=True, slots=True)
class MarketData:
    """Closing prices of all series at the same times."""

    names: tuple[str, ...]
    times_s: tuple[int, ...]
    """Rising, Unix seconds."""
    closes: tuple[tuple[int, ...], ...]
    """[series][time] in ticks of 10^-2."""
    sha256: str = ""
    """Of the file, in hex."""

    @property
    def interval_s(self) -> int:
        """The shortest time between two rows."""
        return min(after - before for before, after in zip(self.times_s, self.times_s[1:], strict=False))


def read_market_data(path: Path) -> MarketData:
    """Read `unix,open,high,low,close` or `unix,<name>_open,...` rows; lines opened by # are comments.

    Raises LocalFault MARKET_DATA_UNUSABLE naming the line: unreadable or too large, unknown columns, a price that is
    not a plain positive decimal or lies outside its hour's range, times that do not rise, fewer than three rows.
    """
    digest = hashlib.sha256()
    names: tuple[str, ...] = ()
    times: list[int] = []
    closes: list[list[int]] = []
    for number, line in _lines(path, digest):
        if not names:
            names = _names(path, number, line)
            closes = [[] for _ in names]
            continue
        if len(times) == ROWS_MAX:
            raise _refused(path, number, f"at most {ROWS_MAX} rows are read")
        cells = line.split(",")
        if len(cells) != 1 + len(_FIELDS) * len(names):
            raise _refused(path, number, f"{len(cells)} cells, the header names {1 + len(_FIELDS) * len(names)}")
        if not _TIME.fullmatch(cells[0]) or int(cells[0]) > TIME_MAX_S or (times and int(cells[0]) <= times[-1]):
            raise _refused(path, number, f"time {cells[0][:32]!r} is not a whole second after the one before")
        times.append(int(cells[0]))
        for at, series in enumerate(closes):
            series.append(_close(path, number, cells[1 + 4 * at : 5 + 4 * at]))
    if len(times) < 3:
        raise _refused(path, 0, f"{len(times)} rows are no history")
    return MarketData(names, tuple(times), tuple(map(tuple, closes)), digest.hexdigest())


def _lines(path: Path, digest: "hashlib._Hash") -> Iterator[tuple[int, str]]:
    """Number and text of every line but comments, a line at a time, so that no file takes more memory than its rows."""
    read = 0
    try:
        with path.open("rb") as file:
            for number in count(1):
                line = file.readline(LINE_MAX + 1)
                read += len(line)
                digest.update(line)
                if not line:
                    return
                if len(line) > LINE_MAX or read > FILE_BYTES_MAX:
                    raise _refused(
                        path, number, f"at most {LINE_MAX} bytes a line and {FILE_BYTES_MAX} in all are read"
                    )
                if not line.startswith(b"#"):
                    yield number, line.rstrip(b"\r\n").decode("ascii")
    except OSError as error:
        raise _refused(path, 0, str(error.strerror)) from None
    except UnicodeDecodeError as error:
        raise _refused(path, number, f"not plain text: byte {error.start}") from None


def ticks_of(text: str) -> int | None:
    """A plain positive decimal in ticks, rounded half up; None for anything else or beyond what an index may be."""
    match = _PRICE.fullmatch(text)
    if match is None:
        return None
    whole, _, fraction = text.partition(".")
    digits = (fraction + "000")[: TICK_DECIMALS + 1]
    ticks = (int(whole + digits) + 5) // 10
    return ticks if 0 < ticks <= INDEX_TICKS_MAX else None


def _close(path: Path, number: int, cells: list[str]) -> int:
    prices = [ticks_of(cell) for cell in cells]
    if any(price is None for price in prices):
        bad = next(cell for cell, price in zip(cells, prices, strict=True) if price is None)
        raise _refused(path, number, f"{bad[:32]!r} is not a price")
    opened, high, low, close = (price or 0 for price in prices)
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise _refused(path, number, f"open {cells[0]} and close {cells[3]} lie outside {cells[2]} to {cells[1]}")
    return close


def _names(path: Path, number: int, header: str) -> tuple[str, ...]:
    columns = header.split(",")
    if columns == ["unix", *_FIELDS]:
        return ("price",)
    names = [column.removesuffix("_open") for column in columns[1::4]]
    wanted = ["unix", *(f"{name}_{field}" for name in names for field in _FIELDS)]
    good = columns == wanted and len(set(names)) == len(names) and all(map(_NAME.fullmatch, names))
    if not good or not 1 <= len(names) <= SERIES_MAX:
        raise _refused(path, number, "columns must be unix, then open, high, low and close of each series")
    return tuple(names)


def _refused(path: Path, line: int, why: str) -> LocalFault:
    at = f"{path.name}:{line}" if line else path.name
    return LocalFault(NodeCode.MARKET_DATA_UNUSABLE, at, why=why)
