"""A vault that never returns is detached and holds nobody up; its withdrawals are settled first, never paid twice."""

from collections.abc import Iterator
from itertools import count

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import u256
from clearing.context.block_context import BlockContext
from clearing.deposits.soft_credit import recall_vault_credit
from clearing.epochs.snapshot import take_snapshot
from clearing.governance.vault_detachment import genesis_without_detached
from clearing.margin.statement.snapshot import CustodyTerm
from clearing.schema.blocks.block import BlockInput, BlockResult
from clearing.schema.codes import ClearingCode
from clearing.schema.facts import ChainHeartbeat, Fact
from clearing.schema.receipts.governance import AmendmentEnacted, VaultDetached, VaultLiability
from clearing.schema.receipts.validators import ValidatorChangeFinished
from clearing.schema.receipts.withdrawals import RefundReason, WithdrawalRefunded, WithdrawalReleased
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from clearing.state.ledger import soft_credit_of
from clearing.withdrawals.detached_vaults import is_detaching, owed_by_vault
from node.chains.attestation_pool import AttestationPool
from tests.kit.clearing.chamber import TIMELOCK_MS
from tests.kit.clearing.detached import GONE, VALID_MS, detached, gone, stuck, waited
from tests.kit.clearing.gated import not_executed
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, USD, USDC_1, USDC_2, VAULTS
from tests.kit.clearing.vaults import lending
from tests.kit.clearing.whole_state import check_whole_ledger
from tests.kit.clearing.world import World, executed, of_kind

TIMELOCK = TIMELOCK_MS // 1_000


def leaving() -> World:
    """Bob withdrew 500 dollars of the vault, then it was agreed that it goes."""
    house = waited(stuck())
    assert not house.refusals(house.withdrawal(BOB, USDC_2, 500 * DOLLAR))
    house.agree(GONE)
    return house


def until_expired(house: World) -> None:
    while house.time_ms <= house.state.withdrawals[0].not_after_s * 1_000:
        house.block()
    assert not detached(house)


def custody_of_the_lost(house: World) -> CustodyTerm:
    """What a statement says of the detached vault once the living one was counted."""
    house.block(facts=[fact for fact in house.custody_facts(800) if fact.chain_id == 1])
    house.wait(6)
    (lost,) = [term for term in take_snapshot(house.state).statement.custody if term.chain_id == 2]
    return lost


def test_a_vault_is_detached_only_after_it_was_waited_for() -> None:
    house = stuck()
    assert house.refusals(house.proposal(GONE)) == [ClearingCode.DETACHMENT_REFUSED]
    waited(house)
    living = msgspec.structs.replace(GONE, chain_id=1, vault=VAULTS[1])
    assert house.refusals(house.proposal(living)) == [ClearingCode.DETACHMENT_REFUSED]
    assert not house.refusals(house.proposal(GONE))


def test_cash_that_cannot_leave_its_group_keeps_its_vault() -> None:
    house = waited(stuck(guarded=False))
    assert house.refusals(house.proposal(GONE)) == [ClearingCode.DETACHMENT_REFUSED]


def test_a_detached_vault_lets_validators_change_and_takes_and_pays_nothing_more() -> None:
    house = waited(stuck())
    house.agree(GONE)
    result = house.wait(TIMELOCK)
    assert [(each.chain_id, each.set_number) for each in of_kind(result, VaultDetached)] == [(2, 0)]
    assert [each.number for each in of_kind(result, AmendmentEnacted)] == [1]
    house.wait(4)
    assert 0 not in house.state.set_changes
    assert house.every(ValidatorChangeFinished)
    check_whole_ledger(house.state)
    # Claims on the group gave up their share of what is stuck, and that counts for nothing.
    assert house.cash(BOB) < 4_000 * DOLLAR
    # What still comes in there is not taken in, and nothing leaves.
    before = house.cash(ALICE)
    house.deposit(ALICE, USDC_2, 500 * DOLLAR)
    assert house.cash(ALICE) == before
    assert house.refusals(house.withdrawal(ALICE, USDC_2, 1)) == [ClearingCode.CHAIN_SILENT]
    # The next change waits for the living only.
    house.change([8])
    assert house.state.set_changes[0].awaited_vaults == ((1, VAULTS[1]),)
    assert [chain.chain_id for chain in genesis_without_detached(house.state).chains] == [1]
    assert house.read_back().terms.genesis == house.state.terms.genesis


@pytest.mark.parametrize("known", [True, False])
def test_epochs_close_again_after_a_vault_was_detached_whatever_was_last_seen_of_it(known: bool) -> None:
    house = stuck()
    if known:
        behind = house.custody_facts(400)
        house.deposit(BOB, USDC_2, 5 * DOLLAR)
        house.block(facts=behind)
    gone(house)
    lost = custody_of_the_lost(house)
    assert lost.held > 0
    assert int.from_bytes(lost.later, "big") == 0


@pytest.mark.parametrize("paid_on_chain", [False, True])
def test_epochs_close_whatever_the_vault_still_owes(paid_on_chain: bool) -> None:
    house = stuck(heartbeat_ms_max=5_000)
    house.block(facts=[ChainHeartbeat(2, 10, bytes(32))])
    house.block(house.withdrawal(BOB, USDC_2, 500 * DOLLAR), facts=house.custody_facts(400))
    if paid_on_chain:
        house.block(facts=[executed(2, 0)])
    assert custody_of_the_lost(gone(house)).held > 0


def test_nothing_is_listed_on_a_detached_vault_nor_made_to_count_again() -> None:
    """What is listed there would never be proven: no epoch could close any more."""
    house = gone()
    fresh = msgspec.structs.replace(house.state.terms.assets[2], id=9, name="LATE-2", token=b"\x77" * 20)
    for place in (("assets.9", fresh), ("assets.2.cap_units", 1), ("assets.2.depeg.haircut_ppm", 20_000)):
        refused = house.judged(place)
        assert refused is not None
        assert dict(refused.values)["why"] == "its vault is detached"
    assert house.judged(("assets.9", msgspec.structs.replace(fresh, chain_id=1, vault=VAULTS[1]))) is None


def test_loans_against_deposits_of_a_detached_vault_are_called_back() -> None:
    world = lending()
    seen, _ = world.sighted(ALICE, USDC_1, 10_000 * DOLLAR)
    world.block(facts=(seen,))
    assert soft_credit_of(world.state, ALICE, USD) == 8_000 * DOLLAR
    fork = world.state.fork()
    context = BlockContext(fork, BlockInput(world.state.now.height + 1, world.time_ms, (), 40, ()))
    recall_vault_credit(context, seen.chain_id, seen.vault)
    context.journal.check_conserved()
    assert soft_credit_of(fork, ALICE, USD) == soft_credit_of(fork, 0, USD) == 0
    check_whole_ledger(fork)
    receipts = len(context.receipts)
    recall_vault_credit(context, seen.chain_id, seen.vault)
    assert len(context.receipts) == receipts, "once"


def test_what_expires_comes_back_before_the_vault_goes() -> None:
    house = leaving()
    before = house.cash(BOB) + 500 * DOLLAR
    assert owed_by_vault(house.state, 2, VAULTS[2]) == ((USDC_2, 500 * DOLLAR),)
    house.wait(TIMELOCK + 5)
    until_expired(house)
    house.block(facts=[not_executed(house, 0)])
    # Given back as cash of the group, which then bears what the vault takes with it like all other cash.
    assert house.cash(BOB) == before
    house.block()
    assert detached(house)
    back = [(each.units, each.reason) for each in house.every(WithdrawalRefunded)]
    assert back == [(500 * DOLLAR, RefundReason.NOT_PAID)]
    assert not house.last(VaultLiability)
    check_whole_ledger(house.state)


def test_what_is_paid_lets_it_go_at_once() -> None:
    house = leaving()
    house.wait(TIMELOCK + 2)
    assert not detached(house)
    paid = house.state.withdrawals[0].amount
    first, second, *others = house.custody_facts(900)
    house.block(facts=[executed(2, 0), first, msgspec.structs.replace(second, withdrawn=paid), *others])
    house.block()
    assert detached(house)
    assert not house.every(WithdrawalRefunded)


def test_the_timelock_is_time_to_take_out_what_is_there() -> None:
    house = waited(stuck())
    house.agree(GONE)
    assert not house.refusals(house.withdrawal(BOB, USDC_2, 500 * DOLLAR))
    while not is_detaching(house.state, 2, VAULTS[2]):
        house.block()
    for _ in range(3):
        assert house.refusals(house.withdrawal(BOB, USDC_2, DOLLAR)) == [ClearingCode.VAULT_LEAVES]
    assert not house.refusals(house.withdrawal(BOB, USDC_1, DOLLAR))
    until_expired(house)
    house.block(facts=[not_executed(house, 0)])
    house.block()
    assert detached(house)
    assert [each.units for each in house.every(WithdrawalRefunded)] == [500 * DOLLAR]


def test_it_is_waited_no_longer_than_a_withdrawal_is_good_for() -> None:
    house = leaving()
    last_ms = house.time_ms + TIMELOCK_MS + VALID_MS + TIMELOCK_MS
    while not detached(house):
        house.block()
        assert house.time_ms <= last_ms + 1_000
    assert house.time_ms > last_ms
    (liability,) = house.last(VaultLiability)
    assert (liability.chain_id, liability.vault, liability.asset) == (2, VAULTS[2], USDC_2)
    assert int.from_bytes(liability.amount, "big") == 500 * DOLLAR
    # Nobody can know any more what becomes of it, so nothing comes back, by itself or on anybody's word.
    cash = house.cash(BOB)
    house.block(facts=[not_executed(house, 0), executed(2, 0), *house.custody_facts(900)])
    assert not house.state.withdrawals[0].executed
    assert not list(house.state.expired_withdrawals.ordered())
    house.wait(VALID_MS // 1_000)
    assert house.cash(BOB) == cash
    assert not house.every(WithdrawalRefunded)


def test_a_node_says_nothing_more_of_a_detached_vault() -> None:
    house = waited(stuck())
    house.block(house.withdrawal(BOB, USDC_2, 500 * DOLLAR))
    pool = AttestationPool(house.genesis.validators.validators[0].envelope_key)
    for fact in (house.deposit_fact(BOB, USDC_2, 5 * DOLLAR), executed(2, 0), *house.custody_facts(900)):
        pool.add(fact)
    missed = not_executed(house, 0)
    pool.miss(2, (missed,))
    assert missed in pool.pending(house.state)
    assert len(pool) == 2
    house.agree(GONE)
    while not detached(house):
        house.block()
    assert {fact.chain_id for fact in pool.pending(house.state)} == {1}
    assert len(pool) == 0


def test_a_silent_chain_is_not_waited_for() -> None:
    house = stuck(heartbeat_ms_max=5_000)

    def step(beat: int, *requests: object) -> BlockResult:
        return house.block(*requests, facts=[ChainHeartbeat(2, beat, bytes(32))])

    for beat in range(11, 21):
        step(beat)
    assert not of_kind(step(21, house.withdrawal(BOB, USDC_2, 500 * DOLLAR)), VaultDetached)
    assert 0 in house.state.withdrawals
    house.agree(GONE)
    house.wait(TIMELOCK)
    assert detached(house)
    assert [each.asset for each in house.last(VaultLiability)] == [USDC_2]
    assert house.last(VaultDetached)


def test_what_waits_behind_a_gate_when_the_vault_goes_was_never_promised() -> None:
    house = waited(stuck(AssetWithdrawalLimits(USDC_2, delay_above_units=100 * DOLLAR, delay_blocks=20)))
    before = house.cash(CAROL)
    assert not house.refusals(house.withdrawal(CAROL, USDC_2, 200 * DOLLAR))
    assert house.cash(CAROL) == before - 200 * DOLLAR
    house.agree(GONE)
    house.wait(TIMELOCK)
    assert detached(house)
    assert USDC_2 not in {each.asset for each in house.every(WithdrawalReleased)}
    # What waited was promised by nobody: it came back, as the cash that it was, before the group gave its part up.
    back = [(each.account, each.units, each.reason, each.code) for each in house.every(WithdrawalRefunded)]
    assert back == [(CAROL, 200 * DOLLAR, RefundReason.LAPSED, ClearingCode.VAULT_LEAVES)]
    share_left = house.cash(CAROL) * 7 // 4  # of 7,000 dollars, 3,000 went with the vault
    assert abs(share_left - before) <= 2 * DOLLAR
    check_whole_ledger(house.state)
    assert house.refusals(house.withdrawal_cancellation(CAROL, 0)) == [ClearingCode.NO_SUCH_WAITING_WITHDRAWAL]


def test_votes_that_are_taken_back_let_withdrawals_go_on() -> None:
    house = waited(stuck())
    proposal = house.agree(GONE)
    house.block(house.vote(proposal, 3, approve=False, revision=2))
    house.wait(TIMELOCK)
    assert not is_detaching(house.state, 2, VAULTS[2])
    assert not detached(house)
    assert not house.refusals(house.withdrawal(BOB, USDC_2, DOLLAR))


HEARTBEAT_MS = 6_000
DEEDS = ("small", "large", "pay", "unpaid", "count", "hear", "pass", "pass", "doubt", "agree")


class Story:
    """One vault on its way out, with what its chain has seen."""

    def __init__(self, watched: bool) -> None:
        limits = AssetWithdrawalLimits(USDC_2, delay_above_units=100 * DOLLAR, delay_blocks=4)
        self.house: World = waited(stuck(limits, heartbeat_ms_max=HEARTBEAT_MS if watched else 0))
        self.blocks: Iterator[int] = count(10)
        self.paid: list[int] = []
        self.revision = count(2)
        self.proposal = self.house.agree(GONE)
        self.agreed = True

    def beat(self) -> Fact:
        return ChainHeartbeat(2, next(self.blocks), bytes(32))

    def open_nonces(self) -> list[int]:
        state = self.house.state
        known = (*self.paid, *(nonce for nonce, _ in state.expired_withdrawals.ordered()))
        return [nonce for nonce, _ in state.withdrawals.ordered() if nonce not in known]

    def counted(self) -> list[Fact]:
        """What the vault counts by now."""
        withdrawals = self.house.state.withdrawals
        out = sum(int.from_bytes(withdrawals[nonce].amount, "big") for nonce in self.paid)
        (seen,) = [each for each in self.house.custody_facts(100 * next(self.blocks)) if each.chain_id == 2]
        left = int.from_bytes(seen.deposited, "big") - out
        return [msgspec.structs.replace(seen, withdrawn=u256(out), balance=u256(left))]

    def do(self, deed: str) -> None:
        house = self.house
        open_nonces = self.open_nonces()
        expired = [n for n in open_nonces if house.state.withdrawals[n].not_after_s * 1_000 < house.time_ms]
        in_time = [n for n in open_nonces if n not in expired]
        if deed in ("small", "large"):
            dollars, account = (10, BOB) if deed == "small" else (200, CAROL)
            house.block(house.withdrawal(account, USDC_2, dollars * DOLLAR))
        elif deed == "pay" and in_time:
            self.paid.append(in_time[0])
            house.block(facts=[executed(2, in_time[0])])
        elif deed == "unpaid" and expired:
            house.block(facts=[not_executed(house, expired[0]), executed(2, expired[0])])
        elif deed == "count":
            house.block(facts=self.counted())
        elif deed == "hear":
            house.block(facts=[self.beat()])
        elif deed in ("doubt", "agree") and not detached(house) and self.agreed is (deed == "doubt"):
            self.agreed = not self.agreed
            house.block(house.vote(self.proposal, 3, self.agreed, next(self.revision)))
        else:
            house.block()


@settings(max_examples=40, deadline=None)
@given(st.booleans(), st.lists(st.sampled_from(DEEDS), max_size=40))
def test_no_money_comes_twice_and_the_vault_goes(watched: bool, deeds: list[str]) -> None:
    story = Story(watched)
    house = story.house
    for deed in deeds:
        story.do(deed)
    if not detached(house) and not story.agreed:
        story.do("agree")
    limit_ms = house.time_ms + 2 * TIMELOCK_MS + VALID_MS + 2_000
    while not detached(house) and house.time_ms <= limit_ms:
        house.block()
    # The proposal itself may have run out while it was in doubt; else the vault is gone.
    under_way = house.state.proposals.get(story.proposal.content(house.network))
    assert detached(house) or under_way is None or under_way.amendment is None
    check_whole_ledger(house.state)
    released = {each.nonce: each for each in house.every(WithdrawalReleased)}
    back = [each for each in house.every(WithdrawalRefunded) if each.reason is RefundReason.NOT_PAID]
    assert len({each.number for each in back}) == len(back)
    for nonce, held in house.state.withdrawals.ordered():
        assert not (held.executed and nonce in house.state.expired_withdrawals)
    for each in back:
        assert each.number not in story.paid
        assert each.units == released[each.number].units
    owed = {each.asset: int.from_bytes(each.amount, "big") for each in house.every(VaultLiability)}
    if detached(house):
        assert owed == dict(owed_by_vault(house.state, 2, VAULTS[2]))
