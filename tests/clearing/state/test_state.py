"""The state: forks, roots, export, replay; the same in every process."""

from hashlib import sha256

import pytest

from clearing.apply_block import apply_block
from clearing.base.codec import decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.initial_state import initial_state
from clearing.schema.blocks.block import BlockInput, BlockResult
from clearing.state.export import export_state, import_state
from clearing.state.state import Module, record_key
from clearing.state.tree import DEPTH, ModuleTree, bucket_of, record_leaf_hash, record_salt
from tests.kit.clearing.genesis import ALICE, BOB, BTC_CALL, BTC_PERP, CAROL, DOLLAR, SALT, USDC_1, USDC_2, make_genesis
from tests.kit.clearing.replay import replay
from tests.kit.clearing.world import World, executed, funded
from tests.kit.hash_seeds import digest_of, printed


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


def test_applying_leaves_the_given_state_untouched():
    world = story()
    before, height = world.state.module_roots(), world.state.now.height
    exported = export_state(world.state)
    fork, _ = apply_block(world.state, world.make_block([world.trade(ALICE, BOB, BTC_PERP, 1, 700_000)]))
    assert world.state.module_roots() == before
    assert world.state.now.height == height
    assert export_state(world.state) == exported
    assert fork.now.height == height + 1


def test_a_chain_of_undecided_forks_equals_deciding_one_by_one():
    world = story()
    state = initial_state(world.genesis, SALT)
    forks = []
    for block, told in zip(world.blocks, world.results, strict=True):
        state, result = apply_block(state, block)
        forks.append(state)
        assert result == told
    for fork in forks:
        base = fork.absorb()
    assert export_state(base) == export_state(world.state)
    assert base.module_roots() == world.state.module_roots()


def test_a_fork_of_an_overtaken_state_is_refused():
    world = story()
    one, _ = apply_block(world.state, world.make_block())
    two, _ = apply_block(world.state, world.make_block(after_ms=2_000))
    decided = one.absorb()
    assert decided is world.state
    with pytest.raises(LocalFault, match="R0404"):
        two.fork()
    with pytest.raises(LocalFault, match="R0404"):
        apply_block(two, world.make_block())
    with pytest.raises(LocalFault, match="R0404"):
        two.absorb()
    assert apply_block(one, world.make_block())[1] == apply_block(decided, world.make_block())[1]


def test_a_snapshot_then_a_block_is_a_block_then_a_snapshot():
    world = story()
    copy = world.restored()
    assert copy.module_roots() == world.state.module_roots()
    for block in (
        world.make_block([world.trade(ALICE, BOB, BTC_PERP, 1, 700_000), world.withdrawal(BOB, USDC_1, DOLLAR)]),
    ):
        live, told = apply_block(world.state, block)
        restored, told_again = apply_block(copy, block)
        assert told == told_again
        assert export_state(live) == export_state(restored)


def test_every_height_can_be_exported_and_resumed():
    world = story()
    state = initial_state(world.genesis, SALT)
    for block, told in zip(world.blocks, world.results, strict=True):
        state = import_state(world.genesis, SALT, export_state(state))
        fork, result = apply_block(state, block)
        assert result == told
        state = fork.absorb()


def test_a_damaged_or_foreign_snapshot_is_refused():
    world = story()
    data = export_state(world.state)
    for broken in (data[:-1], data + b"\0", data.replace(b"balances", b"balancez")):
        with pytest.raises(RemoteFault):
            import_state(world.genesis, SALT, broken)
    other = type(world.genesis)(*("other", *(getattr(world.genesis, f) for f in world.genesis.__struct_fields__[1:])))
    with pytest.raises(RemoteFault, match="R0403"):
        import_state(other, SALT, data)


def test_roots_are_salted():
    genesis = make_genesis()
    one, two = initial_state(genesis, SALT), initial_state(genesis, bytes(32))
    assert all(a != b for a, b in zip(one.module_roots(), two.module_roots(), strict=True) if a != ModuleTree().root)


def test_one_record_can_be_opened_against_its_modules_root():
    world = story()
    roots = world.state.module_roots()
    key, record = record_key("balances", (ALICE, 1)), encode(world.state.balances[(ALICE, 1)])
    salt = record_salt(SALT, key)
    tree = world.state.trees[Module.LEDGER]
    index = bucket_of(salt)
    leaves = [leaf for _, leaf in tree.bucket(index)]
    assert record_leaf_hash(salt, key, record) in leaves
    bucket = (1 << DEPTH) + index
    node = tree.node(bucket)
    alone = ModuleTree()
    alone.update(SALT, [(key, record)])
    if len(leaves) == 1:
        assert node == alone.node(bucket)
    assert tree.root == roots[Module.LEDGER]


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


def test_blocks_and_results_are_canonical_values():
    world = story()
    for block, result in zip(world.blocks, world.results, strict=True):
        assert decode(encode(block), BlockInput) == block
        assert decode(encode(result), BlockResult) == result


def test_replaying_the_log_gives_the_same_roots():
    world = story()
    log = [decode(encode(block), BlockInput) for block in world.blocks]
    assert [roots for _, roots in replay(world.genesis, SALT, log)] == [each.module_roots for each in world.results]


def test_roots_do_not_depend_on_the_hash_seed():
    assert printed("tests.clearing.state.test_state", "story().results") == {digest_of(story().results)}
