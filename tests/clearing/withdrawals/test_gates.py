"""Gates: what leaves in a window is bounded, and a large withdrawal waits, its owner's all the while."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.accounts.lifecycle import _pending_items
from clearing.base.errors import LocalFault
from clearing.context.block_context import BlockContext
from clearing.epochs.exit_tree import exit_tree
from clearing.genesis.checks import check_terms
from clearing.schema.blocks.receipt import Refused
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.collateral import DepositStray
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.receipts.withdrawals import RefundReason, WithdrawalDelayed, WithdrawalRefunded, WithdrawalReleased
from clearing.schema.records.accounts import RestrictionRecord
from clearing.schema.terms.genesis import crisis_checks
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits, WithdrawalControlTerms, withdrawal_control_checks
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import inventory_units
from tests.kit.clearing.exits import promised_at_exit
from tests.kit.clearing.gated import GATE, WINDOW, gated, gated_genesis, owed_and_held
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, USDC_1, make_genesis
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, funded, kinds, of_kind, roots
from tests.kit.table import tell

PROMPT = msgspec.structs.replace(GATE, delay_above_units=0, delay_blocks=0)
FREE = msgspec.structs.replace(GATE, owner_units_max=0, window_units_max=0)
LARGE = 20_000 * DOLLAR


def at_window_start(world: World) -> World:
    while (world.state.now.height + 1) % WINDOW:
        world.block()
    return world


IN_ONE_WINDOW = {
    "accounts_with_the_same_key_count_as_one": """
        withdraw  alice   eth:USDC   40_000.00    -> released
        withdraw  client  eth:USDC   10_001.00    -> refused R0269 rate_limit
        withdraw  client  eth:USDC   10_000.00    -> released
    """,
    "what_is_refused_counts_for_nothing": """
        withdraw  alice   eth:USDC   90_000.00    -> refused R0269 rate_limit
        withdraw  alice   eth:USDC   50_000.00    -> released
    """,
    "another_asset_has_its_own_count_and_none_without_a_gate": """
        withdraw  alice   eth:USDC   50_000.00    -> released
        withdraw  alice   base:USDC  90_000.00    -> released
    """,
    "all_together_take_out_no_more_than_the_windows_limit": """
        withdraw  alice   eth:USDC   50_000.00    -> released
        withdraw  bob     eth:USDC   30_000.00    -> released
        withdraw  carol   eth:USDC   0.000_001    -> refused R0269 rate_limit
    """,
}


@pytest.mark.parametrize("story", IN_ONE_WINDOW.values(), ids=IN_ONE_WINDOW)
def test_in_one_window(story: str) -> None:
    world = gated(PROMPT)
    tell(world, "deposit client eth:USDC 60_000.00 -> credited\ndeposit alice base:USDC 90_000.00 -> credited")
    tell(at_window_start(world), story)


def test_one_owner_takes_out_no_more_than_its_limit_in_a_window() -> None:
    world = at_window_start(gated(PROMPT))
    asked = [world.withdrawal(ALICE, USDC_1, units) for units in (30_000 * DOLLAR, 20_000 * DOLLAR, 1)]
    assert world.refused(*asked) == [C.RATE_LIMIT]
    values = dict(world.last(Refused)[0].values)
    assert (values["of"], values["used"], values["limit"]) == ("owner", str(50_000 * DOLLAR), str(50_000 * DOLLAR))
    assert int(values["opens"]) == world.state.now.height + WINDOW
    for _ in range(WINDOW - 1):
        assert world.refused(world.withdrawal(ALICE, USDC_1, 1)) == [C.RATE_LIMIT]
    assert world.refused(world.withdrawal(ALICE, USDC_1, 1)) == [], "the next window"


def test_a_refusal_says_when_it_is_the_limit_of_all() -> None:
    world = at_window_start(gated(PROMPT))
    asked = world.withdrawal(ALICE, USDC_1, 50_000 * DOLLAR), world.withdrawal(BOB, USDC_1, 30_001 * DOLLAR)
    assert world.refused(*asked) == [C.RATE_LIMIT]
    assert dict(world.last(Refused)[0].values)["of"] == "all"


def test_what_owners_used_is_forgotten_with_their_window() -> None:
    world = at_window_start(gated(PROMPT))
    world.block(world.withdrawal(ALICE, USDC_1, DOLLAR), world.withdrawal(BOB, USDC_1, DOLLAR))
    assert len(list(world.state.owner_withdrawal_volumes.ordered())) == 2
    world.wait(WINDOW)
    assert not list(world.state.owner_withdrawal_volumes.ordered())


def test_without_gates_nothing_is_counted_and_roots_are_those_of_the_same_blocks() -> None:
    plain, other = funded(), funded()
    for world in (plain, other):
        assert kinds(world.block(world.withdrawal(ALICE, USDC_1, 99_000 * DOLLAR))) == ["WithdrawalReleased"]
    assert roots(other.state) == roots(plain.state)
    for table in (
        "owner_withdrawal_volumes",
        "total_withdrawal_volumes",
        "delayed_withdrawals",
        "delayed_withdrawal_counter",
        "expired_withdrawals",
        "values_withdrawn",
    ):
        assert not list(getattr(plain.state, table).ordered()), table


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from((ALICE, BOB, CAROL)), st.integers(1, 60_000)), max_size=14))
def test_no_window_lets_out_more_than_its_limits(asked: list[tuple[int, int]]) -> None:
    world = gated(PROMPT, check=False)
    out: dict[tuple[int, int], int] = {}
    for account, dollars in asked:
        for released in of_kind(world.block(world.withdrawal(account, USDC_1, dollars * DOLLAR)), WithdrawalReleased):
            key = (world.state.now.height // WINDOW, released.account)
            out[key] = out.get(key, 0) + released.units
    for window in {window for window, _ in out}:
        assert sum(units for (at, _), units in out.items() if at == window) <= GATE.window_units_max
    assert all(units <= GATE.owner_units_max for units in out.values())


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (WithdrawalControlTerms((AssetWithdrawalLimits(2), AssetWithdrawalLimits(1))), "assets"),
        (WithdrawalControlTerms((AssetWithdrawalLimits(1), AssetWithdrawalLimits(1))), "assets"),
        (WithdrawalControlTerms((AssetWithdrawalLimits(1, delay_blocks=2**31 + 1),)), "assets.1.delay_blocks"),
        (WithdrawalControlTerms(waiting_max=0), "waiting_max"),
        (WithdrawalControlTerms(waiting_max=5_000), "waiting_max"),
        (WithdrawalControlTerms(waiting_per_owner_max=0), "waiting_per_owner_max"),
        (WithdrawalControlTerms(waiting_grace_blocks=0), "waiting_grace_blocks"),
        (WithdrawalControlTerms(deposit_hold_blocks=2**31 + 1), "deposit_hold_blocks"),
    ],
)
def test_terms_outside_their_range_are_named(terms: WithdrawalControlTerms, field: str) -> None:
    assert [name for name, _, good in withdrawal_control_checks(terms) if not good] == [field]


def test_the_parameters_of_a_crisis_name_the_gates_field() -> None:
    crisis = gated_genesis(waiting_max=0, base=make_genesis()).crisis
    assert "gates.waiting_max" in [name for name, _, good in crisis_checks(crisis) if not good]


def test_a_gate_on_an_asset_that_genesis_does_not_list_is_named() -> None:
    check_terms(gated_genesis(AssetWithdrawalLimits(USDC_1)))
    with pytest.raises(LocalFault, match=r"crisis\.gates\.assets"):
        check_terms(gated_genesis(AssetWithdrawalLimits(9)))


def waiting(world: World, account: int = ALICE, units: int = LARGE) -> WithdrawalDelayed:
    (receipt,) = of_kind(world.block(world.withdrawal(account, USDC_1, units)), WithdrawalDelayed)
    return receipt


WHILE_IT_WAITS = {
    "what_waits_cannot_be_spent_again": """
        withdraw  alice  eth:USDC  20_000.00  -> delayed
        withdraw  alice  eth:USDC  80_001.00  -> refused R0218 balance_too_small
        transfer  alice  client    80_001.00  -> refused R0218 balance_too_small
    """,
    "it_is_released_at_its_height_and_not_before": """
        withdraw  alice  eth:USDC  20_000.00  -> delayed
        cash      alice  80_000.00
        wait      2                           -> no released
        wait      1                           -> one released units 20_000.00 nonce 0
    """,
    "its_owner_takes_it_back_and_gets_all_of_it": """
        withdraw  alice  eth:USDC  20_000.00  -> delayed number 0
        cancel    alice  0                    -> one refunded account alice units 20_000.00 remainder 0 reason CANCELLED
        cash      alice  100_000.00
        wait      6                           -> no released
    """,
}


@pytest.mark.parametrize("story", WHILE_IT_WAITS.values(), ids=WHILE_IT_WAITS)
def test_while_it_waits(story: str) -> None:
    tell(gated(FREE), story)


def test_a_withdrawal_up_to_the_threshold_is_released_at_once_and_one_beyond_it_waits() -> None:
    world = gated(FREE)
    assert kinds(world.block(world.withdrawal(ALICE, USDC_1, 1_000 * DOLLAR))) == ["WithdrawalReleased"]
    receipt = waiting(world, units=1)
    assert receipt.undelayed_units == 1_000 * DOLLAR == receipt.threshold, "many small ones are one large one"
    assert receipt.due_height == world.state.now.height + 3
    world.wait(3)
    (released,) = world.last(WithdrawalReleased)
    assert released.not_after_s == (world.time_ms + 60_000) // 1000, "its time begins with its release"
    assert not list(world.state.delayed_withdrawals.ordered())


def test_nobody_else_cancels_it_and_nobody_twice() -> None:
    world = gated(FREE)
    number = waiting(world).number
    bob, good, unknown = (
        world.withdrawal_cancellation(*of) for of in ((BOB, number), (ALICE, number), (ALICE, number + 77))
    )
    forged = world.sign(world.withdrawal_cancellation(ALICE, number), secret(2))
    none = C.NO_SUCH_WAITING_WITHDRAWAL
    assert world.refused(bob, forged, good, good, unknown) == [none, C.WRONG_SIGNER, C.NONCE_USED, none]
    assert [each.code for each in world.results[-1].transfers] == [TransferCode.WAITING_GIVEN_BACK]
    assert world.cash(ALICE) == 100_000 * DOLLAR
    late = world.withdrawal_cancellation(ALICE, number, not_after_ms=world.time_ms)
    assert world.refused(late) == [C.REQUEST_EXPIRED]


def test_a_cancelled_one_gives_its_part_of_the_window_back_while_the_window_lasts() -> None:
    tell(
        at_window_start(gated(GATE)),
        """
        withdraw  alice  eth:USDC  50_000.00  -> delayed number 0
        withdraw  bob    eth:USDC  30_001.00  -> refused R0269 rate_limit
        cancel    alice  0                    -> refunded
        withdraw  bob    eth:USDC  30_001.00  -> delayed
        """,
    )


def many(world: World, account: int, count: int) -> list[object]:
    return [world.withdrawal(account, USDC_1, 2_000 * DOLLAR) for _ in range(count)]


def test_how_many_wait_is_bounded_of_one_owner_and_of_all() -> None:
    world = gated(FREE, waiting_max=3, waiting_per_owner_max=2)
    assert world.refused(*many(world, ALICE, 3)) == [C.WITHDRAWALS_WAITING_FULL]
    assert world.refused(*many(world, BOB, 2)) == [C.WITHDRAWALS_WAITING_FULL]
    assert world.refused(world.withdrawal(CAROL, USDC_1, DOLLAR)) == [], "small ones need no place"


def test_a_member_that_fills_the_queue_leaves_room_for_the_others() -> None:
    """Keys cost nothing: with a limit of each owner only, one with many clients would lock everybody else in."""
    world = gated(FREE, waiting_max=16, waiting_per_owner_max=16)
    full = C.WITHDRAWALS_WAITING_FULL
    refused = world.refused(*many(world, ALICE, 16))
    assert refused == [full] * 6, "four members have an eighth each, three of which are kept"
    assert world.refused(*many(world, BOB, 3), *many(world, CAROL, 2)) == [full]
    assert world.refused(*many(world, ALICE, 1)) == [full]


def test_an_account_that_falls_below_initial_margin_gets_back_what_waits_before_it_is_called() -> None:
    world = gated(FREE)
    world.block(world.perp_trade(ALICE, BOB, 20_000))
    first, second = waiting(world, units=30_000 * DOLLAR), waiting(world, units=30_000 * DOLLAR)
    result = world.prices(700_000)
    backs = of_kind(result, WithdrawalRefunded)
    assert backs, "the price fell far"
    assert [each.number for each in backs] == [second.number, first.number][: len(backs)], "the newest first"
    assert {each.reason for each in backs} == {RefundReason.MARGIN}
    assert not [each for each in of_kind(result, MarginCalled) if each.account == ALICE]


def test_no_more_comes_back_than_margin_needs() -> None:
    world = gated(msgspec.structs.replace(FREE, delay_blocks=50))
    world.block(world.perp_trade(ALICE, BOB, 20_000))
    asked = [world.withdrawal(ALICE, USDC_1, 5_000 * DOLLAR) for _ in range(20)]
    assert set(world.refused(*asked)) == {C.COLLATERAL_NEEDED_FOR_MARGIN}
    count = len(list(world.state.delayed_withdrawals.ordered()))
    assert count > 4
    assert 0 < len(of_kind(world.prices(760_000), WithdrawalRefunded)) < count
    margin = world.margin(ALICE)
    assert 0 <= margin.equity - margin.initial < 5_000 * DOLLAR


def test_at_its_time_it_must_pass_the_gates_and_is_given_back_when_it_does_not_in_time() -> None:
    world = gated(FREE, waiting_grace_blocks=4)
    receipt = waiting(world)
    world.state.restrictions.put(ALICE, RestrictionRecord(1_000, 1, b"\xa1" * 20, 1))
    while world.state.now.height < receipt.due_height + 3:
        assert not of_kind(world.block(), WithdrawalReleased)
    (back,) = of_kind(world.block(), WithdrawalRefunded)
    assert (back.reason, back.code) == (RefundReason.LAPSED, C.ACCOUNT_RESTRICTED)
    assert world.cash(ALICE) == 100_000 * DOLLAR


def test_an_account_with_something_waiting_is_not_closed() -> None:
    world = gated(FREE)
    waiting(world)
    context = BlockContext(world.state, world.make_block())
    assert [_pending_items(context, account) for account in (ALICE, BOB)] == [1, 0]


def test_what_waits_is_in_the_custody_terms_and_in_the_exit_tree_as_its_owners() -> None:
    world = gated(msgspec.structs.replace(FREE, delay_blocks=40))
    before = exit_tree(world.state).leaves
    waiting(world)
    assert exit_tree(world.state).leaves == before, "waiting takes nothing from anybody's exit"
    owed_and_held(world, 100)
    for _ in range(6):
        world.block(facts=())
    assert world.state.now.epoch > 0, "the epoch closed with something waiting"
    promised = promised_at_exit(world.state)[USDC_1]
    assert promised == inventory_units(world.state, world.state.terms.assets[USDC_1]) + LARGE


def test_a_deposit_cannot_take_the_room_of_what_may_come_back() -> None:
    world = gated(FREE)
    asset = world.state.terms.assets[USDC_1]
    room = asset.cap_units - inventory_units(world.state, asset)
    number = waiting(world).number
    assert of_kind(world.deposit(BOB, USDC_1, room + 1), DepositStray)
    assert kinds(world.deposit(BOB, USDC_1, room)) == ["DepositCredited"]
    world.block(world.withdrawal_cancellation(ALICE, number))
    assert inventory_units(world.state, asset) == asset.cap_units


def test_a_log_with_waiting_and_cancelled_withdrawals_replays_to_the_same_roots() -> None:
    world = gated(GATE)
    receipt = waiting(world)
    waiting(world, BOB)
    assert roots(world.restored()) == roots(world.state)
    world.block(world.withdrawal_cancellation(ALICE, receipt.number))
    world.wait(6)
    world.check_replay()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from((ALICE, BOB)), st.integers(1, 40_000)), max_size=16))
def test_whatever_is_asked_and_cancelled_money_is_with_its_owner_waiting_or_released(
    story: list[tuple[int, int, int]],
) -> None:
    world = gated(GATE)
    out = dict.fromkeys((ALICE, BOB), 0)
    for kind, account, dollars in story:
        request = world.withdrawal(account, USDC_1, dollars * DOLLAR)
        if kind == 0:
            request = world.withdrawal_cancellation(account, dollars % 5)
        for released in of_kind(world.block(request), WithdrawalReleased):
            out[released.account] += released.units
        for owner, taken in out.items():
            waits = sum(each.units for _, each in world.state.delayed_withdrawals.ordered() if each.account == owner)
            assert world.cash(owner) + waits + taken == 100_000 * DOLLAR
