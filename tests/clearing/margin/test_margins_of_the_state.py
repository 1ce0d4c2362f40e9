"""The margin book of a state: whatever is written, forked, decided, dropped or read back, it equals the definition."""

from collections.abc import Sequence

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clearing.apply_block import apply_block
from clearing.schema.blocks.block import VoteExtension
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.risk.parameters import RiskParameters
from clearing.state.export import export_state, import_state
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, margin_book
from clearing.state.state import State
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_CALL, BTC_FUT, BTC_PERP, DOLLAR, ETH, ETH_PERP, SALT, USDC_1
from tests.kit.clearing.margined import ACCOUNTS, FULL, KEPT, PLAIN, traded
from tests.kit.clearing.world import reports

accounts = st.sampled_from(ACCOUNTS)
tips = st.sampled_from([-1, -1, -1, -2, 0, 1])


def check(state: State) -> None:
    """Every account's margin in the book is the one by the definition, and so is who is short."""
    book, arrays, limit = margin_book(state), current_arrays(state), state.terms.risk.cash_limit_micros
    holdings = {each: current_holdings(state, each) for each in ACCOUNTS}
    defined = {each: holdings_margin(arrays, own) for each, own in holdings.items()}
    known = [each for each in ACCOUNTS if each in book]
    assert all(defined[each].equity == defined[each].initial == 0 for each in set(ACCOUNTS) - set(known))
    batch = book.margins(known)
    assert [batch.account(at) for at in range(len(known))] == [defined[each] for each in known]
    short = [each for each in known if not defined[each].initial_ok or min(holdings[each].cash) < -limit]
    assert book.short(known, limit) == short


class Forks(RuleBasedStateMachine):
    """A decided state, and a tree of undecided ones on it, as proposals of one height and the next make it."""

    @initialize(risk=st.sampled_from([PLAIN, FULL, KEPT]))
    def start(self, risk: RiskParameters) -> None:
        self.world = traded(risk)
        self.tips: list[State] = [self.world.state]

    def extend(
        self, at: int, *transactions: Transaction, extensions: Sequence[VoteExtension] = (), hours: int = 0
    ) -> None:
        parent = self.world.state = self.tips[at % len(self.tips)]
        block = self.world.make_block(transactions, extensions, 1_000 + hours * 3_600_000)
        self.tips.append(apply_block(parent, block)[0])

    def extension(self, at: int, btc: int, eth: int) -> VoteExtension:
        time_ms = self.tips[at % len(self.tips)].now.time_ms + 1_000
        return VoteExtension(reports((BTC, btc), (ETH, eth), time_ms=time_ms))

    @rule(at=tips, btc=st.sampled_from([700_000, 780_000, 790_000, 905_000]), eth=st.integers(18, 22))
    def price(self, at: int, btc: int, eth: int) -> None:
        self.extend(at, extensions=[self.extension(at, btc, eth * 1_000)] * 4)

    @rule(
        at=tips,
        sides=st.permutations(ACCOUNTS),
        instrument=st.sampled_from([BTC_PERP, BTC_FUT, BTC_CALL, ETH_PERP]),
        lots=st.integers(1, 4_000),
    )
    def trade(self, at: int, sides: list[int], instrument: int, lots: int) -> None:
        mark = self.tips[at % len(self.tips)].marks[instrument].ticks
        self.extend(at, self.world.trade(sides[0], sides[1], instrument, lots, max(mark, 1)))

    @rule(at=tips, account=accounts, units=st.integers(1, 20_000))
    def withdraw(self, at: int, account: int, units: int) -> None:
        self.extend(at, self.world.withdrawal(account, USDC_1, units * DOLLAR))

    @rule(at=tips, hours=st.sampled_from([0, 2]))
    def pass_time(self, at: int, hours: int) -> None:
        self.extend(at, extensions=[self.extension(at, 785_000, 20_500)] * 4, hours=hours)

    @rule(at=tips)
    def decide(self, at: int) -> None:
        chosen = self.tips[at % len(self.tips)]
        if chosen.parent is None:
            return
        first = chosen
        while first.parent is not None and first.parent.parent is not None:
            first = first.parent
        root = first.absorb()
        self.tips = [root, *(each for each in self.tips if each is not first and each.parent is first)]

    @rule(prices=st.lists(st.tuples(st.sampled_from([640_000, 790_000, 905_000]), st.integers(16, 24)), max_size=3))
    def decide_at_once(self, prices: list[tuple[int, int]]) -> None:
        """Blocks whose books nobody looked into before they were decided; some liquidate, after margins were taken."""
        self.world.state = self.tips[0]
        for btc, eth in prices:
            self.world.prices(btc, eth * 1_000)
        self.tips = [self.world.state]

    @rule()
    def restart(self) -> None:
        root = self.tips[0]
        read = import_state(root.terms.genesis, SALT, export_state(root))
        check(read)
        self.tips = [read]

    @invariant()
    def equals_the_definition(self) -> None:
        for tip in getattr(self, "tips", []):
            check(tip)


TestForks = Forks.TestCase
TestForks.settings = settings(max_examples=25, stateful_step_count=14, deadline=None)


def test_a_fork_writes_nothing_into_the_book_of_its_parent():
    world = traded(FULL)
    before = {each: margin_book(world.state).margin(each) for each in ACCOUNTS}
    table = margin_book(world.state).columns.table.copy()
    said = VoteExtension(reports((BTC, 700_000), (ETH, 20_000), time_ms=world.time_ms + 1_000))
    trade = world.trade(ALICE, BOB, BTC_PERP, 10, 700_000)
    forks = [apply_block(world.state, world.make_block((), [said] * 4))[0] for _ in range(3)]
    block = msgspec.structs.replace(world.make_block([trade]), height=forks[0].now.height + 1)
    deeper, _ = apply_block(forks[0], block)
    assert margin_book(deeper).margin(ALICE).initial > 0
    assert {each: margin_book(world.state).margin(each) for each in ACCOUNTS} == before
    assert (margin_book(world.state).columns.table == table).all()
    root = forks[0].absorb()
    check(root)
    check(forks[0])
    check(deeper)
    check(deeper.absorb().absorb() if deeper.parent is not root else deeper.absorb())


def test_the_book_is_margined_by_what_was_written_not_by_a_list():
    world = traded(PLAIN)
    margin_book(world.state).remargin()
    fork = world.state.fork()
    book = margin_book(fork)
    assert book.remargin() == []
    record = fork.balances[(BOB, 1)]
    fork.balances.put((BOB, 1), msgspec.structs.replace(record, debits=record.debits + 5))
    assert margin_book(fork).remargin() == [BOB]
    check(fork)
