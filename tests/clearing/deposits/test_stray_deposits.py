"""Deposits that could not be credited: who waits, who is credited when room appears, and who is refunded."""

import msgspec
import pytest

from clearing.accounts.lifecycle import opened_id
from clearing.base.secp256k1 import address
from clearing.deposits import stray_deposits
from clearing.schema.codes import ClearingCode as C
from clearing.schema.facts import ChainHeartbeat
from clearing.schema.receipts.collateral import DepositCredited, DepositRefundDue, DepositsRefunded, DepositStray
from clearing.schema.records.stray_deposits import RefundStage
from clearing.schema.terms.genesis import MEMBER_ACCOUNTS_MAX
from clearing.state.asset_flows import asset_flow
from tests.kit.clearing.detached import gone, stuck
from tests.kit.clearing.gated import owed_and_held
from tests.kit.clearing.genesis import ALICE, BOB, DOLLAR, USDC_1, USDC_2, VAULTS
from tests.kit.clearing.signer import secret
from tests.kit.clearing.strays import (
    CAP,
    EDITH,
    FRANK,
    UNLISTED,
    WAIT,
    key_of,
    pay_in,
    refund_of,
    stray_amount,
    tight,
    unlisted_fact,
)
from tests.kit.clearing.world import World, of_kind

TOKEN = b"\xc1" * 20


def withdraw(world: World, account: int, dollars: int) -> int:
    """Take dollars out and have the vault pay them: there is room again. Returns the withdrawal's nonce."""
    nonce = world.state.now.withdrawals_released
    assert not world.refused(world.withdrawal(account, USDC_1, dollars * DOLLAR))
    return nonce


def test_a_deposit_above_the_cap_is_credited_when_room_appears() -> None:
    world = tight()
    pay_in(world, ALICE, 1_000)
    key = pay_in(world, BOB, 300, EDITH)
    (stray,) = world.last(DepositStray)
    assert (stray.code, stray.depositor, stray.due_height) == (
        C.DEPOSIT_ABOVE_CAP,
        EDITH,
        world.state.now.height + WAIT,
    )
    assert (world.cash(BOB), stray_amount(world.state)) == (0, 300 * DOLLAR)
    withdraw(world, ALICE, 300)
    world.block()
    (credited,) = world.last(DepositCredited)
    assert (credited.nonce, credited.account, credited.units) == (key[2], BOB, 300 * DOLLAR)
    assert (world.cash(BOB), stray_amount(world.state)) == (300 * DOLLAR, 0)
    assert key not in world.state.stray_deposits
    owed_and_held(world, 100)


def test_room_goes_to_who_came_first_and_one_that_is_too_large_stops_nobody() -> None:
    world = tight()
    pay_in(world, ALICE, 1_000)
    large, first, second = (pay_in(world, BOB, dollars) for dollars in (900, 60, 50))
    withdraw(world, ALICE, 100)
    newcomer = world.deposit_fact(BOB, USDC_1, 45 * DOLLAR)
    credited = [each.nonce for each in of_kind(world.block(facts=[newcomer]), DepositCredited)]
    assert credited == [first[2]], "the first that fits; what is left is too little for the second and the newcomer"
    assert large in world.state.stray_deposits
    assert second in world.state.stray_deposits
    assert key_of(newcomer) in world.state.stray_deposits


def test_what_found_no_room_in_its_time_is_refunded_to_its_depositor() -> None:
    world = tight()
    pay_in(world, ALICE, 1_000)
    key = pay_in(world, BOB, 300, EDITH)
    for _ in range(WAIT - 1):
        world.block()
    assert key in world.state.stray_deposits
    result = world.block()
    assert [each.nonce for each in of_kind(result, DepositRefundDue)] == [key[2]]
    (released,) = of_kind(result, DepositsRefunded)
    assert (released.depositor, int.from_bytes(released.amount, "big")) == (EDITH, 300 * DOLLAR)
    assert world.cash(BOB) == stray_amount(world.state) == 0
    owed_and_held(world, 100)


def test_an_account_that_comes_into_being_is_credited_if_its_key_is_the_depositors() -> None:
    world, account, owner = tight(stray_blocks=50), opened_id(1, 0), address(secret(1))
    own, others = pay_in(world, account, 10, owner), pay_in(world, account, 20, EDITH)
    assert [each.code for each in world.every(DepositStray)] == [C.DEPOSIT_TO_UNKNOWN_ACCOUNT] * 2
    assert world.open_account(ALICE) == account
    world.block()
    assert [each.nonce for each in world.last(DepositCredited)] == [own[2]]
    assert others in world.state.stray_deposits, "anybody could open an account to take what another sent to its number"


@pytest.mark.parametrize("account", [MEMBER_ACCOUNTS_MAX, MEMBER_ACCOUNTS_MAX + 3, 2**63 - 1])
def test_what_names_an_account_that_can_never_exist_is_refunded_at_once(account: int) -> None:
    world = tight()
    pay_in(world, account, 10)
    assert len(world.last(DepositsRefunded)) == 1
    assert world.last(DepositStray)[0].due_height == 0


def test_an_unlisted_token_is_refunded_at_once_to_the_unit() -> None:
    world = tight()
    result = world.block(facts=[unlisted_fact(world, 12_345_678_901, EDITH)])
    (released,) = of_kind(result, DepositsRefunded)
    assert (released.token, int.from_bytes(released.amount, "big")) == (UNLISTED, 12_345_678_901)
    paid = world.state.withdrawals[released.withdrawal]
    assert (paid.token, paid.to, paid.amount) == (UNLISTED, EDITH, released.amount)
    owed_and_held(world, 100)


def test_a_stray_enters_no_account_and_no_total() -> None:
    world = tight()
    before = list(world.state.balances.ordered())
    pay_in(world, 999, 500)
    pay_in(world, ALICE, 5_000)
    assert list(world.state.balances.ordered()) == before
    assert asset_flow(world.state, (1, VAULTS[1], TOKEN)).stray == 5_500 * DOLLAR


def test_places_to_wait_are_bounded_for_each_depositor_and_in_total(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stray_deposits, "WAITING_PER_DEPOSITOR_MAX", 2)
    monkeypatch.setattr(stray_deposits, "WAITING_MAX", 3)
    world = tight()
    facts = [world.deposit_fact(999, USDC_1, 1, each) for each in (EDITH, EDITH, EDITH, FRANK, FRANK)]
    result = world.block(facts=facts)
    waits = [each.due_height > 0 for each in of_kind(result, DepositStray)]
    assert waits == [True, True, False, True, False]
    assert [each.depositor for each in of_kind(result, DepositsRefunded)] == [EDITH, FRANK]


def test_a_vote_that_raises_the_cap_lets_strays_in() -> None:
    world = tight()
    pay_in(world, ALICE, 1_000)
    key = pay_in(world, BOB, 300)
    terms = world.state.terms
    usdc, *others = terms.genesis.assets
    raised = msgspec.structs.replace(usdc, cap_units=2 * CAP)
    world.state.terms = type(terms)(
        msgspec.structs.replace(terms.genesis, assets=(raised, *others)), terms.original_genesis
    )
    world.block()
    assert [each.nonce for each in world.last(DepositCredited)] == [key[2]]


def test_a_silent_chain_is_sent_no_refund_and_neither_is_a_detached_vault() -> None:
    house = stuck(heartbeat_ms_max=1_000)
    fact = house.deposit_fact(999, USDC_2, 7 * DOLLAR, EDITH)
    assert not of_kind(house.block(facts=[fact]), DepositsRefunded), "nobody has heard of the chain"
    house = gone(house)
    for _ in range(5):
        house.block()
    refund = refund_of(house.state, key_of(fact))
    assert refund is not None
    assert (refund.stage, refund.depositor) == (RefundStage.QUEUED, EDITH)
    assert stray_amount(house.state, b"\xc2" * 20, 2) == 7 * DOLLAR


def test_a_refund_that_waits_for_a_silent_chain_is_sent_in_the_block_in_which_the_chain_is_back() -> None:
    house = stuck(heartbeat_ms_max=1_000)
    fact = house.deposit_fact(999, USDC_2, 7 * DOLLAR, EDITH)
    house.block(facts=[fact])
    for _ in range(40):
        assert not of_kind(house.block(), DepositsRefunded)
    (sent,) = of_kind(house.block(facts=[ChainHeartbeat(2, 9, bytes(32))]), DepositsRefunded)
    assert (sent.depositor, int.from_bytes(sent.amount, "big")) == (EDITH, 7 * DOLLAR)
