"""Options of Deribit: the summaries of all books of a currency.

Source: docs.deribit.com, public/get_book_summary_by_currency. Prices of inverse options are in the coin, volatilities
in percent points; a side that is empty is null, or absent. Options expire at 08:00 UTC.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from statistics import median_low

from node.oracle.events import HttpAnswer
from node.oracle.option_quotes import (
    ANSWER_BYTES_MAX,
    ROWS_MAX,
    FutureQuote,
    OptionChain,
    OptionQuote,
    expiry_of,
    figure,
    month_of,
)
from node.oracle.venues.deribit import answered
from node.oracle.venues.wire import Message, again, malformed, moment

PERPETUAL = "PERPETUAL"
_DATE = re.compile(r"([1-9][0-9]?)([A-Z]{3})([0-9]{2})", re.ASCII)
_STRIKE = re.compile(r"[0-9]{1,12}(d[0-9]{1,9})?", re.ASCII)


class _Summary(Message, frozen=True):
    instrument_name: str
    creation_timestamp: int
    bid_price: Decimal | None = None
    ask_price: Decimal | None = None
    mark_iv: Decimal | None = None
    bid_iv: Decimal | None = None
    ask_iv: Decimal | None = None
    underlying_price: Decimal | None = None
    estimated_delivery_price: Decimal | None = None


class DeribitOptions:
    """One underlying: BTC for inverse options, SOL_USDC for linear ones."""

    def __init__(self, market: str) -> None:
        self._at, self._market = f"deribit {market} options", market
        coin, _, money = market.partition("_")
        self._is_inverse = not money
        asked = f"/api/v2/public/get_book_summary_by_currency?currency={money or coin}&kind="
        self.paths: tuple[str, ...] = (f"{asked}option", f"{asked}future")

    def read(self, answers: Sequence[HttpAnswer]) -> OptionChain:
        """Quotes of options and futures, and the index of the venue."""
        options, futures = (self._summaries(answer) for answer in answers)
        quotes = tuple(self._options(options))
        if not quotes:
            raise malformed(self._at, "no options in the answer")
        times = [moment(row.creation_timestamp, self._at) for row in options]
        return OptionChain(
            median_low(times), self._index(options, futures), self._is_inverse, quotes, tuple(self._futures(futures))
        )

    def _summaries(self, answer: HttpAnswer) -> list[_Summary]:
        at = self._at
        rows = again(answered(answer, at, ANSWER_BYTES_MAX).result, list[_Summary], at)
        if len(rows) > ROWS_MAX:
            raise malformed(at, f"{len(rows)} books in the answer")
        return [row for row in rows if row.instrument_name.startswith(f"{self._market}-")]

    def _options(self, rows: Sequence[_Summary]) -> Iterator[OptionQuote]:
        at = self._at
        for row in rows:
            parts = row.instrument_name[len(self._market) + 1 :].split("-")
            expiry_ms = _expiry(parts[0])
            if len(parts) != 3 or expiry_ms is None or not _STRIKE.fullmatch(parts[1]) or parts[2] not in ("C", "P"):
                continue
            mark, bid, ask = (_fraction(figure(each, at)) for each in (row.mark_iv, row.bid_iv, row.ask_iv))
            yield OptionQuote(
                expiry_ms=expiry_ms,
                strike=float(parts[1].replace("d", ".")),
                is_call=parts[2] == "C",
                forward=figure(row.underlying_price, at),
                mark_volatility=mark,
                bid_volatility=bid,
                ask_volatility=ask,
                bid=figure(row.bid_price, at),
                ask=figure(row.ask_price, at),
            )

    def _futures(self, rows: Sequence[_Summary]) -> Iterator[FutureQuote]:
        for row in rows:
            expiry_ms = _expiry(row.instrument_name[len(self._market) + 1 :])
            if expiry_ms is not None:
                yield FutureQuote(expiry_ms, figure(row.bid_price, self._at), figure(row.ask_price, self._at))

    def _index(self, options: Sequence[_Summary], futures: Sequence[_Summary]) -> float | None:
        """Near its expiry an instrument states the mean so far; the perpetual always states the index."""
        perpetual = [row for row in futures if row.instrument_name.endswith(PERPETUAL)]
        found = [figure(row.estimated_delivery_price, self._at) for row in (perpetual or options)]
        known = [each for each in found if each is not None]
        return median_low(known) if known else None


def _fraction(percent: float | None) -> float | None:
    return None if percent is None else percent / 100.0


def _expiry(text: str) -> int | None:
    found = _DATE.fullmatch(text)
    return expiry_of(int(found[1]), month_of(found[2]), int(found[3])) if found else None
