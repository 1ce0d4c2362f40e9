"""The margin book: after any history of changes and prices it equals the definition for every account."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clearing.base.errors import LocalFault
from clearing.margin.requirement.account_margin import account_margin
from clearing.margin.requirement.margin_book import HoldingsChange, MarginBook
from clearing.margin.risk_arrays.arrays import RiskArrays, build_risk_arrays
from clearing.schema.risk.charges import LotCharge
from clearing.schema.risk.parameters import JointCredit, JointScenario
from tests.kit.margin.books import (
    ASSETS,
    CASH_GROUPS,
    HUGE,
    INDEX,
    INSTRUMENTS,
    NORMAL,
    NOW_MS,
    PARAMETERS,
    arrays_of,
    holdings,
    modest_holdings,
)

accounts = st.integers(0, 9)
lot_steps = st.dictionaries(st.integers(1, 5), st.integers(-1000, 1000), max_size=3)
changes = st.builds(
    HoldingsChange,
    cash=st.dictionaries(st.integers(1, 2), st.integers(-(10**7), 10**9), max_size=2),
    tokens=st.dictionaries(st.just(2), st.integers(0, 10**5), max_size=1),
    lots=lot_steps,
)
ZERO = ((0, 0), (0,), (0,) * 5)


def added(held, change: HoldingsChange):
    cash, tokens, lots = (list(part) for part in held)
    for group, by in change.cash.items():
        cash[group - 1] += by
    for by in change.tokens.values():
        tokens[0] += by
    for instrument, by in change.lots.items():
        lots[instrument - 1] += by
    return tuple(cash), tuple(tokens), tuple(lots)


class BookMachine(RuleBasedStateMachine):
    """Random histories; the model is a plain dictionary of holdings."""

    @initialize()
    def start(self):
        self.arrays = NORMAL
        self.book = MarginBook(NORMAL)
        self.held = {}
        self.stale = set()
        self.below = []

    @rule()
    def fork(self):
        self.below.append((self.book, dict(self.held), set(self.stale), self.arrays))
        self.book = self.book.fork()
        self.stale = set()

    @rule(decided=st.booleans())
    def end_a_fork(self, decided):
        if not self.below:
            return
        fork = self.book
        self.book, held, stale, arrays_ = self.below.pop()
        if decided:
            fork.absorb()
            self.stale = stale | self.stale
            for account in self.held:
                assert fork.margin(account) == self.book.margin(account)
        else:
            self.held, self.stale, self.arrays = held, stale, arrays_

    def mark(self, old, new):
        for account, (_, tokens, lots) in self.held.items():
            for at in range(5):
                if (
                    lots[at]
                    and (
                        old.values[[i for i in range(5) if self.same(i, at)]]
                        != new.values[[i for i in range(5) if self.same(i, at)]]
                    ).any()
                ):
                    self.stale.add(account)
            if tokens[0] and old.token_values[0] != new.token_values[0]:
                self.stale.add(account)

    @staticmethod
    def same(one, other):
        return NORMAL.instruments[one].group == NORMAL.instruments[other].group

    @rule(account=accounts, row=st.one_of(modest_holdings, holdings))
    def put(self, account, row):
        self.book.put(account, *row)
        self.held[account] = row
        self.stale.add(account)

    @rule(account=accounts, change=changes)
    def change(self, account, change):
        after = added(self.held.get(account, ZERO), change)
        if any(abs(lots) >= 2**39 for lots in after[2]) or any(abs(each) >= 2**63 for each in after[0] + after[1]):
            with pytest.raises(LocalFault):
                self.book.change(account, change)
            return
        known = account in self.held
        self.book.change(account, change)
        self.held[account] = after
        if not known or change.cash or change.tokens or change.lots:
            self.stale.add(account)

    @rule(btc=st.sampled_from([790_000, 700_000, 2**40 - 1]), eth=st.sampled_from([19_400, 15_000]))
    def price(self, btc, eth):
        new = arrays_of({1: btc, 2: eth})
        self.mark(self.arrays, new)
        self.book.reprice(new)
        self.arrays = new

    @rule()
    def remargin(self):
        assert self.book.remargin() == sorted(self.stale)
        self.stale.clear()

    @invariant()
    def equals_the_definition(self):
        if not hasattr(self, "book"):
            return
        want = {account: account_margin(self.arrays, *row) for account, row in sorted(self.held.items())}
        assert {account: self.book.margin(account) for account in want} == want
        batch = self.book.margins(list(want))
        assert [batch.account(at) for at in range(len(want))] == list(want.values())
        assert len(self.book) == len(want)


TestBookMachine = BookMachine.TestCase
TestBookMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_a_price_touches_only_the_holders_of_its_group():
    book = MarginBook(NORMAL)
    book.put(1, (10**9, 0), (0,), (5, 0, 0, 0, 0))
    book.put(2, (10**9, 0), (0,), (0, 5, 0, 0, 0))
    book.put(3, (10**9, 0), (50,), (0, 0, 0, 0, 0))
    book.put(4, (10**9, 0), (0,), (0, 0, 0, -3, 0))
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


@settings(max_examples=20, deadline=None)
@given(st.lists(modest_holdings, min_size=1, max_size=10), st.randoms(use_true_random=False))
def test_the_order_of_accounts_changes_no_margin(rows, rng):
    order = list(range(len(rows)))
    rng.shuffle(order)
    straight, shuffled = MarginBook(NORMAL), MarginBook(NORMAL)
    for at, row in enumerate(rows):
        straight.put(at, *row)
    for at in order:
        shuffled.put(at, *rows[at])
    assert [straight.margin(at) for at in range(len(rows))] == [shuffled.margin(at) for at in range(len(rows))]


def test_a_book_grows_beyond_its_first_columns():
    book = MarginBook(NORMAL)
    rows = {account: ((account, -account), (account,), (account, -1, 0, account % 7, 0)) for account in range(1000)}
    for account, row in rows.items():
        book.put(account, *row)
    assert book.remargin() == list(range(1000))
    assert all(book.margin(account) == account_margin(NORMAL, *row) for account, row in rows.items())


def test_numbers_beyond_64_bits_come_and_go():
    book = MarginBook(HUGE)
    wide = ((2**63 - 1, 2**63 - 1), (2**56 - 1,), (2**39 - 1,) * 5)
    book.put(1, (100, 0), (0,), (1, 0, 0, 0, 0))
    book.put(2, *wide)
    assert book.margin(2) == account_margin(HUGE, *wide)
    assert book.margin(2).initial > 2**63
    book.put(2, (5, 0), (0,), (0, 1, 0, 0, 0))
    book.reprice(NORMAL)
    assert book.margin(1) == account_margin(NORMAL, (100, 0), (0,), (1, 0, 0, 0, 0))
    assert book.margin(2) == account_margin(NORMAL, (5, 0), (0,), (0, 1, 0, 0, 0))


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
    other = type(NORMAL)(
        instruments=NORMAL.instruments[:-1],
        assets=NORMAL.assets,
        cash_groups=NORMAL.cash_groups,
        values=NORMAL.values[:-1],
        token_values=NORMAL.token_values,
        priced=NORMAL.priced[:-1],
        parameters=NORMAL.parameters,
    )
    with pytest.raises(LocalFault, match="margin book"):
        book.reprice(other)


def charged(index: dict[int, int], per_lot_ppm: int, tail: int) -> RiskArrays:
    parameters = msgspec.structs.replace(
        PARAMETERS,
        charges=(LotCharge(2, per_lot_ppm),),
        joint=JointCredit(tuple(JointScenario((1 + at, 16 - at)) for at in range(8)), tail),
    )
    return build_risk_arrays(INSTRUMENTS, ASSETS, CASH_GROUPS, {}, index, parameters, NOW_MS)


@pytest.mark.parametrize(("per_lot_ppm", "tail", "touched"), [(9_000, 2, [2]), (1_000, 3, [1, 2, 3])])
def test_a_change_of_charges_alone_touches_whom_it_concerns(per_lot_ppm, tail, touched):
    rows = {
        1: ((10**9, 0), (0,), (5, 0, 0, 0, 0)),
        2: ((10**9, 0), (0,), (7, -5, 0, 0, 0)),
        3: ((0, 5), (0,), (0,) * 5),
    }
    before, after = charged(INDEX, 1_000, 2), charged(INDEX, per_lot_ppm, tail)
    book = MarginBook(before)
    for account, row in rows.items():
        book.put(account, *row)
    book.remargin()
    fork = book.fork()
    fork.reprice(after)
    assert fork.remargin() == touched
    for each, arrays_ in ((book, before), (fork, after)):
        batch = each.margins(list(rows))
        assert [batch.account(at) for at in range(3)] == [account_margin(arrays_, *row) for row in rows.values()]


def test_a_fork_reads_through_and_is_folded_in_whole():
    book = MarginBook(NORMAL)
    for account in range(200):
        book.put(account, (account, 0), (account,), (account % 3, 0, account % 5, 0, 0))
    first, second = book.fork(), book.fork()
    first.put(500, (7, 7), (0,), (1, 1, 1, 1, 1))
    first.change(3, HoldingsChange({1: 100}, {}, {2: -9}))
    second.put(501, (8, 8), (0,), (0, 0, 0, 0, -1))
    deeper = first.fork()
    moved = arrays_of({1: INDEX[1] + 900, 2: INDEX[2]})
    deeper.reprice(moved)
    assert len(deeper.remargin()) == len([each for each in range(200) if each % 3 or each % 5]) + 1
    assert 500 not in book
    assert 501 not in deeper
    assert book.margin(3) == account_margin(NORMAL, (3, 0), (3,), (0, 0, 3, 0, 0))
    deeper.absorb()
    first.absorb()
    for each in (book, first, deeper):
        assert each.margins([3, 500, 4]).account(0) == account_margin(moved, (103, 0), (3,), (0, -9, 3, 0, 0))
        assert each.margins([3, 500, 4]).account(1) == account_margin(moved, (7, 7), (0,), (1, 1, 1, 1, 1))
        assert each.margins([3, 500, 4]).account(2) == account_margin(moved, (4, 0), (4,), (1, 0, 4, 0, 0))
