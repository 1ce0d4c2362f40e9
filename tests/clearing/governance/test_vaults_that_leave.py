"""Withdrawals of a vault that is about to be detached: settled first where that can be known, never paid twice."""

import msgspec
import pytest

from clearing.epochs.snapshot import take_snapshot
from clearing.schema.blocks.block import BlockResult
from clearing.schema.codes import ClearingCode
from clearing.schema.facts import ChainHeartbeat
from clearing.schema.receipts.governance import VaultDetached, VaultLiability
from clearing.schema.receipts.withdrawals import RefundReason, WithdrawalRefunded, WithdrawalReleased
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from clearing.withdrawals.detached_vaults import is_detaching, owed_by_vault
from node.chains.attestation_pool import AttestationPool
from tests.kit.clearing.chamber import TIMELOCK_MS
from tests.kit.clearing.detached import USDC_TWO, VALID_MS, detached, stuck, waited
from tests.kit.clearing.gated import not_executed
from tests.kit.clearing.genesis import BOB, CAROL, DOLLAR, VAULTS
from tests.kit.clearing.gone_chain import GONE
from tests.kit.clearing.whole_state import check_whole_ledger
from tests.kit.clearing.world import World, codes, executed, of_kind

TIMELOCK = TIMELOCK_MS // 1_000


def given_back(house: World) -> list[WithdrawalRefunded]:
    return [each for result in house.results for each in of_kind(result, WithdrawalRefunded)]


def test_what_expires_comes_back_before_the_vault_goes() -> None:
    house = stuck()
    waited(house)
    before = house.cash(BOB)
    house.block(house.withdrawal(BOB, USDC_TWO, 500 * DOLLAR))
    house.agree(GONE, (1, 2, 3))
    assert owed_by_vault(house.state, 2, VAULTS[2]) == ((USDC_TWO, 500 * DOLLAR),)
    house.wait(TIMELOCK + 5)
    assert not detached(house)
    while house.time_ms <= house.state.withdrawals[0].not_after_s * 1_000:
        house.block()
    assert not detached(house)
    house.block(facts=[not_executed(house, 0)])
    # Given back as cash of the group, which then bears what the vault takes with it like all other cash.
    assert house.cash(BOB) == before
    house.block()
    assert detached(house)
    assert [(each.units, each.reason) for each in given_back(house)] == [(500 * DOLLAR, RefundReason.NOT_PAID)]
    assert not of_kind(house.results[-1], VaultLiability)
    check_whole_ledger(house.state)


def test_what_is_paid_lets_it_go_at_once() -> None:
    house = stuck()
    waited(house)
    house.block(house.withdrawal(BOB, USDC_TWO, 500 * DOLLAR))
    house.agree(GONE, (1, 2, 3))
    house.wait(TIMELOCK + 2)
    assert not detached(house)
    paid = int.from_bytes(house.state.withdrawals[0].amount, "big")
    seen = [
        msgspec.structs.replace(each, withdrawn=paid.to_bytes(32, "big")) if each.chain_id == 2 else each
        for each in house.custody_facts(900)
    ]
    house.block(facts=[executed(2, 0), *seen])
    house.block()
    assert detached(house)
    assert not given_back(house)


def test_the_timelock_is_time_to_take_out_what_is_there() -> None:
    house = stuck()
    waited(house)
    house.agree(GONE, (1, 2, 3))
    assert codes(house.block(house.withdrawal(BOB, USDC_TWO, 500 * DOLLAR))) == []
    while not is_detaching(house.state, 2, VAULTS[2]):
        house.block()
    for _ in range(3):
        assert codes(house.block(house.withdrawal(BOB, USDC_TWO, DOLLAR))) == [ClearingCode.VAULT_LEAVES]
    assert codes(house.block(house.withdrawal(BOB, 1, DOLLAR))) == []
    while house.time_ms <= house.state.withdrawals[0].not_after_s * 1_000:
        house.block()
    house.block(facts=[not_executed(house, 0)])
    house.block()
    assert detached(house)
    assert [each.units for each in given_back(house)] == [500 * DOLLAR]


def test_it_is_waited_no_longer_than_a_withdrawal_is_good_for() -> None:
    house = stuck()
    waited(house)
    house.block(house.withdrawal(BOB, USDC_TWO, 500 * DOLLAR))
    house.agree(GONE, (1, 2, 3))
    effective_ms = house.time_ms + TIMELOCK_MS
    while not detached(house):
        house.block()
        assert house.time_ms <= effective_ms + VALID_MS + TIMELOCK_MS + 1_000
    assert house.time_ms > effective_ms + VALID_MS + TIMELOCK_MS
    told = of_kind(house.results[-1], VaultLiability)
    assert [(each.chain_id, each.vault, each.asset) for each in told] == [(2, VAULTS[2], USDC_TWO)]
    assert int.from_bytes(told[0].amount, "big") == 500 * DOLLAR
    # Nobody can know any more what becomes of it, so nothing comes back, by itself or on anybody's word.
    cash = house.cash(BOB)
    house.block(facts=[not_executed(house, 0), executed(2, 0), *house.custody_facts(900)])
    assert not house.state.withdrawals[0].executed
    assert not list(house.state.expired_withdrawals.ordered())
    house.wait(VALID_MS // 1_000)
    assert house.cash(BOB) == cash
    assert not given_back(house)


def test_a_node_says_nothing_more_of_a_detached_vault() -> None:
    house = stuck()
    waited(house)
    house.block(house.withdrawal(BOB, USDC_TWO, 500 * DOLLAR))
    pool = AttestationPool(house.genesis.validators.validators[0].envelope_key)
    pool.add(house.deposit_fact(BOB, 2, 5 * DOLLAR))
    pool.add(executed(2, 0))
    for fact in house.custody_facts(900):
        pool.add(fact)
    missed = not_executed(house, 0)
    pool.miss(2, (missed,))
    assert missed in pool.pending(house.state)
    assert len(pool) == 2
    house.agree(GONE, (1, 2, 3))
    while not detached(house):
        house.block()
    assert {fact.chain_id for fact in pool.pending(house.state)} == {1}
    assert len(pool) == 0


def test_a_silent_chain_is_not_waited_for() -> None:
    house = stuck(5_000)
    beat = 10

    def step(*requests: object) -> BlockResult:
        nonlocal beat
        beat += 1
        return house.block(*requests, facts=[ChainHeartbeat(2, beat, bytes(32))])  # type: ignore[arg-type]

    while house.state.now.height - house.state.set_changes[0].height < 10:
        step()
    assert codes(step(house.withdrawal(BOB, USDC_TWO, 500 * DOLLAR))) == []
    proposal = house.proposal(GONE)
    house.block(proposal)
    house.block(*house.votes(proposal))
    house.wait(TIMELOCK)
    assert detached(house)
    assert [each.asset for each in of_kind(house.results[-1], VaultLiability)] == [USDC_TWO]
    assert of_kind(house.results[-1], VaultDetached)


def test_what_waits_behind_a_gate_when_the_vault_goes_was_never_promised() -> None:
    limits = AssetWithdrawalLimits(USDC_TWO, delay_above_units=100 * DOLLAR, delay_blocks=20)
    house = stuck(0, limits)
    waited(house)
    before = house.cash(CAROL)
    assert codes(house.block(house.withdrawal(CAROL, USDC_TWO, 200 * DOLLAR))) == []
    assert house.cash(CAROL) == before - 200 * DOLLAR
    house.agree(GONE, (1, 2, 3))
    house.wait(TIMELOCK)
    assert detached(house)
    assert not [
        each for result in house.results for each in of_kind(result, WithdrawalReleased) if each.asset == USDC_TWO
    ]
    # What waited was promised by nobody: it came back, as the cash that it was, before the group gave its part up.
    assert [(each.account, each.units, each.reason, each.code) for each in given_back(house)] == [
        (CAROL, 200 * DOLLAR, RefundReason.LAPSED, ClearingCode.VAULT_LEAVES)
    ]
    share_left = house.cash(CAROL) * 7 // 4  # of 7,000 dollars, 3,000 went with the vault
    assert abs(share_left - before) <= 2 * DOLLAR
    check_whole_ledger(house.state)
    assert codes(house.block(house.withdrawal_cancellation(CAROL, 0))) == [ClearingCode.NO_SUCH_WAITING_WITHDRAWAL]


def test_votes_that_are_taken_back_let_withdrawals_go_on() -> None:
    house = stuck()
    waited(house)
    proposal = house.agree(GONE, (1, 2, 3))
    house.block(house.vote(proposal, 3, approve=False, revision=2))
    house.wait(TIMELOCK)
    assert not is_detaching(house.state, 2, VAULTS[2])
    assert not detached(house)
    assert codes(house.block(house.withdrawal(BOB, USDC_TWO, DOLLAR))) == []


@pytest.mark.parametrize("paid_on_chain", [False, True])
def test_epochs_close_whatever_the_vault_still_owes(paid_on_chain: bool) -> None:
    house = stuck(5_000)
    house.block(facts=[ChainHeartbeat(2, 10, bytes(32))])
    house.block(house.withdrawal(BOB, USDC_TWO, 500 * DOLLAR), facts=house.custody_facts(400))
    if paid_on_chain:
        house.block(facts=[executed(2, 0)])
    waited(house)
    house.agree(GONE, (1, 2, 3))
    house.wait(TIMELOCK)
    assert detached(house)
    living = [fact for fact in house.custody_facts(800) if fact.chain_id == 1]
    house.block(facts=living)
    house.wait(6)
    terms = {term.chain_id: term for term in take_snapshot(house.state).statement.custody}
    assert terms[2].held > 0
