"""How members stand: what those that are not active may still do, and who returns or leaves; terms of defaults."""

import msgspec
import pytest

from clearing.context.member_status import lift_member_restriction, restrict_member, set_member_status
from clearing.default import exit_and_readmission
from clearing.default.declaration import accounts_of_members
from clearing.default_fund.contributions import contribution_micros, required_contribution
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import (
    MemberLeft,
    MemberReadmitted,
    MemberStatusChanged,
    MovedPosition,
    PortfolioSold,
)
from clearing.schema.records.default import MemberStatus, MemberStatusRecord
from clearing.schema.terms.default import DefaultTerms, default_blocks_max, default_checks
from clearing.state.state import State
from tests.kit.clearing.defaults import CLIENT_SECRET, TERMS, in_default, with_fund, without_fund
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC_CALL, CAROL, DOLLAR, HOUSE, USDC_1
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, of_all, of_kind
from tests.kit.table import tell

CANNOT_LEAVE, NOT_ACTIVE = ClearingCode.CANNOT_LEAVE, ClearingCode.MEMBER_NOT_ACTIVE


def restricted() -> World:
    """Alice is long 1 BTC and restricted."""
    world = without_fund(client=1_000, keyed=1_000)
    world.block(world.perp_trade(ALICE, BOB, 1_000))
    world.state.member_statuses.put(1, MemberStatusRecord(MemberStatus.RESTRICTED, world.state.now.height))
    return world


def defaulted(world: World | None = None) -> World:
    world = in_default(world)
    world.until_ended()
    assert world.status(1) is MemberStatus.DEFAULTED
    return world


def test_a_restricted_member_reduces_risk_and_brings_collateral_and_no_more() -> None:
    world = tell(
        restricted(),
        """
        trade     alice   bob    BTC-PERP +0.001 @ 7_900  -> refused R0257 member_not_active
        trade     bob     alice  BTC-PERP +0.4   @ 7_900  -> novated
        withdraw  alice   eth:USDC  1.00                  -> refused R0257 member_not_active
        withdraw  client  eth:USDC  1.00                  -> refused R0257 member_not_active
        transfer  alice   client    1.00                  -> transferred
        deposit   alice   eth:USDC  5.00                  -> credited units 5.00
        """,
    )
    assert not world.refusals(world.withdrawal(KEYED_CLIENT, USDC_1, DOLLAR, key=CLIENT_SECRET))


def test_a_restricted_member_opens_no_account_and_carries_no_new_client() -> None:
    world = restricted()
    assert world.refusals(world.opening(ALICE)) == [NOT_ACTIVE]


def test_a_restriction_is_put_and_lifted_with_a_receipt_each_and_never_on_the_house() -> None:
    context = without_fund().context()
    restrict_member(context, 2)
    restrict_member(context, 2)
    lift_member_restriction(context, 2)
    set_member_status(context, 0, MemberStatus.DEFAULTED)
    changes = [receipt for receipt in context.receipts if isinstance(receipt, MemberStatusChanged)]
    assert [(each.member, each.before, each.after) for each in changes] == [
        (2, MemberStatus.ACTIVE, MemberStatus.RESTRICTED),
        (2, MemberStatus.RESTRICTED, MemberStatus.ACTIVE),
    ]


def test_options_pass_to_a_bidder_for_their_value_at_the_mark() -> None:
    world = without_fund(bob=100_000, dave=900_000, house=900_000)
    world.block(world.perp_trade(BOB, ALICE, 40_000, BTC_CALL, world.state.marks[BTC_CALL].ticks))
    world.fall(1_100_000)
    assert world.status(1) is MemberStatus.DEFAULTING
    assert not world.refusals(world.default_bid(DAVE, 1, 100, 0))
    (sold,) = of_all(world.until_ended(), PortfolioSold)
    (passed,) = sold.positions
    assert isinstance(passed, MovedPosition)
    assert (passed.instrument, passed.lots) == (BTC_CALL, -40_000)
    assert passed.received > 0, "who takes a debt over is paid its value"
    assert world.lots(DAVE, BTC_CALL) == -40_000
    assert world.cash(CAROL) == 100_000 * DOLLAR
    assert world.cash(HOUSE) >= 0


def test_a_defaulted_member_may_not_trade_until_it_and_the_house_say_so() -> None:
    world = defaulted()
    world.bring(alice=50_000)
    assert world.refusals(world.perp_trade(ALICE, BOB, 10, ticks=500_000)) == [NOT_ACTIVE]
    (back,) = of_kind(world.block(world.readmission(ALICE, 1, 1)), MemberReadmitted)
    assert (back.member, back.number, world.status(1)) == (1, 1, MemberStatus.ACTIVE)
    assert not world.refusals(world.perp_trade(ALICE, BOB, 10, ticks=500_000))


@pytest.mark.parametrize(
    ("account", "member", "number", "house", "code"),
    [
        (ALICE, 1, 1, secret(1), ClearingCode.WRONG_SIGNER),
        (ALICE, 1, 2, None, ClearingCode.NOT_READMITTABLE),
        (ALICE, 2, 1, None, ClearingCode.WRONG_SIGNER),
        (BOB, 2, 1, None, ClearingCode.NOT_READMITTABLE),
    ],
)
def test_readmissions_that_may_not_be_are_refused(
    account: int, member: int, number: int, house: bytes | None, code: int
) -> None:
    world = defaulted()
    assert world.refusals(world.readmission(account, member, number, house)) == [code]


def test_a_readmission_is_good_once() -> None:
    world = defaulted()
    good = world.readmission(ALICE, 1, 1)
    assert world.refusals(good, good) == [ClearingCode.NOT_READMITTABLE]


def test_a_member_is_taken_in_again_only_with_its_share_of_the_fund() -> None:
    world = with_fund()
    world.fall(500_000)
    world.until_ended()
    missing = required_contribution(world.state, 1) - contribution_micros(world.state, 1)
    assert missing > 0
    assert world.refusals(world.readmission(ALICE, 1, 1)) == [ClearingCode.NOT_READMITTABLE]
    world.bring(alice=200_000)
    assert not world.refusals(world.pay(ALICE, missing))
    assert not world.refusals(world.readmission(ALICE, 1, 1))


def test_a_member_without_positions_clients_or_debts_leaves_for_good_and_takes_its_money() -> None:
    world = without_fund()
    world.block(world.perp_trade(CAROL, BOB, 10))
    assert world.refusals(world.member_exit(CAROL, 3)) == [CANNOT_LEAVE]
    (left,) = of_kind(world.block(world.member_exit(DAVE, 4)), MemberLeft)
    assert left.member == 4
    assert world.refusals(world.perp_trade(DAVE, BOB, 10)) == [NOT_ACTIVE]
    assert not world.refusals(world.withdrawal(DAVE, USDC_1, 100_000 * DOLLAR, key=secret(4)))
    assert world.refusals(world.member_exit(DAVE, 4)) == [CANNOT_LEAVE]
    assert world.cash(DAVE) == 0


def test_a_defaulted_member_leaves_once_its_clients_have_found_another() -> None:
    world = defaulted(without_fund(client=5_000))
    assert world.refusals(world.member_exit(ALICE, 1)) == [CANNOT_LEAVE]
    assert not world.refusals(world.rescue(ALICE_CLIENT, 1, 3))
    assert not world.refusals(world.member_exit(ALICE, 1))
    assert world.status(1) is MemberStatus.LEFT
    assert world.refusals(world.readmission(ALICE, 1, 1)) == [ClearingCode.NOT_READMITTABLE]


def test_a_block_looks_at_all_accounts_for_a_members_exit_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused requests use no nonce, so as many as fit into a block would each cost a look at everybody."""
    looked: list[int] = []

    def counted(state: State, member: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        looked.append(member)
        return accounts_of_members(state, member)

    monkeypatch.setattr(exit_and_readmission, "accounts_of_members", counted)
    world = without_fund()
    world.block(world.perp_trade(CAROL, BOB, 10))
    exits = [world.member_exit(CAROL, 3) for _ in range(5)]
    assert world.refusals(*exits, world.member_exit(DAVE, 4)) == [CANNOT_LEAVE] * 5
    assert looked == [3, 4]
    assert world.status(4) is MemberStatus.LEFT
    assert not world.refusals(world.perp_trade(BOB, CAROL, 10), world.member_exit(CAROL, 3))


def test_no_client_with_a_key_holds_its_member_back_and_its_money_stays_its_own() -> None:
    world = without_fund(keyed=10, client=10)
    assert world.refusals(world.member_exit(ALICE, 1)) == [CANNOT_LEAVE], "one client has no key"
    assert not world.refusals(world.withdrawal(ALICE_CLIENT, USDC_1, 10 * DOLLAR, key=secret(1)))
    assert not world.refusals(world.member_exit(ALICE, 1))
    world.bring(client=5)
    by_member, own = (
        world.withdrawal(KEYED_CLIENT, USDC_1, 10 * DOLLAR, key=key) for key in (secret(1), CLIENT_SECRET)
    )
    assert world.refusals(by_member) == [ClearingCode.WRONG_SIGNER]
    assert not world.refusals(own)
    late = world.withdrawal(ALICE_CLIENT, USDC_1, 5 * DOLLAR, key=secret(1))
    assert not world.refusals(late), "what comes late is locked in nowhere"


def test_nobody_leaves_while_a_default_is_under_way() -> None:
    world = in_default()
    assert world.refusals(world.member_exit(DAVE, 4)) == [CANNOT_LEAVE]
    world.until_ended()
    assert not world.refusals(world.member_exit(DAVE, 4))


def test_what_is_left_after_a_default_is_the_members_own() -> None:
    world = defaulted()
    world.bring(alice=1_000, keyed=10)
    assert not world.refusals(world.withdrawal(ALICE, USDC_1, 1_000 * DOLLAR, key=secret(1)))
    assert (world.cash(ALICE), world.cash(KEYED_CLIENT)) == (0, 10 * DOLLAR)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("auction_blocks", 1_000_001),
        ("porting_blocks", 2**32 - 1),
        ("halt_blocks", 1_000_001),
        ("assessment_blocks", 1_000_001),
        ("replenishment_blocks", 1_000_001),
        ("assessment_period_blocks", 0),
        ("assessment_ppm", 10_000_001),
        ("auction_slices", 0),
        ("auction_slices", 10_001),
        ("auction_worst_ppm", 10_000_001),
        ("auction_tolerance_ppm", 10_000_001),
        ("house_capital_micros", 2**60),
        ("reveal_blocks", 1_000_001),
        ("auction_reserve_ppm", 100_000_001),
        ("auction_duty_ppm", 1_000_001),
        ("auction_absence_ppm", 1_000_001),
    ],
)
def test_terms_beyond_their_bounds_are_named(field: str, value: int) -> None:
    bad = msgspec.structs.replace(DefaultTerms(), **{field: value})
    assert [name for name, _, good in default_checks(bad) if not good] == [field]
    assert all(good for _, _, good in default_checks(DefaultTerms()))


@pytest.mark.parametrize(("blocks", "reveal", "good"), [(4, 3, True), (4, 4, False), (4, 0, True), (0, 3, True)])
def test_a_sealed_auction_has_a_block_to_commit_in(blocks: int, reveal: int, good: bool) -> None:
    terms = DefaultTerms(auction_blocks=blocks, reveal_blocks=reveal)
    assert all(fits for _, _, fits in default_checks(terms)) is good


def test_a_default_has_a_bound_that_counts_those_before_it() -> None:
    assert default_blocks_max(TERMS) == 6 + 5 + 3 + 1
    assert default_blocks_max(TERMS, 4) == default_blocks_max(TERMS) + 2
