"""The venue of the examples matches by price, then time, and makes or loses no lots."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2] / "client" / "examples"))

from venue import Fill, OrderBook

ALICE, BOB, CAROL = 1, 2, 3
BUY, SELL = True, False


def enter(book: OrderBook, account: int, lots: int, ticks: int, is_buy: bool) -> list[Fill]:
    return list(book.enter(account, lots, ticks, is_buy=is_buy))


def test_the_better_price_is_filled_first_then_the_earlier_order() -> None:
    book = OrderBook()
    for account, ticks in ((ALICE, 101), (BOB, 100), (CAROL, 100)):
        assert enter(book, account, 5, ticks, SELL) == []
    assert enter(book, 4, 12, 101, BUY) == [Fill(4, BOB, 5, 100), Fill(4, CAROL, 5, 100), Fill(4, ALICE, 2, 101)]
    assert [(order.account, order.lots) for order in book.asks] == [(ALICE, 3)]


def test_a_trade_is_at_the_price_of_the_order_that_waited() -> None:
    book = OrderBook()
    enter(book, ALICE, 5, 105, BUY)
    assert enter(book, BOB, 5, 100, SELL) == [Fill(ALICE, BOB, 5, 105)]


def test_an_account_never_trades_with_itself() -> None:
    book = OrderBook()
    enter(book, ALICE, 5, 100, SELL)
    assert enter(book, ALICE, 5, 100, BUY) == []
    assert (book.bids, len(book.asks)) == ([], 1)


def test_only_the_owner_cancels_and_only_what_waits() -> None:
    book = OrderBook()
    enter(book, ALICE, 5, 100, SELL)
    assert not book.cancel(1, BOB)
    assert book.cancel(1, ALICE)
    assert not book.cancel(1, ALICE)


@pytest.mark.parametrize(("lots", "ticks"), [(0, 1), (-1, 1), (1, 0), (1, -1)])
def test_an_order_without_lots_or_price_is_refused(lots: int, ticks: int) -> None:
    with pytest.raises(ValueError):
        enter(OrderBook(), ALICE, lots, ticks, BUY)


ORDERS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(95, 105), st.booleans()), max_size=40)


@given(ORDERS)
def test_no_lot_is_made_or_lost_and_the_book_never_crosses(orders: list[tuple[int, int, int, bool]]) -> None:
    book, cut = OrderBook(), 0
    bought = sold = entered_buy = entered_sell = 0
    for account, lots, ticks, is_buy in orders:
        before = book.last_number
        fills = enter(book, account, lots, ticks, is_buy)
        filled = sum(fill.lots for fill in fills)
        rests = [order for order in book.bids + book.asks if order.number == before + 1]
        rest = sum(order.lots for order in rests)
        cut += lots - filled - rest
        entered_buy, entered_sell = entered_buy + lots * is_buy, entered_sell + lots * (not is_buy)
        bought, sold = bought + filled, sold + filled
        assert all(fill.buyer != fill.seller for fill in fills)
        assert all(fill.ticks <= ticks if is_buy else fill.ticks >= ticks for fill in fills)
        assert [order.rank for order in book.bids] == sorted(order.rank for order in book.bids)
        assert [order.rank for order in book.asks] == sorted(order.rank for order in book.asks)
        crossing = [(a, b) for a in book.bids for b in book.asks if a.ticks >= b.ticks]
        assert not crossing
    waiting = sum(order.lots for order in book.bids + book.asks)
    assert entered_buy + entered_sell == bought + sold + waiting + cut
