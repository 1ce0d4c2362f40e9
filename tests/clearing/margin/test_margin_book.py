"""The margin book: after any history of changes and prices it equals the definition for every account."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clearing.base.errors import LocalFault
from clearing.margin.requirement.account_margin import account_margin
from clearing.margin.requirement.margin_book import HoldingsChange, MarginBook
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.schema.risk.charges import LotCharge
from clearing.schema.risk.parameters import JointCredit, JointScenario
from tests.kit.margin.books import HUGE, INDEX, NORMAL, ONLY, PARAMETERS, arrays_of, holdings, modest_holdings

accounts = st.integers(0, 9)
changes = st.builds(
    HoldingsChange,
    cash=st.dictionaries(st.integers(1, 2), st.integers(-(10**7), 10**9), max_size=2),
    tokens=st.dictionaries(st.just(2), st.integers(0, 10**5), max_size=1),
    lots=st.dictionaries(st.integers(1, 5), st.integers(-1000, 1000), max_size=3),
)
ZERO = ((0, 0), (0,), (0,) * 5)


def added(row, change: HoldingsChange):
    cash, tokens, lots = row
    return (
        tuple(claim + change.cash.get(group, 0) for group, claim in enumerate(cash, start=1)),
        tuple(units + change.tokens.get(2, 0) for units in tokens),
        tuple(count + change.lots.get(number, 0) for number, count in enumerate(lots, start=1)),
    )


def moved(before: RiskArrays, after: RiskArrays, row) -> bool:
    """Whether a value changed that the row's margin rests on: of any instrument of a group in which it has lots."""
    _, tokens, lots = row
    groups = {NORMAL.instruments[at].group for at, count in enumerate(lots) if count}
    members = [at for at, each in enumerate(NORMAL.instruments) if each.group in groups]
    of_tokens = tokens[0] and before.token_values[0] != after.token_values[0]
    return bool(of_tokens or (before.values[members] != after.values[members]).any())


def margins_of(book: MarginBook, listed: list[int]):
    batch = book.margins(listed)
    for part, same in zip(book.totals(listed), (batch.equity, batch.losses, batch.initial), strict=True):
        assert part.tolist() == same.tolist()
    composed = [batch.account(at) for at in range(len(listed))]
    assert batch.initial.tolist() == [each.initial for each in composed]  # kept by the book, and put together again
    assert batch.initial_ok.tolist() == [each.initial_ok for each in composed]
    assert batch.maintenance_ok.tolist() == [each.maintenance_ok for each in composed]
    return composed


class BookMachine(RuleBasedStateMachine):
    """Random histories; the model is a plain dictionary of holdings."""

    @initialize()
    def start(self):
        self.arrays = NORMAL
        self.book = MarginBook(NORMAL)
        self.rows = {}
        self.stale = set()
        self.below = []

    @rule()
    def fork(self):
        self.below.append((self.book, dict(self.rows), set(self.stale), self.arrays))
        self.book = self.book.fork()
        self.stale = set()

    @rule(decided=st.booleans())
    def end_a_fork(self, decided):
        if not self.below:
            return
        fork = self.book
        self.book, rows, stale, arrays = self.below.pop()
        if decided:
            fork.absorb()
            self.stale |= stale
            assert [fork.margin(each) for each in self.rows] == [self.book.margin(each) for each in self.rows]
        else:
            self.rows, self.stale, self.arrays = rows, stale, arrays

    @rule(account=accounts, row=st.one_of(modest_holdings, holdings))
    def put(self, account, row):
        self.book.put(account, *row)
        self.rows[account] = row
        self.stale.add(account)

    @rule(account=accounts, change=changes)
    def change(self, account, change):
        after = added(self.rows.get(account, ZERO), change)
        if any(abs(lots) >= 2**39 for lots in after[2]) or any(abs(each) >= 2**63 for each in after[0] + after[1]):
            with pytest.raises(LocalFault):
                self.book.change(account, change)
            return
        if account not in self.rows or change.cash or change.tokens or change.lots:
            self.stale.add(account)
        self.book.change(account, change)
        self.rows[account] = after

    @rule(btc=st.sampled_from([790_000, 700_000, 2**40 - 1]), eth=st.sampled_from([19_400, 15_000]))
    def price(self, btc, eth):
        before, self.arrays = self.arrays, arrays_of({1: btc, 2: eth})
        self.stale |= {account for account, row in self.rows.items() if moved(before, self.arrays, row)}
        self.book.reprice(self.arrays)

    @rule()
    def remargin(self):
        assert self.book.remargin() == sorted(self.stale)
        self.stale.clear()

    @invariant()
    def equals_the_definition(self):
        if not hasattr(self, "book"):
            return
        defined = {account: account_margin(self.arrays, *row) for account, row in sorted(self.rows.items())}
        assert {account: self.book.margin(account) for account in defined} == defined
        assert margins_of(self.book, list(defined)) == list(defined.values())
        assert len(self.book) == len(defined)


def book_of(arrays: RiskArrays, rows) -> MarginBook:
    book = MarginBook(arrays)
    for account, row in rows.items():
        book.put(account, *row)
    return book


TestBookMachine = BookMachine.TestCase
TestBookMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_a_price_touches_only_the_holders_of_its_group():
    rows = {
        1: ((10**9, 0), (0,), (5, 0, 0, 0, 0)),
        2: ((10**9, 0), (0,), (0, 5, 0, 0, 0)),
        3: ((10**9, 0), (50,), (0, 0, 0, 0, 0)),
        4: ((10**9, 0), (0,), (0, 0, 0, -3, 0)),
    }
    book = book_of(NORMAL, rows)
    assert book.remargin() == [1, 2, 3, 4]
    assert book.remargin() == []
    book.reprice(arrays_of({1: INDEX[1] + 100, 2: INDEX[2]}))
    assert book.remargin() == [1, 4]
    book.reprice(arrays_of({1: INDEX[1] + 100, 2: INDEX[2] + 100}))
    assert book.remargin() == [2, 3]
    book.change(1, HoldingsChange({}, {}, {1: -5}))
    assert book.remargin() == [1]
    book.reprice(NORMAL)
    assert book.remargin() == [2, 3, 4]


def test_a_book_grows_beyond_its_first_columns():
    rows = {account: ((account, -account), (account,), (account, -1, 0, account % 7, 0)) for account in range(1000)}
    book = book_of(NORMAL, rows)
    assert book.remargin() == list(range(1000))
    assert all(book.margin(account) == account_margin(NORMAL, *row) for account, row in rows.items())


def test_numbers_beyond_64_bits_come_and_go():
    narrow, other = ((100, 0), (0,), (1, 0, 0, 0, 0)), ((5, 0), (0,), (0, 1, 0, 0, 0))
    wide = ((2**63 - 1, 2**63 - 1), (2**56 - 1,), (2**39 - 1,) * 5)
    book = book_of(HUGE, {1: narrow, 2: wide})
    assert book.margin(2) == account_margin(HUGE, *wide)
    assert book.margin(2).initial > 2**63
    book.put(2, *other)
    book.reprice(NORMAL)
    assert margins_of(book, [1, 2]) == [account_margin(NORMAL, *row) for row in (narrow, other)]


def test_a_holding_out_of_its_range_is_refused_and_nothing_is_kept():
    book = MarginBook(NORMAL)
    for row in (
        ((2**63, 0), (0,), (0,) * 5),
        ((0, 0), (-(2**63),), (0,) * 5),
        ((0, 0), (0,), (2**39, 0, 0, 0, 0)),
    ):
        with pytest.raises(LocalFault, match="margin book"):
            book.put(1, *row)
    with pytest.raises(ValueError, match="do not fit"):
        book.put(1, (0,), (0,), (0,) * 5)
    assert len(book) == 0
    book.put(1, (0, 0), (0,), (2**39 - 1, 0, 0, 0, 0))
    before = book.margin(1)
    with pytest.raises(LocalFault, match="margin book lots"):
        book.change(1, HoldingsChange({1: 5}, {}, {1: 1}))
    assert book.margin(1) == before


def test_arrays_of_another_listing_need_a_new_book():
    book = MarginBook(NORMAL)
    with pytest.raises(LocalFault, match="margin book"):
        book.reprice(arrays_of(instruments=NORMAL.instruments[:-1]))


def charged(per_lot_ppm: int, tail: int) -> RiskArrays:
    joint = JointCredit(tuple(JointScenario((1 + at, 16 - at)) for at in range(8)), tail)
    return arrays_of(parameters=msgspec.structs.replace(PARAMETERS, charges=(LotCharge(2, per_lot_ppm),), joint=joint))


@pytest.mark.parametrize(("per_lot_ppm", "tail", "touched"), [(9_000, 2, [2]), (1_000, 3, [1, 2, 3])])
def test_a_change_of_charges_alone_touches_whom_it_concerns(per_lot_ppm, tail, touched):
    rows = {
        1: ((10**9, 0), (0,), (5, 0, 0, 0, 0)),
        2: ((10**9, 0), (0,), (7, -5, 0, 0, 0)),
        3: ((0, 5), (0,), (0,) * 5),
    }
    before, after = charged(1_000, 2), charged(per_lot_ppm, tail)
    book = book_of(before, rows)
    book.remargin()
    fork = book.fork()
    fork.reprice(after)
    assert fork.remargin() == touched
    for each, arrays in ((book, before), (fork, after)):
        assert margins_of(each, list(rows)) == [account_margin(arrays, *row) for row in rows.values()]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.one_of(modest_holdings, holdings), min_size=1, max_size=5),
    steps=st.lists(
        st.tuples(st.sampled_from([790_000, 700_000, 2**40 - 1]), st.sampled_from(sorted(ONLY)), st.booleans()),
        min_size=1,
        max_size=5,
    ),
)
def test_a_book_follows_prices_and_rules_that_move_together(rows, steps):
    held = dict(enumerate(rows))
    book = book_of(NORMAL, held)
    for btc, rules, forked in steps:
        arrays = arrays_of({1: btc, 2: 19_400}, parameters=ONLY[rules])
        book = book.fork() if forked else book
        book.reprice(arrays)
        defined = [account_margin(arrays, *row) for row in rows]
        assert margins_of(book, list(held)) == [book.margin(each) for each in held] == defined
        assert book.short(list(held), 2**70) == [at for at, margin in enumerate(defined) if not margin.initial_ok]


def test_a_fork_reads_through_and_is_folded_in_whole():
    book = book_of(NORMAL, {at: ((at, 0), (at,), (at % 3, 0, at % 5, 0, 0)) for at in range(200)})
    first, second = book.fork(), book.fork()
    first.put(500, (7, 7), (0,), (1, 1, 1, 1, 1))
    first.change(3, HoldingsChange({1: 100}, {}, {2: -9}))
    second.put(501, (8, 8), (0,), (0, 0, 0, 0, -1))
    deeper = first.fork()
    risen = arrays_of(INDEX | {1: INDEX[1] + 900})
    deeper.reprice(risen)
    assert len(deeper.remargin()) == len([each for each in range(200) if each % 3 or each % 5]) + 1
    assert 500 not in book
    assert 501 not in deeper
    assert book.margin(3) == account_margin(NORMAL, (3, 0), (3,), (0, 0, 3, 0, 0))
    deeper.absorb()
    first.absorb()
    rows = ((103, 0), (3,), (0, -9, 3, 0, 0)), ((7, 7), (0,), (1, 1, 1, 1, 1)), ((4, 0), (4,), (1, 0, 4, 0, 0))
    for each in (book, first, deeper):
        assert margins_of(each, [3, 500, 4]) == [account_margin(risen, *row) for row in rows]


def test_a_fork_that_was_merged_follows_prices_through_the_book_below():
    rows = {at: ((10**9, 0), (at % 2,), (at % 3, 0, at % 5, 0, 0)) for at in range(100)}
    book = book_of(NORMAL, rows)
    fork = book.fork()
    fork.put(7, *rows[8])
    for number, ticks in enumerate((790_000, 780_000, 805_000)):
        fork.reprice(arrays_of(INDEX | {1: ticks}))
        fork.put(200 + number, (5, 5), (0,), (0, number, 1, 0, 0))
        fork.absorb()
    held = rows | {7: rows[8]} | {200 + number: ((5, 5), (0,), (0, number, 1, 0, 0)) for number in range(3)}
    for each in (fork, book):
        assert margins_of(each, list(held)) == [account_margin(fork.arrays, *row) for row in held.values()]
    assert book.remargin() == sorted(held)


def test_who_begins_or_stops_to_hold_is_known_at_the_next_price():
    rows = {at: ((10**9, 0), (0,), (at % 2, 0, 0, 0, 0)) for at in range(20)}
    book = book_of(NORMAL, rows)
    for turn, ticks in enumerate((790_000, 780_000, 805_000, 800_000)):
        fork = book.fork()
        fork.reprice(arrays_of(INDEX | {1: ticks}))
        fork.remargin()
        fork.put_lots([(turn, [(1, 1 - turn % 2)]), (10 + turn, [])])
        fork.absorb()
        rows[turn] = ((10**9, 0), (0,), (1 - turn % 2, 0, 0, 0, 0))
        rows[10 + turn] = ((10**9, 0), (0,), (0,) * 5)
        book.remargin()
        book.reprice(arrays_of(INDEX | {1: ticks + 1}))
        assert book.remargin() == [at for at, (_, _, lots) in rows.items() if any(lots)]
        assert margins_of(book, list(rows)) == [account_margin(book.arrays, *row) for row in rows.values()]
