"""Shocks as a member writes them: names and units in, ids and the ledger's integers out, and nothing rounded."""

from collections.abc import Callable
from typing import Any

import pytest

from member.api.margin import CashShock, IndexShock, TokenShock, TradeShock, VolatilityShock
from member.notation.listing import Listing
from member.notation.shocks import cash_shock, index_shock, lots_shock, once, token_shock, trade_shock, volatility_shock
from tests.kit.clearing.genesis import BTC
from tests.kit.clearing.margined import traded

TERMS = traded().state.terms.genesis
LISTING = Listing(TERMS, {BTC: 100})
"""BTC has a hundred ticks a unit, so that a lot of BTC-PERP is 0.001; of ETH nothing is known."""


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (index_shock, "BTC=-12.5", IndexShock(feed=1, move_ppm=-125_000)),
        (index_shock, "1=+10%", IndexShock(feed=1, move_ppm=100_000)),
        (volatility_shock, "ETH=+10", VolatilityShock(group=2, points_ppm=100_000)),
        (trade_shock, "BTC-PERP=-0.5", TradeShock(instrument=1, lots="-500")),
        (trade_shock, "1=0.5@7,900.25", TradeShock(instrument=1, lots="500", price_ticks="790025")),
        (lots_shock, "BTC-PERP=-20", TradeShock(instrument=1, lots="-20")),
        (lots_shock, "ETH-PERP=5@790000", TradeShock(instrument=4, lots="5", price_ticks="790000")),
        (cash_shock, "USD=1,000.5", CashShock(cash_group=1, amount_micros="1000500000")),
        (cash_shock, "1=-0.000001", CashShock(cash_group=1, amount_micros="-1")),
        (token_shock, "WETH-1=-2.5", TokenShock(asset=3, amount_units="-2500000")),
    ],
)
def test_a_shock_is_written_by_names_and_in_units(read: Callable[..., Any], text: str, expected: object) -> None:
    assert read(LISTING, text) == expected


@pytest.mark.parametrize(
    ("read", "text", "why"),
    [
        (index_shock, "BTC", "expected NAME=VALUE"),
        (index_shock, "=5", "no single feed ''; listed: BTC, ETH"),
        (index_shock, "NOTHING=5", "no single feed 'NOTHING'; listed: BTC, ETH"),
        (index_shock, "BTC=0.00001", "0.00001 has more than 4 decimals"),
        (index_shock, "BTC=nan", "expected a number such as 1250.5, got 'nan'"),
        (index_shock, "BTC=-100", "expected a move between -99.9999 % and 10,000.00 %"),
        (volatility_shock, "BTC=10001", "expected points between -10,000.00 % and 10,000.00 %"),
        (volatility_shock, "9=1", "no single risk group '9'"),
        (trade_shock, "BTC-PERP=0.0005", "0.0005 is no whole number of lots: a lot is 0.001"),
        (trade_shock, "BTC-PERP=1@7900.255", "7900.255 is between two ticks: 100 of them make a unit"),
        (trade_shock, "BTC-PERP=1@-7900", "expected a price above 0, got -7900"),
        (trade_shock, "BTC-PERP=1@", "expected a number such as 1250.5, got ''"),
        (trade_shock, "BTC-PERP=0", "expected a size other than 0, got 0"),
        (trade_shock, "ETH-PERP=1", "no units of ETH-PERP are known: give lots and ticks"),
        (trade_shock, "WETH-1=1", "no single instrument 'WETH-1'"),
        (lots_shock, "BTC-PERP=0.5", "expected a whole number of lots, got 0.5"),
        (lots_shock, "BTC-PERP=5@0.5", "expected a whole number of ticks, got 0.5"),
        (lots_shock, "BTC-PERP=5@0", "expected a price above 0, got 0"),
        (cash_shock, "USD=1.0000001", "1.0000001 has more than 6 decimals"),
        (cash_shock, "EUR=1", "no single cash group 'EUR'; listed: USD"),
        (cash_shock, "USD=9223372036854.775808", "9223372036854.775808 is more than the ledger counts"),
        (token_shock, "WETH-1=0.0000001", "0.0000001: the ledger counts WETH-1 with 6 decimals"),
        (token_shock, "USDC-1=1", "USDC-1 is cash of USD: give it with --cash"),
        (token_shock, "DAI=1", "no single token 'DAI'"),
    ],
)
def test_a_shock_that_is_not_exact_or_of_nothing_listed_is_refused_with_its_text(
    read: Callable[..., Any], text: str, why: str
) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        read(LISTING, text)
    assert str(refused.value).startswith(f"{text}: ")
    assert why in str(refused.value)


def test_an_index_is_moved_once() -> None:
    assert once(("BTC=1", "ETH=2"), lambda text: index_shock(LISTING, text), "feed")
    with pytest.raises(ValueError, match="1=2: given twice"):
        once(("BTC=1", "1=2"), lambda text: index_shock(LISTING, text), "feed")
