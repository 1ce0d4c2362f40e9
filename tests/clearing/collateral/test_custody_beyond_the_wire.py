"""Vault counters of any size are carried as they are: nobody's deposit or gift stops the epochs."""

import msgspec
import pytest

from clearing.base.codec import u256
from clearing.deposits.custody import custody_terms
from clearing.epochs.snapshot import take_snapshot
from clearing.schema.receipts.collateral import CustodyAgreed, EpochClosed
from tests.kit.clearing.world import funded, of_kind


@pytest.mark.parametrize("counter", [2**63, 2**128, 2**256 - 1])
def test_counters_beyond_63_bits_close_an_epoch_as_any_others(counter: int) -> None:
    world = funded()
    first, *others = world.custody_facts(4)
    huge = msgspec.structs.replace(first, deposited=u256(counter), balance=u256(counter))
    results = [world.block(facts=(huge, *others)) for _ in range(6)]
    assert of_kind(results[0], CustodyAgreed)
    assert any(of_kind(result, EpochClosed) for result in results)
    terms = custody_terms(world.state)
    assert terms is not None
    assert terms[0].owed == terms[0].accounted == counter
    assert int.from_bytes(terms[0].later, "big") == counter - int.from_bytes(first.deposited, "big")
    take_snapshot(world.state).statement.digest()
