"""How the network gives the guardian's place to another key: by a leaf of its withdrawals tree."""

from typing import Any

import pytest

from bridge.contracts.cold_quorum import GuardianReplacement
from bridge.contracts.vault import follow_order_call, replace_guardian_call
from clearing.base import secp256k1
from clearing.base.withdrawal_leaves import GUARDIAN_ORDER_TAG, guardian_order_leaf_hash
from tests.kit.bridge.certified import Tree, certify, released
from tests.kit.bridge.vault_chain import UNIT, VaultChain, refused

pytestmark = pytest.mark.chain
HEIRS = tuple(secp256k1.address(bytes([index]) * 32) for index in (31, 32, 33))


def ordered(vault: VaultChain, nonce: int, guardian: bytes, **changes: Any) -> bytes:
    place = {"chain_id": vault.chain.chain_id, "vault": vault.vault_at.address}
    return guardian_order_leaf_hash(nonce=nonce, guardian=guardian, **place | changes)


def follow(vault: VaultChain, nonce: int, guardian: bytes, tree: Tree) -> Any:
    return vault.call(follow_order_call(nonce, guardian, vault.root_number, tree.proof(nonce)))


def guardian(vault: VaultChain) -> bytes:
    return bytes.fromhex(vault.view("guardian")[2:])


def test_a_certified_order_replaces_the_guardian_also_during_its_pause(vault: VaultChain) -> None:
    vault.deposit(UNIT)
    entry, leaf = released(vault, 0)
    tree = certify(vault, [leaf, ordered(vault, 1, HEIRS[0])])
    vault.guard()
    follow(vault, 1, HEIRS[0], tree)
    assert guardian(vault) == HEIRS[0]
    assert not vault.view("isPaid", 1)
    assert refused(vault.withdraw, entry, tree.proof(0)) == "IsPaused"


def test_the_newest_order_counts_and_none_twice(vault: VaultChain) -> None:
    tree = certify(vault, [ordered(vault, nonce, heir) for nonce, heir in enumerate(HEIRS)])
    follow(vault, 1, HEIRS[1], tree)
    for nonce in (0, 1):
        assert refused(follow, vault, nonce, HEIRS[nonce], tree) == "OrderVoid"
    follow(vault, 2, HEIRS[2], tree)
    assert guardian(vault) == HEIRS[2]


def test_the_cold_quorum_voids_the_orders_before_it(vault: VaultChain) -> None:
    leaves = [ordered(vault, 0, HEIRS[0])]
    tree = certify(vault, leaves)
    vault.call(replace_guardian_call(HEIRS[1], vault.decided(GuardianReplacement(HEIRS[1]))))
    assert refused(follow, vault, 0, HEIRS[0], tree) == "OrderVoid"
    later = certify(vault, [*leaves, ordered(vault, 1, HEIRS[2])], height=2)
    follow(vault, 1, HEIRS[2], later)
    assert guardian(vault) == HEIRS[2]


@pytest.mark.parametrize("changes", [{"chain_id": 1}, {"vault": bytes([1]) * 20}, {"nonce": 1}, {"guardian": HEIRS[1]}])
def test_an_order_of_another_vault_place_or_key_is_refused(vault: VaultChain, changes: dict[str, Any]) -> None:
    leaf = guardian_order_leaf_hash(
        **{"chain_id": vault.chain.chain_id, "vault": vault.vault_at.address, "nonce": 0, "guardian": HEIRS[0]}
        | changes
    )
    assert refused(follow, vault, 0, HEIRS[0], certify(vault, [leaf])) == "BadProof"


def test_an_order_that_no_checkpoint_carried_is_refused(vault: VaultChain) -> None:
    leaf = ordered(vault, 0, HEIRS[0])
    assert refused(follow, vault, 0, HEIRS[0], Tree([leaf])) == "UnknownWithdrawal"


def test_an_order_is_proven_before_it_is_looked_at(vault: VaultChain) -> None:
    assert refused(follow, vault, 0, bytes(20), certify(vault, [ordered(vault, 0, HEIRS[0])])) == "BadProof"


def test_an_order_is_no_withdrawal_and_a_withdrawal_no_order(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entry, leaf = released(vault, 0, to=HEIRS[0])
    order = ordered(vault, 1, HEIRS[0])
    tree = certify(vault, [leaf, order])
    assert refused(follow, vault, 0, HEIRS[0], tree) == "BadProof"
    assert refused(vault.withdraw, (1, *entry[1:]), tree.proof(1)) == "BadProof"
    # Not even where a chain had the tag for its number.
    tagged = released(vault, 1, chain_id=int.from_bytes(GUARDIAN_ORDER_TAG, "big"), to=HEIRS[0])[1]
    assert tagged != order
