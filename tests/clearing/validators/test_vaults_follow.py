"""A change waits for every vault, believes a quorum only, and says when a vault follows somebody else."""

import msgspec
import pytest

from clearing.context.block_context import BlockContext
from clearing.deposits.bridge_facts import is_attestable
from clearing.schema.facts import ROTATED, ValidatorsRotated, fact_key
from clearing.schema.receipts.validators import ValidatorChangeFinished, VaultDiverged, VaultRotated
from clearing.validators.set_transition import rotation_is_over
from tests.kit.clearing.chamber import chamber_world
from tests.kit.clearing.genesis import VAULTS
from tests.kit.clearing.signer import validator
from tests.kit.clearing.validators import SOURCE
from tests.kit.clearing.world import World, of_kind


def changing() -> World:
    """One block after a change."""
    chamber = chamber_world()
    chamber.block()
    chamber.change([4], [validator(5)])
    chamber.block()
    return chamber


def test_a_quorum_that_sees_it_lets_a_vault_count_once() -> None:
    chamber = changing()
    one, two = chamber.rotations()
    assert not of_kind(chamber.block(facts=[one], names=(1, 2)), VaultRotated)
    (told,) = of_kind(chamber.block(facts=[one], names=(3,)), VaultRotated)
    assert (told.chain_id, told.vault, told.number, told.source, told.vaults_awaited) == (1, VAULTS[1], 1, SOURCE, 1)
    assert not of_kind(chamber.block(facts=[one]), VaultRotated)
    assert not list(chamber.state.fact_attestations.ordered())
    assert len(of_kind(chamber.block(facts=[two]), VaultRotated)) == 1


def test_a_rotation_can_be_seen_before_the_new_set_speaks_and_waits_for_it() -> None:
    chamber = chamber_world()
    chamber.change([4], [validator(5)])
    told = [chamber.block(facts=chamber.rotations())]
    assert len(of_kind(told[0], VaultRotated)) == 2
    told += [chamber.block() for _ in range(3)]
    assert [len(of_kind(each, ValidatorChangeFinished)) for each in told] == [0, 0, 1, 0]


@pytest.mark.parametrize(
    "changes",
    [{"height": 2}, {"height": 4}, {"vault": b"\x99" * 20}, {"chain_id": 7}, {"chain_id": 2}],
    ids=lambda each: "".join(each),
)
def test_an_event_that_nobody_waits_for_leaves_nothing_behind(changes: dict[str, object]) -> None:
    chamber = changing()
    fact = msgspec.structs.replace(chamber.rotations()[0], **changes)
    chamber.block(facts=[fact])
    assert len(chamber.state.set_changes[0].awaited_vaults) == 2
    assert not list(chamber.state.fact_attestations.ordered())


def test_without_a_change_no_rotation_is_heard() -> None:
    chamber = chamber_world()
    chamber.block()
    fact = ValidatorsRotated(1, VAULTS[1], 1, bytes(32), 5, bytes(32), bytes(32))
    assert not of_kind(chamber.block(facts=[fact]), VaultDiverged)
    assert not is_attestable(BlockContext(chamber.state, chamber.blocks[-1]), fact)


def test_a_vault_that_follows_another_set_is_told_once_and_waited_for() -> None:
    chamber = changing()
    lost = chamber.rotations((1,), validators_hash=b"\x66" * 32)
    (told,) = of_kind(chamber.block(facts=lost), VaultDiverged)
    assert (told.chain_id, told.validators_hash) == (1, b"\x66" * 32)
    for _ in range(3):
        assert not of_kind(chamber.block(facts=lost), VaultDiverged)
        assert not of_kind(chamber.block(facts=chamber.rotations()), ValidatorChangeFinished)
    assert chamber.state.set_changes[0].awaited_vaults == ((1, VAULTS[1]),)


def test_who_says_otherwise_does_not_count_with_the_quorum() -> None:
    chamber = changing()
    good, lie = chamber.rotations((1,)), chamber.rotations((1,), validators_hash=b"\x66" * 32)
    chamber.block(facts=lie, names=(1, 2))
    assert not of_kind(chamber.block(facts=good, names=(3,)), VaultRotated)
    assert len(of_kind(chamber.block(facts=good, names=(1, 2)), VaultRotated)) == 1


def test_an_event_is_forgotten_when_it_was_heard_and_kept_while_the_state_is_behind() -> None:
    chamber = changing()
    one, two = chamber.rotations()
    assert not rotation_is_over(chamber.state, one)
    chamber.block(facts=[one])
    assert rotation_is_over(chamber.state, one)
    assert not rotation_is_over(chamber.state, two)
    ahead = msgspec.structs.replace(two, height=chamber.state.now.height + 2)
    assert not rotation_is_over(chamber.state, ahead)
    assert rotation_is_over(chamber.state, msgspec.structs.replace(two, height=1))


def test_a_rotation_is_one_event_per_vault_and_header() -> None:
    fact = ValidatorsRotated(1, VAULTS[1], 7, bytes(32), 5, bytes(32), bytes(32))
    assert fact_key(fact) == (ROTATED, 1, VAULTS[1], 7)
