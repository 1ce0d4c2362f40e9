"""Epoch snapshots, custody, and the withdrawals tree against a naive one."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import u256
from clearing.base.errors import Bug, LocalFault
from clearing.base.hashing import keccak256, tagged_hash
from clearing.base.header import STATE_TAG
from clearing.base.ids import Hash32
from clearing.deposits.custody import custody_terms
from clearing.epochs.snapshot import snapshot_due, take_snapshot
from clearing.initial_state import initial_state
from clearing.schema.receipts.collateral import EpochClosed
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.state.state import State
from clearing.state.withdrawals_tree import (
    DEPTH,
    append_withdrawal,
    earlier_withdrawals_root,
    empty_subtree_root,
    withdrawal_leaf_hash,
    withdrawal_proof,
    withdrawals_root,
)
from tests.kit.bridge.certified import Tree
from tests.kit.clearing.fuzz import check_provable
from tests.kit.clearing.gated import counted
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, DOLLAR, SALT, USDC_1, VAULTS, WETH_1, make_genesis
from tests.kit.clearing.withdrawal_proofs import withdrawals_root_from_proof
from tests.kit.clearing.world import World, executed, funded, of_kind


def epoch_world() -> World:
    world = funded()
    world.deposit(CAROL, WETH_1, 3_000_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 1_000, 790_000), world.withdrawal(BOB, USDC_1, 50 * DOLLAR))
    return world


def test_an_epoch_waits_for_custody_and_then_closes_once():
    world = epoch_world()
    while world.state.now.height < 6:
        assert not of_kind(world.prices(790_000), EpochClosed)
    assert not world.results[-1].snapshot_due, "the boundary, 5, is past; custody is not known"
    with pytest.raises(LocalFault, match="R0406"):
        take_snapshot(world.state)
    result = world.block(facts=world.custody_facts(400))
    assert of_kind(result, EpochClosed) == [EpochClosed(1, world.state.now.height)]
    assert (result.snapshot_due, result.epoch) == (True, 1)
    assert snapshot_due(world.state, world.state.now.height)
    assert not world.prices(790_000).snapshot_due
    while world.state.now.height < 10:
        result = world.prices(790_000)
    assert result.epoch == 2


def test_the_snapshot_balances_and_every_row_holds():
    world = epoch_world()
    world.block(facts=world.custody_facts(400))
    snapshot = take_snapshot(world.state)
    statement = snapshot.statement
    roots = world.state.module_roots()
    assert statement.state_root == tagged_hash(STATE_TAG, u256(len(roots)), *roots)
    totals = {total.slot: total.total for total in statement.totals}
    assert {slot: sum(each.values[slot] for each in snapshot.accounts) for slot in totals} == totals
    assert all(term.owed == term.accounted <= int.from_bytes(term.balance, "big") for term in statement.custody)
    for slot in {term.slot for term in statement.custody}:
        assert sum(term.held for term in statement.custody if term.slot == slot) == totals[slot]
    released = [(term.slot, int.from_bytes(term.released, "big")) for term in statement.custody]
    assert [each for each in released if each[1]] == [(0, 50 * DOLLAR)]
    check_provable(world.state)


def test_accounts_under_maintenance_are_listed_with_their_shortfall():
    world = funded(dollars=8_000)
    world.pay_in(BOB, 100_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 4_500, 790_000))
    world.state.terms.market = msgspec.structs.replace(world.state.terms.market, liquidations_per_block=0)
    assert of_kind(world.prices(700_000), MarginCalled)
    world.block(facts=world.custody_facts(400))
    shortfalls = dict(take_snapshot(world.state).statement.shortfalls)
    assert list(shortfalls) == [ALICE]
    equity, initial = 8_000 * DOLLAR - 4_500 * 90_000 * 10, 4_500 * 700_000 * 10 // 5
    assert shortfalls[ALICE] == 4 * initial - 5 * equity


def test_a_restored_state_takes_the_same_snapshot():
    world = epoch_world()
    world.block(facts=world.custody_facts(400))
    assert take_snapshot(world.restored()) == take_snapshot(world.state)


def test_custody_behind_the_ledger_or_short_of_its_own_word_is_no_evidence():
    world = epoch_world()
    facts = world.custody_facts(400)
    assert custody_terms(world.state) is None
    world.block(facts=(msgspec.structs.replace(facts[0], deposited=u256(1), balance=u256(1)), *facts[1:]))
    assert custody_terms(world.state) is None
    world.block(facts=(msgspec.structs.replace(facts[0], block_number=404, balance=u256(1)),))
    assert custody_terms(world.state) is None
    world.block(facts=(msgspec.structs.replace(facts[0], block_number=408),))
    assert custody_terms(world.state) is not None


def test_custody_is_agreed_at_multiples_of_the_stride_and_only_forward():
    world = epoch_world()
    assert not world.state.custody.get(USDC_1)
    fact = world.custody_facts(401)[0]
    world.block(facts=(fact,))
    assert not world.state.custody.get(USDC_1)
    for number, wanted in ((404, 404), (400, 404), (408, 408)):
        world.block(facts=(msgspec.structs.replace(fact, block_number=number),))
        assert world.state.custody[USDC_1].counters.block_number == wanted


def test_what_was_paid_is_no_longer_pending():
    world = epoch_world()
    world.block(facts=(executed(1, 0),))
    world.block(facts=counted(world, 400, paid=[0]))
    terms = custody_terms(world.state)
    assert terms is not None
    assert all(term.released == bytes(32) for term in terms)


def naive_root(leaves: list[bytes]) -> bytes:
    row = list(leaves)
    for level in range(DEPTH):
        row += [empty_subtree_root(level)] * (len(row) % 2 if row else 2)
        row = [keccak256(row[at] + row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


def tree_of(leaves: list[bytes]) -> State:
    state = initial_state(make_genesis(), SALT)
    for nonce, leaf in enumerate(leaves):
        append_withdrawal(state, nonce, Hash32(leaf))
    return state


LEAVES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=12)


@given(LEAVES)
@settings(max_examples=25, deadline=None)
def test_the_tree_equals_a_naive_one_whenever_it_had_fewer_leaves(leaves):
    state = tree_of(leaves)
    assert withdrawals_root(state) == naive_root(leaves)
    for count in range(len(leaves) + 1):
        assert earlier_withdrawals_root(state, count) == naive_root(leaves[:count])
    assert withdrawals_root(tree_of([])) == empty_subtree_root(DEPTH)


@given(LEAVES, st.data())
@settings(max_examples=25, deadline=None)
def test_withdrawals_are_proven_under_every_root_that_knew_them(leaves, data):
    state, count = tree_of(leaves), data.draw(st.integers(1, len(leaves)))
    nonces = sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=1)))
    early = Tree(leaves[:count])
    assert withdrawal_proof(state, nonces, count) == early.proof_of_many(nonces)
    for nonce in nonces:
        proof = withdrawal_proof(state, [nonce], count)
        assert proof == early.proof(nonce)
        assert withdrawals_root_from_proof(leaves[nonce], nonce, proof) == early.root


@pytest.mark.parametrize("nonces", [[], [1, 0], [0, 0], [2], [0, 2]])
def test_withdrawals_that_have_no_common_proof_are_a_bug(nonces):
    with pytest.raises(Bug):
        withdrawal_proof(tree_of([bytes(32), bytes(32), bytes(32)]), nonces, 2)


def test_a_released_withdrawal_is_proven_with_the_vaults_own_leaf():
    world = funded()
    result = world.block(*(world.withdrawal(who, USDC_1, 7 * DOLLAR) for who in (ALICE, BOB, CAROL)))
    not_after_s = (world.time_ms + 604_800_000) // 1000
    for released in of_kind(result, WithdrawalReleased):
        proof = withdrawal_proof(world.state, [released.nonce], world.state.now.withdrawals_released)
        leaf = withdrawal_leaf_hash(1, VAULTS[1], released.nonce, b"\xc1" * 20, b"\x77" * 20, 7 * DOLLAR, not_after_s)
        assert world.state.withdrawals[released.nonce].leaf == leaf
        assert withdrawals_root_from_proof(leaf, released.nonce, proof) == result.withdrawals_root
        assert withdrawals_root_from_proof(leaf, released.nonce + 1, proof) != result.withdrawals_root
    copy = world.restored()
    assert withdrawals_root(copy) == result.withdrawals_root
    assert withdrawal_proof(copy, [1], 3) == withdrawal_proof(world.state, [1], 3)


def test_the_empty_tree_is_the_well_known_one():
    # Depth 32 over zero leaves, as the deposit contracts of several chains state it.
    assert empty_subtree_root(32).hex() == "27ae5ba08d7291c96c8cbddcc148bf48a6d68c7974b94356f53754ef6171d757"
