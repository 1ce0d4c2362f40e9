"""What members would get back of the default fund when everything ends: leaves of the exit tree like any."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from clearing.context.block_context import BlockContext
from clearing.default_fund.contributions import draw_contribution
from clearing.epochs.exit_close_out import AccountClaims, RemainingContributions, close_out, settle_claims
from clearing.epochs.exit_tree import exit_tree
from clearing.state.ledger import FUND_ACCOUNT, inventory_units
from tests.kit.clearing.fund import fund_world
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, HOUSE, USDC_1, USDC_2

amounts = st.integers(-(10**9), 10**9)


def settled(claims: dict[int, int], parts: dict[int, int], members: dict[int, int] | None = None) -> dict[int, int]:
    """One cash group; every account its member's only one, but for those in `members`."""
    owners = {account: account for account in claims} | (members or {})
    held = {account: AccountClaims([cash], []) for account, cash in claims.items()}
    settle_claims(held, [], RemainingContributions(0, dict(parts), owners, {member: member for member in parts}))
    return {account: each.cash[0] for account, each in held.items()}


def test_a_part_is_paid_back_to_its_members_account() -> None:
    assert settled({0: 50, 1: 100, 2: 30}, {1: 7, 2: 9}) == {0: 50, 1: 107, 2: 39}


def test_a_part_pays_its_own_members_debt_first() -> None:
    assert settled({0: 50, 1: -20, 2: 30}, {1: 25, 2: 9}) == {0: 50, 1: 5, 2: 39}
    assert settled({0: 50, 1: 0, 2: 30, 3: -20}, {1: 25, 2: 9}, {3: 1}) == {0: 50, 1: 5, 2: 39, 3: 0}


def test_all_parts_pay_what_the_house_cannot_in_proportion() -> None:
    assert settled({0: 10, 1: -100, 2: 300, 3: 0}, {1: 20, 2: 30, 3: 60}) == {0: 0, 1: 0, 2: 307, 3: 13}
    # Of 100, the own part pays 20 and the house 10; 70 over parts of 30 and 60 are 23 and 47.


@given(
    st.lists(st.tuples(amounts, st.integers(0, 10**9)), min_size=1, max_size=6),
    st.integers(-(10**8), 10**9),
)
def test_parts_lose_what_debts_take_and_claims_only_what_is_then_missing(
    members: list[tuple[int, int]], house: int
) -> None:
    claims = {0: house} | {number: cash for number, (cash, _) in enumerate(members, start=1)}
    parts = {number: part for number, (_, part) in enumerate(members, start=1) if part}
    custody = sum(claims.values()) + sum(parts.values())
    after = settled(claims, parts)
    assert all(micros >= 0 for micros in after.values())
    debts = sum(max(-cash, 0) for account, cash in claims.items() if account) - min(house, 0)
    ready = max(house, 0) + sum(parts.values())
    # Whatever is not owed is somebody's; claims exceed custody only when house and parts are used up.
    assert sum(after.values()) == custody + max(debts - ready, 0)
    for member, part in parts.items():
        assert after[member] <= max(claims[member] + part, 0)


def test_leaves_of_an_epoch_hold_contributions_too() -> None:
    world = fund_world()
    world.pass_epoch()
    world.block(*(world.pay(each, world.required(each)) for each in (ALICE, BOB, CAROL)))
    world.pass_epoch()
    assert world.fund == 3_000 * DOLLAR
    assert world.cash(ALICE) == 99_000 * DOLLAR
    tree = exit_tree(world.state)
    paid = dict.fromkeys((HOUSE, ALICE, BOB, CAROL), 0)
    for leaf in tree.leaves:
        assert leaf.account != FUND_ACCOUNT
        paid[leaf.account] += leaf.amount
    assert paid == dict.fromkeys(paid, 100_000 * DOLLAR)
    promised = sum(each.amount for each in close_out(world.state))
    assets = [world.state.terms.assets[each] for each in (USDC_1, USDC_2)]
    assert promised == sum(inventory_units(world.state, each) for each in assets)


def test_what_was_drawn_is_nobodys_leaf_but_the_houses() -> None:
    world = fund_world()
    world.pass_epoch()
    world.block(*(world.pay(each, world.required(each)) for each in (ALICE, BOB, CAROL)))
    context = BlockContext(world.state.fork(), world.make_block())
    draw_contribution(context, BOB, 400 * DOLLAR, cause=CAROL)
    paid = {each.account: each.amount for each in close_out(context.state)}
    assert (paid[HOUSE], paid[BOB]) == (100_400 * DOLLAR, 99_600 * DOLLAR)


def test_parts_in_another_group_cover_debts_at_par() -> None:
    claims = {
        0: AccountClaims([0, 0], []),
        1: AccountClaims([-90, 0], []),
        2: AccountClaims([200, 0], []),
        3: AccountClaims([0, 0], []),
    }
    fund_left = RemainingContributions(1, {2: 40, 3: 20}, {each: each for each in claims}, {2: 2, 3: 3})
    settle_claims(claims, [], fund_left)
    # 60 of group 1 stand in for as much of the 90 that are missing in group 0, and go to whom group 0 owes.
    assert [each.cash for each in claims.values()] == [[0, 0], [0, 0], [200, 60], [0, 0]]
    assert Fraction(200 * 110, 200) + 60 == 170
