"""If everything ended, a member's debts are paid as in a default: by its own accounts and affiliates, then by others.

Before the rule each account paid only its own debts. An owner whose house account owed 7,404 dollars to its "client"
kept all that the client had won, and the contribution and the house paid.
"""

from collections import Counter
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.epochs import exit_close_out
from clearing.epochs.exit_close_out import AccountClaims, close_out, settle_claims
from clearing.schema.terms.default import DefaultTerms
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from tests.kit.clearing.attackers import INTO_FUND, attack_genesis, attack_world, with_account
from tests.kit.clearing.defaults import CLIENT_SECRET, TERMS
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, CAROL, DOLLAR, HOUSE
from tests.kit.clearing.world import World

LOTS, FALLEN = 6_329, 515_000
LOST = LOTS * (790_000 - FALLEN) * 10
BROUGHT = 10_000 * DOLLAR
OWED = LOST - BROUGHT


def patient(genesis: Genesis) -> Genesis:
    """Slices are for sale for 20 blocks, so that an epoch may close while an account owes."""
    crisis = msgspec.structs.replace(
        genesis.crisis, calls=CallTerms(deadline_blocks=50), liquidation=LiquidationTerms(auction_blocks=20)
    )
    return msgspec.structs.replace(genesis, crisis=crisis)


def ended(world: World) -> Counter[int]:
    """Micros of all tokens that each account would receive now."""
    paid = Counter[int]()
    for payout in close_out(world.state):
        paid[payout.account] += payout.amount
    return paid


def lost_to_a_client(*, affiliated: bool, pool: bool = True, terms: DefaultTerms = TERMS) -> World:
    """Alice's own account has lost 17,404 dollars of 10,000 to a client of hers."""
    genesis = with_account(attack_genesis(pool=pool, default=terms), KEYED_CLIENT, affiliated=affiliated)
    world = attack_world(patient(genesis))
    world.bring(alice=10_000, keyed=10_000)
    assert not world.refusals(world.perp_trade(ALICE, KEYED_CLIENT, LOTS))
    world.prices(FALLEN)
    assert world.cash(ALICE) == -OWED < 0 < world.cash(KEYED_CLIENT) == BROUGHT + LOST
    return world


def test_an_affiliated_client_pays_what_its_member_owes() -> None:
    """Before: 27,404 dollars for the client, 1,000 from the contribution and 6,404 from the house."""
    world = lost_to_a_client(affiliated=True)
    house = world.cash(HOUSE)
    paid = ended(world)
    assert (paid[ALICE], paid[KEYED_CLIENT]) == (INTO_FUND * DOLLAR, BROUGHT + LOST - OWED)
    assert paid[HOUSE] == house


@pytest.mark.parametrize(("affiliated", "pool"), [(False, True), (True, False)])
def test_a_client_that_is_not_pooled_pays_nothing_for_its_member(affiliated: bool, pool: bool) -> None:
    world = lost_to_a_client(affiliated=affiliated, pool=pool)
    house = world.cash(HOUSE)
    paid = ended(world)
    assert (paid[ALICE], paid[KEYED_CLIENT]) == (0, BROUGHT + LOST)
    assert paid[HOUSE] == house - (OWED - INTO_FUND * DOLLAR)


@pytest.mark.parametrize("pool", [False, True])
def test_a_members_other_own_account_pays_what_it_owes(pool: bool) -> None:
    """As in a default, which merges them."""
    world = attack_world(patient(attack_genesis(pool=pool)))
    world.bring(alice=10_000)
    other = world.open_account(ALICE)
    world.pay_in(other, 10_000)
    assert not world.refusals(world.perp_trade(ALICE, BOB, LOTS))
    world.prices(FALLEN)
    paid = ended(world)
    assert (paid[ALICE], paid[other]) == (INTO_FUND * DOLLAR, BROUGHT - OWED)
    assert paid[HOUSE] == world.cash(HOUSE)


def test_a_members_own_money_pays_what_its_client_owes_and_no_client_pays_for_another() -> None:
    world = attack_world(patient(attack_genesis(pool=True)))
    world.bring(alice=5_000, client=10_000, keyed=10_000)
    assert not world.refusals(world.perp_trade(ALICE_CLIENT, BOB, LOTS))
    world.prices(FALLEN)
    paid = ended(world)
    # 5,000 of the member's account, 1,000 of its contribution, and 1,404 of the house's.
    assert (paid[ALICE], paid[ALICE_CLIENT], paid[KEYED_CLIENT]) == (0, 0, BROUGHT)
    assert paid[HOUSE] == world.cash(HOUSE) - (OWED - 6_000 * DOLLAR)
    assert {each: paid[each] for each in (CAROL, DAVE)} == dict.fromkeys((CAROL, DAVE), 100_000 * DOLLAR)


def test_where_nobody_can_be_in_default_each_account_pays_only_its_own_debts() -> None:
    world = lost_to_a_client(affiliated=True, terms=msgspec.structs.replace(TERMS, enabled=False))
    assert ended(world)[KEYED_CLIENT] == BROUGHT + LOST


def test_an_affiliate_that_was_declared_pays_from_then_on() -> None:
    world = attack_world(patient(attack_genesis(pool=True)))
    world.bring(alice=10_000, keyed=10_000)
    assert not world.refusals(world.affiliation(ALICE, KEYED_CLIENT, affiliate_key=CLIENT_SECRET))
    assert not world.refusals(world.perp_trade(ALICE, KEYED_CLIENT, LOTS))
    world.prices(FALLEN)
    assert ended(world)[KEYED_CLIENT] == BROUGHT + LOST - OWED


def test_tokens_pay_in_whole_units_and_the_rest_of_a_unit_goes_back() -> None:
    claims = {0: AccountClaims([1_000], [0]), 1: AccountClaims([-250], [0]), 2: AccountClaims([20], [5])}
    settle_claims(claims, [100], sides={1: (1, 2), 2: (1, 2)})
    # 20 of cash and three units of 100 pay 250; 70 of the last one go back to the account that gave it.
    assert [(claim.cash, claim.tokens) for claim in claims.values()] == [([700], [3]), ([0], [0]), ([70], [2])]


AMOUNTS = st.integers(-(10**9), 10**9)
ACCOUNTS = st.lists(st.tuples(AMOUNTS, AMOUNTS, st.integers(0, 10**5)), min_size=2, max_size=6)


@given(ACCOUNTS, st.integers(0, 10**5), st.integers(1, 4), st.booleans())
def test_pooling_moves_no_more_than_the_debts_and_costs_nobody_else(
    accounts: list[tuple[int, int, int]], value: int, size: int, house_pays: bool
) -> None:
    """The first accounts are one side. A house that can pay has more by what they have less; others have the same."""
    side = tuple(range(1, min(size, len(accounts)) + 1))
    debts = [sum(max(-each[at], 0) for each in accounts) for at in range(2)] if house_pays else [0, 0]
    settled = []
    for sides in ({}, dict.fromkeys(side, side)):
        claims = {0: AccountClaims([each + 10**6 for each in debts], [0])}
        for number, (first, second, tokens) in enumerate(accounts, start=1):
            claims[number] = AccountClaims([first, second], [tokens])
        settle_claims(claims, [value], sides=sides)
        assert all(min(*claim.cash, *claim.tokens) >= 0 for claim in claims.values())
        assert sum(claim.tokens[0] for claim in claims.values()) <= sum(tokens for *_, tokens in accounts)
        settled.append({each: sum(claim.cash) + claim.tokens[0] * value for each, claim in claims.items()})
    alone, pooled = settled
    if house_pays:
        less = sum(alone[each] - pooled[each] for each in side)
        assert pooled[0] - alone[0] == less >= 0
        owed = sum(max(-cash, 0) for first, second, _ in accounts[: len(side)] for cash in (first, second))
        assert less <= owed
        assert all(pooled[each] == alone[each] for each in pooled if each and each not in side)


def test_a_debt_is_paid_by_its_account_before_its_members_others() -> None:
    """And by no account that is not on its member's side."""
    listed = {0: 1_000, 1: -100, 2: 70, 3: 50, 4: 40}
    claims = {account: AccountClaims([cash, 0], []) for account, cash in listed.items()}
    claims[1].cash[1] = 60
    settle_claims(claims, [], sides={1: (1, 2), 2: (1, 2), 3: (3, 4)})
    assert [claim.cash for claim in claims.values()] == [[940, 60], [0, 0], [30, 0], [50, 0], [40, 0]]


class AsksEverybody:
    """The clear version: every debtor asks every account of its side, whether it has something left or not."""

    def __init__(self, side: tuple[int, ...]) -> None:
        self.side = side

    def pay(self, account: int, owed: AccountClaims, claims: dict[int, AccountClaims], values: list[int]) -> None:
        for payer in self.side:
            if payer not in (account, 0) and any(micros < 0 for micros in owed.cash):
                exit_close_out._pay_debts(claims[payer], owed, claims[0], values)


MANY = st.lists(st.tuples(AMOUNTS, AMOUNTS, st.integers(0, 10**5), st.integers(0, 10**5)), min_size=2, max_size=12)
SIDES = st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=8, unique=True), min_size=1, max_size=3)


@given(MANY, st.tuples(st.integers(0, 3), st.integers(0, 10**5)), SIDES, st.data())
def test_who_has_nothing_left_is_not_asked_again_and_all_is_as_if_it_were(
    accounts: list[tuple[int, int, int, int]], values: tuple[int, int], sides: list[list[int]], data: st.DataObject
) -> None:
    """Also where sides overlap, and the house is on one."""
    present = range(len(accounts) + 1)
    tuples = [side for each in sides if (side := tuple(own for own in each if own in present))]
    of = {number: data.draw(st.sampled_from(tuples)) for number in present if tuples}
    settled = []
    for queue in (exit_close_out._PayerQueue, AsksEverybody):
        claims = {0: AccountClaims([10**9, -(10**8)], [0, 7])}
        for number, (first, second, *tokens) in enumerate(accounts, start=1):
            claims[number] = AccountClaims([first, second], list(tokens))
        with patch.object(exit_close_out, "_PayerQueue", queue):
            settle_claims(claims, list(values), sides=of)
        settled.append({number: (claim.cash, claim.tokens) for number, claim in claims.items()})
    assert settled[0] == settled[1]


def test_debtors_ask_each_payer_of_their_side_once_until_it_has_nothing() -> None:
    """A thousand debtors and a thousand payers without money: not a million questions."""
    side, asked = tuple(range(1, 2_001)), 0
    claims = {0: AccountClaims([10**9], [])} | {each: AccountClaims([-5 if each % 2 else 1], []) for each in side}

    def counted(*of: Any) -> None:
        nonlocal asked
        asked += 1
        pay(*of)

    pay = exit_close_out._pay_debts
    with patch.object(exit_close_out, "_pay_debts", counted):
        settle_claims(claims, [], sides=dict.fromkeys(side, side))
    assert claims[0].cash == [10**9 - 4 * 1_000]
    assert asked <= 2 * len(side) + 1_000
