"""The exit tree of an epoch is built once, where the block closes it."""

import msgspec
import pytest

from clearing.base.errors import Bug
from clearing.epochs import exit_tree as tree
from clearing.epochs.exit_tree import closed_exit_tree, exit_tree
from clearing.state.export import export_state, import_state
from tests.kit.clearing.exits import closed
from tests.kit.clearing.genesis import CAROL, WETH_1
from tests.kit.clearing.world import World, funded


def _closed() -> World:
    world = funded()
    world.deposit(CAROL, WETH_1, 3_000_000)
    closed(world)
    return world


def test_whoever_keeps_the_leaves_of_a_closed_epoch_builds_no_second_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[int] = []
    monkeypatch.setattr(tree, "exit_tree", lambda state: built.append(state.now.epoch) or exit_tree(state))
    world = _closed()
    assert built == [1]
    assert closed_exit_tree(world.state) == exit_tree(world.state)
    assert closed_exit_tree(world.state).root == world.results[-1].exit_root
    assert built == [1]


def test_a_state_from_disk_gives_the_same_tree() -> None:
    world = _closed()
    again = import_state(world.state.terms.genesis, world.state.salt, export_state(world.state))
    assert again.exit_tree is None
    assert closed_exit_tree(again) == closed_exit_tree(world.state)


def test_the_next_block_lets_it_go() -> None:
    world = _closed()
    world.deposit(CAROL, WETH_1, 1_000_000)
    assert world.state.exit_tree is None
    with pytest.raises(Bug):
        closed_exit_tree(world.state)


def test_a_tree_of_another_epoch_is_not_taken_for_it() -> None:
    world = _closed()
    state = world.state
    state.exits.put(0, msgspec.structs.replace(state.exits[0], epoch=7))
    with pytest.raises(Bug):
        closed_exit_tree(state)
