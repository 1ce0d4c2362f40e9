"""What becomes of contributions when a token leaves the fund's cash group, and when everything ends.

A token that leaves: every part gives up cash for it in proportion, and its member has the token. When everything ends,
members would get back leaves of the exit tree like any.
"""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.default_fund.contributions import draw_contribution
from clearing.epochs.exit_close_out import AccountClaims, RemainingContributions, close_out, settle_claims
from clearing.epochs.exit_tree import exit_tree
from clearing.schema.blocks.block import BlockResult
from clearing.schema.receipts.collateral import ClaimConverted
from clearing.schema.receipts.default_fund import FundCalled, FundPaid, FundReturned, ReturnCause
from clearing.schema.records.default import MemberStatus
from clearing.schema.risk.parameters import RiskParameters
from clearing.schema.terms.collateral import DepegTerms
from clearing.schema.terms.genesis import CrisisParameters, Genesis, MarketParameters
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import FUND_ACCOUNT, inventory_units
from tests.kit.clearing.fund import CRASH, GROUPS, RALLY, TERMS, fund_world
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, HOUSE, USDC_1, USDC_2
from tests.kit.clearing.vaults import DEPEG, USDC_FEED, genesis_with, opened
from tests.kit.clearing.world import World, of_all, of_kind

MEMBERS = (ALICE, BOB, CAROL)


def genesis_of_fund(both: bool) -> Genesis:
    """One feed guards both cash tokens, or the first alone."""
    genesis = genesis_with(depeg=DEPEG, market=MarketParameters(move_cap_ppm=300_000, epoch_blocks=5))
    if not both:
        second = msgspec.structs.replace(genesis.assets[1], depeg=DepegTerms())
        genesis = msgspec.structs.replace(genesis, assets=(genesis.assets[0], second, *genesis.assets[2:]))
    risk = RiskParameters(GROUPS, cash_limit_micros=1_000 * DOLLAR, stress=(CRASH, RALLY))
    terms = msgspec.structs.replace(TERMS, minimum_micros=1_000 * DOLLAR + 1, step_micros=1, call_blocks=50)
    return msgspec.structs.replace(genesis, risk=risk, crisis=CrisisParameters(fund=terms))


def paid_up(both: bool) -> World:
    """Everybody has paid; Bob a little less, so that the parts differ."""
    world = opened(genesis_of_fund(both))
    world.pass_epoch()
    amounts = {ALICE: 1_000 * DOLLAR + 1, BOB: 700 * DOLLAR, CAROL: 1_000 * DOLLAR + 1}
    world.block(*(world.pay(member, micros) for member, micros in amounts.items()))
    assert parts(world) == amounts
    return world


def parts(world: World) -> dict[int, int]:
    return {member: world.state.contributions[member].micros for member in MEMBERS}


def leave(world: World) -> BlockResult:
    world.ticks[USDC_FEED] = 900_000
    return world.wait(DEPEG.blocks)


@pytest.mark.parametrize("both", [False, True], ids=["one token", "both in one block"])
def test_parts_follow_the_cash_that_they_are(both: bool) -> None:
    world = paid_up(both)
    before, whole = parts(world), sum(parts(world).values())
    tokens = {(member, asset): world.units(member, asset) for member in MEMBERS for asset in (USDC_1, USDC_2)}
    result = leave(world)
    converted = [each for each in of_kind(result, ClaimConverted) if each.account == FUND_ACCOUNT]
    assert [each.asset for each in converted] == ([USDC_1, USDC_2] if both else [USDC_1])
    returned = [each for each in of_kind(result, FundReturned) if each.cause is ReturnCause.TOKEN_LEFT_GROUP]
    given = [t for t in result.transfers if t.code == TransferCode.FUND_TOKEN_RETURNED and t.debit == FUND_ACCOUNT]
    assert sum(t.amount for t in given) == sum(e.units for e in converted)
    for each in converted:
        assert each.given_micros > 0
        assert world.units(FUND_ACCOUNT, each.asset) == 0
    lost = sum(each.given_micros for each in converted)
    after = parts(world)
    assert sum(each.surrendered for each in returned) == lost == whole - sum(after.values())
    assert world.cash(FUND_ACCOUNT) == sum(after.values())
    for member in MEMBERS:
        share = before[member] * lost / whole
        assert abs(before[member] - after[member] - share) <= len(converted)
        for each in converted:
            got = world.units(member, each.asset) - tokens[member, each.asset]
            own = [c for c in of_kind(result, ClaimConverted) if (c.account, c.asset) == (member, each.asset)]
            assert abs(got - sum(c.units for c in own) - before[member] * each.units / whole) <= 1


def test_what_is_missing_afterwards_is_called_for() -> None:
    world = paid_up(both=False)
    leave(world)
    world.ticks[USDC_FEED] = 1_000_000
    world.pass_epoch()
    record = world.state.contributions[ALICE]
    assert record.called == record.required - record.micros > 0


def test_nobody_is_in_default_for_cash_that_no_token_brings() -> None:
    world = paid_up(both=True)
    assert world.genesis.crisis.fund.call_blocks == 50
    leave(world)
    epoch = world.state.fund_sizes[0].epoch
    results = [world.block(facts=world.custody_facts(500 + 4 * at)) for at in range(70)]
    assert not any(each.lapsed for each in of_all(results, FundPaid))
    assert not of_all(results, FundCalled)
    assert world.state.fund_sizes[0].epoch > epoch
    bob = world.state.contributions[BOB]
    assert (bob.called, bob.micros) == (300 * DOLLAR + 1, 0)
    assert bob.deadline > world.state.now.height, "the call from before waits"
    assert [world.status(member) for member in MEMBERS] == [MemberStatus.ACTIVE] * 3


amounts = st.integers(-(10**9), 10**9)


def settled(claims: dict[int, int], parts: dict[int, int], members: dict[int, int] | None = None) -> dict[int, int]:
    """One cash group; every account its member's only one, but for those in `members`."""
    owners = {account: account for account in claims} | (members or {})
    held = {account: AccountClaims([cash], []) for account, cash in claims.items()}
    settle_claims(held, [], RemainingContributions(0, dict(parts), owners, {member: member for member in parts}))
    return {account: each.cash[0] for account, each in held.items()}


PAID_BACK = {
    "a_part_is_paid_back_to_its_members_account": ({0: 50, 1: 100, 2: 30}, {1: 7, 2: 9}, {0: 50, 1: 107, 2: 39}),
    "a_part_pays_its_own_members_debt_first": ({0: 50, 1: -20, 2: 30}, {1: 25, 2: 9}, {0: 50, 1: 5, 2: 39}),
    # Of 100, the own part pays 20 and the house 10; 70 over parts of 30 and 60 are 23 and 47.
    "all_parts_pay_what_the_house_cannot_in_proportion":
        ({0: 10, 1: -100, 2: 300, 3: 0}, {1: 20, 2: 30, 3: 60}, {0: 0, 1: 0, 2: 307, 3: 13}),
}  # fmt: skip


@pytest.mark.parametrize(("claims", "parts", "after"), PAID_BACK.values(), ids=PAID_BACK)
def test_parts_are_settled(claims: dict[int, int], parts: dict[int, int], after: dict[int, int]) -> None:
    assert settled(claims, parts) == after


def test_a_part_pays_the_debt_of_its_members_other_account() -> None:
    assert settled({0: 50, 1: 0, 2: 30, 3: -20}, {1: 25, 2: 9}, {3: 1}) == {0: 50, 1: 5, 2: 39, 3: 0}


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
    world.pay_required()
    world.pass_epoch()
    assert world.fund == 3_000 * DOLLAR
    assert world.cash(ALICE) == 99_000 * DOLLAR
    paid: Counter[int] = Counter()
    for leaf in exit_tree(world.state).leaves:
        paid[leaf.account] += leaf.amount
    assert paid == dict.fromkeys((HOUSE, ALICE, BOB, CAROL), 100_000 * DOLLAR), "nothing is left to the fund itself"
    promised = sum(each.amount for each in close_out(world.state))
    assets = [world.state.terms.assets[each] for each in (USDC_1, USDC_2)]
    assert promised == sum(inventory_units(world.state, each) for each in assets)


def test_what_was_drawn_is_nobodys_leaf_but_the_houses() -> None:
    world = fund_world()
    world.pass_epoch()
    world.pay_required()
    context = world.context()
    draw_contribution(context, BOB, 400 * DOLLAR, cause=CAROL)
    paid = {each.account: each.amount for each in close_out(context.state)}
    assert (paid[HOUSE], paid[BOB]) == (100_400 * DOLLAR, 99_600 * DOLLAR)


def test_parts_in_another_group_cover_debts_at_par() -> None:
    claims = {account: AccountClaims([cash, 0], []) for account, cash in enumerate((0, -90, 200, 0))}
    fund_left = RemainingContributions(1, {2: 40, 3: 20}, {each: each for each in claims}, {2: 2, 3: 3})
    settle_claims(claims, [], fund_left)
    # 60 of group 1 stand in for as much of the 90 that are missing in group 0, and go to whom group 0 owes.
    assert [each.cash for each in claims.values()] == [[0, 0], [0, 0], [200, 60], [0, 0]]
