"""Options of OKX: the summary of all options of an underlying, its dated futures and its index.

Source: okx.com/docs-v5, "Get option market data", "Get tickers", "Get index tickers". Volatilities are fractions, every
number is a text, absent ones are empty; the summary has no prices. Options expire at 08:00 UTC.
"""

import re
from collections.abc import Iterator, Sequence
from statistics import median_low
from typing import TypeVar

import msgspec

from clearing.base.errors import RemoteFault
from node.oracle.events import HttpAnswer
from node.oracle.option_quotes import (
    ANSWER_BYTES_MAX,
    ROWS_MAX,
    FutureQuote,
    OptionChain,
    OptionQuote,
    expiry_of,
    figure,
)
from node.oracle.venues.okx import LIMITED
from node.oracle.venues.wire import (
    NOTHING,
    RETRY_MS_DEFAULT,
    Message,
    again,
    check_status,
    decode,
    is_absent,
    malformed,
    moment,
    rate_limited,
    refused,
)

_DATE = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})", re.ASCII)
_STRIKE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)
T = TypeVar("T")


class _Answer(Message, frozen=True):
    code: str | int
    msg: str = ""
    data: msgspec.Raw = NOTHING


class _Option(Message, frozen=True):
    instId: str  # noqa: N815 - the venue's
    ts: str
    markVol: str = ""  # noqa: N815
    bidVol: str = ""  # noqa: N815
    askVol: str = ""  # noqa: N815
    fwdPx: str = ""  # noqa: N815


class _Future(Message, frozen=True):
    instId: str  # noqa: N815
    bidPx: str = ""  # noqa: N815
    askPx: str = ""  # noqa: N815


class _Index(Message, frozen=True):
    instId: str  # noqa: N815
    idxPx: str  # noqa: N815


class OkxOptions:
    """One underlying, as BTC-USD."""

    def __init__(self, market: str) -> None:
        self._at, self._market = f"okx {market} options", market
        self.paths: tuple[str, ...] = (
            f"/api/v5/public/opt-summary?instFamily={market}",
            f"/api/v5/market/tickers?instType=FUTURES&instFamily={market}",
            f"/api/v5/market/index-tickers?instId={market}",
        )

    def read(self, answers: Sequence[HttpAnswer]) -> OptionChain:
        """Quotes of options and futures, and the index of the venue."""
        at = self._at
        options = self._listed(answers[0], _Option)
        futures = self._listed(answers[1], _Future)
        indexes = self._listed(answers[2], _Index)
        quotes = tuple(self._options(options))
        if not quotes:
            raise malformed(at, "no options in the answer")
        index = next((figure(each.idxPx, at) for each in indexes if each.instId == self._market), None)
        time_ms = median_low(moment(row.ts, at) for row in options)
        return OptionChain(time_ms, index, is_inverse=True, options=quotes, futures=tuple(self._futures(futures)))

    def _listed(self, answer: HttpAnswer, kind: type[T]) -> list[T]:
        """The rows of an answer. Raises RemoteFault as a parser."""
        at = self._at
        if answer.status in (418, 429):
            check_status(answer, at)
        try:
            found = decode(answer.body, _Answer, at, ANSWER_BYTES_MAX)
        except RemoteFault:
            check_status(answer, at)
            raise
        code = str(found.code)
        if code in LIMITED:
            raise rate_limited(at, RETRY_MS_DEFAULT)
        if code != "0":
            raise refused(at, code, found.msg)
        check_status(answer, at)
        if is_absent(found.data):
            raise malformed(at, "no data")
        rows = again(found.data, list[kind], at)  # type: ignore[valid-type]
        if len(rows) > ROWS_MAX:
            raise malformed(at, f"{len(rows)} rows in the answer")
        return rows

    def _options(self, rows: Sequence[_Option]) -> Iterator[OptionQuote]:
        at, begin = self._at, f"{self._market}-"
        for row in rows:
            parts = row.instId.removeprefix(begin).split("-") if row.instId.startswith(begin) else []
            expiry_ms = _expiry(parts[0]) if len(parts) == 3 else None
            if expiry_ms is None or not _STRIKE.fullmatch(parts[1]) or parts[2] not in ("C", "P"):
                continue
            yield OptionQuote(
                expiry_ms=expiry_ms,
                strike=float(parts[1]),
                is_call=parts[2] == "C",
                forward=figure(row.fwdPx, at),
                mark_volatility=figure(row.markVol, at),
                bid_volatility=figure(row.bidVol, at),
                ask_volatility=figure(row.askVol, at),
            )

    def _futures(self, rows: Sequence[_Future]) -> Iterator[FutureQuote]:
        begin = f"{self._market}-"
        for row in rows:
            expiry_ms = _expiry(row.instId.removeprefix(begin)) if row.instId.startswith(begin) else None
            if expiry_ms is not None:
                yield FutureQuote(expiry_ms, figure(row.bidPx, self._at), figure(row.askPx, self._at))


def _expiry(text: str) -> int | None:
    found = _DATE.fullmatch(text)
    return expiry_of(int(found[3]), int(found[2]), int(found[1])) if found else None
