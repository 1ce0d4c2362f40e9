"""Light blocks out of a node's store: every height between the first kept and the newest, across a change of sets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clearing.base.certificate import VoteKind
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from consensus.blocks.store import keep_sets, save_committed
from consensus.chain_state import ChainState
from consensus.light_client import check_block
from consensus.messages import Block, CommittedBlock, Evidence
from node.store.blocks import StoredBlocks, light_block_at
from node.store.store import Store
from tests.kit.certificates import make_certificate
from tests.kit.consensus.crypto import validator_set
from tests.kit.headers import make_header

NETWORK = bytes(range(32))
OLD, NEW = validator_set(4), validator_set(5)


def committed(header: Header, validators: ValidatorSet) -> CommittedBlock:
    certificate = make_certificate(VoteKind.PRECOMMIT, header.height, 0, header.hash, validators, {0: SHARE})
    return CommittedBlock(
        block=Block(header=header, payload=b"", last_commit=None, extended_commit=(), evidence=Evidence()),
        certificate=certificate,
        extensions=(),
    )


SHARE = OLD.validators[0].possession


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "node.sqlite", NETWORK) as store:
        yield store


def fill(store: Store, first: int, sets: list[ValidatorSet]) -> None:
    """Heights from `first`; `sets[i]` certifies height first + i, and the list tells the two after the last as well."""
    blocks = StoredBlocks(store)
    for at in range(len(sets) - 2):
        made = make_header(first + at, sets[at], sets[at + 1], network=NETWORK)
        save_committed(blocks, committed(made, sets[at]))
        keep_sets(blocks, ChainState(NETWORK, first + at, made.hash, 0, sets[at], sets[at + 1], sets[at + 2]))


def test_each_stored_height_is_shown_with_the_sets_that_its_header_names(store: Store) -> None:
    fill(store, 1, [OLD, OLD, NEW, NEW, NEW])
    for height, now, after in ((1, OLD, OLD), (2, OLD, NEW), (3, NEW, NEW)):
        block = light_block_at(store, height)
        assert block is not None
        assert (block.header.height, block.validators, block.next_validators) == (height, now, after)
        check_block(block)


def test_a_height_that_is_not_kept_is_none(store: Store) -> None:
    fill(store, 7, [OLD, OLD, OLD, OLD])
    assert light_block_at(store, 6) is None
    assert light_block_at(store, 9) is None
    assert light_block_at(store, 7) is not None


def test_a_block_whose_set_is_not_kept_is_none(store: Store) -> None:
    save_committed(StoredBlocks(store), committed(make_header(1, OLD, NEW, network=NETWORK), OLD))
    assert light_block_at(store, 1) is None


def test_sets_are_kept_once_and_survive_a_restart(tmp_path: Path) -> None:
    with Store(tmp_path / "a.sqlite", NETWORK) as store:
        fill(store, 1, [OLD, OLD, NEW])
    with Store(tmp_path / "a.sqlite", NETWORK) as store:
        blocks = StoredBlocks(store)
        assert blocks.has_set(NEW.hash)
        assert not blocks.has_set(bytes(32))
        assert light_block_at(store, 1) is not None
