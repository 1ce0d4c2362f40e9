"""Indexes: lists of holders in pieces, and what a restart rebuilds of them."""

import random
from collections import Counter

import pytest

from clearing.schema.records.accounts import Balance, Book
from clearing.schema.records.trades import PendingTradeRecord
from clearing.state import indexes
from clearing.state.indexes import (
    CALLED_ACCOUNTS,
    CURRENCY_HOLDERS,
    INSTRUMENT_HOLDERS,
    PIECE_MAX,
    holders,
    index_pending,
    rebuild_indexes,
    set_holder,
)
from clearing.state.state import State
from clearing.state.table import Table
from tests.kit.clearing.genesis import SALT, make_genesis


@pytest.fixture
def state() -> State:
    return State.empty(make_genesis(), SALT)


@pytest.mark.parametrize("seed", range(5))
def test_a_list_of_holders_is_the_ordered_set_whatever_comes_and_goes(state, monkeypatch, seed):
    monkeypatch.setattr(indexes, "PIECE_MAX", 4)
    chance, listed = random.Random(seed), set()
    for share in (0.9, 0.5, 0.1):
        for _ in range(200):
            account, holds = chance.randrange(150), chance.random() < share
            set_holder(state, INSTRUMENT_HOLDERS, 7, account, holds=holds)
            listed = listed | {account} if holds else listed - {account}
            assert holders(state, INSTRUMENT_HOLDERS, 7) == tuple(sorted(listed))
            assert all(0 < len(piece) <= 4 for piece in state.holders.get((INSTRUMENT_HOLDERS, 7)) or ())
    for account in range(150):
        set_holder(state, INSTRUMENT_HOLDERS, 7, account, holds=False)
    assert not state.holders.get((INSTRUMENT_HOLDERS, 7))


def test_a_change_leaves_all_other_pieces_as_they_are(state):
    for account in range(0, 20 * PIECE_MAX, 2):
        set_holder(state, CURRENCY_HOLDERS, 1, account, holds=True)
    before = state.holders[(CURRENCY_HOLDERS, 1)]
    assert len(before) <= 40
    set_holder(state, CURRENCY_HOLDERS, 1, 5_001, holds=True)
    after = state.holders[(CURRENCY_HOLDERS, 1)]
    assert len({id(piece) for piece in after} - {id(piece) for piece in before}) <= 2
    set_holder(state, CURRENCY_HOLDERS, 1, 5_001, holds=True)
    assert state.holders[(CURRENCY_HOLDERS, 1)] is after


def pending(number: int) -> PendingTradeRecord:
    """Due in an order of its own, between two of ten accounts."""
    buyer, seller = number % 10, (number + 3) % 10
    due_ms = number * 7_919 % 1_000
    return PendingTradeRecord(1, buyer, seller, 1, 100, 5, buyer, seller, due_ms=due_ms, last_attempt_ms=5)


class CountedTable(Table):
    """Counts its writes by key."""

    __slots__ = ("writes",)

    def __init__(self) -> None:
        super().__init__()
        self.writes = Counter()

    def put(self, key, record):
        self.writes[key] += 1
        super().put(key, record)


def test_a_rebuilt_list_is_written_once_however_long_it_is(state):
    for account in range(3 * PIECE_MAX):
        state.balances.put((account, 1), Balance(0, 5))
        state.books.put(account, Book(((2, 1), (3, -1))))
        state.pending_trades.put((1, 0, account, 0), pending(account))
    state.holders, state.pending_by_due_time = CountedTable(), CountedTable()
    rebuild_indexes(state)
    everybody = tuple(range(3 * PIECE_MAX))
    assert state.holders.writes == {(CURRENCY_HOLDERS, 1): 1, (INSTRUMENT_HOLDERS, 2): 1, (INSTRUMENT_HOLDERS, 3): 1}
    assert holders(state, CURRENCY_HOLDERS, 1) == holders(state, INSTRUMENT_HOLDERS, 3) == everybody
    assert holders(state, CALLED_ACCOUNTS, 0) == ()
    assert state.pending_by_due_time.writes == {0: 1}


def test_rebuilt_pending_trades_are_those_indexed_one_by_one(state):
    for number in (3, 1, 4, 1, 5, 9, 2, 6):
        state.pending_trades.put((1, 0, number, 0), pending(number))
    rebuild_indexes(state)
    one_by_one = State.empty(make_genesis(), SALT)
    for key, record in state.pending_trades.ordered():
        index_pending(one_by_one, key, None, record)
    assert state.pending_by_due_time[0] == one_by_one.pending_by_due_time[0]
    assert list(state.pending_counts.ordered()) == list(one_by_one.pending_counts.ordered())
