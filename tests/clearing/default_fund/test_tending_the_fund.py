"""The default fund in blocks: sized, called, paid, drawn on, paid back."""

import random

import msgspec
import pytest

from clearing.base import bls
from clearing.base.errors import Bug, LocalFault
from clearing.base.validators import ValidatorSet
from clearing.default_fund.contributions import (
    call_replenishment,
    contributing_and_owing,
    contribution_micros,
    draw_contribution,
    required_contribution,
)
from clearing.default_fund.cover_rules import cover_two
from clearing.default_fund.sizing import stress_needs
from clearing.epochs.snapshot import take_snapshot
from clearing.genesis.checks import check_genesis
from clearing.genesis.effective_terms import Terms
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default_fund import (
    NOT_REQUESTED,
    FundCalled,
    FundDrawn,
    FundPaid,
    FundReturned,
    FundSized,
    ReturnCause,
)
from clearing.schema.records.default import MemberStatus
from clearing.schema.records.prices import FeedStatus
from clearing.schema.terms.default import DefaultTerms, FundSizing, FundTerms
from clearing.schema.terms.genesis import Genesis
from clearing.schema.transfers import Transfer, TransferCode
from clearing.state.ledger import FUND_ACCOUNT
from tests.kit.clearing.fund import TERMS, fund_genesis, fund_world
from tests.kit.clearing.funds import BOLD
from tests.kit.clearing.genesis import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH_PERP,
    HOUSE,
    USD,
    USDC_1,
    make_genesis,
)
from tests.kit.clearing.world import World, kinds, of_all, of_kind
from tests.kit.table import tell
from tests.kit.validator_records import made_validator


def signed(genesis: Genesis) -> Genesis:
    secret = bls.secret_from_seed(b"fund genesis test validator, 32!")
    validator = made_validator(b"\x01" * 32, secret)
    return msgspec.structs.replace(genesis, validators=ValidatorSet((validator,)))


@pytest.fixture
def world() -> World:
    return fund_world()


def changed(**changes: int) -> World:
    """Terms of the fund that differ from the others'."""
    return fund_world(fund_genesis(msgspec.structs.replace(TERMS, **changes)))


def bold(lots: int, **changes: int) -> World:
    """Everybody has paid in for these positions, which are closed again."""
    world = fund_world(fund_genesis(msgspec.structs.replace(TERMS, **changes)), dollars=300_000)
    world.open_positions(lots)
    world.pass_epoch()
    world.pay_required()
    world.close_positions(lots)
    return world


def sized_and_paid() -> World:
    world = fund_world()
    world.pass_epoch()
    world.pay_required()
    return world


def test_without_a_cash_group_there_is_no_fund() -> None:
    world = World(make_genesis())
    assert FUND_ACCOUNT not in world.state.accounts
    assert world.refusals(world.pay(ALICE, 1)) == [ClearingCode.NO_FUND]


def test_the_fund_is_sized_in_the_block_after_an_epoch_closed_and_members_are_called(world: World) -> None:
    world.open_positions()
    result = world.pass_epoch()
    (sized,) = of_kind(result, FundSized)
    # 60 % of the index and 20 % margin; the cash beyond is not counted on.
    lost = BOLD * (474_000 - 158_000) * 10
    assert [each.shortfalls for each in sized.scenarios] == [((1, lost),), ((2, lost),)]
    assert (sized.target, sized.house_micros) == (lost, 0)
    rest = -(-(lost // 2) // DOLLAR) * DOLLAR - 500 * DOLLAR
    # Carol, who has no positions, contributes the minimum; the others share the rest.
    assert {each.member: each.required for each in sized.parts} == {1: rest, 2: rest, 3: 1_000 * DOLLAR}
    called = [(each.member, each.micros, each.deadline) for each in of_kind(result, FundCalled)]
    assert called == [(each.member, each.required, result.height + 3) for each in sized.parts]
    assert not of_kind(world.block(), FundSized), "once an epoch"


def test_a_member_pays_and_its_call_is_over() -> None:
    world = tell(
        fund_world(),
        """
        epoch                       -> fund_called member 3 micros 1_000.00
        pay   carol 999.999_995     -> paid micros 999.999_995 missing 0.000_005
        & pay carol   0.000_005     -> paid micros   0.000_005 missing 0
        fund  1_000.00
        cash  carol 99_000.00
        """,
    )
    assert contribution_micros(world.state, CAROL) == 1_000 * DOLLAR
    assert world.state.contributions[CAROL].deadline == 0


OWED = 1_000 * DOLLAR - 1


@pytest.mark.parametrize(
    ("account", "micros", "changes", "code"),
    [
        (CAROL, OWED + 1, {}, ClearingCode.CONTRIBUTION_NOT_OWED),
        (CAROL, 0, {}, ClearingCode.BAD_SIZE),
        (CAROL, 2**63 - 1, {}, ClearingCode.CONTRIBUTION_NOT_OWED),
        (CAROL, OWED, {"nonce": 0}, ClearingCode.NONCE_USED),
        (CAROL, OWED, {"not_after_ms": 1}, ClearingCode.REQUEST_EXPIRED),
        (CAROL, OWED, {"not_after_ms": 2**62}, ClearingCode.REQUEST_TOO_FAR_AHEAD),
        (FUND_ACCOUNT, OWED, {}, ClearingCode.UNKNOWN_ACCOUNT),
        (ALICE_CLIENT, OWED, {}, ClearingCode.CONTRIBUTION_OF_CLIENT_MONEY),
        (HOUSE, OWED, {}, ClearingCode.CONTRIBUTION_NOT_OWED),
    ],
)
def test_what_may_not_be_paid_in_is_refused(
    world: World, account: int, micros: int, changes: dict[str, int], code: int
) -> None:
    world.pass_epoch()
    world.block(world.pay(CAROL, 1))
    before = world.fund
    assert world.refusals(world.pay(account, micros, **changes)) == [code]
    assert world.fund == before


def test_nobody_pays_out_of_anothers_account(world: World) -> None:
    world.pass_epoch()
    stolen = msgspec.structs.replace(world.pay(CAROL, OWED), account=BOB)
    assert world.refusals(stolen) == [ClearingCode.WRONG_SIGNER]


def test_margin_is_not_paid_into_the_fund(world: World) -> None:
    world.open_positions()
    world.pass_epoch()
    assert world.refusals(world.pay(ALICE, 40_000 * DOLLAR)) == [ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN]


def test_at_the_deadline_what_is_there_is_taken(world: World) -> None:
    world.pass_epoch()
    assert [world.block().transfers for _ in range(2)] == [(), ()]
    paid = [(each.index, each.member, each.micros) for each in of_kind(world.block(), FundPaid)]
    assert paid == [(NOT_REQUESTED, member, 1_000 * DOLLAR) for member in (1, 2, 3)]
    assert world.fund == 3_000 * DOLLAR
    assert [world.status(each) for each in (1, 2, 3)] == [MemberStatus.ACTIVE] * 3


def test_who_cannot_pay_at_the_deadline_is_restricted_until_it_has() -> None:
    world = changed(grace_blocks=50)
    world.open_positions()
    world.pass_epoch()
    world.wait(3)
    free = 100_000 * DOLLAR - BOLD * 158_000 * 10
    missing = world.required(ALICE) - free
    assert [(each.member, each.missing) for each in world.last(FundPaid) if each.lapsed] == [(1, missing), (2, missing)]
    assert contribution_micros(world.state, ALICE) == free
    assert world.status(1) is MemberStatus.RESTRICTED
    world.deposit(ALICE, USDC_1, missing)
    assert not world.refusals(world.pay(ALICE, missing))
    assert [world.status(each) for each in (1, 2)] == [MemberStatus.ACTIVE, MemberStatus.RESTRICTED]


def test_a_halted_market_makes_no_call_lapse() -> None:
    world = changed(grace_blocks=0)
    world.open_positions()
    world.pass_epoch()
    world.block()
    jump = 790_000 * 14 // 10
    for _ in range(3):
        result = world.prices(jump if world.state.now.height % 2 else 790_000)
        assert {each.member for each in of_kind(result, FundPaid)} <= {3}, "who has no position pays"
        assert not [each for each in of_kind(result, FundPaid) if each.lapsed]
    assert world.state.feeds[BTC].status == FeedStatus.HALTED
    assert world.state.contributions[ALICE].deadline == world.state.now.height + 1
    paid = of_all([world.prices(790_000) for _ in range(6)], FundPaid)
    assert {each.member for each in paid if each.lapsed} == {1, 2}, "once the market is open again"


def test_a_call_runs_to_its_deadline_whatever_is_sized_meanwhile() -> None:
    world = changed(call_blocks=20)
    world.pass_epoch()
    deadline = world.state.contributions[ALICE].deadline
    world.open_positions()
    world.pass_epoch()
    record = world.state.contributions[ALICE]
    assert (record.called, record.deadline) == (1_000 * DOLLAR, deadline)
    assert record.required > 10_000 * DOLLAR
    world.block(world.pay(ALICE, 1_000 * DOLLAR))
    assert world.state.contributions[ALICE].called == 0
    (called,) = [each for each in of_kind(world.pass_epoch(), FundCalled) if each.member == ALICE]
    assert called.micros == called.required - 1_000 * DOLLAR > 10_000 * DOLLAR


def test_what_is_beyond_a_members_part_goes_back_after_the_delay() -> None:
    world = bold(90_000)
    paid = contribution_micros(world.state, ALICE)
    assert paid == world.required(ALICE) > 50_000 * DOLLAR
    due = world.pass_epoch().height + 4
    assert world.required(ALICE) == 1_000 * DOLLAR
    assert world.state.contributions[ALICE].return_height == due
    while world.state.now.height < due:
        assert contribution_micros(world.state, ALICE) == paid
        world.block()
    returned = [(each.member, each.amount, each.contributed, each.cause) for each in world.last(FundReturned)]
    back, part = paid - 1_000 * DOLLAR, 1_000 * DOLLAR
    assert returned == [(member, back, part, ReturnCause.BEYOND_PART) for member in (1, 2)]
    assert world.cash(ALICE) == 299_000 * DOLLAR


def test_a_new_sizing_does_not_put_off_what_is_on_its_way_back() -> None:
    world = bold(90_000, return_blocks=13)
    started = world.pass_epoch().height
    for _ in range(2):
        world.pass_epoch()
        assert world.state.contributions[ALICE].return_height == started + 13
    while world.state.now.height < started + 13:
        assert contribution_micros(world.state, ALICE) > 1_000 * DOLLAR
        world.block()
    assert contribution_micros(world.state, ALICE) == 1_000 * DOLLAR


def test_nothing_goes_back_that_is_needed_again() -> None:
    world = bold(90_000, return_blocks=8)
    paid = contribution_micros(world.state, ALICE)
    world.pass_epoch()
    assert world.state.contributions[ALICE].return_height
    world.open_positions(90_000)
    world.pass_epoch()
    assert world.state.contributions[ALICE].return_height == 0
    for _ in range(5):
        assert "FundReturned" not in kinds(world.block())
    assert contribution_micros(world.state, ALICE) >= paid


def test_what_is_drawn_goes_to_the_house_and_is_called_for_again() -> None:
    run = sized_and_paid().context()
    before, drawn = contribution_micros(run.state, BOB), 300 * DOLLAR
    draw_contribution(run, BOB, drawn, cause=ALICE)
    run.journal.check_conserved()
    assert run.journal.transfers == [Transfer(FUND_ACCOUNT, HOUSE, USD, drawn, TransferCode.FUND_DRAWN, ALICE)]
    assert run.receipts == [FundDrawn(BOB, BOB, drawn, before - drawn, ALICE)]
    assert contribution_micros(run.state, BOB) == before - drawn
    assert required_contribution(run.state, BOB) == before
    assert call_replenishment(run, BOB, 200 * DOLLAR, 40) == 200 * DOLLAR
    assert call_replenishment(run, BOB, 10**12, 50) == 300 * DOLLAR
    assert run.state.contributions[BOB].deadline == 50
    assert run.state.fund_sizes[0].next_review_height <= 40
    assert call_replenishment(run, BOB, 1, 60) == 300 * DOLLAR
    assert call_replenishment(run, 77, 1, 60) == 0
    assert [each.replenishment for each in run.receipts if isinstance(each, FundCalled)] == [True, True]


@pytest.mark.parametrize(("member", "micros"), [(BOB, 1_000 * DOLLAR + 1), (BOB, -1), (77, 0), (HOUSE, 1)])
def test_nobody_draws_what_is_not_there(member: int, micros: int) -> None:
    with pytest.raises(Bug):
        draw_contribution(sized_and_paid().context(), member, micros, cause=ALICE)


def test_contributors_are_told_in_order(world: World) -> None:
    assert contributing_and_owing(world.state) == ()
    world.pass_epoch()
    assert contributing_and_owing(world.state) == (1, 2, 3)
    assert contribution_micros(world.state, 9) == required_contribution(world.state, 9) == 0


def test_the_houses_own_fund_bears_first() -> None:
    plain, backed = fund_world(), fund_world(fund_genesis(house_dollars=30_000))
    targets = []
    for world in (plain, backed):
        world.open_positions()
        (sized,) = of_kind(world.pass_epoch(), FundSized)
        targets.append(sized.target + sized.house_micros)
    assert targets[0] == targets[1]
    assert sized.house_micros == 30_000 * DOLLAR


def test_the_house_counts_for_no_more_than_it_bears_of_one_default() -> None:
    default = DefaultTerms(enabled=True, house_capital_micros=7_000 * DOLLAR)
    world = fund_world(fund_genesis(house_dollars=30_000, default=default))
    world.open_positions()
    (sized,) = of_kind(world.pass_epoch(), FundSized)
    assert sized.house_micros == 7_000 * DOLLAR


def test_the_other_sizing_asks_for_less() -> None:
    world = changed(sizing=FundSizing.LARGEST_OR_NEXT_TWO)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 30_000, 790_000), world.trade(CAROL, BOB, BTC_PERP, 25_000, 790_000))
    (sized,) = of_kind(world.pass_epoch(), FundSized)
    crash = sized.scenarios[0]
    assert crash.cover_two > crash.largest_or_next_two
    assert sized.target == max(each.largest_or_next_two for each in sized.scenarios)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"cash_group": 9}, "crisis.fund.cash_group"),
        ({"exposure_memory_ppm": 1_000_000}, "crisis.fund.exposure_memory_ppm"),
        ({"call_blocks": 0}, "crisis.fund.call_blocks"),
        ({"return_blocks": 0}, "crisis.fund.return_blocks"),
        ({"lookback_epochs": 0}, "crisis.fund.lookback_epochs"),
        ({"lookback_epochs": 65}, "crisis.fund.lookback_epochs"),
        ({"step_micros": 0}, "crisis.fund.step_micros"),
        ({"minimum_micros": 2**60}, "crisis.fund.minimum_micros"),
        ({"buffer_ppm": 10_000_001}, "crisis.fund.buffer_ppm"),
    ],
)
def test_genesis_bounds_the_fund(changes: dict[str, int], field: str) -> None:
    check_genesis(signed(fund_genesis()))
    with pytest.raises(LocalFault, match=field):
        check_genesis(signed(fund_genesis(msgspec.structs.replace(TERMS, **changes))))


def test_a_fund_needs_stress_scenarios() -> None:
    genesis = signed(fund_genesis())
    risk = msgspec.structs.replace(genesis.risk, stress=(), default_fund_micros=0)
    with pytest.raises(LocalFault, match="stress scenarios"):
        check_genesis(msgspec.structs.replace(genesis, risk=risk))
    off = msgspec.structs.replace(genesis.crisis, fund=FundTerms())
    check_genesis(msgspec.structs.replace(genesis, risk=risk, crisis=off))


def test_books_that_lack_nothing_contribute_the_minimum(world: World) -> None:
    world.open_positions()
    world.close_positions()
    (sized,) = of_kind(world.pass_epoch(), FundSized)
    assert sized.target == 0
    assert [each.required for each in sized.parts] == [1_000 * DOLLAR] * 3


def test_who_holds_little_for_a_moment_pays_for_what_it_held() -> None:
    parts = {}
    for memory in (0, 500_001):
        terms = msgspec.structs.replace(TERMS, exposure_memory_ppm=memory, lookback_epochs=3)
        world = fund_world(fund_genesis(terms), dollars=300_000)
        world.open_positions()
        (first,) = of_kind(world.pass_epoch(), FundSized)
        world.block(world.trade(BOB, CAROL, BTC_PERP, BOLD, 790_000))
        (sized,) = of_kind(world.pass_epoch(), FundSized)
        assert sized.target == first.target
        bob = [next(part for part in each.parts if part.member == BOB) for each in (first, sized)]
        assert bob[1].margin == 0
        assert bob[1].exposure == -(-bob[0].exposure * memory // 1_000_000)
        parts[memory] = bob[1].required
    assert parts[0] == 1_000 * DOLLAR < parts[500_001]


def test_paying_in_does_not_make_the_fund_larger() -> None:
    world = fund_world(dollars=300_000)
    world.open_positions(90_000)
    (sized,) = of_kind(world.pass_epoch(), FundSized)
    world.pay_required()
    (again,) = of_kind(world.pass_epoch(), FundSized)
    assert again.target == sized.target
    assert [each.required for each in again.parts] == [each.micros for each in again.parts]


@pytest.mark.parametrize("seed", range(12))
def test_the_fund_is_never_sized_below_what_a_statement_lists(seed: int) -> None:
    chance = random.Random(seed)
    world = fund_world(fund_genesis(house_dollars=chance.choice((0, 5_000))), dollars=100_000)
    for _ in range(6):
        buyer, seller = chance.sample((ALICE, BOB, CAROL), 2)
        instrument, price = chance.choice(((BTC_PERP, 790_000), (ETH_PERP, 20_000)))
        world.block(world.trade(buyer, seller, instrument, chance.randrange(1, 30_000), price))
        world.prices(790_000 + chance.randrange(-9_000, 9_000), 20_000 + chance.randrange(-400, 400))
        if chance.random() < 0.5 and world.state.contributions.get(buyer):
            world.block(world.pay(buyer, chance.randrange(1, 20_000) * DOLLAR))
    world.pass_epoch()
    world.until_snapshot()
    figures = stress_needs(world.state, (1, 2, 3), USD)
    needed = [cover_two(list(lacking.values())) for _, lacking in figures.shortfalls]
    (terms,) = take_snapshot(world.state).statement.cover
    assert terms.fund == figures.house_micros
    assert all(need >= terms.fund + deficit for need, deficit in zip(needed, terms.deficits, strict=True) if deficit)
    assert figures.margins.keys() == {1, 2, 3}


def amended(world: World, **changes: int) -> None:
    """Let the fund's terms be others from the next block on."""
    crisis = world.state.terms.genesis.crisis
    crisis = msgspec.structs.replace(crisis, fund=msgspec.structs.replace(crisis.fund, **changes))
    world.state.terms = Terms(msgspec.structs.replace(world.state.terms.genesis, crisis=crisis), world.genesis)


def test_a_fund_that_is_turned_off_is_paid_back_and_one_turned_on_is_sized() -> None:
    world = sized_and_paid()
    amended(world, cash_group=0)
    (sized,) = of_kind(world.pass_epoch(), FundSized)
    assert (sized.target, [each.required for each in sized.parts]) == (0, [0, 0, 0])
    world.wait(4)
    assert world.fund == 0
    assert contributing_and_owing(world.state) == ()
    world.pass_epoch()
    assert world.refusals(world.pay(CAROL, 1)) == [ClearingCode.NO_FUND]
    assert not of_kind(world.pass_epoch(), FundSized)
    amended(world, cash_group=USD)
    (sized,) = of_kind(world.block(), FundSized)
    assert [each.required for each in sized.parts] == [1_000 * DOLLAR] * 3


def test_a_network_may_come_to_have_a_fund() -> None:
    world = changed(cash_group=0)
    assert not of_kind(world.pass_epoch(), FundSized)
    assert FUND_ACCOUNT not in world.state.accounts
    amended(world, cash_group=USD)
    assert of_kind(world.block(), FundSized)
    world.pay_required()
    assert world.fund == 3_000 * DOLLAR
    world.pass_epoch()
    world.until_snapshot()
    assert FUND_ACCOUNT in [each.account for each in take_snapshot(world.state).accounts]
