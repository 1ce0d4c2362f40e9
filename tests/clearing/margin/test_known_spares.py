"""What an account had to spare answers for its next trades exactly as computing it again does."""

from hypothesis import given
from hypothesis import strategies as st

from clearing.margin.requirement.account_margin import spare_without_credit, surely_covered
from clearing.margin.requirement.known_spares import KnownSpares
from tests.kit.margin.books import CHARGED, CHARGED_HUGE, HUGE, holdings, modest_holdings

worlds = st.sampled_from([*CHARGED.values(), HUGE, CHARGED_HUGE])
steps = st.lists(
    st.tuples(
        st.integers(1, 2), st.integers(0, 99), st.integers(-40, 40), st.integers(-(10**9), 10**9), st.integers(0, 5)
    ),
    max_size=20,
)
"""Account, place of the instrument, lots, cash, and whether tokens move."""


@given(st.one_of(holdings, modest_holdings), worlds, steps, st.integers(-3, 3))
def test_a_known_spare_never_changes_an_answer(row, arrays, moves, near):
    known = KnownSpares(arrays)
    cash, tokens, lots = (list(part) for part in row)
    cash[0] += near - spare_without_credit(arrays, cash, tokens, lots)  # at the edge, where an error shows
    of_account = {1: (cash, tokens, lots), 2: (list(cash), list(tokens), list(lots))}
    for account, place, change, money, token in moves:
        cash, tokens, lots = of_account[account]
        lots[place % len(lots)] += change
        cash[0] += money
        if token == 1 and tokens:
            tokens[place % len(tokens)] += abs(change)
        assert known.surely_covered(account, cash, tokens, lots) == surely_covered(arrays, cash, tokens, lots)


@given(modest_holdings, worlds, st.integers(0, 99), st.integers(-40, 40))
def test_one_lot_changes_what_is_to_spare_by_no_more_than_its_bound(row, arrays, place, lots_more):
    cash, tokens, lots = (list(part) for part in row)
    before = spare_without_credit(arrays, cash, tokens, lots)
    place %= len(lots)
    lots[place] += lots_more
    after = spare_without_credit(arrays, cash, tokens, lots)
    assert abs(after - before) <= abs(lots_more) * KnownSpares(arrays).lot_bounds[place]


@given(modest_holdings, worlds)
def test_holdings_that_are_near_enough_are_not_computed_again(row, arrays):
    cash, tokens, lots = (list(part) for part in row)
    known = KnownSpares(arrays)
    bound = known.lot_bounds[0]
    cash[0] += 2 * bound - spare_without_credit(arrays, cash, tokens, lots)
    assert known.surely_covered(1, cash, tokens, lots)
    held = known.holdings_of(1)
    lots[0] += 1
    assert known.surely_covered(1, cash, tokens, lots)
    assert known.holdings_of(1) is held
