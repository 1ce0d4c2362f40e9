"""Vault counters that no statement can carry close no epoch, and stop nobody."""

import msgspec
import pytest

from clearing.base.codec import u256
from clearing.base.errors import LocalFault
from clearing.custody import custody_terms
from clearing.epoch import can_snapshot, take_snapshot
from clearing.receipts import CustodyAgreed, EpochClosed
from tests.clearing.state.world import funded, of_kind


@pytest.mark.parametrize("counter", [2**63, 2**128, 2**256 - 1])
def test_counters_beyond_63_bits_close_no_epoch_until_smaller_ones_are_agreed(counter: int) -> None:
    world = funded()
    first, *others = world.custody_facts(4)
    huge = msgspec.structs.replace(first, deposited=u256(counter), balance=u256(counter))
    results = [world.block(facts=(huge, *others)) for _ in range(6)]
    assert of_kind(results[0], CustodyAgreed)
    assert custody_terms(world.state) is None
    assert not can_snapshot(world.state)
    assert not any(of_kind(result, EpochClosed) for result in results)
    with pytest.raises(LocalFault):
        take_snapshot(world.state)
    assert of_kind(world.block(facts=world.custody_facts(8)), EpochClosed)
    take_snapshot(world.state).statement.digest()
