"""Who gets what when everything ends, and the tree of exits over it: pure claims, then whole states."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import Bug, RemoteFault
from clearing.base.merkle import verify_merkle_proof
from clearing.epochs import exit_tree as tree
from clearing.epochs.exit_close_out import AccountClaims, close_out, settle_claims
from clearing.epochs.exit_tree import NO_EXITS, closed_exit_tree, exit_tree
from clearing.state.holdings import current_arrays
from clearing.state.ledger import inventory_units
from tests.kit.clearing.exits import closed
from tests.kit.clearing.genesis import ALICE, BOB, BTC_CALL, BTC_PERP, CAROL, DOLLAR, HOUSE, USDC_1, USDC_2, WETH_1
from tests.kit.clearing.world import World, funded

Claims = tuple[tuple[int, int], tuple[int, int]]
"""Cash by group and units by token of one account; the house is the first."""

amounts = st.integers(-(10**9), 10**9)
units = st.integers(0, 10**5)
others = st.lists(st.tuples(st.tuples(amounts, amounts), st.tuples(units, units)), min_size=1, max_size=5)
custody = st.tuples(st.integers(0, 10**9), st.integers(0, 10**9))
prices = st.tuples(st.integers(0, 10**5), st.integers(0, 10**5))


def with_house(members: list[Claims], custody: tuple[int, int]) -> list[Claims]:
    """The house's cash is what is left of custody, so that all claims sum to it."""
    left = tuple(there - sum(cash[at] for cash, _ in members) for at, there in enumerate(custody))
    return [(left, (0, 0)), *members]


def settled(listed: list[Claims], values: tuple[int, int]) -> dict[int, AccountClaims]:
    claims = {account: AccountClaims(list(cash), list(tokens)) for account, (cash, tokens) in enumerate(listed)}
    settle_claims(claims, list(values))
    return claims


def worth(cash: Sequence[int], tokens: Sequence[int], values: tuple[int, int]) -> int:
    return sum(cash) + sum(a * b for a, b in zip(tokens, values, strict=True))


def paid(claims: dict[int, AccountClaims], account: int, custody: tuple[int, int], values: tuple[int, int]) -> Fraction:
    """What an account's claims are worth when paid out of custody in proportion, and its tokens."""
    cash = Fraction(0)
    for at, there in enumerate(custody):
        whole = max(sum(each.cash[at] for each in claims.values()), there)
        cash += Fraction(claims[account].cash[at] * there, whole) if whole else 0
    return cash + worth((), claims[account].tokens, values)


@given(others, custody, prices)
def test_nobody_owes_and_no_token_is_made_when_claims_are_settled(members, custody, values):
    listed = with_house(members, custody)
    claims = settled(listed, values).values()
    for at in range(2):
        assert min(min(each.cash[at], each.tokens[at]) for each in claims) >= 0
        assert sum(each.cash[at] for each in claims) >= custody[at] - len(listed) * 2, "but for remainders"
        assert sum(each.tokens[at] for each in claims) <= sum(tokens[at] for _, tokens in listed)


@given(others, custody, prices)
def test_nobody_gets_more_than_it_is_worth_but_for_a_unit(members, custody, values):
    claims = settled(with_house(members, custody), values)
    for account, (cash, tokens) in enumerate(members, start=1):
        # What the house gives for a claim is rounded up to whole units.
        assert paid(claims, account, custody, values) <= max(worth(cash, tokens, values), 0) + 2 * max(values)


@given(others, prices)
def test_a_house_that_can_pay_pays_everybody_in_full(members, values):
    debts = sum(max(-each, 0) for cash, _ in members for each in cash) + 10**6
    claims = settled([((debts, debts), (0, 0)), *members], values)
    for account, (cash, tokens) in enumerate(members, start=1):
        after = claims[account]
        assert worth(after.cash, after.tokens, values) >= worth(cash, tokens, values)
        if min(cash) >= 0:
            assert (after.cash, after.tokens) == (list(cash), list(tokens))


def test_what_the_house_cannot_pay_is_missing_to_all_claims_in_proportion():
    listed = [((100, 0), (0, 0)), ((-600, 0), (1, 0)), ((800, 0), (0, 0)), ((400, 0), (0, 0))]
    claims = settled(listed, (100, 0))
    assert [each.cash[0] for each in claims.values()] == [0, 0, 800, 400]
    assert not any(each.tokens[0] for each in claims.values()), "one unit cannot be parted: it stays in the vault"
    # 700 are there for 1,200.
    assert [paid(claims, account, (700, 0), (100, 0)) for account in (2, 3)] == [Fraction(1400, 3), Fraction(700, 3)]


def test_an_epoch_closes_with_a_root_over_what_each_account_could_take():
    world = funded()
    assert world.results[-1].exit_root == NO_EXITS
    world.deposit(CAROL, WETH_1, 3_000_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 1_000, 790_000))
    result = closed(world)
    tree = exit_tree(world.state)
    assert result.exit_root == tree.root != NO_EXITS
    assert world.prices(790_000).exit_root == tree.root, "until the next epoch closes"
    got = {(each.account, each.asset): each.amount for each in tree.leaves}
    assert got[(CAROL, WETH_1)] == 3_000_000 * 10**12
    for account in (HOUSE, ALICE, BOB, CAROL):
        out = got.get((account, USDC_1), 0) + got.get((account, USDC_2), 0)
        assert 0 <= world.cash(account) - out <= 2, "paid out of both chains, each rounded down"


def test_options_are_paid_out_at_their_value():
    world = funded()
    world.block(world.trade(ALICE, BOB, BTC_CALL, 500, 200))
    closed(world)
    value = current_arrays(world.state).rows[world.state.terms.array_index[BTC_CALL]][0] * 500
    assert value > 0
    exits = [each for each in close_out(world.state) if each.asset in (USDC_1, USDC_2)]
    for account, gain in ((ALICE, value), (BOB, -value)):
        out = sum(each.amount for each in exits if each.account == account)
        assert abs(out - world.cash(account) - gain) <= 2


def test_a_leaf_is_shown_by_its_path_and_by_no_other_amount():
    world = funded()
    closed(world)
    tree = exit_tree(world.state)
    for index, leaf in tree.of_account(ALICE):
        path = tree.proof(index)
        verify_merkle_proof(tree.root, len(tree.leaves), index, leaf.encoded(tree.epoch), path)
        for lie in ({"amount": leaf.amount + 1}, {"salt": bytes(32)}, {"to": b"\x66" * 20}, {"account": BOB}):
            with pytest.raises(RemoteFault):
                verify_merkle_proof(tree.root, len(tree.leaves), index, replace(leaf, **lie).encoded(tree.epoch), path)
    assert len({leaf.salt for leaf in tree.leaves}) == len(tree.leaves)


def test_no_token_is_promised_twice_whatever_is_withdrawn_meanwhile():
    world = funded()
    world.block(world.withdrawal(BOB, USDC_1, 50 * DOLLAR))
    closed(world)
    for asset in world.state.terms.assets.values():
        promised = sum(each.amount for each in close_out(world.state) if each.asset == asset.id)
        assert promised <= asset.to_amount(inventory_units(world.state, asset))


@pytest.fixture
def world() -> World:
    """Its epoch has closed, and the tree of exits was built in that block."""
    made = funded()
    made.deposit(CAROL, WETH_1, 3_000_000)
    closed(made)
    return made


def test_whoever_keeps_the_leaves_of_a_closed_epoch_builds_no_second_tree(monkeypatch):
    built: list[int] = []
    monkeypatch.setattr(tree, "exit_tree", lambda state: built.append(state.now.epoch) or exit_tree(state))
    world = funded()
    closed(world)
    assert built == [1]
    assert closed_exit_tree(world.state) == exit_tree(world.state)
    assert closed_exit_tree(world.state).root == world.results[-1].exit_root
    assert built == [1]


def test_a_state_from_disk_gives_the_same_tree(world):
    again = world.restored()
    assert again.exit_tree is None
    assert closed_exit_tree(again) == closed_exit_tree(world.state)


def test_the_next_block_lets_it_go(world):
    world.deposit(CAROL, WETH_1, 1_000_000)
    assert world.state.exit_tree is None
    with pytest.raises(Bug):
        closed_exit_tree(world.state)


def test_a_tree_of_another_epoch_is_not_taken_for_it(world):
    world.state.exits.put(0, msgspec.structs.replace(world.state.exits[0], epoch=7))
    with pytest.raises(Bug):
        closed_exit_tree(world.state)
