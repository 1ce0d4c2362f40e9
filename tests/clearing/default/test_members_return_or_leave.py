"""After a default: taken in again with the house's word and the fund's share, or gone for good."""

import pytest

from clearing.default import exit_and_readmission
from clearing.default.declaration import accounts_of_members
from clearing.default_fund.contributions import contribution_micros, required_contribution
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import MemberLeft, MemberReadmitted
from clearing.schema.records.default import MemberStatus
from clearing.state.state import State
from tests.kit.clearing.defaults import CLIENT_SECRET, NO_FUND, default_world
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, CAROL, DOLLAR, USDC_1
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, codes, of_kind


def defaulted(world: World) -> World:
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    world.fall(500_000)
    world.until_ended()
    assert world.status(1) is MemberStatus.DEFAULTED
    return world


def test_a_defaulted_member_may_not_trade_until_it_and_the_house_say_so() -> None:
    world = defaulted(default_world(fund=NO_FUND))
    world.bring(alice=50_000)
    trade = world.perp_trade(ALICE, BOB, 10, ticks=500_000)
    assert codes(world.block(trade)) == [ClearingCode.MEMBER_NOT_ACTIVE]
    (back,) = of_kind(world.block(world.readmission(ALICE, 1, 1)), MemberReadmitted)
    assert (back.member, back.number) == (1, 1)
    assert world.status(1) is MemberStatus.ACTIVE
    assert codes(world.block(world.perp_trade(ALICE, BOB, 10, ticks=500_000))) == []


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
    world = defaulted(default_world(fund=NO_FUND))
    assert codes(world.block(world.readmission(account, member, number, house))) == [code]


def test_a_readmission_is_good_once() -> None:
    world = defaulted(default_world(fund=NO_FUND))
    good = world.readmission(ALICE, 1, 1)
    assert codes(world.block(good, good)) == [ClearingCode.NOT_READMITTABLE]


def test_a_member_is_taken_in_again_only_with_its_share_of_the_fund() -> None:
    world = default_world()
    world.bring(alice=30_000, bob=30_000)
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    world.fund_paid_in()
    world.fall(500_000)
    world.until_ended()
    missing = required_contribution(world.state, 1) - contribution_micros(world.state, 1)
    assert missing > 0
    assert codes(world.block(world.readmission(ALICE, 1, 1))) == [ClearingCode.NOT_READMITTABLE]
    world.bring(alice=200_000)
    assert codes(world.block(world.pay(ALICE, missing))) == []
    assert codes(world.block(world.readmission(ALICE, 1, 1))) == []


def test_a_member_without_positions_clients_or_debts_leaves_for_good_and_takes_its_money() -> None:
    world = default_world(fund=NO_FUND)
    world.block(world.perp_trade(CAROL, BOB, 10))
    assert codes(world.block(world.member_exit(CAROL, 3))) == [ClearingCode.CANNOT_LEAVE]
    (left,) = of_kind(world.block(world.member_exit(DAVE, 4)), MemberLeft)
    assert left.member == 4
    assert codes(world.block(world.perp_trade(DAVE, BOB, 10))) == [ClearingCode.MEMBER_NOT_ACTIVE]
    assert codes(world.block(world.withdrawal(DAVE, USDC_1, 100_000 * DOLLAR, key=secret(4)))) == []
    assert codes(world.block(world.member_exit(DAVE, 4))) == [ClearingCode.CANNOT_LEAVE]
    assert world.cash(DAVE) == 0


def test_a_defaulted_member_leaves_once_its_clients_have_found_another() -> None:
    world = default_world(fund=NO_FUND)
    world.bring(client=5_000)
    defaulted(world)
    assert codes(world.block(world.member_exit(ALICE, 1))) == [ClearingCode.CANNOT_LEAVE]
    assert codes(world.block(world.rescue(ALICE_CLIENT, 1, 3))) == []
    assert codes(world.block(world.member_exit(ALICE, 1))) == []
    assert world.status(1) is MemberStatus.LEFT
    assert codes(world.block(world.readmission(ALICE, 1, 1))) == [ClearingCode.NOT_READMITTABLE]


def test_a_block_looks_at_all_accounts_for_a_members_exit_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused requests use no nonce, so as many as fit into a block would each cost a look at everybody."""
    looked: list[int] = []

    def counted(state: State, member: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        looked.append(member)
        return accounts_of_members(state, member)

    monkeypatch.setattr(exit_and_readmission, "accounts_of_members", counted)
    world = default_world(fund=NO_FUND)
    world.block(world.perp_trade(CAROL, BOB, 10))
    exits = [world.member_exit(CAROL, 3) for _ in range(5)]
    assert codes(world.block(*exits, world.member_exit(DAVE, 4))) == [ClearingCode.CANNOT_LEAVE] * 5
    assert looked == [3, 4]
    assert world.status(4) is MemberStatus.LEFT
    assert codes(world.block(world.perp_trade(BOB, CAROL, 10), world.member_exit(CAROL, 3))) == []


def test_no_client_with_a_key_holds_its_member_back_and_its_money_stays_its_own() -> None:
    world = default_world(fund=NO_FUND)
    world.bring(keyed=10, client=10)
    assert codes(world.block(world.member_exit(ALICE, 1))) == [ClearingCode.CANNOT_LEAVE], "one client has no key"
    assert codes(world.block(world.withdrawal(ALICE_CLIENT, USDC_1, 10 * DOLLAR, key=secret(1)))) == []
    assert codes(world.block(world.member_exit(ALICE, 1))) == []
    world.bring(client=5)
    assert codes(world.block(world.withdrawal(KEYED_CLIENT, USDC_1, 10 * DOLLAR, key=secret(1)))) == [
        ClearingCode.WRONG_SIGNER
    ]
    assert codes(world.block(world.withdrawal(KEYED_CLIENT, USDC_1, 10 * DOLLAR, key=CLIENT_SECRET))) == []
    late = world.withdrawal(ALICE_CLIENT, USDC_1, 5 * DOLLAR, key=secret(1))
    assert codes(world.block(late)) == [], "what comes late is locked in nowhere"


def test_nobody_leaves_while_a_default_is_under_way() -> None:
    world = default_world(fund=NO_FUND)
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    world.fall(500_000)
    assert codes(world.block(world.member_exit(DAVE, 4))) == [ClearingCode.CANNOT_LEAVE]
    world.until_ended()
    assert codes(world.block(world.member_exit(DAVE, 4))) == []


def test_what_is_left_after_a_default_is_the_members_own() -> None:
    world = defaulted(default_world(fund=NO_FUND))
    world.bring(alice=1_000, keyed=10)
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, 1_000 * DOLLAR, key=secret(1)))) == []
    assert world.cash(ALICE) == 0
    assert world.cash(KEYED_CLIENT) == 10 * DOLLAR
