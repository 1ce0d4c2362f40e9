"""Delays: a large withdrawal waits, is its owner's all the while, and is let go only through the gates."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.accounts.lifecycle import _pending_items
from clearing.context.block_context import BlockContext
from clearing.epochs.exit_tree import exit_tree
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.receipts.withdrawals import RefundReason, WithdrawalDelayed, WithdrawalRefunded, WithdrawalReleased
from clearing.schema.records.accounts import RestrictionRecord
from clearing.schema.transfers import TransferCode
from clearing.state.export import export_state, import_state
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.state.ledger import inventory_units
from tests.kit.clearing.gated import GATE, gated, owed_and_held
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, DOLLAR, SALT, USDC_1
from tests.kit.clearing.replay import replay
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, codes, kinds, of_kind, roots
from tests.kit.table import tell

LARGE = 20_000 * DOLLAR
FREE = msgspec.structs.replace(GATE, owner_units_max=0, window_units_max=0)


def waiting(world: World, account: int = ALICE, units: int = LARGE) -> WithdrawalDelayed:
    (receipt,) = of_kind(world.block(world.withdrawal(account, USDC_1, units)), WithdrawalDelayed)
    return receipt


def test_a_withdrawal_up_to_the_threshold_is_released_at_once_and_one_beyond_it_waits() -> None:
    world = gated(FREE)
    at_once = world.block(world.withdrawal(ALICE, USDC_1, 1_000 * DOLLAR))
    assert kinds(at_once) == ["WithdrawalReleased"]
    receipt = waiting(world, units=1)
    assert receipt.undelayed_units == 1_000 * DOLLAR == receipt.threshold, "many small ones are one large one"
    assert receipt.due_height == world.state.now.height + 3
    assert codes(world.results[-1]) == []


def test_it_is_released_at_its_height_and_not_before() -> None:
    world = tell(
        gated(FREE),
        """
        withdraw  alice  eth:USDC  20_000.00  -> delayed
        cash      alice  80_000.00
        wait      2                           -> no released
        wait      1                           -> one released units 20_000.00 nonce 0
        """,
    )
    (released,) = world.last(WithdrawalReleased)
    assert released.not_after_s == (world.time_ms + 60_000) // 1000, "its time begins with its release"
    assert not list(world.state.delayed_withdrawals.ordered())


def test_what_waits_cannot_be_spent_again() -> None:
    tell(
        gated(FREE),
        """
        withdraw  alice  eth:USDC  20_000.00  -> delayed
        withdraw  alice  eth:USDC  80_001.00  -> refused R0218 balance_too_small
        transfer  alice  client    80_001.00  -> refused R0218 balance_too_small
        """,
    )


def test_its_owner_takes_it_back_and_gets_all_of_it() -> None:
    world = tell(
        gated(FREE),
        """
        withdraw  alice  eth:USDC  20_000.00  -> delayed number 0
        cancel    alice  0                    -> one refunded account alice units 20_000.00 remainder 0 reason CANCELLED
        cash      alice  100_000.00
        """,
    )
    assert [each.code for each in world.results[-1].transfers] == [TransferCode.WAITING_GIVEN_BACK]
    tell(world, "wait 6 -> no released")


def test_nobody_else_cancels_it_and_nobody_twice() -> None:
    world = gated(FREE)
    receipt = waiting(world)
    bob = world.withdrawal_cancellation(BOB, receipt.number)
    forged = world.withdrawal_cancellation(ALICE, receipt.number)
    forged = world.sign(forged, secret(2))
    good = world.withdrawal_cancellation(ALICE, receipt.number)
    unknown = world.withdrawal_cancellation(ALICE, 77)
    result = world.block(bob, forged, good, good, unknown)
    assert codes(result) == [
        ClearingCode.NO_SUCH_WAITING_WITHDRAWAL,
        ClearingCode.WRONG_SIGNER,
        ClearingCode.NONCE_USED,
        ClearingCode.NO_SUCH_WAITING_WITHDRAWAL,
    ]
    assert world.cash(ALICE) == 100_000 * DOLLAR
    late = world.withdrawal_cancellation(ALICE, receipt.number, not_after_ms=world.time_ms)
    assert codes(world.block(late)) == [ClearingCode.REQUEST_EXPIRED]


def test_a_cancelled_one_gives_its_part_of_the_window_back_while_the_window_lasts() -> None:
    world = gated(GATE)
    while world.state.now.height % 5 != 4:
        world.block()
    tell(
        world,
        """
        withdraw  alice  eth:USDC  50_000.00  -> delayed number 0
        withdraw  bob    eth:USDC  30_001.00  -> refused R0269 rate_limit
        cancel    alice  0                    -> refunded
        withdraw  bob    eth:USDC  30_001.00  -> delayed
        """,
    )


def test_how_many_wait_is_bounded_of_one_owner_and_of_all() -> None:
    world = gated(FREE, waiting_max=3, waiting_per_owner_max=2)
    full = [ClearingCode.WITHDRAWALS_WAITING_FULL]
    asked = [world.withdrawal(ALICE, USDC_1, 2_000 * DOLLAR) for _ in range(3)]
    assert codes(world.block(*asked)) == full
    bobs = [world.withdrawal(BOB, USDC_1, 2_000 * DOLLAR) for _ in range(2)]
    assert codes(world.block(*bobs)) == full
    assert codes(world.block(world.withdrawal(CAROL, USDC_1, DOLLAR))) == [], "small ones need no place"


def test_a_member_that_fills_the_queue_leaves_room_for_the_others() -> None:
    """Keys cost nothing: with a limit of each owner only, one with many clients would lock everybody else in."""
    world = gated(FREE, waiting_max=16, waiting_per_owner_max=16)
    full = ClearingCode.WITHDRAWALS_WAITING_FULL
    result = world.block(*(world.withdrawal(ALICE, USDC_1, 2_000 * DOLLAR) for _ in range(16)))
    assert codes(result) == [full] * 6, "four members have an eighth each, three of which are kept"
    bobs = [world.withdrawal(BOB, USDC_1, 2_000 * DOLLAR) for _ in range(3)]
    carols = [world.withdrawal(CAROL, USDC_1, 2_000 * DOLLAR) for _ in range(2)]
    assert codes(world.block(*bobs, *carols)) == [full]
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, 2_000 * DOLLAR))) == [full]


def test_an_account_that_falls_below_initial_margin_gets_back_what_waits_before_it_is_called() -> None:
    world = gated(FREE)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 20_000, 790_000))
    first, second = waiting(world, units=30_000 * DOLLAR), waiting(world, units=30_000 * DOLLAR)
    result = world.prices(700_000)
    backs = of_kind(result, WithdrawalRefunded)
    assert backs, "the price fell far"
    assert [each.number for each in backs] == [second.number, first.number][: len(backs)], "the newest first"
    assert {each.reason for each in backs} == {RefundReason.MARGIN}
    assert not [each for each in of_kind(result, MarginCalled) if each.account == ALICE]


def test_no_more_comes_back_than_margin_needs() -> None:
    world = gated(msgspec.structs.replace(FREE, delay_blocks=50))
    world.block(world.trade(ALICE, BOB, BTC_PERP, 20_000, 790_000))
    asked = [world.withdrawal(ALICE, USDC_1, 5_000 * DOLLAR) for _ in range(20)]
    assert set(codes(world.block(*asked))) == {ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN}
    count = len(list(world.state.delayed_withdrawals.ordered()))
    assert count > 4
    assert 0 < len(of_kind(world.prices(760_000), WithdrawalRefunded)) < count
    margin = holdings_margin(current_arrays(world.state), current_holdings(world.state, ALICE))
    assert 0 <= margin.equity - margin.initial < 5_000 * DOLLAR


def test_at_its_time_it_must_pass_the_gates_and_is_given_back_when_it_does_not_in_time() -> None:
    world = gated(FREE, waiting_grace_blocks=4)
    receipt = waiting(world)
    world.state.restrictions.put(ALICE, RestrictionRecord(1_000, 1, b"\xa1" * 20, 1))
    while world.state.now.height < receipt.due_height + 3:
        assert not of_kind(world.block(), WithdrawalReleased)
    (back,) = of_kind(world.block(), WithdrawalRefunded)
    assert (back.reason, back.code) == (RefundReason.LAPSED, ClearingCode.ACCOUNT_RESTRICTED)
    assert world.cash(ALICE) == 100_000 * DOLLAR


def test_an_account_with_something_waiting_is_not_closed() -> None:
    world = gated(FREE)
    waiting(world)
    assert _pending_items(BlockContext(world.state, world.make_block()), ALICE) == 1
    assert _pending_items(BlockContext(world.state, world.make_block()), BOB) == 0


def test_what_waits_is_in_the_custody_terms_and_in_the_exit_tree_as_its_owners() -> None:
    world = gated(msgspec.structs.replace(FREE, delay_blocks=40))
    before = {(leaf.account, leaf.asset): leaf.amount for leaf in exit_tree(world.state).leaves}
    waiting(world)
    after = {(leaf.account, leaf.asset): leaf.amount for leaf in exit_tree(world.state).leaves}
    assert after == before, "waiting takes nothing from anybody's exit"
    owed_and_held(world, 100)
    for _ in range(6):
        world.block(facts=())
    assert world.state.now.epoch > 0, "the epoch closed with something waiting"
    promised = sum(leaf.amount for leaf in exit_tree(world.state).leaves if leaf.asset == USDC_1)
    asset = world.state.terms.assets[USDC_1]
    assert promised == inventory_units(world.state, asset) + LARGE


def test_a_deposit_cannot_take_the_room_of_what_may_come_back() -> None:
    world = gated(FREE)
    asset = world.state.terms.assets[USDC_1]
    room = asset.cap_units - inventory_units(world.state, asset)
    receipt = waiting(world)
    world.deposit(BOB, USDC_1, room + 1)
    assert kinds(world.results[-1]) == ["DepositStray"]
    world.deposit(BOB, USDC_1, room)
    assert kinds(world.results[-1]) == ["DepositCredited"]
    world.block(world.withdrawal_cancellation(ALICE, receipt.number))
    assert inventory_units(world.state, asset) == asset.cap_units


def test_a_log_with_waiting_and_cancelled_withdrawals_replays_to_the_same_roots() -> None:
    world = gated(GATE)
    receipt = waiting(world)
    waiting(world, BOB)
    copy = import_state(world.genesis, SALT, export_state(world.state))
    assert roots(copy) == roots(world.state)
    world.block(world.withdrawal_cancellation(ALICE, receipt.number))
    for _ in range(6):
        world.block()
    *_, (height, last) = replay(world.genesis, SALT, world.blocks)
    assert (height, [root.hex() for root in last]) == (world.state.now.height, roots(world.state))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from((ALICE, BOB)), st.integers(1, 40_000)), max_size=16))
def test_whatever_is_asked_and_cancelled_money_is_with_its_owner_waiting_or_released(
    story: list[tuple[int, int, int]],
) -> None:
    world = gated(GATE)
    out = dict.fromkeys((ALICE, BOB), 0)
    for kind, account, size in story:
        request = (
            world.withdrawal_cancellation(account, size % 5)
            if kind == 0
            else world.withdrawal(account, USDC_1, size * DOLLAR)
        )
        for released in of_kind(world.block(request), WithdrawalReleased):
            out[released.account] += released.units
        for owner, taken in out.items():
            waits = sum(each.units for _, each in world.state.delayed_withdrawals.ordered() if each.account == owner)
            assert world.cash(owner) + waits + taken == 100_000 * DOLLAR
