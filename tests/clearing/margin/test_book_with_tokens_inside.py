"""A margin book with tokens inside the scenarios equals the definition after every change, in forks as well."""

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from clearing.margin.requirement.account_margin import account_margin
from clearing.margin.requirement.book_columns import has_same_listing
from clearing.margin.requirement.margin_book import HoldingsChange, MarginBook
from clearing.schema.terms.collateral import ScenarioTerms
from tests.kit.margin.books import INSTRUMENTS, PARAMETERS, lots
from tests.kit.margin.inside import INDEX, INSIDE, TOKENS, holdings, inside_arrays, modest_holdings, parameters_of

ACCOUNTS = (1, 2, 3)
accounts = st.sampled_from(ACCOUNTS)
Row = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


class BookInside(RuleBasedStateMachine):
    """Every way in which a book changes."""

    def __init__(self) -> None:
        super().__init__()
        self.parameters = parameters_of("all")
        self.index = dict(INDEX)
        self.arrays = inside_arrays(self.parameters)
        self.book = MarginBook(self.arrays)
        self.rows: dict[int, Row] = {}
        self.below: list[tuple[MarginBook, dict[int, Row], dict[int, int]]] = []

    @rule(account=accounts, row=st.one_of(modest_holdings, holdings))
    def put(self, account, row):
        self.book.put(account, *row)
        self.rows[account] = row

    @rule(account=accounts, at=st.integers(0, 3), units=st.integers(0, 2**56 - 1))
    def put_money(self, account, at, units):
        cash, tokens, positions = self.rows.get(account, ((0, 0), (0, 0, 0, 0), (0, 0, 0, 0, 0)))
        self.book.put_money([(account, self.book.money_rows[1][TOKENS[at].id], units)])
        self.rows[account] = (cash, (*tokens[:at], units, *tokens[at + 1 :]), positions)

    @rule(account=accounts, held=st.tuples(*(lots for _ in INSTRUMENTS)))
    def put_lots(self, account, held):
        cash, tokens, _ = self.rows.get(account, ((0, 0), (0, 0, 0, 0), (0, 0, 0, 0, 0)))
        self.book.put_lots([(account, [(each.id, q) for each, q in zip(INSTRUMENTS, held, strict=True) if q])])
        self.rows[account] = (cash, tokens, held)

    @rule(account=accounts, at=st.integers(0, 3), units=st.integers(0, 10**6))
    def change(self, account, at, units):
        cash, tokens, positions = self.rows.get(account, ((0, 0), (0, 0, 0, 0), (0, 0, 0, 0, 0)))
        if tokens[at] + units >= 2**63:
            return
        self.book.change(account, HoldingsChange({}, {TOKENS[at].id: units}, {}))
        self.rows[account] = (cash, (*tokens[:at], tokens[at] + units, *tokens[at + 1 :]), positions)

    @rule(feed=st.sampled_from([1, 2, 3, 4]), ticks=st.sampled_from([150, 19_399, 19_401, 30_000, 2**40 - 1]))
    def price(self, feed, ticks):
        self.index[feed] = ticks
        self.arrays = inside_arrays(self.parameters, dict(self.index), before=self.arrays)
        self.book.reprice(self.arrays)

    @rule()
    def fork(self):
        self.below.append((self.book, dict(self.rows), dict(self.index)))
        self.book = self.book.fork()

    @rule(decided=st.booleans())
    def end_a_fork(self, decided):
        if not self.below:
            return
        fork = self.book
        self.book, rows, index = self.below.pop()
        if decided:
            fork.absorb()
        else:
            self.rows, self.index = rows, index
        self.arrays = inside_arrays(self.parameters, dict(self.index))
        self.book.reprice(self.arrays)

    @invariant()
    def equals_the_definition(self):
        defined = {account: account_margin(self.arrays, *row) for account, row in sorted(self.rows.items())}
        assert {account: self.book.margin(account) for account in defined} == defined
        batch = self.book.margins(list(defined))
        assert [batch.account(at) for at in range(len(defined))] == list(defined.values())


TestBookInside = BookInside.TestCase
TestBookInside.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


def test_a_price_touches_the_holders_of_tokens_that_move_in_its_group() -> None:
    arrays = inside_arrays(PARAMETERS)
    book = MarginBook(arrays)
    for account, tokens in enumerate(((5, 0, 0, 0), (0, 5, 0, 0), (0, 0, 5, 0), (0, 0, 0, 5), (0, 0, 0, 0)), start=1):
        book.put(account, (10**9, 0), tokens, (0, 0, 0, 0, 0))
    assert book.remargin() == [1, 2, 3, 4, 5]
    book.reprice(inside_arrays(PARAMETERS, {**INDEX, 1: 1_000_000}))
    assert book.remargin() == []
    book.put_money([(5, book.money_rows[1][2], 7)])
    book.reprice(inside_arrays(PARAMETERS, {**INDEX, 2: 19_000}))
    touched = book.remargin()
    assert {1, 2, 5} <= set(touched)
    assert book.margin(5) == account_margin(book.arrays, (10**9, 0), (7, 0, 0, 0), (0, 0, 0, 0, 0))


def test_a_token_that_enters_the_scenarios_is_another_listing() -> None:
    outside = tuple(msgspec.structs.replace(token, scenarios=ScenarioTerms()) for token in TOKENS)
    assert not has_same_listing(inside_arrays(PARAMETERS, tokens=outside), INSIDE["none"])
    assert has_same_listing(inside_arrays(PARAMETERS, {**INDEX, 2: 1}), INSIDE["none"])
