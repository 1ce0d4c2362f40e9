"""The default fund beside defaults: calls that lapse, what waits while something is unresolved, who has left."""

import msgspec

from clearing.default_fund.contributions import contribution_micros, required_contribution
from clearing.schema.receipts.default_fund import FundCalled, FundDrawn, FundPaid, FundReturned, FundSized
from clearing.schema.records.default import MemberStatus
from clearing.schema.terms.genesis import AccountKind, AccountTerms
from clearing.state.export import export_state, import_state
from tests.kit.clearing.defaults import TERMS, default_genesis, default_world
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.fund import fund_world
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, HOUSE, SALT, USDC_1
from tests.kit.clearing.world import World, codes, kinds, of_kind, roots
from tests.kit.table import tell

GRACE = msgspec.structs.replace(FUND, grace_blocks=2)


def unable(fund: object = FUND) -> World:
    """Alice has no more than her margin when the call comes."""
    world = default_world(fund=fund)  # type: ignore[arg-type]
    world.block(world.perp_trade(ALICE, BOB, 63_000))
    world.pass_epoch()
    return world


def test_a_call_that_lapses_is_a_default() -> None:
    world = tell(unable(), "wait 2")
    before = world.everything()
    tell(
        world,
        """
        wait    1  -> default_declared member 1 reason CALL_LAPSED, paid member 1 lapsed yes, paid member 2 lapsed yes
        status  1 defaulting
        status  3 active
        """,
    )
    assert [each.member for each in world.last(FundPaid) if each.lapsed] == [1, 2]
    assert world.everything() == before
    world.until_ended()
    assert world.status(1) is MemberStatus.DEFAULTED


def test_within_the_grace_a_member_is_restricted_and_no_more() -> None:
    world = unable(GRACE)
    for _ in range(2):
        world.block()
    assert "DefaultDeclared" not in kinds(world.block())
    assert world.status(1) is MemberStatus.RESTRICTED
    record = world.state.contributions[1]
    world.block(facts=[world.deposit_fact(ALICE, USDC_1, record.called)])
    world.block()
    assert world.status(1) is MemberStatus.ACTIVE, "what was brought is taken at the end of the grace"
    assert not world.state.contributions[1].lapsed, "the next call has a grace of its own"
    assert world.status(2) is MemberStatus.DEFAULTING


def test_a_call_takes_of_all_accounts_of_the_member_s_own() -> None:
    genesis = default_genesis()
    alice = genesis.members[1]
    second = AccountTerms(9, AccountKind.HOUSE)
    members = (
        genesis.members[0],
        msgspec.structs.replace(alice, accounts=(*alice.accounts, second)),
        *genesis.members[2:],
    )
    world = fund_world(msgspec.structs.replace(genesis, members=members))
    world.block(facts=[world.deposit_fact(9, USDC_1, 5_000_000 * DOLLAR)])
    world.block(world.perp_trade(ALICE, BOB, 63_000))
    world.pass_epoch()
    owed = required_contribution(world.state, 1)
    result = [world.block() for _ in range(3)][-1]
    paid = {each.account: each.micros for each in of_kind(result, FundPaid) if each.member == 1}
    assert sum(paid.values()) == owed == contribution_micros(world.state, 1)
    assert paid[9] > 0
    assert world.state.contributions[1].account == ALICE
    assert world.status(1) is MemberStatus.ACTIVE


def test_nothing_goes_back_while_a_default_is_under_way() -> None:
    world = default_world(terms=msgspec.structs.replace(TERMS, auction_blocks=12), dollars=300_000)
    world.block(world.perp_trade(CAROL, DAVE, 90_000))
    world.fund_paid_in()
    world.block(world.perp_trade(DAVE, CAROL, 90_000), world.perp_trade(ALICE, BOB, 150_000))
    world.pass_epoch()
    assert world.state.contributions[3].return_height
    world.fall(590_000)
    returned = []
    for result in world.until_ended():
        assert not returned, "paid back in the block in which the default ended, at the earliest"
        returned = of_kind(result, FundReturned)
    while not returned:
        returned = of_kind(world.block(), FundReturned)
    assert {each.member for each in returned} >= {3}


def test_a_default_draws_its_own_part_then_those_of_survivors_and_calls_them_again() -> None:
    world = default_world()
    world.block(world.perp_trade(ALICE, BOB, 60_000))
    world.bring(alice=200_000, bob=200_000)
    world.fund_paid_in()
    own = contribution_micros(world.state, 1)
    alice = world.withdrawal(ALICE, USDC_1, 200_000 * DOLLAR - own, key=world.key_of(ALICE))
    assert not codes(world.block(alice))
    before = world.everything()
    parts = {member: contribution_micros(world.state, member) for member in (1, 2, 3, 4)}
    world.fall(560_000)
    world.prices(345_000)
    drawn: list[FundDrawn] = []
    for result in world.until_ended():
        drawn += of_kind(result, FundDrawn)
    assert {each.cause for each in drawn} == {1}
    assert (drawn[0].member, drawn[0].micros, drawn[0].left) == (1, own, 0), "the defaulter's own part first, whole"
    assert {each.member for each in drawn[1:]} == {2, 3, 4}
    assert all(each.micros + each.left >= parts[each.member] for each in drawn[1:])
    called = [each for each in of_kind(result, FundCalled) if each.replenishment]
    assert {each.member for each in called} <= {2, 3, 4}
    assert all(each.micros <= each.required - each.contributed for each in called)
    assert called
    assert world.everything() == before
    export_state(world.state)


def test_who_has_left_gets_its_part_back_after_the_delay() -> None:
    world = default_world()
    world.fund_paid_in()
    part = contribution_micros(world.state, 4)
    assert part > 0
    cash = world.cash(DAVE)
    assert not codes(world.block(world.member_exit(DAVE, 4)))
    assert world.status(4) is MemberStatus.LEFT
    world.pass_epoch()
    due = world.state.contributions[4].return_height
    while world.state.now.height < due:
        assert contribution_micros(world.state, 4) == part
        result = world.block()
    assert [(each.member, each.amount, each.contributed) for each in of_kind(result, FundReturned)] == [(4, part, 0)]
    assert 4 not in world.state.contributions
    assert world.cash(DAVE) == cash + part
    sized = of_kind(world.pass_epoch(), FundSized)
    assert 4 not in {part.member for part in sized[0].parts}


def test_a_state_with_a_fund_is_the_same_from_a_snapshot() -> None:
    world = default_world()
    world.fund_paid_in()
    copy = import_state(world.genesis, SALT, export_state(world.state))
    assert roots(copy) == roots(world.state)
    other = World.__new__(World)
    other.__dict__.update(world.__dict__)
    other.state = copy
    other.results, other.blocks = [], []
    ahead = world.make_block((), [None] * 4)
    assert roots(world.state) == roots(copy)
    for each in (world, other):
        each.apply(ahead)
    assert roots(world.state) == roots(other.state)
    assert world.cash(HOUSE) == other.cash(HOUSE)
