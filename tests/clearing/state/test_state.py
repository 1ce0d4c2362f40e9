"""The state: forks, roots, export, replay; the same in every process."""

from collections.abc import Sequence
from hashlib import sha256

import msgspec
import pytest

from clearing.apply_block import apply_block
from clearing.base.codec import decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.initial_state import initial_state
from clearing.schema.blocks.block import BlockInput, BlockResult
from clearing.state.export import export_state, import_state
from clearing.state.modules import Module, record_key
from clearing.state.state import State
from clearing.state.tree import DEPTH, ModuleTree, bucket_of, record_leaf_hash, record_salt
from tests.kit.clearing.genesis import ALICE, BOB, BTC_CALL, BTC_PERP, CAROL, DOLLAR, SALT, USDC_1, USDC_2, make_genesis
from tests.kit.clearing.world import World, executed, funded
from tests.kit.hash_seeds import digest_of, printed


@pytest.fixture(scope="module")
def played() -> World:
    """A story that no test goes on with."""
    return story()


def story() -> World:
    """A bit of everything."""
    world = funded(dollars=8_000)
    world.deposit(BOB, USDC_2, 100_000 * DOLLAR)
    world.block(
        world.trade(ALICE, BOB, BTC_PERP, 4_500, 790_000),
        world.trade(CAROL, BOB, BTC_CALL, 10, world.state.marks[BTC_CALL].ticks),
        world.withdrawal(CAROL, USDC_2, 5 * DOLLAR),
        world.transfer(ALICE, 4, DOLLAR),
        world.trade(ALICE, BOB, BTC_PERP, 10**6, 790_000),
    )
    world.block(facts=(executed(2, 0), world.deposit_fact(999, USDC_1, 5)), attesting=2)
    world.prices(700_000)
    world.block(facts=world.custody_facts(400))
    world.block(world.withdrawal(CAROL, USDC_1, 7 * DOLLAR), world.withdrawal(BOB, USDC_1, 7 * DOLLAR))
    return world


def everything(state: State) -> tuple[bytes, Sequence[bytes]]:
    """All that may differ: the export, which has the height, and the roots."""
    return export_state(state), state.module_roots()


def test_applying_leaves_the_given_state_untouched():
    world = story()
    before, height = everything(world.state), world.state.now.height
    fork, _ = apply_block(world.state, world.make_block([world.trade(ALICE, BOB, BTC_PERP, 1, 700_000)]))
    assert everything(world.state) == before
    assert (world.state.now.height, fork.now.height) == (height, height + 1)


def test_a_chain_of_undecided_forks_equals_deciding_one_by_one(played):
    forks = [initial_state(played.genesis, SALT)]
    for block, expected in zip(played.blocks, played.results, strict=True):
        fork, result = apply_block(forks[-1], block)
        forks.append(fork)
        assert result == expected
    for fork in forks[1:]:
        base = fork.absorb()
    assert everything(base) == everything(played.state)


def test_a_fork_of_an_overtaken_state_is_refused():
    world = story()
    one, _ = apply_block(world.state, world.make_block())
    two, _ = apply_block(world.state, world.make_block(after_ms=2_000))
    decided = one.absorb()
    assert decided is world.state
    for use in (two.fork, two.absorb, lambda: apply_block(two, world.make_block())):
        with pytest.raises(LocalFault, match="R0404"):
            use()
    assert apply_block(one, world.make_block())[1] == apply_block(decided, world.make_block())[1]


def test_a_snapshot_then_a_block_is_a_block_then_a_snapshot():
    world = story()
    copy = world.restored()
    assert copy.module_roots() == world.state.module_roots()
    block = world.make_block([world.trade(ALICE, BOB, BTC_PERP, 1, 700_000), world.withdrawal(BOB, USDC_1, DOLLAR)])
    (live, result), (restored, result_again) = (apply_block(state, block) for state in (world.state, copy))
    assert result == result_again
    assert export_state(live) == export_state(restored)


def test_every_height_can_be_exported_and_resumed(played):
    state = initial_state(played.genesis, SALT)
    for block, expected in zip(played.blocks, played.results, strict=True):
        fork, result = apply_block(import_state(played.genesis, SALT, export_state(state)), block)
        assert result == expected
        state = fork.absorb()


def test_a_damaged_or_foreign_snapshot_is_refused(played):
    data = export_state(played.state)
    for broken in (data[:-1], data + b"\0", data.replace(b"balances", b"balancez")):
        with pytest.raises(RemoteFault):
            import_state(played.genesis, SALT, broken)
    with pytest.raises(RemoteFault, match="R0403"):
        import_state(msgspec.structs.replace(played.genesis, name="other"), SALT, data)


def test_roots_are_salted():
    genesis = make_genesis()
    one, two = initial_state(genesis, SALT), initial_state(genesis, bytes(32))
    assert all(a != b for a, b in zip(one.module_roots(), two.module_roots(), strict=True) if a != ModuleTree().root)


def test_one_record_can_be_opened_against_its_modules_root(played):
    key, record = record_key("balances", (ALICE, 1)), encode(played.state.balances[(ALICE, 1)])
    salt, tree, alone = record_salt(SALT, key), played.state.trees[Module.LEDGER], ModuleTree()
    assert tree.root == played.state.module_roots()[Module.LEDGER]
    assert [leaf for _, leaf in tree.bucket(bucket_of(salt))] == [record_leaf_hash(salt, key, record)]
    alone.update(SALT, [(key, record)])
    bucket = (1 << DEPTH) + bucket_of(salt)
    assert tree.node(bucket) == alone.node(bucket)


def test_a_tree_updated_step_by_step_equals_one_built_at_once():
    pairs = [(sha256(bytes([i, j])).digest(), bytes([i, j])) for i in range(40) for j in range(20)]
    whole, steps = ModuleTree(), ModuleTree()
    kept = [pair for at, pair in enumerate(pairs) if at % 3]
    whole.update(SALT, kept)
    for start in range(0, len(pairs), 100):
        steps = steps.fork()
        steps.update(SALT, pairs[start : start + 100])
    steps.update(SALT, [(key, None) for at, (key, _) in enumerate(pairs) if at % 3 == 0])
    assert whole.root == steps.root
    steps.update(SALT, [(key, None) for key, _ in pairs])
    assert steps.root == ModuleTree().root


def test_blocks_and_results_are_canonical_values(played):
    for block, result in zip(played.blocks, played.results, strict=True):
        assert decode(encode(block), BlockInput) == block
        assert decode(encode(result), BlockResult) == result


def test_roots_do_not_depend_on_the_hash_seed(played):
    assert printed("tests.clearing.state.test_state", "story().results") == {digest_of(played.results)}
