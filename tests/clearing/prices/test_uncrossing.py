"""The price of a call auction: most lots, least left over, nearest to the reference, then the lower."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.prices.reopening import LimitOrder, UncrossingResult, matched_pairs, uncross


def orders(*wanted: tuple[int, int]) -> list[LimitOrder]:
    return [LimitOrder(account, lots, ticks, 1) for account, (lots, ticks) in enumerate(wanted, start=1)]


@pytest.mark.parametrize(
    ("wanted", "reference", "price"),
    [
        ([], 100, None),
        ([(5, 100)], 100, None),
        ([(5, 99), (-5, 100)], 100, None),  # nobody meets
        ([(5, 100), (-5, 100)], 7, UncrossingResult(100, 5, 0)),
        ([(5, 110), (-5, 90)], 109, UncrossingResult(110, 5, 0)),  # nearest to the reference
        ([(5, 110), (-5, 90)], 100, UncrossingResult(90, 5, 0)),  # as near: the lower
        ([(5, 110), (5, 100), (-10, 90)], 110, UncrossingResult(100, 10, 0)),  # most lots first
        ([(5, 110), (5, 100), (-5, 90)], 90, UncrossingResult(110, 5, 0)),  # least left over before the reference
        ([(8, 110), (-5, 90), (-2, 120)], 100, UncrossingResult(90, 5, 3)),
    ],
)
def test_the_price_trades_most_and_leaves_least(
    wanted: list[tuple[int, int]], reference: int, price: UncrossingResult | None
) -> None:
    for order in permutations(orders(*wanted)):
        assert uncross(order, reference) == price


def test_better_prices_trade_first_then_earlier_orders_then_lower_accounts() -> None:
    book = [
        LimitOrder(1, 5, 100, 9),
        LimitOrder(2, 5, 100, 8),
        LimitOrder(3, 5, 105, 9),
        LimitOrder(4, 5, 100, 8),
        LimitOrder(5, -12, 90, 1),
    ]
    price = uncross(book, 100)
    assert price == UncrossingResult(100, 12, 8)
    assert matched_pairs(book, price) == [(3, 5, 5), (2, 5, 5), (4, 5, 2)]


BOOK = st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.integers(1, 30), st.integers(0, 3)), max_size=15).map(
    lambda rows: [LimitOrder(at, lots, ticks, height) for at, (lots, ticks, height) in enumerate(rows)]
)


@given(BOOK, st.integers(1, 30))
def test_nobody_trades_worse_than_asked_or_more_than_wanted(book: list[LimitOrder], reference: int) -> None:
    price = uncross(book, reference)
    best = max(
        (
            min(
                sum(each.lots for each in book if each.lots > 0 and each.ticks >= ticks),
                -sum(each.lots for each in book if each.lots < 0 and each.ticks <= ticks),
            )
            for ticks in range(32)
        ),
        default=0,
    )
    if price is None:
        assert best == 0
        return
    assert price.lots == best
    matched = matched_pairs(book, price)
    assert sum(lots for _, _, lots in matched) == price.lots
    for order in book:
        sign = 1 if order.lots > 0 else -1
        own = sum(lots for buyer, seller, lots in matched if order.account == (buyer if sign > 0 else seller))
        assert own <= abs(order.lots)
        if own:
            assert (order.ticks - price.ticks) * sign >= 0
