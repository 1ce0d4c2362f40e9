"""Epochs: snapshots, custody, the withdrawals tree against a naive one, and who gets what when everything ends."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import u256
from clearing.base.errors import Bug, LocalFault, RemoteFault
from clearing.base.hashing import keccak256, tagged_hash
from clearing.base.header import STATE_TAG
from clearing.base.ids import Hash32
from clearing.base.merkle import verify_merkle_proof
from clearing.base.withdrawal_leaves import DEPTH, empty_subtree_root, withdrawal_leaf_hash
from clearing.deposits.custody import custody_terms
from clearing.epochs import exit_tree as tree
from clearing.epochs.exit_close_out import AccountClaims, close_out, settle_claims
from clearing.epochs.exit_tree import (
    NO_EXITS,
    check_exit_root,
    closed_exit_tree,
    exit_tree,
    header_exit_root,
    open_exit_root,
)
from clearing.epochs.snapshot import snapshot_due, take_snapshot
from clearing.initial_state import initial_state
from clearing.schema.receipts.collateral import EpochClosed
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.records.exits import ExitKind, encoded_ring, position_of
from clearing.state.holdings import current_arrays
from clearing.state.ledger import inventory_units
from clearing.state.state import State
from clearing.state.withdrawals_tree import (
    append_withdrawal,
    earlier_withdrawals_root,
    withdrawal_proof,
    withdrawals_root,
)
from clearing.withdrawals.release import confirm_withdrawal
from tests.kit.bridge.certified import Tree
from tests.kit.clearing.exits import closed
from tests.kit.clearing.fuzz import check_provable
from tests.kit.clearing.gated import counted
from tests.kit.clearing.genesis import (
    ALICE,
    BOB,
    BTC_CALL,
    BTC_PERP,
    CAROL,
    DOLLAR,
    HOUSE,
    SALT,
    USDC_1,
    USDC_2,
    VAULTS,
    WETH_1,
    make_genesis,
)
from tests.kit.clearing.withdrawal_proofs import withdrawals_root_from_proof
from tests.kit.clearing.world import World, executed, funded, of_kind
from tests.kit.consensus.crypto import validator_set
from tests.kit.headers import make_header


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
    while world.state.now.height < 11:
        assert world.prices(790_000).epoch == 1
    assert world.prices(790_000).epoch == 2


@pytest.mark.parametrize("late", range(5))
def test_no_epoch_closes_before_a_header_with_its_own_number_carries_the_last_snapshot(late):
    """However late custody lets an epoch close: the header after the delay still has the snapshot's epoch."""
    market = msgspec.structs.replace(make_genesis().market, snapshot_delay_blocks=3)
    world = funded(genesis=msgspec.structs.replace(make_genesis(), market=market))
    while world.state.now.height < 5 + late:
        world.prices(790_000)
    epochs = {world.state.now.height: 0}
    for _ in range(25):
        result = world.block(facts=world.custody_facts(400 + world.state.now.height))
        epochs[world.state.now.height] = result.epoch
        if result.snapshot_due:
            assert world.state.now.snapshot_height == world.state.now.height
    closed = [height for height, epoch in epochs.items() if height - 1 in epochs and epoch > epochs[height - 1]]
    assert len(closed) >= 4
    assert all(epochs[height + 3] == epochs[height] for height in closed if height + 3 in epochs)


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


def test_custody_behind_the_ledger_is_no_evidence():
    world = epoch_world()
    facts = world.custody_facts(400)
    assert custody_terms(world.state) is None
    world.block(facts=(msgspec.structs.replace(facts[0], deposited=u256(1), balance=u256(1)), *facts[1:]))
    assert custody_terms(world.state) is None
    world.block(facts=(msgspec.structs.replace(facts[0], block_number=404),))
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
        place = (1, VAULTS[1], released.nonce, released.account)
        leaf = withdrawal_leaf_hash(*place, b"\xc1" * 20, b"\x77" * 20, 7 * DOLLAR, not_after_s)
        assert world.state.withdrawals[released.nonce].leaf == leaf
        assert withdrawals_root_from_proof(leaf, released.nonce, proof) == result.withdrawals_root
        assert withdrawals_root_from_proof(leaf, released.nonce + 1, proof) != result.withdrawals_root
    copy = world.restored()
    assert withdrawals_root(copy) == result.withdrawals_root
    assert withdrawal_proof(copy, [1], 3) == withdrawal_proof(world.state, [1], 3)


def test_the_empty_tree_is_the_well_known_one():
    # Depth 32 over zero leaves, as the deposit contracts of several chains state it.
    assert empty_subtree_root(32).hex() == "27ae5ba08d7291c96c8cbddcc148bf48a6d68c7974b94356f53754ef6171d757"


Claims = tuple[tuple[int, int], tuple[int, int]]
"""Cash by group and units by token of one account; the house is the first."""

amounts = st.integers(-(10**9), 10**9)
units = st.integers(0, 10**5)
others = st.lists(st.tuples(st.tuples(amounts, amounts), st.tuples(units, units)), min_size=1, max_size=5)
custody = st.tuples(st.integers(0, 10**9), st.integers(0, 10**9))
prices = st.tuples(st.integers(0, 10**5), st.integers(0, 10**5))


def with_house(members: list[Claims], custody: tuple[int, int]) -> list[Claims]:
    """The house's cash is what is left of custody, so that all claims sum to it."""
    left = tuple(there - sum(cash[at] for cash, _ in members) for at, there in enumerate(custody))
    return [(left, (0, 0)), *members]


def settled(listed: list[Claims], values: tuple[int, int]) -> dict[int, AccountClaims]:
    claims = {account: AccountClaims(list(cash), list(tokens)) for account, (cash, tokens) in enumerate(listed)}
    settle_claims(claims, list(values))
    return claims


def worth(cash: Sequence[int], tokens: Sequence[int], values: tuple[int, int]) -> int:
    return sum(cash) + sum(a * b for a, b in zip(tokens, values, strict=True))


def paid(claims: dict[int, AccountClaims], account: int, custody: tuple[int, int], values: tuple[int, int]) -> Fraction:
    """What an account's claims are worth when paid out of custody in proportion, and its tokens."""
    cash = Fraction(0)
    for at, there in enumerate(custody):
        whole = max(sum(each.cash[at] for each in claims.values()), there)
        cash += Fraction(claims[account].cash[at] * there, whole) if whole else 0
    return cash + worth((), claims[account].tokens, values)


@given(others, custody, prices)
def test_nobody_owes_and_no_token_is_made_when_claims_are_settled(members, custody, values):
    listed = with_house(members, custody)
    claims = settled(listed, values).values()
    for at in range(2):
        assert min(min(each.cash[at], each.tokens[at]) for each in claims) >= 0
        assert sum(each.cash[at] for each in claims) >= custody[at] - len(listed) * 2, "but for remainders"
        assert sum(each.tokens[at] for each in claims) <= sum(tokens[at] for _, tokens in listed)


@given(others, custody, prices)
def test_nobody_gets_more_than_it_is_worth_but_for_a_unit(members, custody, values):
    claims = settled(with_house(members, custody), values)
    for account, (cash, tokens) in enumerate(members, start=1):
        # What the house gives for a claim is rounded up to whole units.
        assert paid(claims, account, custody, values) <= max(worth(cash, tokens, values), 0) + 2 * max(values)


@given(others, prices)
def test_a_house_that_can_pay_pays_everybody_in_full(members, values):
    debts = sum(max(-each, 0) for cash, _ in members for each in cash) + 10**6
    claims = settled([((debts, debts), (0, 0)), *members], values)
    for account, (cash, tokens) in enumerate(members, start=1):
        after = claims[account]
        assert worth(after.cash, after.tokens, values) >= worth(cash, tokens, values)
        if min(cash) >= 0:
            assert (after.cash, after.tokens) == (list(cash), list(tokens))


def test_what_the_house_cannot_pay_is_missing_to_all_claims_in_proportion():
    listed = [((100, 0), (0, 0)), ((-600, 0), (1, 0)), ((800, 0), (0, 0)), ((400, 0), (0, 0))]
    claims = settled(listed, (100, 0))
    assert [each.cash[0] for each in claims.values()] == [0, 0, 800, 400]
    assert not any(each.tokens[0] for each in claims.values()), "one unit cannot be parted: it stays in the vault"
    # 700 are there for 1,200.
    assert [paid(claims, account, (700, 0), (100, 0)) for account in (2, 3)] == [Fraction(1400, 3), Fraction(700, 3)]


def test_an_epoch_closes_with_a_root_over_what_each_account_could_take():
    world = funded()
    assert world.results[-1].exit_root == NO_EXITS
    world.deposit(CAROL, WETH_1, 3_000_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 1_000, 790_000))
    result = closed(world)
    tree = exit_tree(world.state)
    assert world.state.exits[1].root == tree.root != NO_EXITS == result.exit_root
    token_of = {asset.token: asset.id for asset in world.state.terms.assets.values()}
    got = {(leaf.account, token_of[leaf.token]): leaf.amount for leaf in tree.leaves}
    assert got[(CAROL, WETH_1)] == 3_000_000 * 10**12
    for account in (HOUSE, ALICE, BOB, CAROL):
        out = got.get((account, USDC_1), 0) + got.get((account, USDC_2), 0)
        assert 0 <= world.cash(account) - out <= 2, "paid out of both chains, each rounded down"


def test_headers_carry_the_root_of_the_epoch_before_the_newest_closed_one():
    world = funded()
    roots = [NO_EXITS]
    for epoch in (1, 2, 3):
        result = closed(world)
        assert result.exit_root == roots[-1]
        assert world.prices(790_000).exit_root == roots[-1], "until the next epoch closes"
        roots.append(Hash32(world.state.exits[epoch].root))
    assert len(set(roots)) == 4
    assert [epoch for epoch, _ in world.state.exits.ordered()] == [2, 3]


def test_a_tree_without_leaves_is_no_tree_to_vaults():
    world = funded()
    closed(world)
    closed(world)
    record = world.state.exits[1]
    assert header_exit_root(world.state) == record.root
    world.state.exits.put(1, msgspec.structs.replace(record, leaves=0))
    assert header_exit_root(world.state) == NO_EXITS


def test_the_newest_root_is_shown_in_the_state_that_its_epoch_closed_at(world):
    now = world.results[-1]
    header = make_header(now.height, validator_set(4), epoch=1, module_roots=now.module_roots)
    record, opening = world.state.exits[1], open_exit_root(world.state)
    check_exit_root(header, record, opening)
    assert open_exit_root(world.restored()) == opening
    check_exit_root(header, record, opening)
    other, above = msgspec.structs.replace, (*opening.above, bytes(32))
    for lied in (
        (header, other(record, root=bytes(32)), opening),
        (header, other(record, leaves=record.leaves + 1), opening),
        (other(header, module_roots=(bytes(32),) * 9), record, opening),
        (other(header, module_roots=()), record, opening),
        (header, record, other(opening, salt=bytes(32))),
        (header, record, other(opening, above=above)),
        (header, record, other(opening, path=opening.path[:-1])),
        (header, record, other(opening, path=())),
        (header, other(record, epoch=2), opening),
        (other(header, height=header.height + 1), record, opening),
        (other(header, epoch=2), other(record, epoch=2), opening),
    ):
        with pytest.raises(RemoteFault):
            check_exit_root(*lied)


def test_options_are_paid_out_at_their_value():
    world = funded()
    world.block(world.trade(ALICE, BOB, BTC_CALL, 500, 200))
    closed(world)
    value = current_arrays(world.state).rows[world.state.terms.array_index[BTC_CALL]][0] * 500
    assert value > 0
    exits = [each for each in close_out(world.state) if each.asset in (USDC_1, USDC_2)]
    for account, gain in ((ALICE, value), (BOB, -value)):
        out = sum(each.amount for each in exits if each.account == account)
        assert abs(out - world.cash(account) - gain) <= 2


def test_a_leaf_is_shown_by_its_path_and_by_no_other_amount():
    world = funded()
    closed(world)
    tree = exit_tree(world.state)
    for index, leaf in tree.of_account(ALICE):
        path = tree.proof(index)
        verify_merkle_proof(tree.root, tree.count, index, leaf.encoded(tree.epoch), path)
        for lie in ({"amount": leaf.amount + 1}, {"salt": bytes(32)}, {"to": b"\x66" * 20}, {"number": BOB}):
            with pytest.raises(RemoteFault):
                verify_merkle_proof(tree.root, tree.count, index, replace(leaf, **lie).encoded(tree.epoch), path)
    assert len({leaf.salt for leaf in tree.leaves}) == len(tree.leaves)


def test_the_totals_of_a_token_are_those_of_its_payments_and_of_what_the_ledger_has_seen():
    world = funded()
    world.block(world.withdrawal(BOB, USDC_1, 50 * DOLLAR), world.withdrawal(CAROL, USDC_1, 20 * DOLLAR))
    closed(world)
    tree = exit_tree(world.state)
    assert len(tree.totals) == len(world.state.terms.assets)
    for totals in tree.totals:
        place = (totals.chain_id, totals.vault, totals.token)
        own = [leaf for leaf in tree.leaves if (leaf.chain_id, leaf.vault, leaf.token) == place]
        assert totals.accounts == sum(leaf.amount for leaf in own if leaf.kind is ExitKind.ACCOUNT)
        assert totals.seniors == sum(leaf.amount for leaf in own if leaf.kind is not ExitKind.ACCOUNT)
        asset = world.state.terms.assets_by_token[place]
        assert totals.counted == int.from_bytes(world.state.asset_flows[asset.id].deposited_amount, "big")
        assert totals.deposit_cursor == world.state.deposit_cursors[place[:2]].nonce
        assert totals.withdrawals_count == 2
    open_withdrawals = [(leaf.number, leaf.account) for leaf in tree.leaves if leaf.kind is ExitKind.WITHDRAWAL]
    assert open_withdrawals == [(0, BOB), (1, CAROL)]


def test_totals_form_a_ring_in_which_each_token_has_its_place_or_is_skipped():
    world = funded()
    closed(world)
    totals = exit_tree(world.state).totals
    ring = [entry.at for entry in totals]
    assert ring == sorted(set(ring))
    assert len(ring) > 2
    leaves = encoded_ring(totals, 1)
    for position, leaf in enumerate(leaves):
        own, after = (b"".join(word_of(field) for field in ring[at % len(ring)]) for at in (position, position + 1))
        assert (len(leaf), leaf[64:160], leaf[-96:]) == (13 * 32, own, after)
        chain_id, vault, token = ring[position]
        above = (chain_id, vault, (int.from_bytes(token, "big") + 1).to_bytes(20, "big"))
        assert [position_of(totals, at) for at in (ring[position], above)] == [position] * 2
    assert position_of(totals, (0, bytes(20), bytes(20))) == len(ring) - 1, "the last skips what is before the first"
    assert encoded_ring(totals[:1], 1)[0][-96:] == leaves[0][64:160], "one alone is its own next"


def test_a_withdrawal_is_a_payment_until_it_was_paid_or_refunded():
    world = funded()
    world.block(world.withdrawal(BOB, USDC_1, 50 * DOLLAR), world.withdrawal(CAROL, USDC_1, 20 * DOLLAR))
    confirm_withdrawal(world.state, 0)
    assert [nonce for nonce, _ in world.state.unpaid_withdrawals.ordered()] == [1]
    assert list(world.restored().unpaid_withdrawals.ordered()) == list(world.state.unpaid_withdrawals.ordered())


def test_no_token_is_promised_twice_whatever_is_withdrawn_meanwhile():
    world = funded()
    world.block(world.withdrawal(BOB, USDC_1, 50 * DOLLAR))
    closed(world)
    for asset in world.state.terms.assets.values():
        promised = sum(each.amount for each in close_out(world.state) if each.asset == asset.id)
        assert promised <= asset.to_amount(inventory_units(world.state, asset))


@pytest.fixture
def world() -> World:
    """Its epoch has closed, and the tree of exits was built in that block."""
    made = funded()
    made.deposit(CAROL, WETH_1, 3_000_000)
    closed(made)
    return made


def test_whoever_keeps_the_leaves_of_a_closed_epoch_builds_no_second_tree(monkeypatch):
    built: list[int] = []
    monkeypatch.setattr(tree, "exit_tree", lambda state: built.append(state.now.epoch) or exit_tree(state))
    world = funded()
    closed(world)
    assert built == [1]
    assert closed_exit_tree(world.state) == exit_tree(world.state)
    assert closed_exit_tree(world.state).root == world.state.exits[1].root
    assert built == [1]


def test_a_state_from_disk_gives_the_same_tree(world):
    again = world.restored()
    assert again.exit_tree is None
    assert closed_exit_tree(again) == closed_exit_tree(world.state)


def test_the_next_block_lets_it_go(world):
    world.deposit(CAROL, WETH_1, 1_000_000)
    assert world.state.exit_tree is None
    with pytest.raises(Bug):
        closed_exit_tree(world.state)


def test_a_tree_of_another_epoch_is_not_taken_for_it(world):
    world.state.exits.put(1, msgspec.structs.replace(world.state.exits[1], epoch=7))
    with pytest.raises(Bug):
        closed_exit_tree(world.state)


def word_of(field: int | bytes) -> bytes:
    """A number, or an address, in 32 bytes."""
    return u256(field) if isinstance(field, int) else field.rjust(32, b"\0")
